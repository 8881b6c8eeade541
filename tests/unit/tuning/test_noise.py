"""What is proposed for past alerts: the narrowest exceptions that still silence the noise."""

from collections.abc import Iterable
from itertools import count

import pytest

from lanner.compiler.load import Rule, load
from lanner.diagnostics import SourceFile
from lanner.tuning import noise as module
from lanner.tuning.alerts import PastAlert
from lanner.tuning.noise import FEW, WHAT_ALONE, Left, Noise, Row, propose

RULES = """
- rule: R
  desc: d
  condition: ka.target.resource = secrets
  output: "%ka.user.name"
  priority: NOTICE
  source: k8s_audit
"""
FIELDS = {
    "user": "ka.user.name",
    "ns": "ka.target.namespace",
    "name": "ka.target.name",
    "verb": "ka.verb",
    "resource": "ka.target.resource",
    "agent": "ka.useragent",
    "uri": "ka.uri",
}


def rules(text: str = RULES) -> dict[str, Rule]:
    loaded = load([SourceFile("r", text)]).rules
    assert loaded
    return {rule.name: rule for rule in loaded.rules}


def alert(rule: str = "R", **values: str | None) -> PastAlert:
    return PastAlert(rule, {FIELDS[name]: value for name, value in values.items()})


def proposed(alerts: Iterable[PastAlert], least: int = 3) -> tuple[list[Row], list[Left]]:
    noise = Noise()
    for each in alerts:
        noise.add(each)
    return propose(noise, rules(), least)


def test_all_fields_in_which_alerts_are_alike_are_compared() -> None:
    (row,), left = proposed(alert(user="bot", ns="ci", name="token", agent="x") for _ in range(5))
    assert row == Row("R", ("ka.user.name", "ka.target.namespace", "ka.target.name"), ("bot", "ci", "token"), 5)
    assert left == []


def test_the_field_in_which_they_differ_is_given_up() -> None:
    numbers = count()
    (row,), _ = proposed(alert(user="bot", ns="ci", name=f"token-{next(numbers)}") for _ in range(5))
    assert (row.fields, row.values) == (("ka.user.name", "ka.target.namespace"), ("bot", "ci"))


def test_each_user_is_looked_at_alone() -> None:
    alerts = [alert(user="bot", ns="ci", name="a")] * 4 + [
        alert(user="ann", ns=f"n{n}", name=f"x{n}") for n in range(6)
    ]
    rows, _ = proposed(alerts)
    assert [(row.values, row.attention) for row in rows] == [
        (("ann",), "it holds for all that this user does"),
        (("bot", "ci", "a"), ""),
    ]


def test_a_few_places_of_one_user_have_a_row_each() -> None:
    rows, _ = proposed([alert(user="bot", ns="a")] * 4 + [alert(user="bot", ns="b")] * 3)
    assert [(row.values, row.alerts) for row in rows] == [(("bot", "a"), 4), (("bot", "b"), 3)]


def test_what_the_rule_asks_for_itself_is_not_repeated() -> None:
    (row,), _ = proposed([alert(user="bot", resource="secrets", verb="get")] * 3)
    assert row.fields == ("ka.user.name", "ka.verb")


def test_what_an_exception_of_the_rule_asks_for_is_no_reason_to_leave_it_out() -> None:
    text = RULES + "  exceptions:\n    - name: e\n      fields: [ka.verb]\n      values: [[watch]]\n"
    noise = Noise()
    for _ in range(3):
        noise.add(alert(user="bot", verb="get"))
    (row,), _ = propose(noise, rules(text), 3)
    assert row.fields == ("ka.user.name", "ka.verb")


def test_what_was_asked_makes_no_exception_by_itself() -> None:
    rows, left = proposed([alert(verb="get", agent="x")] * 9)
    assert rows == []
    assert left == [Left("R", 9, WHAT_ALONE)]


def test_too_few_like_alerts_are_left() -> None:
    rows, left = proposed([alert(user="bot", ns="ci")] * 2)
    assert rows == []
    assert left == [Left("R", 2, FEW)]


def test_anybody_gets_no_exception() -> None:
    rows, left = proposed([alert(user="system:anonymous", ns="ci")] * 9)
    assert rows == []
    assert left == [Left("R", 9, "anybody can be system:anonymous")]


def test_a_rule_that_is_not_loaded_is_left() -> None:
    rows, left = proposed([alert("Other", user="bot")] * 9)
    assert rows == []
    assert left == [Left("Other", 9, "the rule is not among the rules")]


def test_without_a_user_it_is_said_that_it_holds_for_all() -> None:
    (row,), _ = proposed([alert(ns="ci", agent="x")] * 3)
    assert (row.fields, row.attention) == (("ka.target.namespace",), "it holds for every user")


def test_what_a_client_writes_is_only_proposed_with_a_warning() -> None:
    (row,), _ = proposed([alert(agent="probe", uri="/x")] * 3)
    assert row.fields == ("ka.useragent", "ka.uri")
    assert row.attention == "whoever sends a request chooses `ka.useragent` and `ka.uri`"


@pytest.mark.parametrize("value", ["", "x" * 254, "a\nb", "\x1b[2J", None])
def test_odd_values_make_no_exception(value: str | None) -> None:
    rows, _ = proposed([alert(user=value)] * 9)
    assert rows == []


def test_a_missing_value_is_no_value_to_compare() -> None:
    (row,), _ = proposed([alert(user="bot", ns=None)] * 3)
    assert row.fields == ("ka.user.name",)


def test_alerts_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 3)
    noise = Noise()
    for n in range(10):
        noise.add(alert(user=f"u{n}"))
    assert (len(noise.tally.counts), noise.tally.folded, noise.alerts) == (3, 7, 10)


def test_a_row_covers_what_is_like_it() -> None:
    row = Row("R", ("ka.user.name", "ka.verb"), ("bot", "get"), 1)
    assert row.covers(alert(user="bot", verb="get", ns="x"))
    assert not row.covers(alert(user="bot", verb="list"))
    assert not row.covers(alert(user="bot"))
    assert not row.covers(alert("Other", user="bot", verb="get"))
