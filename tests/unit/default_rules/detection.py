"""The default rules, loaded and run on events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lanner import Alert, Engine, Priority, RuleSet, compile_rules, load_rules
from lanner.compiler.load import LoadedRules

RULES = Path(__file__).parents[3] / "src" / "lanner" / "data" / "rules"

Event = dict[str, Any]


@cache
def load_default_rules(*more: Path) -> LoadedRules:
    """The default rules, with further files behind them; they take half a second."""
    result = load_rules([RULES, *more])
    assert result.rules is not None, [found.message for found in result.diagnostics]
    return result.rules


@cache
def _default_rule_set() -> RuleSet:
    return compile_rules(load_default_rules())


def alerts_on(events: Iterable[Mapping[str, Any]], *more: Path) -> list[Alert]:
    """What the default rules raise on events."""
    rules = compile_rules(load_default_rules(*more)) if more else _default_rule_set()
    return Engine(rules).process(b"\n".join(json.dumps(event).encode() for event in events)).alerts


def raw_alerts_on(payload: bytes) -> list[Alert]:
    """What the default rules raise on JSON lines."""
    return Engine(_default_rule_set()).process(payload).alerts


def names(alerts: Sequence[Alert]) -> set[str]:
    """The rules that raised alerts."""
    return {alert.rule for alert in alerts}


def at_least(alerts: Sequence[Alert], priority: Priority) -> list[str]:
    """The rules of the alerts of that priority and above."""
    return [alert.rule for alert in alerts if alert.priority.level <= priority.level]
