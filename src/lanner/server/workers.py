"""Several processes that share a webhook's port, and the one that looks after them.

The parent forks workers once everything is loaded, so that they share its memory. Each listens on the port by itself,
and the kernel spreads connections among them. The parent evaluates nothing: it waits for signals and for what workers
say.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from lanner.engine.stats import Stats
from lanner.server.serve import STOP_SIGNALS
from lanner.server.worker import Ended, Job, Latch, Message, Stage, Unable, work
from lanner.sources.base import reason_of
from lanner.sources.listener import reserve, tls_context

MIN_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
"""How long a worker that died stays away: the first time, and at most; each time is twice as long as the last."""

LONG_LIFE_S = 60.0
"""A worker that lived so long did not die from how it was started: its next pause is the shortest again."""

MAX_DEATHS = 5
"""So many workers that died young within `LONG_LIFE_S` end everything."""

STOP_TIMEOUT_S = 40.0
"""How long workers may take to end, some seconds more than a webhook gives its posts; those left then are killed."""


@dataclass(frozen=True, slots=True)
class Death:
    """A worker that ended though nobody asked it to.

    Attributes:
        reason: Such as `killed by SIGKILL`.
        pause_s: When another one starts in its place; None: none does.
    """

    reason: str
    pause_s: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How everything ended.

    Attributes:
        stats: What the workers counted; those that died took their counters with them.
        stopped: The signal that asked to end, or None.
        restarted: How many workers were started in place of others.
        is_given_up: Whether the workers died again and again.
    """

    stats: Stats
    stopped: signal.Signals | None
    restarted: int
    is_given_up: bool


