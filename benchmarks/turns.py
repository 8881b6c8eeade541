"""Processes that run by turns of a tenth of a second, so that whatever else the machine does meets all of them alike.

How fast a shared machine is changes from one second to the next, by half and more: runs of seconds that follow each
other meet different machines. Much shorter turns would measure how caches are filled again, and so would a process that
is moved to another core: each has its own.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

ROUND_S = 0.2
"""How long it takes until each has had its turn."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn:
    """The place of one process among those that take turns."""

    turns: Turns
    place: int

    @property
    def core(self) -> int:
        """The core for the process: another one than the others', where there are enough."""
        cores = sorted(os.sched_getaffinity(0))
        return cores[self.place % len(cores)]

    def join(self, pid: int) -> None:
        """Have a process, which leads a group of its own, run only when it is its turn from now on."""
        self.turns.join(self.place, pid)

    def leave(self) -> float:
        """Say that the process is over, or that there will be none; the seconds that it had."""
        return self.turns.leave(self.place)


class Turns:
    """Stops and continues processes in turn, as soon as all have joined that have not left.

    Args:
        shares: How long each one's turns are, as a multiple of the others'.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        self._lengths_s = [ROUND_S * share / sum(shares) for share in shares]
        self._changed = threading.Condition()
        self._open = set(range(len(shares)))
        self._pids: dict[int, int] = {}
        self._had_s = [0.0] * len(shares)
        self._now: int | None = None
        self._since = 0.0

    def join(self, place: int, pid: int) -> None:
        """As `Turn.join`."""
        _signal(pid, signal.SIGSTOP)
        with self._changed:
            self._pids[place] = pid
            self._changed.notify_all()

    def leave(self, place: int) -> float:
        """As `Turn.leave`."""
        with self._changed:
            self._open.discard(place)
            if self._now == place:
                self._end()
            self._changed.notify_all()
            return self._had_s[place]

    def run(self) -> None:
        """Give turns until all have left."""
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._pids.keys() >= self._open)
                while self._open:
                    for place in sorted(self._open):
                        self._give(place)
        except BaseException:
            for pid in self._pids.values():
                _signal(pid, signal.SIGKILL)
            raise

    def _give(self, place: int) -> None:
        if place not in self._open:
            return
        self._now, self._since = place, time.monotonic()
        _signal(self._pids[place], signal.SIGCONT)
        self._changed.wait_for(lambda: place not in self._open, self._lengths_s[place])
        if place in self._open:
            if len(self._open) > 1:
                _signal(self._pids[place], signal.SIGSTOP)
            self._end()

    def _end(self) -> None:
        assert self._now is not None
        self._had_s[self._now] += time.monotonic() - self._since
        self._now = None


def by_turns(runs: Sequence[Callable[[Turn], T]], shares: Sequence[float]) -> list[T]:
    """What functions give that run at the same time, their processes by turns.

    Args:
        runs: Each is given the turn for its process.
        shares: How long each one's turns are, as a multiple of the others'.
    """
    turns = Turns(shares)

    def one(place: int) -> T:
        turn = Turn(turns, place)
        try:
            return runs[place](turn)
        finally:
            turn.leave()

    with ThreadPoolExecutor(len(runs)) as pool:
        found = [pool.submit(one, place) for place in range(len(runs))]
        turns.run()
        return [each.result() for each in found]


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
