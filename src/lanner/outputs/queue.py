"""What waits for an output: in memory, bounded by number and by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from sys import getsizeof
from typing import Protocol

from lanner.engine.alert import Alert

_MIN_BYTES = 512  # an alert, its dictionary and its place in the queue
_FIELD_BYTES = 100  # an entry of the dictionary


class Queue(Protocol):
    """Alerts in order. An alert stays until it is `forgotten`, so that a queue that is stored loses none in between.

    Used under its owner's lock.
    """

    def put(self, alert: Alert, size: int) -> bool:
        """Take an alert of so many bytes; False when it is full."""

    def first(self, most: int) -> Sequence[Alert]:
        """The oldest alerts, at most so many; they stay."""

    def forget(self, number: int) -> None:
        """Drop so many of the oldest."""

    @property
    def alerts(self) -> int:
        """How many wait."""

    @property
    def bytes(self) -> int:
        """What they occupy, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """When a queue is full.

    Attributes:
        max_alerts: So many alerts wait. 10,000 are minutes of a bad day; a place that is away for longer needs more.
        max_bytes: They occupy so many bytes. An alert carries texts of the event, up to megabytes each.
    """

    max_alerts: int = 10_000
    max_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.max_alerts < 1 or self.max_bytes < 1:
            raise ValueError("the limits of a queue are positive")


class MemoryQueue:
    """A queue that ends with the process."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._waiting: deque[tuple[Alert, int]] = deque()
        self._bytes = 0

    def put(self, alert: Alert, size: int) -> bool:
        """Take an alert; one alone may be larger than the limit, or it could never be delivered."""
        waiting = len(self._waiting)
        if waiting and (waiting >= self._limits.max_alerts or self._bytes + size > self._limits.max_bytes):
            return False
        self._waiting.append((alert, size))
        self._bytes += size
        return True

    def first(self, most: int) -> Sequence[Alert]:
        """The oldest alerts."""
        return [alert for alert, _ in islice(self._waiting, most)]

    def forget(self, number: int) -> None:
        """Drop the oldest."""
        for _ in range(number):
            self._bytes -= self._waiting.popleft()[1]

    @property
    def alerts(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """What they occupy."""
        return self._bytes


def size_of(alert: Alert) -> int:
    """The bytes that an alert keeps from being freed, about: its texts, which the event chose."""
    size = _MIN_BYTES + getsizeof(alert.message)
    for value in alert.output_fields.values():
        size += _FIELD_BYTES
        size += sum(map(getsizeof, value)) if isinstance(value, list) else getsizeof(value)
    return size
