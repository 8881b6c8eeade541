"""Jobs that post to `lanner run`: what a posted event costs the server, and how long its alert takes."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from benchmarks.jobs import LANNER, numbers
from benchmarks.posting import Post, post_all
from benchmarks.process import BenchmarkError, Process, Usage
from benchmarks.samples import Sample
from benchmarks.turns import Turn

_AUDIT_ID = re.compile(rb'"auditID":"[^"]*"')
_ALERT_ID = re.compile(rb'"ka\.auditid":"(\d+)"')
_SHOW_ID = ("-o", 'append_output[]={"extra_fields": ["ka.auditid"]}')
_CONNECTING_S = 0.05

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Latency:
    """From the moment at which a post was due to that at which its alert could be read, for each alert, in seconds."""

    p50_s: float
    p99_s: float
    alerts: int
    events_per_s: float


@dataclass(frozen=True, slots=True)
class Feed:
    """Events to post, one JSON object each, and how many alerts they raise in all."""

    lines: Sequence[bytes]
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookJob:
    """`lanner run` with a webhook, alerts to a file, and a client that posts as fast as it is answered.

    Attributes:
        rules: The rule files.
        feed: The events to post.
        repeat: How often to post them.
        batch: Events in a post.
        folder: For what the program writes.
        source: Tree to import `lanner` from, instead of the installed one.
    """

    rules: tuple[Path, ...]
    feed: Feed
    repeat: int
    batch: int
    folder: Path
    source: Path | None = None

    def run(self, turn: Turn | None = None) -> Sample:
        """Post everything once.

        Raises:
            BenchmarkError: A post was refused, or an event or alert is missing.
        """
        events = len(self.feed.lines) * self.repeat
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            own = Path(name)
            command = server(self.rules, own)
            with Process(command, out=own / "out", err=own / "err", source=self.source, turn=turn) as process:
                url = address(process)
                posts = [Post(body) for lines in self._rounds() for body in bodies(lines, self.batch)]
                process.begin()
                _run(post_all(url, posts, connections=1))
                usage = _end(process, events, self.feed.alerts * self.repeat)
        return Sample(events, usage.cpu_s, usage.wall_s, usage.peak_bytes)

    def _rounds(self) -> Iterator[Sequence[bytes]]:
        """The events of each repetition, with audit IDs of its own: the same event again would not be stored again."""
        yield self.feed.lines
        for number in range(1, self.repeat):
            tag = b'"auditID":"%d-' % number
            yield [line.replace(b'"auditID":"', tag, 1) for line in self.feed.lines]


def latency(
    rules: Sequence[Path],
    feed: Feed,
    folder: Path,
    *,
    batch: int,
    events_per_s: float,
    connections: int,
) -> Latency:
    """Post events at a steady rate and see when the alerts come out of the server's standard output.

    A post that is sent late, because all connections wait for an answer, counts from when it was due.

    Raises:
        BenchmarkError: A post was refused, or an event or alert is missing.
    """
    tagged = [_AUDIT_ID.sub(b'"auditID":"%d"' % n, line, count=1) for n, line in enumerate(feed.lines)]
    posts = [Post(body, n * batch / events_per_s) for n, body in enumerate(bodies(tagged, batch))]
    with Process((*server(rules, folder), *_SHOW_ID), out=None, err=folder / "err") as process:
        url = address(process)

        async def main() -> tuple[float, float, list[tuple[int, float]]]:
            started_s = time.monotonic() + _CONNECTING_S
            reading = asyncio.ensure_future(_read_alerts(process, feed.alerts))
            await post_all(url, posts, connections, started_s)
            took_s = time.monotonic() - started_s
            return started_s, took_s, await reading

        started_s, took_s, seen = _run(main())
        _end(process, len(feed.lines), feed.alerts)
    delays = sorted(at_s - started_s - posts[number // batch].due_s for number, at_s in seen)
    return Latency(_percentile(delays, 0.50), _percentile(delays, 0.99), len(delays), len(feed.lines) / took_s)


def bodies(lines: Sequence[bytes], batch: int) -> Iterator[bytes]:
    """Events as an API server posts them."""
    for start in range(0, len(lines), batch):
        items = b",".join(line.rstrip() for line in lines[start : start + batch])
        yield b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[%b]}\n' % items


_ADDRESS = re.compile(r'http://[^\s"]+')


def server(rules: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """The command of a webhook on a free port, with a new store in a folder."""
    store = f"store.url=sqlite:///{tempfile.mkdtemp(dir=folder)}/alerts.db"
    chosen = (part for path in rules for part in ("-r", str(path)))
    return (*LANNER, "run", "http://127.0.0.1:0/k8s-audit", *chosen, "--format", "json", "-o", store)


def address(process: Process) -> str:
    """Where the webhook listens, once it does; the message is a line of text, or JSON."""
    line = process.wait_for("listening on ")
    found = _ADDRESS.search(line)
    if found is None:
        raise ValueError(f"no address in `{line}`")
    return found[0]


async def _read_alerts(process: Process, number: int) -> list[tuple[int, float]]:
    """The events of so many alerts, and the time at which each could be read, by `time.monotonic`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    # A descriptor of its own: the transport closes it.
    pipe = os.fdopen(os.dup(process.out.fileno()), "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    found = []
    try:
        for _ in range(number):
            line = await asyncio.wait_for(reader.readline(), timeout=60)
            if (match := _ALERT_ID.search(line)) is None:
                raise BenchmarkError(f"no alert: {line[:200]!r}")
            found.append((int(match[1]), time.monotonic()))
    finally:
        transport.close()
    return found


def _end(process: Process, events: int, alerts: int) -> Usage:
    process.terminate()
    usage = process.finish()
    said = numbers(process.words())
    if (said.get("Events read"), said.get("Events detected")) != (events, alerts):
        raise BenchmarkError(f"{events} events with {alerts} alerts were posted, and these counted:\n{process.words()}")
    return usage


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
