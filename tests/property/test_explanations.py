"""What is explained is what the engine does, on random conditions and events."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lanner.compiler.load import LoadedRules, Rule
from lanner.compiler.output import OutputTemplate
from lanner.compiler.ruleset import compile_selected
from lanner.condition import And, Call, Check, Expr, Not, Or
from lanner.condition.ast import checks
from lanner.engine.engine import Engine
from lanner.rules.priority import Priority
from lanner.workbench.explain import Explainer, Kind, Part
from lanner.workbench.trace import Tracer
from tests.property.strategies import conditions, events
from tests.reference import holds, value_of


def rule(name: str, condition: Expr) -> Rule:
    return Rule(
        name=name,
        desc="",
        source="k8s_audit",
        priority=Priority.NOTICE,
        tags=(),
        condition=condition,
        output=OutputTemplate((), ()),
    )


def loaded(*found: Expr) -> LoadedRules:
    rules = tuple(rule(str(number), condition) for number, condition in enumerate(found))
    return LoadedRules(rules, (), {}, (), (), None)


def leaves(part: Part) -> list[Part]:
    return [part] if part.kind is Kind.CHECK else [leaf for each in part.parts for leaf in leaves(each)]


@settings(max_examples=250)
@given(st.lists(conditions, min_size=1, max_size=4), events)
def test_verdicts_are_those_of_the_engine(found: list[Expr], event: dict[str, Any]) -> None:
    rules = loaded(*found)
    payload = json.dumps(event).encode()
    raised = {alert.rule for alert in Engine(compile_selected(rules.rules)).process(payload).alerts}
    (explained,) = Explainer(rules).explain(payload)
    assert {each.rule.name for each in explained if each.matches} == raised
    assert all((each.distance == 0) is each.matches for each in explained)


@settings(max_examples=250)
@given(conditions, events)
def test_every_part_has_the_verdict_of_the_reference(condition: Expr, event: dict[str, Any]) -> None:
    (explained,) = Explainer(loaded(condition)).explain(json.dumps(event).encode())
    shown = leaves(explained[0].condition)
    for check, part in zip(checks(condition), shown, strict=True):
        assert part.verdict is holds(check, event)


@settings(max_examples=250)
@given(conditions, events)
def test_values_are_those_of_the_reference(condition: Expr, event: dict[str, Any]) -> None:
    tracer = Tracer([condition])
    (seen,) = tracer.events(json.dumps(event).encode(), "localhost")
    for check in checks(condition):
        for side in (check.left, *([check.right] if isinstance(check.right, Call) else [])):
            assert tracer.value(side, seen) == value_of(side, event)


def turned(node: Expr, which: set[int]) -> Expr:
    """The condition with some of its checks turned into their opposites."""
    if isinstance(node, Check):
        return Not(node) if id(node) in which else node
    if isinstance(node, Not):
        return Not(turned(node.child, which))
    assert isinstance(node, And | Or)
    return replace(node, children=tuple(turned(child, which) for child in node.children))


@settings(max_examples=250)
@given(conditions, events)
def test_what_keeps_a_rule_from_matching_is_enough_and_no_more(condition: Expr, event: dict[str, Any]) -> None:
    (explained,) = Explainer(loaded(condition)).explain(json.dumps(event).encode())
    if explained[0].matches:
        return
    marked = {
        id(check) for check, part in zip(checks(condition), leaves(explained[0].condition), strict=True) if part.decides
    }
    assert len(marked) == explained[0].distance
    assert holds(turned(condition, marked), event)
    for one in marked:
        assert not holds(turned(condition, marked - {one}), event)
