"""What the figures are held against. Nothing fails by them: a machine that is busy proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FALCO_EVENTS_PER_CPU_S = 5_000
"""What Falco 0.44.1 with k8saudit 0.18.0 was seen to do on the bulk recording with its official rules and `first`."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure of one case."""

    what: str
    case: str
    value: Callable[[Any], float]
    limit: float
    is_least: bool = False

    @property
    def sign(self) -> str:
        """At least, or at most."""
        return ">=" if self.is_least else "<="


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was found."""

    target: Target
    found: float

    @property
    def holds(self) -> bool:
        """Whether it is within the bound."""
        return self.found >= self.target.limit if self.target.is_least else self.found <= self.target.limit


TARGETS = (
    Target("bulk recording: CPU beside decoding", "bulk", lambda r: r.cpu.median, 1.3),
    Target("every event alerts: CPU beside decoding", "alerting", lambda r: r.cpu.median, 2.5),
    Target(
        "bulk recording: events per CPU-second beside Falco's",
        "bulk",
        lambda r: 1e6 / r.cpu_us / FALCO_EVENTS_PER_CPU_S,
        25,
        is_least=True,
    ),
    Target("2,000 rules (names): CPU beside 50", "rules-names-2000", lambda r: r.cpu.median, 1.5),
    Target("2,000 rules (texts): CPU beside 50", "rules-texts-2000", lambda r: r.cpu.median, 1.5),
    Target("webhook, batches of 400: CPU beside a file's", "webhook-400", lambda r: r.cpu.median, 2.0),
    Target("webhook, batches of 400, 5,000 events/s: p99 in ms", "latency-400", lambda r: r.p99_s * 1e3, 50),
    Target("memory at the end beside the start", "memory", lambda r: r.growth, 1.05),
    Target("memory under a flood, end beside start", "flood", lambda r: r.growth, 1.05),
)
