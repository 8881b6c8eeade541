"""Workers that do the same: started together, replaced when they die, ended together."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

from lanner.server.worker import (
    PARENTS_SIGNALS,
    Ended,
    Job,
    Latch,
    Listening,
    Message,
    Report,
    Stage,
    Unable,
    Unstored,
    work,
)
from lanner.sources.base import reason_of

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


def start_process(
    target: Callable[..., None], arguments: tuple[object, ...], release: Callable[[], None], *, name: str
) -> tuple[ForkProcess, Connection]:
    """Fork a process that has a two-way connection to this one as its last argument.

    Args:
        target: What it does.
        arguments: What that is given, before the connection.
        release: Called in the other process to let go of what is this one's alone: connections and latches, because a
            pipe breaks when all have closed its other end.
        name: Its name.

    Raises:
        OSError: The system has no room for it.
    """
    context = get_context("fork")
    here, there = context.Pipe()

    def run() -> None:
        here.close()
        release()
        target(*arguments, there)

    process = context.Process(target=run, name=name)
    # Until the process ignores these signals it would tell them to its parent.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PARENTS_SIGNALS)
    try:
        process.start()
    except OSError:
        here.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        there.close()
    return process, here


def end_of(process: ForkProcess) -> str:
    """Wait for the end of a process; how it ended."""
    process.join()
    code = process.exitcode or 0
    process.close()
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


@dataclass(slots=True)
class Slot:
    """The place of one worker, taken by one process after the other.

    Attributes:
        number: Which it is.
        process: The worker; None while there is none.
        connection: Where its messages come from.
        stage: How far it has come.
        since: When it started.
        restart_at: When another one is to start; None: not at all.
        report: What it has done so far.
        last_word: What it said before it ended.
    """

    number: int
    process: ForkProcess | None = None
    connection: Connection | None = None
    stage: Stage = Stage.STARTED
    since: float = 0.0
    restart_at: float | None = None
    report: Report | None = None
    last_word: Ended | Unable | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told of what happens to workers.

    Attributes:
        on_ready: All listen, for the first time.
        on_listening: The first of them listens at a source.
        on_report: One that has ended had done this.
        on_death: One died.
        on_unstored: One has alerts that it could not store.
    """

    on_ready: Callable[[], None]
    on_listening: Callable[[Listening], None]
    on_report: Callable[[Report], None]
    on_death: Callable[[Death], None]
    on_unstored: Callable[[Unstored], None]


