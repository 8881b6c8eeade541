"""Readings of the configuration under full load of a webhook: no alert is lost, none is doubled, memory stays flat.

`python -m benchmarks.reloads [RELOADS] [--workers N]` does it and prints what it saw; the test suite does a short one.
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import click

from benchmarks.jobs import LANNER
from benchmarks.process import BenchmarkError, Process, memory
from benchmarks.samples import MIB
from benchmarks.webhook import address, bodies

BATCH = 10
"""Events in a post."""

_POLL_S = 0.005

_OK = 200
_HEADERS = {"Content-Type": "application/json"}
_RULE = """\
- rule: Seen
  desc: Fires on every event, and says which reading of the rules it is of.
  condition: ka.user.name exists
  output: user %ka.user.name reading {reading}
  priority: NOTICE
  source: k8s_audit
"""
_ALERT = re.compile(rb" user (\d+) reading (\d+)$")
_PATIENCE_S = 50.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen.

    Attributes:
        reloads: Readings, each of other rules, that were taken over.
        events: Posted, each acknowledged once; as many alerts came, one of each.
        repeated: Posts that were sent again, because the connection ended before the answer.
        wall_s: Seconds that it took.
        early_mib: Memory of the process that lasts, after the first tenth of the readings: the median over a tenth.
        late_mib: The same at the end.
    """

    reloads: int
    events: int
    repeated: int
    wall_s: float
    early_mib: float
    late_mib: float

    @property
    def growth(self) -> float:
        """The end as a multiple of the start."""
        return self.late_mib / self.early_mib


@dataclass(slots=True)
class Load:
    """Posts as an API server does, over several connections: each post again until it is answered with 200.

    Attributes:
        url: Where to.
        posts: How many were begun; each was also acknowledged once `run` has returned.
        repeated: How many were sent again.
    """

    url: str
    posts: int = 0
    repeated: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _is_over: threading.Event = field(default_factory=threading.Event, init=False)

    def run(self) -> None:
        """Post over one connection until told to stop.

        Raises:
            BenchmarkError: A post was answered with something else.
        """
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        while not self._is_over.is_set():
            with self._lock:
                number, self.posts = self.posts, self.posts + 1
            self._post(connection, parts.path, body(number))
        connection.close()

    def stop(self) -> None:
        """Have no other post begun."""
        self._is_over.set()

    def _post(self, connection: HTTPConnection, path: str, content: bytes) -> None:
        while True:
            try:
                connection.request("POST", path, content, _HEADERS)
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                connection.close()
                with self._lock:
                    self.repeated += 1
                continue
            if answer.status != _OK:
                raise BenchmarkError(f"the webhook answered {answer.status}")
            return


def body(post: int) -> bytes:
    """A post of events whose users are numbers that no other event has."""
    events = [
        b'{"kind":"Event","auditID":"%d","stage":"ResponseComplete","verb":"get","user":{"username":"%d"}}' % (n, n)
        for n in range(post * BATCH, (post + 1) * BATCH)
    ]
    return next(bodies(events, BATCH))


class Alerts:
    """The alerts that were written so far.

    Attributes:
        numbers: How often each user came, up to 255 times.
        readings: The readings of the rules that alerts are of.
    """

    def __init__(self, path: Path) -> None:
        self.numbers = bytearray()
        self.readings: set[int] = set()
        self._file = path.open("rb")
        self._rest = b""

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(self) -> None:
        """Take what was added."""
        whole, _, self._rest = (self._rest + self._file.read()).rpartition(b"\n")
        for line in whole.splitlines():
            if (found := _ALERT.search(line)) is None:
                raise BenchmarkError(f"no alert: {line!r}")
            user = int(found[1])
            self.numbers.extend(bytes(max(0, user + 1 - len(self.numbers))))
            self.numbers[user] = min(self.numbers[user] + 1, 255)
            self.readings.add(int(found[2]))

    def check(self, events: int) -> None:
        """Compare with what was posted.

        Raises:
            BenchmarkError: An alert is missing, or came twice.
        """
        self.read()
        self.numbers.extend(bytes(max(0, events - len(self.numbers))))
        missing = [user for user, number in enumerate(self.numbers) if number == 0]
        doubled = [user for user, number in enumerate(self.numbers) if number > 1]
        if missing or doubled or self._rest or len(self.numbers) != events:
            raise BenchmarkError(
                f"of {events} alerts {len(missing)} are missing ({missing[:5]}), {len(doubled)} doubled ({doubled[:5]})"
            )


