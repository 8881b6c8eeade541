"""What events can make grow is bounded, and results stay the same at the bounds."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanner.compiler import ruleset
from lanner.compiler.load import Rule
from lanner.compiler.output import OutputTemplate
from lanner.compiler.ruleset import compile_selected
from lanner.condition import Expr, parse_condition
from lanner.diagnostics import MappedText
from lanner.engine.engine import Engine
from lanner.events import context
from lanner.rules.priority import Priority
from tests.property.strategies import conditions, events
from tests.reference import holds


def _rule(name: str, condition: Expr) -> Rule:
    return Rule(
        name=name,
        desc="",
        source="k8s_audit",
        priority=Priority.NOTICE,
        tags=(),
        condition=condition,
        output=OutputTemplate((), ()),
    )


def _flood(number: int) -> bytes:
    """Events of which no two have anything in common."""
    return b"\n".join(
        json.dumps(
            {
                "auditID": str(n),
                "stage": "ResponseComplete",
                "verb": f"verb{n}",
                "stageTimestamp": f"2026-11-21T{n % 24:02}:{n // 24 % 60:02}:{n // 1440 % 60:02}.000001Z",
                "user": {"username": f"user{n}"},
                "objectRef": {"resource": f"r{n}", "subresource": f"s{n}", "name": f"n{n}"},
                f"member{n}": n,
            }
        ).encode()
        for n in range(number)
    )


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruleset, "MAX_KINDS", 3)
    monkeypatch.setattr(ruleset, "MAX_FUNCTIONS", 2)


@pytest.mark.usefixtures("tight")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(conditions, min_size=1, max_size=4), st.lists(events, min_size=4, max_size=12))
def test_beyond_the_bounds_the_same_rules_match(rules: list[Expr], audit: list[dict[str, Any]]) -> None:
    engine = Engine(compile_selected(tuple(_rule(str(n), rule) for n, rule in enumerate(rules))))
    for event in audit:
        expected = [str(n) for n, rule in enumerate(rules) if holds(rule, event)]
        assert [alert.rule for alert in engine.process(json.dumps(event).encode()).alerts] == expected
        assert len(engine.rules.table) <= 3


def test_a_flood_of_new_kinds_fills_no_cache_beyond_its_bound() -> None:
    condition = parse_condition(MappedText.literal("ka.verb in (get, list) or ka.user.name startswith system:"))
    engine = Engine(compile_selected((_rule("a", condition),)))
    engine.process(_flood(ruleset.MAX_KINDS + 2_000))
    assert engine.stats.events == ruleset.MAX_KINDS + 2_000
    assert len(engine.rules.table) <= ruleset.MAX_KINDS
    assert len(engine.rules._by_signature) <= 4


def test_times_are_remembered_within_a_bound() -> None:
    for second in range(10_000):
        assert context.parse_time(f"2026-11-{second % 28 + 1:02}T10:{second // 60 % 60:02}:{second % 60:02}.5Z")
        assert len(context._seconds) <= context._MAX_SECONDS
