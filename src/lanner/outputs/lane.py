"""The way of alerts to one output: filter, rate limit, bounded queue, and a thread that delivers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lanner.engine.alert import Alert
from lanner.outputs.notices import Notices
from lanner.outputs.queue import MemoryQueue, Queue, QueueLimits, size_of
from lanner.outputs.rate import Limiter, RateLimit
from lanner.outputs.selection import OutputFilter
from lanner.outputs.sink import GoneError, RefusedError, Sink

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_LONGEST_CLOSING_PAUSE_S = 0.5


class DropReason(StrEnum):
    """Why an alert that an output should have got was given up."""

    QUEUE_FULL = "queue_full"
    REFUSED = "refused"
    GONE = "gone"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An output, and which alerts go there.

    Attributes:
        name: What notices and counters call it.
        output: Used by the route's thread alone, but for `reopen`.
        filter: The alerts it takes.
        rate: How many of those, or None for all.
        limits: How many may wait while it is slow or away.
        is_awaited: Whether `Fanout.settle` waits for it.
        made_of: What the output was made from; a route with the same name that was made from the same goes on when the
            configuration is read again.
    """

    name: str
    output: Sink
    filter: OutputFilter = field(default_factory=OutputFilter)
    rate: RateLimit | None = None
    limits: QueueLimits = field(default_factory=QueueLimits)
    is_awaited: bool = False
    made_of: object = None

    def is_as(self, other: Route) -> bool:
        """Whether another route, made from another reading of the configuration, would do just the same."""
        return replace(self, output=other.output) == other


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStats:
    """What a route has done so far, in alerts.

    Attributes:
        name: The route.
        delivered: Written and flushed; summaries of the rate limit are among them.
        filtered: Not for this output.
        held_back: Over the rate limit.
        dropped: Given up, by reason.
        waiting: In the queue.
        waiting_bytes: What those occupy, about.
        failures: Deliveries that failed, whether or not a later one succeeded.
    """

    name: str
    delivered: int
    filtered: int
    held_back: int
    dropped: dict[DropReason, int]
    waiting: int
    waiting_bytes: int
    failures: int

    def __add__(self, other: RouteStats) -> RouteStats:
        """What both have done, under the name of the first."""
        return RouteStats(
            name=self.name,
            delivered=self.delivered + other.delivered,
            filtered=self.filtered + other.filtered,
            held_back=self.held_back + other.held_back,
            dropped=dict(Counter(self.dropped) + Counter(other.dropped)),
            waiting=self.waiting + other.waiting,
            waiting_bytes=self.waiting_bytes + other.waiting_bytes,
            failures=self.failures + other.failures,
        )


