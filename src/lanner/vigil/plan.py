"""What is watched: made anew from the configuration each time that is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lanner.vigil.kube import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class SilencePlan:
    """When a source has been silent for too long.

    Attributes:
        at_least_s: No shorter silence is told of, however busy the source is.
        at_most_s: Any longer one is, however quiet it has been.
        fixed_s: Limits of sources by name, in place of what is learned; 0: the source may be silent.
    """

    at_least_s: float = 600.0
    at_most_s: float = 43_200.0
    fixed_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPlan:
    """How the metrics of API servers are watched.

    Attributes:
        interval_s: How often they are asked for.
        arrival_s: How long events may be on their way before it is told that none arrives.
        missing_percent: How many of the events that are recorded may be missing; 100: all.
        sources: The sources that these events come by; none: any.
    """

    interval_s: float = 30.0
    arrival_s: float = 180.0
    missing_percent: int = 5
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlan:
    """Requests whose events must come back.

    Attributes:
        path: What is asked for.
        interval_s: How often each API server is asked.
        within_s: How long the event may take.
    """

    path: str = "/api/v1/namespaces/lanner/configmaps/lanner-canary"
    interval_s: float = 300.0
    within_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VigilPlan:
    """What is watched.

    Attributes:
        silence: Sources that fall silent; None: they are not watched.
        late_s: How much later than its own time an event may be evaluated; 0: that is not watched.
        access: How API servers are asked.
        metrics: How their metrics are watched; None: they are not.
        canary: What is sent to them and must come back; None: nothing.
    """

    silence: SilencePlan | None = SilencePlan()
    late_s: float = 300.0
    access: Access = field(default_factory=Access)
    metrics: MetricsPlan | None = None
    canary: CanaryPlan | None = None
