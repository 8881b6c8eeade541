"""A webhook that is killed again and again under load: what it acknowledged is stored, once, and reaches every output.

`python -m benchmarks.crashes [KILLS] [--workers N]` does it and prints what it saw; the test suite does a short one.

An API server is imitated as it behaves: several connections, each post sent again until it is acknowledged, some again
although they were. The process is killed at random moments, from its start on, and started again on the same store.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from benchmarks.jobs import LANNER
from benchmarks.process import BenchmarkError
from benchmarks.webhook import bodies

BATCH = 5
"""Events in a post."""

PAUSE_S = 0.05
"""The longest pause between two posts: the HTTP output gets one alert at a time, and is to keep up."""

PATH = "/k8s-audit"
EARLY = 0.2
"""The share of kills that may come before anything is acknowledged: while it loads, or reads what is stored."""

LONGEST_START_S = 1.0
LONGEST_LIFE_S = 0.5
START_S = 60.0
DRAIN_S = 600.0

_AGAIN = 0.1
"""The share of posts that come again although they were acknowledged."""

_AWAY = 0.01
"""The share of its requests that the HTTP output refuses."""

_POLL_S = 0.005
_OK = 200
_SEEN = re.compile(rb"seen (\d+)")
_RULE = """\
- rule: Seen
  desc: Fires on every event.
  condition: ka.user.name exists
  output: seen %ka.user.name
  priority: NOTICE
  source: k8s_audit
