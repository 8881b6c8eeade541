"""The way of alerts to one output: a thread reads them in order, filters, limits, delivers, and tries again."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from lanner.engine.alert import Finding
from lanner.outputs.journal import Journal, Mark
from lanner.outputs.notices import Notices
from lanner.outputs.rate import Limiter
from lanner.outputs.route import DropReason, Route, RouteStats
from lanner.outputs.sink import FindingSink, GoneError, RefusedError
from lanner.outputs.window import Entry, size_of

__all__ = ["DropReason", "Lane", "Route", "RouteStats"]

GIVE_UP_AFTER_S = 86_400.0

_PAUSES = wait_random_exponential(multiplier=0.2, max=30)
"""Between attempts: up to 0.2 s, 0.4 s, … 30 s, by chance, so that outputs do not all come at once."""

_LONGEST_CLOSING_PAUSE_S = 0.5
_LETTERS_S = 1.0
"""How often to look for alerts that are to be sent again."""

_TROUBLE_S = 1.0
"""How long to wait where alerts cannot be read, or somebody else delivers them."""

_GATHER_S = 0.02
"""How long alerts come together after some were delivered: to be woken for each few of them costs more than they do."""

_READ = 256
_MAX_PASSED = 100_000


class _TimeIsUp(Exception):
    """The end has come."""


def _may_pass(error: BaseException) -> bool:
    """Whether a later attempt may succeed."""
    return isinstance(error, OSError) and not isinstance(error, (RefusedError, GoneError))


class Lane:
    """Runs a route. The thread begins when it is woken for the first time, so that a process may fork before that.

    An alert is done with once it is delivered, left out, or given up and kept elsewhere; only then it is moved on.
    """

    def __init__(
        self,
        route: Route,
        journal: Journal,
        *,
        report: Callable[[str], None],
        give_up_after_s: float = GIVE_UP_AFTER_S,
        on_gone: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect the parts.

        Args:
            route: The output and its options.
            journal: Where alerts are read from.
            report: Told what goes wrong, at most once a minute for each kind; called from the lane's thread too.
            give_up_after_s: How long an output that fails is tried with an alert.
            on_gone: Told that the place is no more; whether the run goes on without it.
            clock: Seconds that never go back.
        """
        self.route = route
        self._journal = journal
        self._report = report
        self._give_up_after_s = give_up_after_s
        self._on_gone = on_gone
        self._clock = clock
        self._notices = Notices(clock)
        self._limiter = Limiter(route.rate, clock()) if route.rate else None
        self._retrying = Retrying(
            retry=retry_if_exception(_may_pass), wait=_PAUSES, stop=self._must_give_up, sleep=self._rest, reraise=True
        )
        output = route.output
        self._write = output.write_findings if isinstance(output, FindingSink) else self._write_alerts
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[DropReason] = Counter()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._has_news = False
        self._is_gathering = False
        self._letters_at = 0.0
        self._mark: Mark | None = None
        self._is_mine = False
        self._early: deque[tuple[Finding, int]] = deque()
        self._early_bytes = 0
        self._passed: dict[bytes, None] = {}
        self._closes_at: float | None = None
        self._drains = True
        self._last_seq: int | None = None
        self._is_over = False
        self._is_gone = False
        self._goes_on = True
        self._has_trouble = False
        self._failing_since: float | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the place is no more, as standard output is once nobody reads it."""
        return self._is_gone

    def wake(self) -> None:
        """Say that there may be alerts."""
        with self._changed:
            if self._thread is None and self._closes_at is None:
                # A daemon, so that an output that hangs for good does not keep the process from ending.
                self._thread = threading.Thread(target=self._run, name=f"output {self.route.name}", daemon=True)
                self._thread.start()
            self._has_news = True
            if self._early or not self._is_gathering:
                self._changed.notify_all()

    def pass_on(self, findings: Sequence[Finding]) -> None:
        """Take alerts that the journal does not have, each of them once; it may get them later."""
        limits = self.route.limits
        with self._changed:
            for finding in findings:
                if finding.identity in self._passed:
                    continue
                size = size_of(finding)
                if self._early and (
                    len(self._early) >= limits.max_alerts or self._early_bytes + size > limits.max_bytes
                ):
                    self._drop(DropReason.QUEUE_FULL, 1, "alerts cannot be stored, and memory has no room for more")
                    continue
                if len(self._passed) >= _MAX_PASSED:
                    del self._passed[next(iter(self._passed))]
                self._passed[finding.identity] = None
                self._early.append((finding, size))
                self._early_bytes += size
        self.wake()
        self._tell()

    def wait_for_room(self, number: int, size: int, patience_s: float) -> None:
        """Wait until so many more alerts and bytes are within the limits, the output fails, or time is up.

        What is beyond the limits by itself has room when nothing else waits.
        """
        limits = self.route.limits

        def has_room() -> bool:
            waiting, waiting_bytes = self._lag()
            fits = waiting + number <= limits.max_alerts and waiting_bytes + size <= limits.max_bytes
            return fits or not waiting or self._failing_since is not None or self._is_over

        with self._changed:
            self._changed.wait_for(has_room, patience_s)

    def stats(self) -> RouteStats:
        """The counters, all of one moment."""
        with self._changed:
            waiting, waiting_bytes = self._lag()
            return RouteStats(
                name=self.route.name,
                delivered=self._counts["delivered"],
                filtered=self._counts["filtered"],
                held_back=self._counts["held_back"],
                dropped=dict(self._dropped),
                waiting=waiting,
                waiting_bytes=waiting_bytes,
                failures=self._counts["failures"],
            )

    def ask_to_close(self, deadline: float, *, drains: bool = True) -> None:
        """End: deliver what waits until the deadline, a time of the lane's clock, or only what was begun."""
        with self._changed:
            if self._closes_at is None:
                self._closes_at, self._drains = deadline, drains
                if self._journal.poll_s is None:
                    self._last_seq = self._journal.top[0]  # what comes from now on is not for it
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until all is delivered or the deadline has come; what another run will not deliver is dropped then."""
        thread, deadline = self._thread, self._closes_at
        assert deadline is not None  # noqa: S101 - INVARIANT: `ask_to_close` came first
        if thread:
            thread.join(max(0, deadline - self._clock()))
        elif not self._is_over:
            self.route.output.close()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
            rest, _ = self._lag()
            if rest and not self._journal.is_durable:
                self._drop(DropReason.CLOSED, rest, "the end came before they were delivered")
                self._mark = self._journal.top
                self._early.clear()
        self._tell()

    def _lag(self) -> tuple[int, int]:
        """How many alerts wait, about, and how many bytes they take."""
        seq, total = self._journal.top
        mark = self._mark or ((seq, total) if self._journal.is_durable else (0, 0))
        return max(0, seq - mark[0]) + len(self._early), max(0, total - mark[1]) + self._early_bytes

    # What the thread does

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except _TimeIsUp:
            pass
        finally:
            with suppress(Exception):
                self.route.output.close()
            with suppress(Exception):
                self._journal.release(self.route.name)

    def _step(self) -> bool:
        """Deliver what comes next, or wait for it; False when that is all."""
        with self._changed:
            if self._must_stop() or (self._closes_at is not None and not self._drains):
                return False
            self._has_news = False
            early = [finding for finding, _ in list(self._early)[: self.route.output.max_batch]]
        if early:
            self._serve_early(early)
        elif self._summary_is_due():
            self._summarise()
        elif letters := self._letters():
            self._resend(letters)
        elif entries := self._read():
            self._serve(entries)
            if len(entries) < _READ and self._journal.is_durable:  # memory alone may have room for few
                self._gather()
        else:
            return self._wait()
        return True

    def _letters(self) -> Sequence[tuple[int, Finding]]:
        """Alerts that are to be sent again; it is asked now and then."""
        if not self._is_mine or not self._journal.is_durable or self._clock() < self._letters_at:
            return ()
        self._letters_at = self._clock() + _LETTERS_S
        try:
            return self._journal.letters(self.route.name)
        except Exception:  # whatever keeps them from being read may pass
            return ()

    def _resend(self, letters: Sequence[tuple[int, Finding]]) -> None:
        for number, finding in letters:
            if self._send([_unnumbered(finding)]):
                self._kept(lambda number=number: self._journal.discard(number))  # type: ignore[misc]  # bound at once

    def _read(self) -> Sequence[Entry]:
        """The alerts that come next; none where there are none, or where they cannot be read."""
        name = self.route.name
        self._has_trouble = False
        try:
            if not self._is_mine:
                found = self._journal.claim(name)
                if found is None:
                    self._has_trouble = True
                    return ()
                self._is_mine = True
                with self._changed:
                    self._mark = max(found, self._mark or found)
            assert self._mark is not None  # noqa: S101 - INVARIANT: it is set with the claim
            entries, lost = self._journal.after(name, self._mark[0], _READ)
        except Exception as error:  # whatever keeps alerts from being read may pass
            self._has_trouble = True
            self._notices.add("read", f"stored alerts cannot be read: {_reason(error)}")
            self._tell()
            if self._is_mine:
                self._is_mine = False
                with suppress(Exception):
                    self._journal.release(name)
            return ()
        if lost:
            with self._changed:
                self._drop(DropReason.QUEUE_FULL, lost, "it is too slow, and memory is full")
            self._tell()
        last = self._last_seq
        return entries if last is None else [entry for entry in entries if entry.seq <= last]

    def _wait(self) -> bool:
        """Wait until there is something to do; False when that was all."""
        with self._changed:
            if self._closes_at is not None:
                if not self._limiter or self._limiter.due_at is None:
                    return False
            elif not self._has_news or self._has_trouble:
                pauses = [_TROUBLE_S] if self._has_trouble else []
                if self._journal.poll_s is not None:
                    pauses.append(self._journal.poll_s)
                if self._journal.is_durable:
                    pauses.append(_LETTERS_S)
                if self._limiter and self._limiter.due_at is not None:
                    pauses.append(max(0, self._limiter.due_at - self._clock()))
                self._changed.wait(min(pauses, default=None))
                return True
        self._summarise()
        return True

    def _gather(self) -> None:
        """Let alerts come together, unless the end is asked for, or some are in memory alone."""
        with self._changed:
            self._is_gathering = True
            self._changed.wait_for(lambda: self._early or self._closes_at is not None, _GATHER_S)
            self._is_gathering = False

    def _summary_is_due(self) -> bool:
        limiter = self._limiter
        return limiter is not None and limiter.due_at is not None and limiter.due_at <= self._clock()

    def _summarise(self) -> None:
        if self._limiter and (summary := self._limiter.summary()):
            self._send([_unnumbered(Finding.of(summary, os.urandom(16)))])

    def _serve_early(self, findings: Sequence[Finding]) -> None:
        self._deliver(self._chosen([_unnumbered(finding) for finding in findings]))
        with self._changed:
            for _ in findings:
                self._early_bytes -= self._early.popleft()[1]

    def _serve(self, entries: Sequence[Entry]) -> None:
        passed = self._passed
        new = [entry for entry in entries if entry.finding.identity not in passed] if passed else entries
        self._deliver(self._chosen(new))
        self._move((entries[-1].seq, entries[-1].total))

    def _chosen(self, found: Sequence[Entry]) -> Sequence[Entry]:
        """The alerts that are for this output, and within its limit."""
        takes, limiter = self.route.filter.takes, self._limiter
        if limiter is None and self.route.filter.is_open:
            return found
        items = []
        counts: Counter[str] = Counter()
        for item in found:
            if not takes(item.finding.kind):
                counts["filtered"] += 1
            elif limiter and not limiter.admits(item.finding.alert(), self._clock()):
                counts["held_back"] += 1
            else:
                items.append(item)
        if counts:
            with self._changed:
                self._counts += counts
        return items

    def _deliver(self, items: Sequence[Entry]) -> None:
        most = self.route.output.max_batch
        for at in range(0, len(items), most):
            self._send(items[at : at + most])

    def _send(self, items: Sequence[Entry]) -> bool:
        """Write alerts until they are taken or given up; whether all were taken.

        Raises:
            _TimeIsUp: The end came before.
        """
        is_taken = False
        try:
            if self._is_gone:
                raise GoneError
            self._retrying(self._attempt, items)
        except _TimeIsUp:
            raise
        except GoneError:
            self._lose(len(items))
        except Exception as error:  # not only `OSError`: a mistake of an output must not end its thread
            if _may_pass(error) and self._must_stop():
                raise _TimeIsUp from error
            if len(items) > 1:
                taken = [self._send([item]) for item in items]
                return all(taken)
            self._give_up(items[0], error)
        else:
            is_taken = True
            with self._changed:
                self._counts["delivered"] += len(items)
                self._failing_since = None
        if items[-1].seq:
            self._move((items[-1].seq, items[-1].total))
        return is_taken

    def _attempt(self, items: Sequence[Entry]) -> None:
        try:
            self._write([item.finding for item in items])
            self.route.output.flush()
        except Exception as error:
            with self._changed:
                self._counts["failures"] += 1
                if self._failing_since is None:
                    self._failing_since = self._clock()
                self._changed.notify_all()
                waiting, _ = self._lag()
                if not isinstance(error, GoneError):  # whether anybody is to know depends on whether the run goes on
                    self._notices.add("failure", f"{_reason(error)} (alerts waiting: {waiting})")
            self._tell()
            raise

    def _write_alerts(self, findings: Sequence[Finding]) -> None:
        self.route.output.write([finding.alert() for finding in findings])

    def _must_give_up(self, state: RetryCallState) -> bool:
        return self._must_stop() or self._is_overdue(state.args[0])

    def _is_overdue(self, items: Sequence[Entry]) -> bool:
        """Whether the oldest of some alerts has waited too long for an output that fails all the time.

        Time that the run was away does not count, and neither does a clock that was set.
        """
        if self._failing_since is None:
            return False
        waited_s = (time.time_ns() - items[0].stored_ns) / 1e9
        return min(self._clock() - self._failing_since, waited_s) >= self._give_up_after_s

    def _give_up(self, item: Entry, error: Exception) -> None:
        """Keep an alert elsewhere that the output will not get; go on trying until it is kept."""
        is_late = _may_pass(error)
        self._kept(lambda: self._journal.bury(self.route.name, item.finding, _reason(error)))
        with self._changed:
            if not is_late:
                self._failing_since = None  # it answers
            self._drop(DropReason.EXPIRED if is_late else DropReason.REFUSED, 1, _reason(error))
        self._tell()

    def _kept(self, keep: Callable[[], None]) -> None:
        """Have something written down about a dead letter; go on trying until it is."""
        while True:
            try:
                keep()
            except Exception as error:  # whatever keeps it from being written may pass
                self._notices.add("dead letter", f"a dead letter cannot be written: {_reason(error)}")
                self._tell()
                self._rest(_TROUBLE_S)
            else:
                return

    def _lose(self, number: int) -> None:
        """The place is gone for good: alerts are counted if the run goes on without it, else kept for the next one."""
        is_first = not self._is_gone
        self._is_gone = True
        if is_first:
            self._goes_on = self._on_gone()
        if not self._goes_on:
            raise _TimeIsUp
        with self._changed:
            self._dropped[DropReason.GONE] += number

    def _move(self, mark: Mark) -> None:
        with self._changed:
            if self._is_over:
                return
            self._mark = mark
            self._changed.notify_all()
        self._journal.move(self.route.name, mark[0])

    def _drop(self, reason: DropReason, number: int, why: str) -> None:
        self._dropped[reason] += number
        self._notices.add(reason, f"{why} (dropped so far: {self._dropped[reason]})")

    def _rest(self, seconds: float) -> None:
        """Wait before the next attempt, which comes at once when the end is asked for meanwhile.

        Raises:
            _TimeIsUp: There is to be none.
        """
        with self._changed:
            was_closing = self._closes_at is not None
            until = self._clock() + (min(seconds, _LONGEST_CLOSING_PAUSE_S) if was_closing else seconds)
            while not self._must_stop():
                now = self._clock()
                if now >= until or (self._closes_at is not None and not was_closing):
                    return
                self._changed.wait((until if self._closes_at is None else min(until, self._closes_at)) - now)
            raise _TimeIsUp

    def _must_stop(self) -> bool:
        return self._is_over or (self._closes_at is not None and self._clock() >= self._closes_at)

    def _tell(self) -> None:
        """Say what there is to say, without the lock: whoever listens may be slow."""
        with self._changed:
            texts = self._notices.take()
        place = self.route.output.place
        subject = f"output `{self.route.name}` (`{place}`)" if place else f"output `{self.route.name}`"
        for text in texts:
            with suppress(OSError):  # nobody listens
                self._report(f"{subject}: {text}")


def _unnumbered(finding: Finding) -> Entry:
    """An alert that is not one of those that follow each other in the journal."""
    return Entry(0, time.time_ns(), 0, finding)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or "unknown failure"
