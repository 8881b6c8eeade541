"""Hostile clients of a webhook at full size while real posts go on: those get through, and memory stays bounded.

`python -m benchmarks.hostile [--share 1.0] [ATTACK]…` does it and prints what it saw; the tests do a small share.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import click

from benchmarks.jobs import LANNER
from benchmarks.process import BenchmarkError, Process, forget_peak, memory
from benchmarks.reloads import Alerts, body, write_rules
from benchmarks.samples import MIB

MAX_MEMORY = 2048 * MIB
"""What the guide of the webhook says that Lanner needs at most with the limits as they are."""

PATIENCE_S = 30.0
"""How long an API server waits for the answer to a post."""

_ADDRESSES = [f"127.0.0.{number}" for number in range(2, 10)]
"""Where attackers are; real posts come from 127.0.0.1."""

_PAUSE_S = 0.1
_OK, _LATER = 200, 429
_HEAD = b"POST /k8s-audit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_TINY = b'{"kind":"EventList","items":[]}'
_PIECE = 4 * MIB


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attack.

    Attributes:
        attack: Its name.
        did: What was done, in words.
        posts: Real posts that were answered with 200 meanwhile.
        repeated: Of those, how many had to be sent more than once.
        median_s: How long such a post took.
        longest_s: How long the longest took, all its repetitions included.
        peak_mib: The most memory that was resident.
        wall_s: How long it went on.
    """

    attack: str
    did: str
    posts: int
    repeated: int
    median_s: float
    longest_s: float
    peak_mib: float
    wall_s: float


@dataclass(slots=True)
class Customer:
    """Posts events as an API server does, each post again until it is answered with 200."""

    url: str
    posts: int = 0
    took_s: list[float] = field(default_factory=list)
    repeated: int = 0
    failure: str = ""
    _is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Post until stopped."""
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        while not self._is_over.wait(_PAUSE_S):
            began, tries = time.monotonic(), 0
            while not self._is_taken(connection, parts.path):
                tries += 1
                if time.monotonic() - began > PATIENCE_S:
                    self.failure = f"a real post did not get through in {PATIENCE_S:g} s, {tries} tries"
                    return
                time.sleep(_PAUSE_S)
            self.posts += 1
            self.repeated += bool(tries)
            self.took_s.append(time.monotonic() - began)
        connection.close()

    def stop(self) -> None:
        """Have no other post begun."""
        self._is_over.set()

    def _is_taken(self, connection: HTTPConnection, path: str) -> bool:
        try:
            connection.request("POST", path, body(self.posts), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            connection.close()
            return False
        if answer.status not in (_OK, _LATER):
            self.failure = f"a real post was answered with {answer.status}"
        return answer.status == _OK


@dataclass(frozen=True, slots=True)
class Target:
    """Where attacks go, and what share of their full size they have."""

    port: int
    share: float

    def times(self, number: int) -> int:
        """A number of the full size, at this size."""
        return max(1, round(number * self.share))

    async def connect(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection from one of the attackers' addresses."""
        local = (_ADDRESSES[number % len(_ADDRESSES)], 0)
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=local)


async def idle(target: Target) -> str:
    """Connections that say nothing; those that are closed are opened again."""
    return await _trickle(target, b"", b"")


async def heads(target: Target) -> str:
    """Slowloris: heads that come letter by letter."""
    return await _trickle(target, _HEAD + b"X: ", b"x")


async def bodies(target: Target) -> str:
    """Bodies that come letter by letter."""
    return await _trickle(target, _HEAD + b"Content-Length: 100000\r\n\r\n", b" ")


async def _trickle(target: Target, start: bytes, letter: bytes) -> str:
    count, opened = target.times(1000), 0
    over = time.monotonic() + 40 * target.share

    async def keep(number: int) -> None:
        nonlocal opened
        while time.monotonic() < over:
            with suppress(OSError):
                reader, writer = await target.connect(number)
                opened += 1
                writer.write(start)
                while time.monotonic() < over and not reader.at_eof():
                    writer.write(letter)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1024), 1)
                writer.close()
            await asyncio.sleep(_PAUSE_S)

    await asyncio.gather(*map(keep, range(count)))
    return f"{count:,} connections at a time, {opened:,} in all"


async def large(target: Target) -> str:
    """A body of 10 GB, announced, and in chunks for as long as it is taken."""
    sent, posts = 0, 0
    piece = b"%x\r\n%s\r\n" % (_PIECE, b" " * _PIECE)
    length = target.times(10 << 30)
    while sent < length:
        for framing in (b"Content-Length: %d\r\n\r\n" % (10 << 30), b"Transfer-Encoding: chunked\r\n\r\n"):
            with suppress(OSError):
                reader, writer = await target.connect(posts)
                posts += 1
                writer.write(_HEAD + framing)
                while sent < length and not reader.at_eof() and not writer.is_closing():
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
                writer.close()
    return f"{sent / (1 << 30):.1f} GiB in {posts} posts"


