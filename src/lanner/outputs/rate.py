"""How many alerts an output takes, and the alert that sums up those that it did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lanner.engine.alert import Alert
from lanner.engine.engine import INTERNAL_SOURCE

HELD_BACK = "Lanner internal: alerts held back"
"""The rule name of a summary."""

_MAX_RULES_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A token bucket.

    Attributes:
        rate: Alerts a second on average, more than 0.
        max_burst: Alerts that may come at once, at least 1.
        summary_s: Seconds from the first alert that is held back to the summary.
    """

    rate: float
    max_burst: int = 1000
    summary_s: float = 60

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.max_burst >= 1 and self.summary_s > 0):
            raise ValueError("rate, burst and interval are positive")


class Limiter:
    """Applies a rate limit. Times are seconds of a clock that never goes back."""

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.max_burst)
        self._filled_at = now
        self._by_rule: Counter[str] = Counter()
        self._worst: Alert | None = None
        self._last_ns = 0
        self.due_at: float | None = None

    def admits(self, alert: Alert, now: float) -> bool:
        """Whether the alert may pass; if not it is counted for the summary."""
        limit = self._limit
        self._tokens = min(limit.max_burst, self._tokens + (now - self._filled_at) * limit.rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return True
        self._hold_back(alert, now)
        return False

    def summary(self) -> Alert | None:
        """An alert about those held back since the last summary, or None if there was none; it begins a new one.

        Its priority is the highest of theirs, its time the last of theirs.
        """
        worst = self._worst
        if worst is None:
            return None
        number, rules = self._by_rule.total(), self._by_rule.most_common()
        shown = ", ".join(f"{rule}: {times}" for rule, times in rules[:_MAX_RULES_SHOWN])
        more = f", and {len(rules) - _MAX_RULES_SHOWN} more rules" if len(rules) > _MAX_RULES_SHOWN else ""
        fields: dict[str, str | int | list[str] | None] = {
            "held_back": number,
            "rules": [rule for rule, _ in rules[:_MAX_RULES_SHOWN]],
        }
        message = f"{HELD_BACK}: {number} over the rate limit of this output ({shown}{more})"
        self._by_rule, self._worst, self.due_at = Counter(), None, None
        return Alert(self._last_ns, HELD_BACK, worst.priority, INTERNAL_SOURCE, message, fields, (), worst.hostname)

    def _hold_back(self, alert: Alert, now: float) -> None:
        self._by_rule[alert.rule] += 1
        self._last_ns = max(self._last_ns, alert.time_ns)
        if self._worst is None or alert.priority.level < self._worst.priority.level:
            self._worst = alert
        if self.due_at is None:
            self.due_at = now + self._limit.summary_s
