"""Rules found by a lookup match as rules tested one by one do."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.compiler import dispatch, semantics
from lanner.compiler.load import Rule
from lanner.compiler.output import OutputTemplate
from lanner.compiler.ruleset import compile_selected
from lanner.condition import Expr, parse_condition
from lanner.diagnostics import MappedText
from lanner.engine.engine import Engine
from lanner.rules.priority import Priority
from tests.reference import holds

TEXTS = ("a", "ab", "abc", "b", "", "x.y", "tenant-1")


def _rule(number: int, condition: Expr) -> Rule:
    return Rule(
        name=str(number),
        desc="",
        source="k8s_audit",
        priority=Priority.NOTICE,
        tags=(),
        condition=condition,
        output=OutputTemplate((), ()),
    )


def _condition(parts: tuple[str, str, str, str]) -> Expr:
    operator, text, other, tail = parts
    lists = operator in ("in", "= anyof", "startswith anyof", "contains anyof")
    value = f'("{text}", "{other}")' if lists else f'"{text}"'
    return parse_condition(MappedText.literal(f"ka.target.namespace {operator} {value}{tail}"))


conditions = st.tuples(
    st.sampled_from(("=", "in", "= anyof", "startswith", "startswith anyof", "contains", "contains anyof", "!=")),
    st.sampled_from(TEXTS),
    st.sampled_from(TEXTS),
    st.sampled_from(
        (
            *("", " and ka.verb=create", " or ka.verb=get", " and not ka.target.name exists"),
            *(" and ka.target.namespace startswith a", " and ka.target.namespace contains b"),
        )
    ),
).map(_condition)

events = st.fixed_dictionaries(
    {"auditID": st.just("x"), "stage": st.just("ResponseComplete")},
    optional={
        "verb": st.sampled_from(("create", "get")),
        "objectRef": st.fixed_dictionaries(
            {}, optional={"namespace": st.sampled_from((*TEXTS, "é\u2028ab")), "name": st.just("n")}
        ),
    },
)


@pytest.mark.parametrize("matching", ["all", "first"])
@given(rules=st.lists(conditions, min_size=8, max_size=24), audit=st.lists(events, min_size=1, max_size=4))
def test_an_index_changes_no_result(
    matching: Literal["all", "first"], rules: list[Expr], audit: list[dict[str, Any]]
) -> None:
    engine = Engine(compile_selected(tuple(_rule(n, rule) for n, rule in enumerate(rules)), matching))
    for event in audit:
        expected = [str(n) for n, rule in enumerate(rules) if holds(rule, event)]
        found = [alert.rule for alert in engine.process(json.dumps(event).encode()).alerts]
        assert found == (expected if matching == "all" else expected[:1])


def test_rules_with_the_same_kind_of_part_share_an_index() -> None:
    rules = [_condition(("=", f"tenant-{n}", "", " and ka.verb=create")) for n in range(100)]
    compiled = compile_selected(tuple(_rule(n, rule) for n, rule in enumerate(rules)))
    source = compiled.source(("ResponseComplete", "create", "pods", None, "alice"))
    assert "index0" in source
    assert len(source.splitlines()) < 12


def test_a_rule_is_found_by_what_fewest_rules_ask_for() -> None:
    rules = [
        _condition(("startswith", "team-", "", f" and ka.target.namespace startswith team-{n}-")) for n in range(100)
    ]
    compiled = compile_selected(tuple(_rule(n, rule) for n, rule in enumerate(rules)))
    groups, rest = dispatch.partition(
        [(n, str(n), formula) for n, formula in enumerate(compiled._formulas)], compiled._atoms
    )
    assert (rest, [max(map(len, group.members.values())) for group in groups]) == ([], [1])


def test_a_rule_may_say_the_same_twice() -> None:
    rules = [
        _condition(("startswith", f"team-{n}", "", f" and ka.target.namespace startswith team-{n}")) for n in range(9)
    ]
    engine = Engine(compile_selected(tuple(_rule(n, rule) for n, rule in enumerate(rules))))
    found = engine.process(b'{"auditID":"a","stage":"x","objectRef":{"namespace":"team-7"}}').alerts
    assert [alert.rule for alert in found] == ["7"]


def test_few_rules_are_tested_one_by_one() -> None:
    rules = [_condition(("=", str(n), "", "")) for n in range(dispatch.MIN_GROUP - 1)]
    compiled = compile_selected(tuple(_rule(n, rule) for n, rule in enumerate(rules)))
    assert "index" not in compiled.source(("ResponseComplete", "create", "pods", None, "alice"))


@given(st.lists(st.text("ab.é", max_size=3), min_size=40, max_size=60), st.text("ab.éx\ud800", max_size=6))
def test_many_texts_are_found_as_one_by_one(texts: list[str], text: str) -> None:
    assert semantics.part_test(texts)(text) is any(part in text for part in texts)


def test_many_texts_of_one_check_are_one_automaton() -> None:
    texts = ", ".join(f'"tool{n}"' for n in range(50))
    rule = parse_condition(MappedText.literal(f"ka.useragent contains anyof ({texts})"))
    engine = Engine(compile_selected((_rule(0, rule),)))
    assert "parts" in engine.rules.source(("ResponseComplete", "get", "pods", None, "alice"))
    found = [
        len(engine.process(b'{"auditID":"a","stage":"x","userAgent":"%s"}' % agent).alerts)
        for agent in (b"a tool49/1", b"kubectl", b"too")
    ]
    assert found == [1, 0, 0]
