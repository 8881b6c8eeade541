"""What a run has done so far, as a value: metrics, the view in the terminal and other processes are given it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lanner.engine.stats import Stats
from lanner.outputs.route import RouteStats
from lanner.rules.priority import Priority
from lanner.server.plan import Files
from lanner.store.writer import WriterStats
from lanner.vigil.sight import Sight

LATENCIES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes that durations are counted in, in seconds."""


class Status(StrEnum):
    """How a source is."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"

    @property
    def is_well(self) -> bool:
        """Whether its events are taken, or there are no more."""
        return self in (Status.RUNNING, Status.ENDED)


@dataclass(slots=True)
class Histogram:
    """How many durations were at most so long; the last number is of those beyond all bounds."""

    numbers: list[int] = field(default_factory=lambda: [0] * (len(LATENCIES_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.numbers[bisect_left(LATENCIES_S, seconds)] += 1
        self.sum_s += seconds

    def merge(self, other: Histogram) -> None:
        """Count what another one counted."""
        self.numbers = [mine + theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True)]
        self.sum_s += other.sum_s


@dataclass(slots=True, kw_only=True)
class SourceCounts:
    """What came of a source.

    Attributes:
        status: How it is.
        deliveries: Blocks of lines, posts, messages that were evaluated.
        events: Events that were evaluated.
        restarts: How often it was started anew after a failure.
        refused: Deliveries that were not acknowledged, by reason.
        troubles: What the source told of trouble that it went on after, by kind.
        why_stuck: What it told last of getting no further.
        in_flight_bytes: Bytes held now of posts.
        connections: Connections that are open.
        closed: Connections that were closed though their peer might have liked to keep them, by reason.
        lag_s: How much later than its own time the newest event was evaluated; None before the first event.
        last_at_s: When the last event was evaluated, in seconds since the epoch; None before the first.
        latency: From a delivery's arrival to its acknowledgement.
    """

    status: Status = Status.STARTING
    deliveries: int = 0
    events: int = 0
    restarts: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    why_stuck: str = ""
    in_flight_bytes: int = 0
    connections: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    lag_s: float | None = None
    last_at_s: float | None = None
    latency: Histogram = field(default_factory=Histogram)

    def merge(self, other: SourceCounts) -> None:
        """Add what another process counted for the same source; it runs if one of them runs it."""
        if other.status is Status.RUNNING:
            self.status = other.status
        self.deliveries += other.deliveries
        self.events += other.events
        self.restarts += other.restarts
        self.refused.update(other.refused)
        self.troubles.update(other.troubles)
        self.why_stuck = other.why_stuck or self.why_stuck
        self.in_flight_bytes += other.in_flight_bytes
        self.connections += other.connections
        self.closed.update(other.closed)
        if (other.last_at_s or 0) > (self.last_at_s or 0):
            self.last_at_s, self.lag_s = other.last_at_s, other.lag_s
        self.latency.merge(other.latency)


@dataclass(slots=True)
class Reloads:
    """How often the configuration was read again.

    Attributes:
        done: Taken over.
        refused: Not taken over, because it had errors.
        last_ns: When the one in use was read, in nanoseconds since the epoch.
        is_current: Whether the last reading was taken over.
    """

    done: int = 0
    refused: int = 0
    last_ns: int = field(default_factory=time.time_ns)
    is_current: bool = True

    def take_over(self) -> None:
        """Count a reading that was taken over, now."""
        self.done += 1
        self.last_ns = time.time_ns()
        self.is_current = True

    def refuse(self) -> None:
        """Count a reading that was not."""
        self.refused += 1
        self.is_current = False


@dataclass(frozen=True, slots=True)
class RuleLabels:
    """What metrics say of a rule."""

    priority: Priority
    source: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a run has done so far.

    Attributes:
        started_ns: When it began, in nanoseconds since the epoch.
        stats: What all engines counted.
        sources: By name.
        routes: What became of alerts, by output.
        store: What was stored.
        rules: The rules in use, by name.
        reloads: How often the configuration was read again.
        files: What is in use was made from these.
        internal: Alerts about the program itself, by rule name, that were not raised for an event.
        warnings: What is unsafe about the set-up.
        is_stopping: Whether the run is about to end.
        workers: Processes that evaluate.
        worker_restarts: How many of them were started in place of others.
        cpu_s: Processor time of all processes of the run, in seconds.
        rss_bytes: Their resident memory.
        sight: What is known of what may be missed.
    """

    started_ns: int
    stats: Stats
    sources: Mapping[str, SourceCounts]
    routes: tuple[RouteStats, ...] = ()
    store: WriterStats = field(default_factory=WriterStats)
    rules: Mapping[str, RuleLabels] = field(default_factory=dict)
    reloads: Reloads = field(default_factory=Reloads)
    files: Files = field(default_factory=Files)
    internal: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    is_stopping: bool = False
    workers: int = 1
    worker_restarts: int = 0
    cpu_s: float = 0.0
    rss_bytes: int = 0
    sight: Sight = field(default_factory=Sight)

    @property
    def uptime_s(self) -> float:
        """How long the run has lasted, in seconds."""
        return max(0.0, (time.time_ns() - self.started_ns) / 1e9)

    @property
    def undelivered(self) -> int:
        """Alerts that an output should have got and never will."""
        return sum(number for route in self.routes for number in route.dropped.values())

    @property
    def is_ready(self) -> bool:
        """Whether events of all sources are taken, and will be."""
        return not self.is_stopping and all(counts.status.is_well for counts in self.sources.values())
