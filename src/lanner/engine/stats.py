"""Counters of a run: what was read, what was found, what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from lanner.rules.priority import Priority

MAX_SAMPLES = 5


@dataclass(slots=True)
class Stats:
    """What happened since the start.

    Attributes:
        events: Events that were evaluated.
        bytes: Bytes of what was read, as received.
        malformed: Documents that were set aside, or of which a part could not be read.
        truncated: Events that were evaluated without members beyond a limit.
        missing_audit_id: Events without `auditID`.
        dropped: Events that were not evaluated, by reason.
        by_rule: Alerts by rule; holds every rule, in order.
        by_priority: Alerts by priority.
        samples: The first documents that were counted as malformed: why, and how they start.
    """

    events: int = 0
    bytes: int = 0
    malformed: int = 0
    truncated: int = 0
    missing_audit_id: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    by_rule: dict[str, int] = field(default_factory=dict)
    by_priority: Counter[Priority] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    @property
    def alerts(self) -> int:
        """All alerts."""
        return sum(self.by_priority.values())

    def add_sample(self, text: str) -> None:
        """Keep what a malformed document looked like, if it is among the first."""
        if len(self.samples) < MAX_SAMPLES:
            self.samples.append(text)

    def add(self, other: Stats) -> None:
        """Count what another engine with the same rules counted."""
        self.events += other.events
        self.bytes += other.bytes
        self.malformed += other.malformed
        self.truncated += other.truncated
        self.missing_audit_id += other.missing_audit_id
        self.dropped.update(other.dropped)
        self.by_priority.update(other.by_priority)
        for name, number in other.by_rule.items():
            self.by_rule[name] = self.by_rule.get(name, 0) + number
        for sample in other.samples:
            self.add_sample(sample)

    @classmethod
    def for_rules(cls, names: Iterable[str]) -> Stats:
        """Counters at zero."""
        return cls(by_rule=dict.fromkeys(names, 0))
