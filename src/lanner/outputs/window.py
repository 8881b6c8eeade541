"""The alerts that came last, in memory: what outputs that keep up are given, without a look into the store."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import msgspec

from lanner.engine.alert import Finding

_SEQ = attrgetter("seq")
_MIN_BYTES = 500  # an alert, and its places in lists
_FIELD_BYTES = 60  # a value, beside its text


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An alert that is kept.

    Attributes:
        seq: Its number, larger than that of every alert before it; some numbers may be missing.
        stored_ns: When it was stored, in nanoseconds since the epoch.
        total: About how many bytes it and all alerts before it take.
        finding: What is told.
    """

    seq: int
    stored_ns: int
    total: int
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much is kept in memory.

    Attributes:
        max_alerts: So many alerts.
        max_bytes: They occupy so many bytes. An alert carries texts of the event, up to megabytes each.
    """

    max_alerts: int = 10_000
    max_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.max_alerts < 1 or self.max_bytes < 1:
            raise ValueError("the limits of a queue are positive")


class Window:
    """The end of a journal. For any number of threads.

    Attributes:
        top: The number and the `total` of the newest alert that it has seen.
    """

    def __init__(self, limits: QueueLimits, top: tuple[int, int] = (0, 0)) -> None:
        self.top = top
        self._limits = limits
        self._floor, self._floor_total = top
        self._entries: list[Entry] = []
        self._forgotten = top[0]
        self._readers: dict[str, int] = {}
        self._lock = threading.Lock()

    def extend(self, begins_after: int, entries: Sequence[Entry]) -> None:
        """Take alerts, in order; the oldest ones are forgotten where there are too many.

        Args:
            begins_after: The last number before them; if that is not the newest one here, others came in between.
            entries: At least one.
        """
        with self._lock:
            if begins_after != self.top[0]:
                self._entries.clear()
                self._floor, self._floor_total = begins_after, entries[0].total
            self._entries += entries
            self.top = entries[-1].seq, entries[-1].total
            self._shrink()

    def after(self, seq: int, most: int) -> Sequence[Entry] | None:
        """The alerts behind a number, at most so many; None where it does not reach back so far."""
        with self._lock:
            if seq < self._floor:
                return None
            start = bisect_right(self._entries, seq, key=_SEQ)
            return self._entries[start : start + most]

    def rest(self, most: int) -> Sequence[Entry]:
        """The oldest alerts that are left, at most so many."""
        with self._lock:
            return self._entries[:most]

    def follow(self, reader: str, seq: int) -> None:
        """Say that a reader has come so far; what all readers have is forgotten, so that memory is used again soon."""
        with self._lock:
            self._readers[reader] = seq
            self._forgotten = max(min(self._readers.values()), self._forgotten)
            number = bisect_right(self._entries, self._forgotten, key=_SEQ)
            if number == len(self._entries) or number > len(self._entries) // 2:
                self._cut(number)

    def leave(self, reader: str) -> None:
        """Say that a reader keeps nothing from being forgotten any more."""
        with self._lock:
            self._readers.pop(reader, None)

    def _shrink(self) -> None:
        limits = self._limits
        if len(self._entries) > limits.max_alerts or self.top[1] - self._floor_total > limits.max_bytes:
            self._cut(bisect_right(self._entries, self._forgotten, key=_SEQ))  # ahead of what somebody still waits for
        number = len(self._entries) - limits.max_alerts
        if number > 0:
            self._cut(number + limits.max_alerts // 8)  # some at a time: what follows has to move up
        excess = self.top[1] - self._floor_total - limits.max_bytes
        if excess > 0 and len(self._entries) > 1:
            kept = self.top[1] - limits.max_bytes * 7 // 8
            self._cut(max(1, bisect_right(self._entries[:-1], kept, key=attrgetter("total"))))

    def _cut(self, number: int) -> None:
        if number > 0 and self._entries:
            last = self._entries[min(number, len(self._entries)) - 1]
            self._floor, self._floor_total = last.seq, last.total
            del self._entries[:number]


def size_of(finding: Finding) -> int:
    """The bytes that a finding keeps from being freed, about: its texts, which the event chose."""
    size = _MIN_BYTES + len(finding.message)
    for value in finding.values:
        size += _FIELD_BYTES
        size += sum(map(len, value)) if isinstance(value, list) else len(value) if isinstance(value, str) else 0
    return size
