"""Generated code says what the reference interpreter says, on random conditions and events."""

import json
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from lanner.compiler.load import Rule
from lanner.compiler.output import OutputTemplate
from lanner.compiler.ruleset import compile_selected
from lanner.condition import Expr, parse_condition, to_text
from lanner.diagnostics import MappedText
from lanner.engine.engine import Engine
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


def _matches(
    conditions_: list[Expr], events_: list[dict[str, Any]], matching: Literal["all", "first"]
) -> list[list[str]]:
    engine = Engine(compile_selected(tuple(_rule(str(n), c) for n, c in enumerate(conditions_)), matching))
    found = []
    for event in events_:
        found.append([alert.rule for alert in engine.process(json.dumps(event).encode()).alerts])
    return found


@settings(max_examples=400)
@given(st.lists(conditions, min_size=1, max_size=5), st.lists(events, min_size=1, max_size=5))
def test_all_matching_rules_are_those_whose_condition_holds(rules: list[Expr], audit: list[dict[str, Any]]) -> None:
    expected = [[str(n) for n, rule in enumerate(rules) if holds(rule, event)] for event in audit]
    assert _matches(rules, audit, "all") == expected


@given(st.lists(conditions, min_size=1, max_size=5), st.lists(events, min_size=1, max_size=3))
def test_first_matching_gives_the_first_of_them(rules: list[Expr], audit: list[dict[str, Any]]) -> None:
    every = _matches(rules, audit, "all")
    assert _matches(rules, audit, "first") == [names[:1] for names in every]


@settings(max_examples=400)
@given(conditions)
def test_a_printed_condition_parses_to_itself(condition: Expr) -> None:
    parsed = parse_condition(MappedText.literal(to_text(condition)))
    assert parse_condition(MappedText.literal(to_text(parsed))) == parsed
