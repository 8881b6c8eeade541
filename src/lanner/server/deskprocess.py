"""The desk as its parent sees it: a process that is started, heard, exchanged, and started again when it was lost."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

from lanner.engine.alert import Alert
from lanner.server.desk import Changed, Note, Opened, ReaderGone
from lanner.server.generation import end_of
from lanner.server.snapshot import Snapshot
from lanner.server.worker import Report, Unstored
from lanner.vigil.sight import Sight

_LOG = logging.getLogger(__name__)

START_S = 5.0
"""How long another desk may take to begin before the one of before it ends all the same."""

PAUSE_S = 1.0
"""How long a desk that died stays away."""

Started = tuple[ForkProcess, Connection]


class DeskProcess:
    """The desk of a run.

    Attributes:
        report: What the one that there is has done, as it said last; None: it has not said so yet, or there is none.
        sight: What is known of what may be missed.
    """

    def __init__(self, start: Callable[[], Started], on_over: Callable[[Report], None]) -> None:
        """Have none yet.

        Args:
            start: Starts one. It raises `OSError` where the system has no room for it.
            on_over: Given the last report of one that has ended.
        """
        self.report: Report | None = None
        self.sight = Sight()
        self._start = start
        self._on_over = on_over
        self._now: Started | None = None
        self._before: Started | None = None
        self._due_at = 0.0

    @property
    def connection(self) -> Connection | None:
        """What it is heard by, where there is one."""
        return self._now[1] if self._now else None

    def start(self) -> None:
        """Start one; later, where there is no room for it."""
        try:
            self._now = self._start()
        except OSError as error:
            self._lose((error.strerror or str(error)).lower())

    def tick(self) -> None:
        """Start another one in place of one that was lost, when it is time."""
        if self._now is None and time.monotonic() >= self._due_at:
            self.start()

    def hear(self) -> Changed | ReaderGone | None:
        """Take what it says; what is the parent's to deal with."""
        assert self._now is not None  # noqa: S101 - INVARIANT: it was waited for
        try:
            note: Note = self._now[1].recv()
        except (EOFError, OSError):
            self._lose(self._clear())
            return None
        match note:
            case Report():
                self.report = note
                self.sight = note.sight or self.sight
            case Opened():
                if note.problem:
                    _LOG.error("no health and metrics: %s", note.problem)
            case Changed() | ReaderGone():
                return note
        return None

    def tell(self, message: Snapshot | Alert | Unstored) -> None:
        """Tell it, where there is one."""
        if self._now:
            with suppress(OSError):  # its end is noticed when it is listened to
                self._now[1].send(message)

    def reopen(self) -> None:
        """Have it let all outputs begin anew."""
        if self._now and self._now[0].pid:
            os.kill(self._now[0].pid, signal.SIGUSR1)  # it is there until it is waited for

    def exchange(self) -> Changed | ReaderGone | None:
        """Have another one begin, and the one before end once the other answers: health is asked all the time."""
        self._before, self._now = self._now, None
        self.start()
        said = self.hear() if self._now and self._now[1].poll(START_S) else None
        if self._before:
            before, self._before = self._before, None
            after, self._now = self._now, before
            self.end()
            self._now = after
        return said

    def end(self) -> None:
        """Have it deliver what it has, and end; it says what it has done."""
        if self._now is None:
            return
        _, connection = self._now
        with suppress(OSError, EOFError):
            connection.send(None)
            while True:
                note: Note = connection.recv()
                if isinstance(note, Report):
                    self.report = note
        self._clear()

    def kill(self) -> None:
        """End it at once."""
        if self._now:
            self._now[0].kill()
            self._clear()

    def let_go(self) -> None:
        """Let go, in a process that was forked, of what is the parent's alone."""
        for each in (self._now, self._before):
            if each:
                each[1].close()

    def _lose(self, reason: str) -> None:
        self._due_at = time.monotonic() + PAUSE_S
        _LOG.error("the process for health and metrics was lost: %s; another one starts", reason)

    def _clear(self) -> str:
        assert self._now is not None  # noqa: S101 - INVARIANT: who clears it has seen it
        process, connection = self._now
        self._now = None
        connection.close()
        if self.report:
            self._on_over(self.report)
            self.report = None
        return end_of(process)