async def bombs(target: Target) -> str:
    """Bodies of gzip that grow a thousandfold, several at a time."""
    squeezer = zlib.compressobj(9, wbits=31)
    zeros = b"\0" * MIB
    bomb = b"".join(squeezer.compress(zeros) for _ in range(1024)) + squeezer.flush()
    count, answers = target.times(40), 0

    async def send(number: int) -> None:
        nonlocal answers
        with suppress(OSError):
            reader, writer = await target.connect(number)
            writer.write(_HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
            answer = await reader.read()
            answers += bool(answer)
            writer.close()

    for first in range(0, count, 8):
        await asyncio.gather(*map(send, range(first, min(first + 8, count))))
    return f"{count} of {len(bomb):,} bytes that hold 1 GiB, {answers} answered"


async def tiny(target: Target) -> str:
    """Posts without an event, as fast as they are answered."""
    count, connections = target.times(100_000), 16
    request = _HEAD + b"Content-Length: %d\r\n\r\n" % len(_TINY) + _TINY
    taken = 0

    async def send(number: int) -> None:
        nonlocal taken
        reader, writer = await target.connect(number)
        for _ in range(count // connections):
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            taken += answer.startswith(b"HTTP/1.1 200")
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*map(send, range(connections)))
    return f"{taken:,} taken, {taken / (time.monotonic() - began):,.0f} a second"


ATTACKS: Mapping[str, Callable[[Target], Awaitable[str]]] = {
    "idle": idle,
    "heads": heads,
    "bodies": bodies,
    "large": large,
    "bombs": bombs,
    "tiny": tiny,
}


def measure(attack: str, folder: Path, share: float = 1.0) -> Outcome:
    """Attack a webhook of its own while real posts go on.

    Args:
        attack: Which of `ATTACKS`.
        folder: For what the program reads and writes.
        share: Of the full size.

    Raises:
        BenchmarkError: A real post did not get through, an alert is missing or came twice, or memory grew too far.
    """
    rules, out = folder / "rules.yaml", folder / "alerts"
    write_rules(rules, 0)
    store = f"store.url=sqlite:///{folder}/alerts.db"  # another run's would have these alerts already
    words = ("run", "-r", str(rules), "-o", store, "--log-format", "text", "http://127.0.0.1:0/k8s-audit")
    with Process((*LANNER, *words), out=out, err=folder / "err") as process:
        url = process.wait_for("listening on ").split("listening on ")[1].split()[0]
        customer = Customer(url)
        posting = threading.Thread(target=customer.run)
        forget_peak(process.pid)
        posting.start()
        began = time.perf_counter()
        try:
            did = asyncio.run(_attack(attack, Target(urlsplit(url).port or 0, share)))
        finally:
            wall_s = time.perf_counter() - began
            customer.stop()
            posting.join()
        peak = memory(process.pid)["VmHWM"]
        process.terminate()
        process.finish()
    if customer.failure or not customer.took_s:
        raise BenchmarkError(f"{attack}: {customer.failure or 'no real post got through'}")
    alerts = Alerts(out)
    alerts.check(len(customer.took_s) * 10)
    alerts.close()
    if peak > MAX_MEMORY:
        raise BenchmarkError(f"{attack}: {peak / MIB:.0f} MiB were resident")
    took_s = sorted(customer.took_s)
    return Outcome(
        attack, did, len(took_s), customer.repeated, statistics.median(took_s), took_s[-1], peak / MIB, wall_s
    )


async def _attack(name: str, target: Target) -> str:
    return await ATTACKS[name](target)


@click.command()
@click.argument("attacks", nargs=-1, type=click.Choice([*ATTACKS]))
@click.option("--share", default=1.0, type=click.FloatRange(0.001, 1), help="Of the full size.")
def main(*, attacks: tuple[str, ...], share: float) -> None:
    """Attack a webhook in each of these ways, or in all, and say what came of it."""
    for attack in attacks or ATTACKS:
        with tempfile.TemporaryDirectory(prefix="lanner-hostile-") as folder:
            try:
                found = measure(attack, Path(folder), share)
            except BenchmarkError as error:
                raise click.ClickException(str(error)) from error
        click.echo(
            f"{found.attack}: {found.did}, in {found.wall_s:.0f} s; {found.posts} real posts got through, "
            f"{found.repeated} of them repeated, {found.median_s * 1000:.0f} ms in the median, "
            f"{found.longest_s:.2f} s at most; {found.peak_mib:.0f} MiB resident at most"
        )


if __name__ == "__main__":
    main()
