"""Which rules are used, and the code that tests them."""

import pytest

from lanner.compiler import ruleset
from lanner.compiler.ruleset import Selection, compile_selected
from lanner.engine.engine import Engine
from lanner.rules.priority import Priority
from tests.unit.compiler.rules import made
from tests.unit.engine.engines import engine, event, names, rule

RULES = (
    rule("Low [x]", "ka.verb exists", priority="debug", tags=("a",)),
    rule("Middle one", "ka.verb exists", priority="notice", tags=("a", "b")),
    rule("High", "ka.verb exists", priority="critical"),
    rule("Off", "ka.verb exists") + "  enabled: false\n",
)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["Low [x]", "Middle one", "High"]),
        (Selection(min_priority=Priority.NOTICE), ["Middle one", "High"]),
        (Selection(min_priority=Priority.EMERGENCY), []),
        (Selection(tags=frozenset("b")), ["Middle one"]),
        (Selection(tags=frozenset(("b", "z"))), ["Middle one"]),
        (Selection(tags=frozenset("z")), []),
        (Selection(not_tags=frozenset("b")), ["Low [x]", "High"]),
        (Selection(tags=frozenset("a"), not_tags=frozenset("b")), ["Low [x]"]),
        (Selection(disabled=("High",)), ["Low [x]", "Middle one"]),
        (Selection(disabled=("high",)), ["Low [x]", "Middle one", "High"]),
        (Selection(disabled=("*i*",)), ["Low [x]"]),
        (Selection(disabled=("Middle ?ne", "H*")), ["Low [x]"]),
        (Selection(disabled=("*",)), []),
        (Selection(disabled=("Low [x]",)), ["Middle one", "High"]),
        (Selection(disabled=("Low [a-z]",)), ["Low [x]", "Middle one", "High"]),
    ],
)
def test_rules_are_selected_by_priority_tags_and_names(selection: Selection, expected: list[str]) -> None:
    detect = engine(*RULES, selection=selection)
    assert names(detect.process(event())) == expected
    assert list(detect.stats.by_rule) == expected


def test_without_rules_nothing_matches() -> None:
    detect = Engine(compile_selected(()))
    result = detect.process(event())
    assert (result.events, result.alerts) == (1, [])


def test_kinds_that_no_rule_tells_apart_share_a_function() -> None:
    rules = compile_selected((made("A", "ka.verb=create and ka.target.name=x"),))
    one, other = (rules.specialise(("s", "create", name, None, f"user {name}")) for name in ("pods", "secrets"))
    assert one is other is not None


def test_a_kind_with_a_very_long_name_is_not_remembered() -> None:
    detect = Engine(compile_selected((made("A", "ka.target.resource exists"),)))
    for size, remembered in ((10, 1), (1_000_000, 1), (20, 2)):
        assert names(detect.process(event(objectRef={"resource": "x" * size}))) == ["A"]
        assert len(detect.rules.table) == remembered
    assert sum(len(part or "") for kind in detect.rules.table for part in kind) < 2 * ruleset.MAX_KIND_LENGTH


def test_the_code_of_a_rule_can_be_read_with_its_constants() -> None:
    rules = compile_selected((made("A", "ka.verb in (get, list) and ka.target.name=x"), made("B", "ka.user.name=y")))
    text = rules.source_text("A")
    assert "frozenset({'get', 'list'})" in text
    assert "== 'x'" in text
    assert "'y'" not in text
    assert "def test(e, c):" in text
    assert "def render(e, c):" in text
    with pytest.raises(KeyError):
        rules.source_text("C")


def test_rules_that_ask_for_the_running_number_are_known() -> None:
    assert not compile_selected((made("A", "ka.verb=get"),)).numbers_events
    assert compile_selected((made("A", "evt.num > 1"),)).numbers_events
    assert engine(rule("A", "ka.verb=get", "%evt.num")).rules.numbers_events