def measure(reloads: int, folder: Path, *, workers: int = 1, connections: int = 4) -> Outcome:
    """Have the rules read again so many times while posts come.

    Args:
        reloads: How often; each time the rules are others, and an alert of those is waited for.
        folder: For what the program reads and writes.
        workers: Its processes.
        connections: Over how many is posted.

    Raises:
        BenchmarkError: A reading was not taken over, a post was refused, or an alert is missing or came twice.
    """
    rules, out = folder / "rules.yaml", folder / "alerts"
    write_rules(rules, 0)
    store = f"store.url=sqlite:///{folder}/alerts.db"  # another run's would have these alerts already
    options = ("-r", str(rules), "-o", store, "--workers", str(workers), "--log-format", "text")
    words = ("run", *options, "http://127.0.0.1:0/k8s-audit")
    with Process((*LANNER, *words), out=out, err=folder / "err") as process, closing(Alerts(out)) as alerts:
        load = Load(address(process))
        with ThreadPoolExecutor(connections) as pool:
            posting = [pool.submit(load.run) for _ in range(connections)]
            began = time.perf_counter()
            try:
                wait_for(alerts, 0, process)
                sizes = [_reload(process, rules, number, alerts) for number in range(1, reloads + 1)]
            finally:
                load.stop()
            wall_s = time.perf_counter() - began
        for each in posting:
            each.result()
        process.terminate()
        process.finish()
        alerts.check(load.posts * BATCH)
    tenth = max(1, reloads // 10)
    early, late = (statistics.median(part) / MIB for part in (sizes[tenth : 2 * tenth], sizes[-tenth:]))
    return Outcome(reloads, load.posts * BATCH, load.repeated, wall_s, early, late)


def _reload(process: Process, rules: Path, number: int, alerts: Alerts) -> int:
    """Have other rules read; the resident memory of the process, in bytes, once there is an alert of them."""
    write_rules(rules, number)
    os.kill(process.pid, signal.SIGHUP)
    wait_for(alerts, number, process)
    return memory(process.pid)["VmRSS"]


def write_rules(path: Path, reading: int) -> None:
    """Exchange the rule file for another one."""
    other = path.with_suffix(".new")
    other.write_text(_RULE.format(reading=reading))
    other.rename(path)


def wait_for(alerts: Alerts, reading: int, process: Process) -> None:
    """Wait for an alert of a reading of the rules.

    Raises:
        BenchmarkError: There is none.
    """
    deadline = time.monotonic() + _PATIENCE_S
    alerts.read()
    while reading not in alerts.readings:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"no alert of reading {reading}:\n{process.words()}")
        time.sleep(_POLL_S)
        alerts.read()


@click.command()
@click.argument("reloads", default=1000, type=click.IntRange(10))
@click.option("--workers", default=1, type=click.IntRange(1), help="Processes that evaluate.")
@click.option("--connections", default=4, type=click.IntRange(1), help="Connections that posts come over.")
def main(*, reloads: int, workers: int, connections: int) -> None:
    """Have the rules read again RELOADS times under full load, and say what came of it."""
    with tempfile.TemporaryDirectory(prefix="lanner-reloads-") as folder:
        try:
            found = measure(reloads, Path(folder), workers=workers, connections=connections)
        except BenchmarkError as error:
            raise click.ClickException(str(error)) from error
    processes = "one process" if workers == 1 else f"{workers} workers"
    click.echo(
        f"{found.reloads:,} reloads in {found.wall_s:.0f} s, {processes}: {found.events:,} events with one alert each,"
        f" none lost, none doubled; {found.repeated} posts were repeated; memory {found.early_mib:.1f} MiB, then"
        f" {found.late_mib:.1f} MiB ({found.growth:.3f} times)"
    )


if __name__ == "__main__":
    main()
