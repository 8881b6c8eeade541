"""What a process without an event loop waits for: signals, and the time for what is done again and again."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Chore:
    """What is done again and again.

    Attributes:
        every_s: Seconds between two times.
        do: Does it.
    """

    every_s: float
    do: Callable[[], None]
    _last: float = -math.inf

    def tick(self) -> None:
        """Do it, if it is time."""
        now = time.monotonic()
        if now - self._last >= self.every_s:
            self._last = now
            self.do()


@contextmanager
def taken_over(numbers: Iterable[signal.Signals]) -> Iterator[int]:
    """Take over signals: their numbers can be read from the descriptor, a byte each."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda number, frame: None) for number in numbers}
    try:
        yield reader
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        os.close(reader)
        os.close(writer)
