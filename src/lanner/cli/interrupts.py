"""Signals that end a command, without cutting through work that was begun."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Stopped(BaseException):
    """A signal asked the command to end; like `KeyboardInterrupt` no error, so that no handler of errors takes it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class Interrupts:
    """While entered, Ctrl-C raises `Stopped`: at once, or behind the block of `held` that it came in.

    A second Ctrl-C does not wait. After `stop_after_s` seconds, when given, the same happens by itself.
    """

    def __init__(self, stop_after_s: float | None = None) -> None:
        self._stop_after_s = stop_after_s
        self._held = False
        self._pending: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGALRM):
            self._previous[number] = signal.signal(number, self._receive)
        if self._stop_after_s is not None:
            signal.setitimer(signal.ITIMER_REAL, self._stop_after_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Finish this block before a signal takes effect."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending is not None:
            raise Stopped(self._pending)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._held and self._pending is None:
            self._pending = number
        else:
            raise Stopped(number)