class Lane:
    """Runs a route. The thread begins with the first alert, so that a process may fork before that."""

    def __init__(
        self,
        route: Route,
        *,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        queue: Queue | None = None,
    ) -> None:
        """Connect the parts.

        Args:
            route: The output and its options.
            report: Told what goes wrong, at most once a minute for each kind; called from the lane's thread too.
            clock: Seconds that never go back.
            queue: Where alerts wait; None for memory.
        """
        self.route = route
        self._clock = clock
        self._report = report
        self._notices = Notices(clock)
        self._queue = queue if queue is not None else MemoryQueue(route.limits)
        self._limiter = Limiter(route.rate, clock()) if route.rate else None
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[DropReason] = Counter()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closes_at: float | None = None
        self._is_over = False
        self._taken = 0
        self._settled = 0
        self._is_behind = False
        self._is_gone = False
        self._is_failing = False

    @property
    def is_gone(self) -> bool:
        """Whether the place is no more, as standard output is once nobody reads it; alerts are then only counted."""
        return self._is_gone

    def settle(self, patience_s: float) -> bool:
        """Wait until the alerts taken so far are delivered or given up, the output fails, or time is up.

        An output that once took too long is not waited for again before it has caught up.

        Returns:
            False when the output fails: what it has taken is only in memory.
        """
        with self._changed:
            if not self._is_behind:
                goal = self._taken
                self._changed.wait_for(lambda: self._settled >= goal or self._is_failing or self._is_over, patience_s)
                self._is_behind = self._settled < goal
            return not (self._is_behind and self._is_failing)

    def wait_for_room(self, patience_s: float) -> None:
        """Wait until at most half of the queue is in use, the output fails, or time is up."""
        limits = self.route.limits
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    (2 * self._queue.alerts <= limits.max_alerts and 2 * self._queue.bytes <= limits.max_bytes)
                    or self._is_failing
                    or self._is_over
                ),
                patience_s,
            )

    def offer(self, sized: Sequence[tuple[Alert, int]]) -> None:
        """Take the alerts that are for this output, with their sizes in bytes; never waits for the output."""
        takes, limiter, now = self.route.filter.takes, self._limiter, self._clock()
        with self._changed:
            for alert, size in sized:
                if not takes(alert):
                    self._counts["filtered"] += 1
                elif limiter and not limiter.admits(alert, now):
                    self._counts["held_back"] += 1
                else:
                    self._put(alert, size)
            if self._queue.alerts or (limiter and limiter.due_at is not None):
                self._wake()
        self._tell()

    def stats(self) -> RouteStats:
        """The counters, all of one moment."""
        with self._changed:
            return RouteStats(
                name=self.route.name,
                delivered=self._counts["delivered"],
                filtered=self._counts["filtered"],
                held_back=self._counts["held_back"],
                dropped=dict(self._dropped),
                waiting=self._queue.alerts,
                waiting_bytes=self._queue.bytes,
                failures=self._counts["failures"],
            )

    def ask_to_close(self, deadline: float) -> None:
        """Take no more alerts, and deliver what waits until the deadline, a time of the lane's clock."""
        with self._changed:
            if self._closes_at is not None:
                return
            if self._limiter:
                self._summarise(self._limiter)
                if self._queue.alerts:
                    self._wake()
            self._closes_at = deadline
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until all is delivered or the deadline has come; the rest is counted as dropped."""
        thread, deadline = self._thread, self._closes_at
        assert deadline is not None  # noqa: S101 - INVARIANT: `ask_to_close` came first
        if thread:
            thread.join(max(0, deadline - self._clock()))
        elif not self._is_over:
            self.route.output.close()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
            rest = self._queue.alerts
            if rest:
                self._drop(DropReason.CLOSED, rest, "the end came before they were delivered")
                self._forget(rest)
        self._tell()

    def _put(self, alert: Alert, size: int) -> None:
        if self._closes_at is not None:
            self._drop(DropReason.CLOSED, 1, "the output is closed")
        elif self._is_gone:
            self._drop(DropReason.GONE, 1, "nobody reads it any more")
        elif self._queue.put(alert, size):
            self._taken += 1
        else:
            self._drop(DropReason.QUEUE_FULL, 1, "its queue is full")

    def _drop(self, reason: DropReason, number: int, why: str) -> None:
        self._dropped[reason] += number
        self._notices.add(reason, f"{why} (dropped so far: {self._dropped[reason]})")

    def _wake(self) -> None:
        if self._thread is None and self._closes_at is None:
            # A daemon, so that an output that hangs for good does not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name=f"output {self.route.name}", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _summarise(self, limiter: Limiter) -> None:
        summary = limiter.summary()
        if summary:
            self._put(summary, size_of(summary))

    def _run(self) -> None:
        try:
            while batch := self._next():
                self._deliver(batch)
        finally:
            self._attempt(self.route.output.close)

    def _next(self) -> Sequence[Alert]:
        """The alerts to deliver next, when there are some; none when that is all."""
        with self._changed:
            while not self._must_stop():
                limiter, pause = self._limiter, None
                if limiter and limiter.due_at is not None:
                    pause = limiter.due_at - self._clock()
                    if pause <= 0:
                        self._summarise(limiter)
                if self._queue.alerts:
                    return self._queue.first(self.route.output.max_batch)
                if self._closes_at is not None:
                    break
                self._changed.wait(pause)
            return ()

    def _deliver(self, batch: Sequence[Alert]) -> bool:
        """Write alerts until they are taken or refused; False when time was up before."""
        pause = _FIRST_PAUSE_S
        while True:
            is_closing = self._closes_at is not None
            error = self._attempt(lambda: self._write(batch))
            if error is None:
                self._done(len(batch), None)
                return True
            if isinstance(error, GoneError):
                self._lose(len(batch))
                return True
            if not isinstance(error, OSError) or isinstance(error, RefusedError):
                if len(batch) > 1:
                    return all(self._deliver((alert,)) for alert in batch)
                self._done(1, error)
                return True
            if not self._pause(min(pause, _LONGEST_CLOSING_PAUSE_S) if is_closing else pause, is_closing):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _write(self, batch: Sequence[Alert]) -> None:
        self.route.output.write(batch)
        self.route.output.flush()

    def _attempt(self, action: Callable[[], None]) -> Exception | None:
        """Do it, and give what went wrong.

        Not only `OSError`: a mistake of one output must not end its thread, or all later alerts would wait for nobody.
        """
        try:
            action()
        except Exception as error:
            with self._changed:
                self._is_failing = True
                self._changed.notify_all()
                self._counts["failures"] += 1
                waiting = self._queue.alerts
                if not isinstance(error, GoneError):  # whether anybody is to know depends on whether the run goes on
                    self._notices.add("failure", f"{_reason(error)} (alerts waiting: {waiting})")
            self._tell()
            return error
        return None

    def _done(self, number: int, refused: Exception | None) -> None:
        with self._changed:
            if self._is_over:
                return  # counted as dropped already
            self._forget(number)
            if refused is None:
                self._counts["delivered"] += number
            else:
                self._drop(DropReason.REFUSED, number, _reason(refused))
        self._tell()

    def _lose(self, number: int) -> None:
        """Give up what waits: the place is gone for good."""
        with self._changed:
            self._is_gone = True
            waiting = max(number, self._queue.alerts)
            self._forget(waiting)
            self._dropped[DropReason.GONE] += waiting
        self._tell()

    def _forget(self, number: int) -> None:
        self._queue.forget(number)
        self._settled += number
        self._is_failing = False
        self._is_behind = self._is_behind and self._queue.alerts > 0
        self._changed.notify_all()

    def _pause(self, seconds: float, was_closing: bool) -> bool:
        """Wait before the next attempt, which comes at once when the end was asked for since the last one began.

        Returns:
            False when there is to be none.
        """
        until = self._clock() + seconds
        with self._changed:
            while not self._must_stop():
                now = self._clock()
                if now >= until or (self._closes_at is not None and not was_closing):
                    return True
                end = until if self._closes_at is None else min(until, self._closes_at)
                self._changed.wait(end - now)
            return False

    def _tell(self) -> None:
        """Say what there is to say, without the lock: whoever listens may be slow."""
        with self._changed:
            texts = self._notices.take()
        place = self.route.output.place
        subject = f"output `{self.route.name}` (`{place}`)" if place else f"output `{self.route.name}`"
        for text in texts:
            with suppress(OSError):  # nobody listens
                self._report(f"{subject}: {text}")

    def _must_stop(self) -> bool:
        return self._is_over or (self._closes_at is not None and self._clock() >= self._closes_at)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or "unknown failure"