class Restarts:
    """Decides when a worker that died is started again."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque()
        self._pauses: dict[int, float] = {}

    def pause(self, worker: int, lived_s: float, now: float) -> float | None:
        """How many seconds to wait, or None to give up.

        Args:
            worker: Its number.
            lived_s: How many seconds it has lived.
            now: Seconds of a clock that never goes back.
        """
        if lived_s >= LONG_LIFE_S:
            self._pauses[worker] = MIN_PAUSE_S
            return MIN_PAUSE_S
        self._deaths.append(now)
        while self._deaths[0] <= now - LONG_LIFE_S:
            self._deaths.popleft()
        if len(self._deaths) >= MAX_DEATHS:
            return None
        last = self._pauses.get(worker, 0.0)
        self._pauses[worker] = min(MAX_PAUSE_S, last * 2) or MIN_PAUSE_S
        return self._pauses[worker]


def serve_workers(
    job: Job, count: int, *, on_started: Callable[[str, int], None], on_death: Callable[[Death], None]
) -> Outcome:
    """Run workers on one port until SIGINT or SIGTERM comes, which are taken over while it runs.

    What was received is evaluated and written before this returns. To be called in a process without other threads.

    Args:
        job: What each worker does.
        count: How many there are.
        on_started: Told host and port once all of them accept connections; none does before all are ready.
        on_death: Told of each worker that dies.

    Raises:
        SourceError: The address is not to be had, or certificate and key are not usable.
        OSError: The system has no room for so many processes.
        BrokenPipeError: The output's reader has left.
    """
    options = job.options
    if options.is_tls:
        tls_context(options.certificate, options.key)
    with reserve(options.host, options.port) as reserved:
        host, port = reserved.getsockname()[:2]
        options = replace(options, host=host if options.host else "", port=port)
        gc.collect()
        gc.freeze()  # a collection in a worker would write to every page that it shares
        try:
            supervisor = Supervisor(replace(job, options=options), count, lambda: on_started(host, port), on_death)
            return supervisor.run()
        finally:
            gc.unfreeze()


@dataclass(slots=True)
class _Slot:
    """The place of one worker, taken by one process after the other.

    Attributes:
        number: Which it is.
        process: The worker; None while there is none.
        connection: Where its messages come from.
        stage: How far it has come.
        since: When it started.
        restart_at: When another one is to start; None: not at all.
        last_word: What it said before it ended.
    """

    number: int
    process: ForkProcess | None = None
    connection: Connection | None = None
    stage: Stage = Stage.STARTED
    since: float = 0.0
    restart_at: float | None = None
    last_word: Ended | Unable | None = None


@dataclass(slots=True)
class Supervisor:
    """Starts workers, starts others in place of those that die, ends them all, and adds up what they counted."""

    job: Job
    count: int
    on_started: Callable[[], None]
    on_death: Callable[[Death], None]
    _stats: Stats = field(init=False)
    _slots: list[_Slot] = field(init=False)
    _gate: Latch = field(default_factory=Latch, init=False)
    _lifeline: Latch = field(default_factory=Latch, init=False)
    _restarts: Restarts = field(default_factory=Restarts, init=False)
    _stopped: signal.Signals | None = field(default=None, init=False)
    _restarted: int = field(default=0, init=False)
    _deadline: float | None = field(default=None, init=False)
    _has_started: bool = field(default=False, init=False)
    _has_reader: bool = field(default=True, init=False)
    _is_given_up: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._stats = Stats.for_rules(rule.name for rule in self.job.engine.rules.rules)
        self._slots = [_Slot(number) for number in range(self.count)]

    def run(self) -> Outcome:
        """As `serve_workers`."""
        try:
            with _stop_signals() as signals:
                for slot in self._slots:
                    self._start(slot)
                while any(slot.process or slot.restart_at is not None for slot in self._slots):
                    self._wait(signals)
        finally:
            self._close()
        if not self._has_reader:
            raise BrokenPipeError
        return Outcome(self._stats, self._stopped, self._restarted, self._is_given_up)

    def _wait(self, signals: int) -> None:
        """Wait for what comes next, and deal with it."""
        slots = {slot.connection: slot for slot in self._slots if slot.connection}
        for found in wait([signals, *slots], self._timeout_s()):
            if isinstance(found, Connection):
                self._receive(slots[found], found)
            else:
                self._stopped = self._stopped or signal.Signals(os.read(signals, 1)[0])
                self._stop()
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._kill()
        for slot in self._slots:
            if slot.restart_at is not None and now >= slot.restart_at:
                self._restart(slot)

    def _timeout_s(self) -> float | None:
        """Seconds to the next thing that is to be done at a time of its own."""
        times = [slot.restart_at for slot in self._slots if slot.restart_at is not None]
        if self._deadline is not None:
            times.append(self._deadline)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _start(self, slot: _Slot) -> None:
        context = get_context("fork")
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=self._work, args=(reader, writer), name=f"worker-{slot.number}")
        # Until a worker ignores these signals it would tell them to its parent.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            process.start()
        except OSError:
            reader.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            writer.close()
        slot.process, slot.connection = process, reader
        slot.stage, slot.last_word, slot.restart_at = Stage.STARTED, None, None
        slot.since = time.monotonic()

    def _restart(self, slot: _Slot) -> None:
        self._restarted += 1
        try:
            self._start(slot)
        except OSError as error:
            self._mourn(slot, f"not started: {reason_of(error)}", 0.0)

    def _receive(self, slot: _Slot, connection: Connection) -> None:
        """Take a message of a worker, or its end."""
        try:
            message: Message = connection.recv()
        except (EOFError, OSError):  # an error: it was killed in the middle of a message
            self._bury(slot)
            return
        if isinstance(message, Stage):
            slot.stage = message
            self._advance()
        else:
            slot.last_word = message

    def _advance(self) -> None:
        """Open the gate when all are ready; say so when all listen, for the first time."""
        least = min(slot.stage for slot in self._slots)
        if least is not Stage.STARTED:
            self._gate.let_go()
        if least is Stage.LISTENING and not self._has_started:
            self._has_started = True
            self.on_started()

    def _bury(self, slot: _Slot) -> None:
        """Take what a worker that ended has left."""
        reason, word = self._clear(slot), slot.last_word
        if isinstance(word, Ended):
            self._stats.add(word.stats)
            if not word.has_reader:
                self._has_reader = False
                self._stop()
        else:
            self._mourn(slot, word.reason if word else reason, time.monotonic() - slot.since)

    def _clear(self, slot: _Slot) -> str:
        """Wait for the end of a worker; how it ended."""
        process, connection = slot.process, slot.connection
        assert process is not None  # noqa: S101 - INVARIANT: a worker is buried once
        assert connection is not None  # noqa: S101 - INVARIANT: as the process
        slot.process = slot.connection = None
        slot.stage = Stage.STARTED
        connection.close()
        process.join()
        code = process.exitcode or 0
        process.close()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def _mourn(self, slot: _Slot, reason: str, lived_s: float) -> None:
        """Have another worker started in place of one that died, or give up."""
        pause_s = None
        if self._lifeline.is_held:
            now = time.monotonic()
            pause_s = self._restarts.pause(slot.number, lived_s, now)
            slot.restart_at = now + pause_s if pause_s is not None else None
            self._is_given_up = pause_s is None
        self.on_death(Death(reason, pause_s))
        if pause_s is None:
            self._stop()

    def _stop(self) -> None:
        """Have all workers end."""
        if self._lifeline.is_held:
            self._lifeline.let_go()
            self._gate.let_go()
            self._deadline = time.monotonic() + STOP_TIMEOUT_S
        for slot in self._slots:
            slot.restart_at = None

    def _kill(self) -> None:
        for slot in self._slots:
            if slot.process:
                slot.process.kill()

    def _close(self) -> None:
        """End at once what is left."""
        self._kill()
        for slot in self._slots:
            if slot.process:
                self._clear(slot)
        self._gate.close()
        self._lifeline.close()

    def _work(self, reader: Connection, writer: Connection) -> None:
        """Be a worker that has let go of what is its parent's: a pipe breaks when all have closed its other end."""
        for connection in (reader, *(slot.connection for slot in self._slots)):
            if connection:
                connection.close()
        work(self.job, writer, self._gate, self._lifeline)


@contextmanager
def _stop_signals() -> Iterator[int]:
    """Take over the signals that ask to end: their numbers can be read from the descriptor, a byte each."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda number, frame: None) for number in STOP_SIGNALS}
    try:
        yield reader
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        os.close(reader)
        os.close(writer)
