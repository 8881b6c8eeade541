"""The thread that writes: all that waits goes into one transaction, so that a flush of the disk is shared."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from lanner.engine.alert import Finding
from lanner.outputs.journal import Mark
from lanner.outputs.window import Entry
from lanner.sources.base import NotStored
from lanner.store import alerts, delivery
from lanner.store.database import Database
from lanner.store.errors import StoreError

T = TypeVar("T")

CURSOR_S = 0.5
"""How long it may take until it is written down where an output has come to."""

TIDY_S = 60.0
"""How often old alerts are deleted."""

MAX_BYTES = 16 * 1024 * 1024
"""What goes into one transaction, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is kept.

    Attributes:
        retention_s: How long delivered alerts and dead letters are kept, in seconds.
        max_bytes: What alerts may take, about; those that are not delivered are not deleted, and the store is full.
        absence_s: How long an output may be missing from the configuration before its place is given up.
    """

    retention_s: float = 30 * 86_400
    max_bytes: int = 1 << 30
    absence_s: float = 86_400


@dataclass(slots=True)
class WriterStats:
    """What a writer has done so far.

    Attributes:
        stored: Alerts that were stored.
        repeated: Alerts that were there already.
        refused: Alerts that could not be stored; whoever has them was told so.
        commits: Transactions that were written.
        failures: Transactions that failed.
        is_well: Whether the last one was written.
        used_bytes: What alerts take, about.
    """

    stored: int = 0
    repeated: int = 0
    refused: int = 0
    commits: int = 0
    failures: int = 0
    is_well: bool = True
    used_bytes: int = 0

    def merge(self, other: WriterStats) -> None:
        """Add what another process has done to the same store."""
        self.stored += other.stored
        self.repeated += other.repeated
        self.refused += other.refused
        self.commits += other.commits
        self.failures += other.failures
        self.is_well = self.is_well and other.is_well
        self.used_bytes = max(self.used_bytes, other.used_bytes)


@dataclass(slots=True)
class _Put:
    kept: list[tuple[Finding, bytes]]
    size: int
    done: Future[None] = field(default_factory=Future)


@dataclass(slots=True)
class _Act:
    action: Callable[[Connection], Any]
    done: Future[Any] = field(default_factory=Future)
    size: int = 0


class Writer:
    """Writes for all threads of a process."""

    def __init__(
        self,
        database: Database,
        bounds: Bounds,
        *,
        on_stored: Callable[[int, Sequence[Entry]], None] = lambda begins_after, entries: None,
        tidies: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Connect the parts.

        Args:
            database: Where to write.
            bounds: How much is kept.
            on_stored: Told what was stored, and the last number before it; called from the thread.
            tidies: Whether to delete old alerts now and then.
            clock: Nanoseconds since the epoch.
        """
        self.stats = WriterStats()
        self._database = database
        self._bounds = bounds
        self._on_stored = on_stored
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: deque[_Put | _Act] = deque()
        self._cursors: dict[str, int] = {}
        self._outputs: tuple[str, ...] = ()
        self._oldest_total = 0
        self._is_closing = False
        self._saved_at = 0.0
        self._tidies = tidies
        self._tidied_at = 0.0
        # A daemon, so that a database that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def put(self, findings: Sequence[Finding]) -> Future[None]:
        """Have alerts stored; the future is done once they are, and has `NotStored` if they are not."""
        kept = [(finding, alerts.encode(finding)) for finding in findings]
        job = _Put(kept, sum([len(body) for _, body in kept]) + len(kept) * alerts.ROW_BYTES)
        self._add(job)
        return job.done

    def do(self, action: Callable[[Connection], T]) -> Future[T]:
        """Have something else written, together with what waits; the future has `NotStored` if it is not."""
        job = _Act(action)
        self._add(job)
        return job.done

    def serve(self, outputs: Sequence[str]) -> None:
        """Say which outputs the run has: their places are kept, also while nothing is delivered."""
        self._outputs = tuple(outputs)

    def move(self, output: str, seq: int) -> None:
        """Have it written down soon where an output has come to."""
        with self._changed:
            is_first = not self._cursors
            self._cursors[output] = seq
            if is_first:
                self._changed.notify_all()

    def flush(self) -> Future[None]:
        """Have everything that waits written, and where outputs have come to."""
        with self._changed:
            self._saved_at = 0.0
        return self.do(lambda connection: None)

    def close(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()

    def _add(self, job: _Put | _Act) -> None:
        with self._changed:
            if self._is_closing:
                job.done.set_exception(NotStored("the run ends"))
                return
            self._jobs.append(job)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            jobs, cursors = self._take()
            if not jobs and not cursors and self._is_closing:
                return
            self._write(jobs, cursors)

    def _take(self) -> tuple[list[_Put | _Act], dict[str, int]]:
        """What to write next, when there is something, or when it is time to tidy up."""
        with self._changed:
            while not self._jobs and not self._is_closing:
                pause = self._pause()
                if pause is not None and pause <= 0:
                    break
                self._changed.wait(pause)
            jobs: list[_Put | _Act] = []
            size = 0
            while self._jobs and (not jobs or size + self._jobs[0].size <= MAX_BYTES):
                job = self._jobs.popleft()
                size += job.size
                jobs.append(job)
            cursors: dict[str, int] = {}
            if self._is_closing or time.monotonic() >= self._saved_at + CURSOR_S:
                cursors, self._cursors = self._cursors, cursors
            return jobs, cursors

    def _pause(self) -> float | None:
        """Seconds until there is something to do by itself."""
        times = []
        if self._cursors:
            times.append(self._saved_at + CURSOR_S)
        if self._tidies:
            times.append(self._tidied_at + TIDY_S)
        return min(times) - time.monotonic() if times else None

    def _write(self, jobs: Sequence[_Put | _Act], cursors: Mapping[str, int]) -> None:
        is_time_to_tidy = self._tidies and not self._is_closing and time.monotonic() >= self._tidied_at + TIDY_S
        stored, refusal, has_more = None, None, False
        results: list[Any] = []
        try:
            with self._database.writing() as connection:
                stored, refusal = self._store(connection, [job for job in jobs if isinstance(job, _Put)])
                results = [job.action(connection) if isinstance(job, _Act) else None for job in jobs]
                delivery.move(connection, cursors, self._clock())
                if is_time_to_tidy:
                    has_more = self._tidy(connection)
        except Exception as error:  # whatever it is, it must not end the thread that everyone waits for
            if len(jobs) > 1 and not (isinstance(error, StoreError) and error.is_of_place):
                for job in jobs:  # what cannot be written must not keep the rest from it
                    self._write([job], {})
                self._fail([], cursors, error)
            else:
                self._fail(jobs, cursors, error)
            return
        if cursors:
            self._saved_at = time.monotonic()
        if is_time_to_tidy:
            self._tidied_at = time.monotonic() - (TIDY_S if has_more else 0)
        self._account(jobs, stored, refusal)
        if stored and stored.entries:
            self._on_stored(stored.begins_after, stored.entries)  # before whoever waits goes on, and may end the run
        for job, result in zip(jobs, results, strict=True):
            if refusal and isinstance(job, _Put):
                job.done.set_exception(refusal)
            else:
                job.done.set_result(result)

    def _account(self, jobs: Sequence[_Put | _Act], stored: alerts.Appended | None, refusal: NotStored | None) -> None:
        given = sum(len(job.kept) for job in jobs if isinstance(job, _Put))
        if refusal:
            self.stats.refused += given
        elif stored:
            self.stats.stored += len(stored.entries)
            self.stats.repeated += given - len(stored.entries)
        self.stats.commits += 1
        self.stats.is_well = refusal is None

    def _store(self, connection: Connection, puts: Sequence[_Put]) -> tuple[alerts.Appended | None, NotStored | None]:
        """Store alerts within a transaction; what is new, or why there is none."""
        if not puts:
            return None, None
        newest = alerts.last(connection)
        size = sum(job.size for job in puts)
        if not self._has_room(connection, newest, size):
            return None, NotStored("the store is full of alerts that outputs have not got yet")
        kept = [each for job in puts for each in job.kept]
        stored = alerts.append(connection, self._database.placeholder, newest, kept, self._clock())
        return stored, None

    def _has_room(self, connection: Connection, newest: Mark, size: int) -> bool:
        """Whether so many bytes can be stored; delivered alerts make room. An alert alone may be of any size."""
        most = self._bounds.max_bytes
        if newest[1] - self._oldest_total + size > most:
            up_to = delivery.delivered(connection)
            while alerts.forget(connection, up_to=up_to, older_than_ns=0, max_bytes=max(0, most - size)):
                pass
            self._oldest_total = alerts.oldest_total(connection)
        used = newest[1] - self._oldest_total
        self.stats.used_bytes = used + size
        return used + size <= most or used <= 0

    def _tidy(self, connection: Connection) -> bool:
        """Delete what is too old or too much, as far as a short transaction goes; whether there may be more."""
        now_ns, bounds = self._clock(), self._bounds
        older = now_ns - int(bounds.retention_s * 1e9)
        delivery.see(connection, self._outputs, now_ns)
        delivery.leave(connection, now_ns - int(bounds.absence_s * 1e9))
        delivery.forget_letters(connection, older)
        up_to = delivery.delivered(connection)
        has_more = alerts.forget(connection, up_to=up_to, older_than_ns=older, max_bytes=bounds.max_bytes)
        self._oldest_total = alerts.oldest_total(connection)
        return has_more

    def _fail(self, jobs: Sequence[_Put | _Act], cursors: Mapping[str, int], error: Exception) -> None:
        reason = str(error) or type(error).__name__
        self.stats.failures += 1
        self.stats.is_well = False
        with self._changed:
            self._cursors = {**cursors, **self._cursors}
        self._saved_at = time.monotonic()  # cursors that fail are tried again after a pause, too
        self._tidied_at = time.monotonic()
        for job in jobs:
            if isinstance(job, _Put):
                self.stats.refused += len(job.kept)
            job.done.set_exception(NotStored(reason))
        if self._is_closing:
            with self._changed:
                self._cursors.clear()  # a store that cannot be written does not keep the run from ending