"""
_CONFIG = """\
rules_files: [{folder}/rules.yaml]
json_output: true
stdout_output: {{enabled: false}}
file_output: {{enabled: true, filename: {folder}/alerts.jsonl}}
http_output: {{enabled: true, url: "http://127.0.0.1:{http}/"}}
store: {{url: "sqlite:///{folder}/store.db"}}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen.

    Attributes:
        kills: How often a process was killed.
        events: Acknowledged; as many alerts were stored.
        repeated: Posts that were sent again, because no answer came, or although one had come.
        again: Alerts that outputs got more than once, by output: delivered, but not yet noted, when a kill came.
        wall_s: Seconds that it took.
    """

    kills: int
    events: int
    repeated: int
    again: dict[str, int]
    wall_s: float


@dataclass(slots=True)
class Load:
    """Posts of numbered events.

    Attributes:
        port: Where to.
        acknowledged: The numbers of posts that were answered with 200.
        repeated: How many were sent again.
    """

    port: int
    acknowledged: set[int] = field(default_factory=set)
    repeated: int = 0
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def run(self, seed: int) -> None:
        """Post over one connection until told to stop; the last post is acknowledged, too."""
        choose = random.Random(seed)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self._is_over.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            self._post(connection, number)
            time.sleep(choose.random() * PAUSE_S)
            if choose.random() < _AGAIN:
                self.repeated += 1
                self._post(connection, choose.choice([*self.acknowledged]))
        connection.close()

    def stop(self) -> None:
        """Have no other post begun."""
        self._is_over.set()

    def _post(self, connection: HTTPConnection, number: int) -> None:
        content = body(number)
        while True:
            try:
                connection.request("POST", PATH, content, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                connection.close()
                time.sleep(_POLL_S)
            else:
                if answer.status == _OK:
                    with self._lock:
                        self.acknowledged.add(number)
                    return
                if answer.status != 429:
                    raise BenchmarkError(f"the webhook answered {answer.status}")
                time.sleep(_POLL_S)
            with self._lock:
                self.repeated += 1


def body(post: int) -> bytes:
    """A post of events whose users are numbers that no other event has; all have the same audit ID."""
    events = [
        b'{"kind":"Event","auditID":"same","stage":"ResponseComplete","verb":"get","user":{"username":"%d"}}' % number
        for number in range(post * BATCH, (post + 1) * BATCH)
    ]
    return next(bodies(events, BATCH))


class Sink:
    """An HTTP server that alerts are posted to; it refuses some of them, for the moment."""

    def __init__(self, seed: int) -> None:
        self.numbers: list[int] = []
        self.is_steady = False
        choose, taken, sink = random.Random(seed), self.numbers, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                is_away = choose.random() < _AWAY and not sink.is_steady
                if not is_away:
                    taken.extend(map(int, _SEEN.findall(content)))
                self.send_response(503 if is_away else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running(folder: Path, port: int, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    """A run, in a process group of its own, which is killed at the end if it is still there."""
    command = (*LANNER, "run", "-c", str(folder / "lanner.yaml"), f"http://127.0.0.1:{port}{PATH}")
    with (folder / "err").open("ab") as words:
        process = subprocess.Popen(
            (*command, "--workers", str(workers)), stdout=words, stderr=words, start_new_session=True
        )
    try:
        yield process
    finally:
        _kill_group(process)


def measure(kills: int, folder: Path, *, workers: int = 1, connections: int = 4, seed: int = 1) -> Outcome:
    """Kill and start so many times while posts come, then let it end, and look at what was stored and delivered.

    Args:
        kills: How often.
        folder: For what the program reads and writes.
        workers: Its processes; then now and then only one of them is killed.
        connections: Over how many is posted.
        seed: Of all that is random, but for when things happen.

    Raises:
        BenchmarkError: An acknowledged event has no alert in the store, or more than one, or an output lacks one, or
            got them in another order.
    """
    choose = random.Random(seed)
    port = _free_port()
    began = time.perf_counter()
    with closing(Sink(seed)) as sink:
        (folder / "rules.yaml").write_text(_RULE)
        (folder / "lanner.yaml").write_text(_CONFIG.format(folder=folder, http=sink.port))
        load = Load(port)
        with ThreadPoolExecutor(connections) as pool:
            posting = [pool.submit(load.run, seed + number) for number in range(connections)]
            try:
                done = 0
                while done < kills:
                    with running(folder, port, workers) as process:
                        done += _torment(process, choose, kills - done, workers, load)
                    if any(each.done() for each in posting):
                        break  # it failed: `result` below says how
                with running(folder, port, workers) as process:
                    load.stop()
                    for each in posting:
                        each.result()
                    wanted = stored(folder)
                    sink.is_steady = True
                    _drain(folder, sink, set(wanted))
                    process.terminate()
                    if process.wait(START_S) != 0:
                        raise BenchmarkError(f"exit status {process.returncode}:\n{_words(folder)}")
            finally:
                load.stop()
        again = check(folder, sink, load)
    return Outcome(kills, len(load.acknowledged) * BATCH, load.repeated, again, time.perf_counter() - began)


def _torment(process: subprocess.Popen[bytes], choose: random.Random, most: int, workers: int, load: Load) -> int:
    """Kill a run, or with workers perhaps only some of its processes first; how many kills that were."""
    kills = 0
    while True:
        if choose.random() < EARLY:
            time.sleep(choose.random() * LONGEST_START_S)
        else:
            _await_acknowledgement(process, load)
            time.sleep(choose.random() * LONGEST_LIFE_S)
        kills += 1
        children = _children(process.pid)
        if workers == 1 or not children or kills >= min(most, 4) or choose.random() < 0.5:
            _kill_group(process)
            return kills
        os.kill(choose.choice(children), signal.SIGKILL)


def _await_acknowledgement(process: subprocess.Popen[bytes], load: Load) -> None:
    deadline, before = time.monotonic() + START_S, len(load.acknowledged)
    while len(load.acknowledged) == before and process.poll() is None:
        if time.monotonic() > deadline:
            raise BenchmarkError("nothing is acknowledged")
        time.sleep(_POLL_S)


def stored(folder: Path) -> list[int]:
    """The numbers of the events whose alerts are stored, in the order of the store.

    Raises:
        BenchmarkError: An event has two of them.
    """
    with closing(sqlite3.connect(folder / "store.db")) as database:
        rows = database.execute("SELECT body FROM lanner_alerts ORDER BY seq").fetchall()
    numbers = [int(found[1]) for (content,) in rows if (found := _SEEN.search(content))]
    doubled = [number for number, times in Counter(numbers).items() if times > 1]
    if doubled:
        raise BenchmarkError(f"{len(doubled)} events have two alerts ({doubled[:5]})")
    return numbers


def check(folder: Path, sink: Sink, load: Load) -> dict[str, int]:
    """Compare what was acknowledged, stored and delivered; how many alerts each output got again.

    Raises:
        BenchmarkError: They differ.
    """
    order = stored(folder)
    lost = {number for post in load.acknowledged for number in range(post * BATCH, (post + 1) * BATCH)} - {*order}
    if lost:
        raise BenchmarkError(f"{len(lost)} acknowledged events have no alert in the store ({sorted(lost)[:5]})")
    again = {}
    for name, numbers in (("file", in_file(folder)), ("http", sink.numbers)):
        first = [*dict.fromkeys(numbers)]
        if missing := {*order} - {*first}:
            raise BenchmarkError(f"output {name} lacks {len(missing)} alerts ({sorted(missing)[:5]})")
        if first != order:
            raise BenchmarkError(f"output {name} got alerts in another order than they were stored in")
        again[name] = len(numbers) - len(first)
    return again


def in_file(folder: Path) -> list[int]:
    """The numbers in the file output, in order; a line that a kill cut off does not count."""
    path = folder / "alerts.jsonl"
    numbers = []
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        with suppress(ValueError):
            alert = json.loads(line)
            if alert["rule"] == "Seen":  # others are about the program itself, such as a worker that was lost
                numbers.append(int(alert["output_fields"]["ka.user.name"]))
    return numbers


def _drain(folder: Path, sink: Sink, wanted: set[int]) -> None:
    """Wait until the outputs have everything."""
    deadline = time.monotonic() + DRAIN_S
    while not (wanted <= {*sink.numbers} and wanted <= {*in_file(folder)}):
        if time.monotonic() > deadline:
            lacking = {"http": len(wanted - {*sink.numbers}), "file": len(wanted - {*in_file(folder)})}
            raise BenchmarkError(f"outputs lack alerts: {lacking}\n{_words(folder)}")
        time.sleep(20 * _POLL_S)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _children(pid: int) -> list[int]:
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except OSError:
        return []


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _words(folder: Path) -> str:
    return "\n".join((folder / "err").read_text("utf-8", "replace").splitlines()[-20:])


@click.command()
@click.argument("kills", default=500, type=click.IntRange(1))
@click.option("--workers", default=1, type=click.IntRange(1), help="Processes that evaluate.")
@click.option("--connections", default=4, type=click.IntRange(1), help="Connections that posts come over.")
@click.option("--seed", default=1, help="Of all that is random.")
def main(*, kills: int, workers: int, connections: int, seed: int) -> None:
    """Kill a run KILLS times under load, and compare what it acknowledged, stored and delivered."""
    with tempfile.TemporaryDirectory(prefix="lanner-crashes-") as folder:
        try:
            found = measure(kills, Path(folder), workers=workers, connections=connections, seed=seed)
        except BenchmarkError as error:
            raise click.ClickException(str(error)) from error
    processes = "one process" if workers == 1 else f"{workers} workers"
    again = ", ".join(f"{name} {number}" for name, number in found.again.items())
    click.echo(
        f"{found.kills:,} kills in {found.wall_s:.0f} s, {processes}: {found.events:,} acknowledged events, each with"
        f" one alert in the store and in every output, in order; {found.repeated:,} posts were repeated;"
        f" delivered again: {again}"
    )


if __name__ == "__main__":
    main()
