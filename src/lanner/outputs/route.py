"""What leads to an output: options, and what became of alerts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lanner.outputs.rate import RateLimit
from lanner.outputs.selection import OutputFilter
from lanner.outputs.sink import Sink
from lanner.outputs.window import QueueLimits


class DropReason(StrEnum):
    """Why an alert that an output should have got was given up."""

    QUEUE_FULL = "queue_full"
    REFUSED = "refused"
    EXPIRED = "expired"
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
        limits: How many may wait in memory, where they are not stored.
        made_of: What the output was made from; a route with the same name that was made from the same goes on when the
            configuration is read again.
    """

    name: str
    output: Sink
    filter: OutputFilter = field(default_factory=OutputFilter)
    rate: RateLimit | None = None
    limits: QueueLimits = field(default_factory=QueueLimits)
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
        waiting: Not dealt with yet, about.
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

    def as_left(self) -> RouteStats:
        """The same of a route that is no more: what waits is somebody else's."""
        return replace(self, waiting=0, waiting_bytes=0)

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