@dataclass(slots=True, eq=False)
class Generation:
    """Workers with the same job.

    Attributes:
        job: What each does.
        slots: Their places.
        watcher: Who is told.
        release: Called in each worker to let go of what is the parent's alone.
        restarted: How many were started in place of others.
        is_given_up: Whether they died again and again.
    """

    job: Job
    slots: list[Slot]
    watcher: Watcher
    release: Callable[[], None]
    restarted: int = 0
    is_given_up: bool = False
    _gate: Latch = field(default_factory=Latch, init=False)
    _lifeline: Latch = field(default_factory=Latch, init=False)
    _restarts: Restarts = field(default_factory=Restarts, init=False)
    _deadline: float | None = field(default=None, init=False)
    _has_started: bool = field(default=False, init=False)
    _listening: set[str] = field(default_factory=set, init=False)

    @property
    def is_over(self) -> bool:
        """Whether no worker is left, and none is to come."""
        return not any(slot.process or slot.restart_at is not None for slot in self.slots)

    @property
    def connections(self) -> dict[Connection, Slot]:
        """Where messages come from."""
        return {slot.connection: slot for slot in self.slots if slot.connection}

    def let_go(self) -> None:
        """Let go, in a process that was forked, of what is the parent's alone."""
        for connection in self.connections:
            connection.close()
        self._gate.let_go()
        self._lifeline.let_go()

    def start(self) -> None:
        """Start all workers.

        Raises:
            OSError: The system has no room for so many processes.
        """
        for slot in self.slots:
            self._start(slot)

    def due_s(self) -> float | None:
        """Seconds to the next thing that is to be done at a time of its own."""
        times = [slot.restart_at for slot in self.slots if slot.restart_at is not None]
        if self._deadline is not None:
            times.append(self._deadline)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def tick(self) -> None:
        """Do what is to be done by now."""
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.kill()
        for slot in self.slots:
            if slot.restart_at is not None and now >= slot.restart_at:
                self._restart(slot)

    def receive(self, slot: Slot, connection: Connection) -> None:
        """Take a message of a worker, or its end."""
        try:
            message: Message = connection.recv()
        except (EOFError, OSError):  # an error: it was killed in the middle of a message
            self._bury(slot)
            return
        match message:
            case Stage():
                slot.stage = message
                self._advance()
            case Listening():
                if message.name not in self._listening:
                    self._listening.add(message.name)
                    self.watcher.on_listening(message)
            case Report():
                slot.report = message
            case Unstored():
                self.watcher.on_unstored(message)
            case _:
                slot.last_word = message

    def stop(self) -> None:
        """Have all workers end."""
        if self._lifeline.is_held:
            self._lifeline.let_go()
            self._gate.let_go()
            self._deadline = time.monotonic() + STOP_TIMEOUT_S
        for slot in self.slots:
            slot.restart_at = None

    def kill(self) -> None:
        """End all workers at once."""
        for slot in self.slots:
            if slot.process:
                slot.process.kill()

    def close(self) -> None:
        """End at once what is left, and let go of everything."""
        self.kill()
        for slot in self.slots:
            if slot.process:
                self._clear(slot)
        self._gate.close()
        self._lifeline.close()

    def _start(self, slot: Slot) -> None:
        slot.process, slot.connection = start_process(self._work, (), self.release, name=f"worker-{slot.number}")
        slot.stage, slot.report, slot.last_word, slot.restart_at = Stage.STARTED, None, None, None
        slot.since = time.monotonic()

    def _work(self, parent: Connection) -> None:
        work(self.job, parent, self._gate, self._lifeline)

    def _restart(self, slot: Slot) -> None:
        self.restarted += 1
        try:
            self._start(slot)
        except OSError as error:
            self._mourn(slot, f"not started: {reason_of(error)}", 0.0)

    def _advance(self) -> None:
        """Open the gate when all are ready; say so when all listen, for the first time."""
        least = min(slot.stage for slot in self.slots)
        if least is not Stage.STARTED:
            self._gate.let_go()
        if least is Stage.LISTENING and not self._has_started:
            self._has_started = True
            self.watcher.on_ready()

    def _bury(self, slot: Slot) -> None:
        """Take what a worker that ended has left."""
        reason, word = self._clear(slot), slot.last_word
        if slot.report:
            self.watcher.on_report(slot.report)
            slot.report = None
        if not isinstance(word, Ended):
            self._mourn(slot, word.reason if word else reason, time.monotonic() - slot.since)

    def _clear(self, slot: Slot) -> str:
        """Wait for the end of a worker; how it ended."""
        process, connection = slot.process, slot.connection
        assert process is not None  # noqa: S101 - INVARIANT: a worker is buried once
        assert connection is not None  # noqa: S101 - INVARIANT: as the process
        slot.process = slot.connection = None
        slot.stage = Stage.STARTED
        connection.close()
        return end_of(process)

    def _mourn(self, slot: Slot, reason: str, lived_s: float) -> None:
        """Have another worker started in place of one that died, or give up."""
        pause_s = None
        if self._lifeline.is_held:
            now = time.monotonic()
            pause_s = self._restarts.pause(slot.number, lived_s, now)
            slot.restart_at = now + pause_s if pause_s is not None else None
            self.is_given_up = pause_s is None
        self.watcher.on_death(Death(reason, pause_s))
        if pause_s is None:
            self.stop()
