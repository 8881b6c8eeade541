"""What exceptions do to a log: the rules with and without them, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lanner.compiler.ruleset import RuleSet
from lanner.engine.engine import Engine
from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.files import scan
from lanner.tuning.alerts import PastAlert
from lanner.tuning.noise import Row


@dataclass(slots=True)
class Effect:
    """Alerts of a log.

    Attributes:
        before: With the rules as they are, by rule.
        after: With the exceptions.
        missed: By row, how many of the alerts it covers.
        empty: The paths behind which there is no event at all.
    """

    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    missed: Counter[Row] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)

    @property
    def silenced(self) -> int:
        """How many alerts the exceptions take away."""
        return self.before.total() - self.after.total()


def effect_on(
    paths: Sequence[str],
    base: RuleSet,
    patched: RuleSet,
    rows: Sequence[Row],
    *,
    on_error: Callable[[SourceError], None],
) -> Effect:
    """Run both rule sets over a log.

    Args:
        paths: As for `lanner scan`.
        base: The rules as they are.
        patched: The rules with the exceptions.
        rows: What the exceptions were made of.
        on_error: Called for every path that cannot be read, or not to its end.
    """
    by_rule: dict[str, list[Row]] = {}
    for row in rows:
        by_rule.setdefault(row.rule, []).append(row)
    found = Effect()
    engines = Engine(base), Engine(patched)
    for path in paths:
        events = 0
        for delivery in scan([path], Limits(), on_error=on_error):
            before, after = (
                engine.process(
                    delivery.payload,
                    body=delivery.framing is Framing.BODY,
                    truncated=delivery.truncated,
                    size=delivery.size,
                    origin=delivery.origin,
                )
                for engine in engines
            )
            events += before.events
            found.after.update(alert.rule for alert in after.alerts)
            for alert in before.alerts:
                found.before[alert.rule] += 1
                past = PastAlert(alert.rule, dict(alert.output_fields))  # type: ignore[arg-type] # a list may hold None
                found.missed.update(row for row in by_rule.get(alert.rule, ()) if row.covers(past))
        if not events:
            found.empty.append(path)
    return found
