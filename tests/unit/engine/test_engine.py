"""Events in, alerts out."""

import json
from typing import Any

import pytest
from hypothesis import given

from lanner.engine.engine import DAMAGED_EVENT, INTERNAL_SOURCE
from lanner.engine.stats import MAX_SAMPLES
from lanner.rules.priority import Priority
from tests.property.strategies import events
from tests.unit.engine.engines import NOW, check, engine, event, listed, messages, names, rule

A, B, C = event("a"), event("b"), event("c")
DAMAGED = b'{"verb":"damaged","stage":"s","requestObject":tru}'
DEEP = b'{"verb":"deep","auditID":"d","requestObject":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"b":1}}'


def test_an_alert_says_what_the_rule_and_the_event_say() -> None:
    text = event("create", user={"username": "eve"}, stageTimestamp="2024-01-01T00:00:01.000002Z")
    result = engine(
        rule(
            "Name", "ka.verb=create", "user=%ka.user.name ns=%ka.target.namespace", priority="critical", tags=("z", "b")
        )
    ).process(text)
    (alert,) = result.alerts
    assert (alert.rule, alert.priority, alert.source) == ("Name", Priority.CRITICAL, "k8s_audit")
    assert (alert.message, alert.tags, alert.hostname) == ("user=eve ns=<NA>", ("b", "z"), "here")
    assert alert.output_fields == {"ka.target.namespace": None, "ka.user.name": "eve"}
    assert list(alert.output_fields) == ["ka.target.namespace", "ka.user.name"]
    assert alert.time_ns == 1704067201_000002000
    assert (result.events, result.malformed) == (1, 0)


def test_alerts_come_in_the_order_of_events_and_of_rules() -> None:
    rules = [rule(name, "ka.verb in (a, b, c)", "%ka.verb") for name in ("Z", "A", "M")]
    result = engine(*rules).process(b"\n".join((A, listed(B), C)))
    assert [(alert.message, alert.rule) for alert in result.alerts] == [(v, n) for v in "abc" for n in "ZAM"]


def test_of_the_rules_that_match_the_first_alone_can_be_wanted() -> None:
    rules = [rule("1", "ka.verb=b"), rule("2", "ka.verb in (a, b)"), rule("3", "ka.verb exists")]
    assert names(engine(*rules, matching="first").process(A + B + C)) == ["2", "1", "3"]
    assert names(engine(*rules).process(A + B + C)) == ["2", "3", "1", "2", "3", "3"]


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (A + b"\n" + B + b"\n" + C, False),
        (A + b"\n" + listed(B, C), False),
        (listed(A, B) + b"\n" + C, False),
        (listed(A, listed(B), C), True),
        (b"[" + A + b",[" + B + b"," + C + b"]]", True),
        (A + b"\nnonsense\n" + B + b"\n" + C, False),
        (A + b"\n{}\n" + B + b"\n" + C, False),
        (A + b'{"kind":"Pod"}' + listed() + B + C, False),
        (listed(A, b"{}", B, b"5", C), True),
    ],
)
def test_every_event_has_the_next_number(payload: bytes, body: bool) -> None:
    detect = check("ka.verb in (a, b, c)", "%evt.num %ka.verb %jevt.value[/verb]")
    for first in (1, 4, 7):
        found = messages(detect.process(payload, body=body))
        assert found == [f"{first + n} {verb} {verb}" for n, verb in enumerate("abc")]
    assert detect.stats.events == 9


def test_fields_of_the_whole_event_are_of_their_own_event_behind_a_list() -> None:
    detect = check("ka.verb exists", "%ka.verb %jevt.value[/user]")
    packed = b"\n".join((event("a", user={"x": 1}), listed(event("b", user={"x": 2})), event("c", user={"x": 3})))
    assert messages(detect.process(packed)) == ['a {"x":1}', 'b {"x":2}', 'c {"x":3}']


def test_an_event_with_nothing_but_its_kind_is_evaluated() -> None:
    for payload in (b'{"kind":"Event"}', b'{"kind":"Event"}\n' * 2, listed(b'{"kind":"Event"}')):
        for body in (False, True):
            result = check("not ka.verb exists").process(payload, body=body)
            assert result.events == len(result.alerts) == payload.count(b'"Event"')


def test_a_damaged_event_is_evaluated_counted_and_told_of() -> None:
    detect = check("ka.verb exists", "%ka.verb")
    result = detect.process(A + b"\n" + DAMAGED + b"\n" + B, origin="audit.log")
    *found, told = result.alerts
    assert [alert.message for alert in found] == ["a", "damaged", "b"]
    assert (told.rule, told.source, told.priority, told.time_ns) == (
        DAMAGED_EVENT,
        INTERNAL_SOURCE,
        Priority.WARNING,
        NOW,
    )
    assert told.output_fields == {"origin": "audit.log", "reason": "cut_off"}
    assert "audit.log" in told.message
    assert '{"verb":"damaged"' in told.message
    assert (result.events, result.malformed) == (3, 1)
    assert detect.stats.malformed == 1
    assert detect.stats.by_rule == {"A": 3, DAMAGED_EVENT: 1}
    assert detect.stats.samples[0].startswith("audit.log: JSON ends too early or is damaged")


@pytest.mark.parametrize("payload", [DEEP, listed(A, DEEP), A + b"\n" + DEEP])
@pytest.mark.parametrize("body", [False, True])
def test_nesting_hides_no_event(payload: bytes, body: bool) -> None:
    detect = check("ka.verb=deep and jevt.value[/requestObject/b]=1", "%jevt.value[/requestObject/b]")
    result = detect.process(payload, body=body)
    assert names(result) == ["A", DAMAGED_EVENT]
    assert result.alerts[1].output_fields["reason"] == "too_deep"
    assert (result.malformed, detect.stats.malformed, detect.stats.truncated) == (0, 0, 1)


@pytest.mark.parametrize("levels", range(930, 1000))
@pytest.mark.parametrize("field", ["jevt.value[/requestObject/b]", "jevt.value[/user]"])
def test_no_depth_hides_a_field(levels: int, field: str) -> None:
    text = event("x", user={})[:-1] + b',"requestObject":{"b":1,"a":' + b"[" * levels + b"]" * levels + b"}}"
    assert names(check(f"{field} exists").process(text))[0] == "A"


def test_digits_hide_no_field() -> None:
    text = event("x", user={})[:-1] + b',"requestObject":{"a":' + b"1" * 5000 + b',"b":1}}'
    for field in ("jevt.value[/requestObject/b]", "jevt.value[/user]"):
        assert names(check(f"{field} exists").process(text)) == ["A"]


def test_an_event_over_the_limit_is_told_of() -> None:
    detect = check("ka.verb exists")
    result = detect.process(A, truncated=True, size=99_000_000)
    assert names(result) == ["A", DAMAGED_EVENT]
    assert result.alerts[1].output_fields["reason"] == "too_large"
    assert (detect.stats.truncated, detect.stats.malformed, detect.stats.bytes) == (1, 0, 99_000_000)


def test_what_is_no_event_is_counted_with_samples() -> None:
    detect = check("ka.verb exists")
    result = detect.process(b"\n".join([b"nonsense %d" % n for n in range(500)] + [A, b"[1, 2]", b"{}"]), origin="x")
    assert (names(result), result.events, result.malformed) == (["A"], 1, 503)
    assert (detect.stats.malformed, detect.stats.truncated) == (503, 0)
    assert len(detect.stats.samples) == MAX_SAMPLES
    assert detect.stats.samples[0] == "x: not JSON: nonsense 0"


def test_counts_add_up() -> None:
    detect = engine(rule("1", "ka.verb=a", priority="error"), rule("2", "ka.verb exists"), rule("3", "ka.verb=z"))
    payload = A + b"\n" + B + b"\n" + b'{"stage":"s","verb":"c"}\n' + listed(b'{"stage":"s"}', C)
    detect.process(payload)
    stats = detect.stats
    assert (stats.events, stats.missing_audit_id, stats.malformed) == (5, 2, 0)
    assert stats.bytes == len(payload)
    assert stats.by_rule == {"1": 1, "2": 4, "3": 0}
    assert stats.by_priority == {Priority.ERROR: 1, Priority.NOTICE: 4}
    assert stats.alerts == 5


def test_counts_can_be_taken_and_added() -> None:
    detect = check("ka.verb exists")
    detect.process(A + b"\nnonsense\n" + DAMAGED)
    first = detect.take_stats()
    assert (detect.stats.events, detect.stats.by_rule) == (0, {"A": 0})
    detect.process(B)
    first.add(detect.take_stats())
    assert (first.events, first.malformed, first.alerts) == (3, 2, 4)
    assert first.by_rule == {"A": 3, DAMAGED_EVENT: 1}


@given(events)
def test_what_an_event_says_does_not_depend_on_the_way_it_came(members: dict[str, Any]) -> None:
    output = "%ka.verb %ka.user.groups %ka.response.code %jevt.value[/objectRef] %ka.req.pod.containers.image"
    text = json.dumps(members).encode()
    ways = (
        (text, False),
        (text, True),
        (listed(text), True),
        (b"[" + text + b"]", False),
        (text + b"\nnonsense", False),
    )
    found = {tuple(messages(check("evt.num = 1", output).process(payload, body=body))) for payload, body in ways}
    assert len(found) == 1
    assert len(found.pop()) == 1


HOSTILE = (
    "'; import os; os._exit(1) #",
    '"""\\',
    "%s{0}{e}%ka.verb",
    "\\",
    "\n",
    "\x00\x1b[2J",
    "\u202e\u2028\ufeff",
    "x" * 100_000,
    "__import__('os')",
    "<NA>",
    "é\U0001f600",
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_an_event_says_is_text_and_nothing_else(text: str) -> None:
    detect = check(
        "ka.user.name exists and tolower(ka.user.name) exists and ka.target.name glob val(ka.user.name)",
        "%ka.verb|%ka.user.name|%ka.req.configmap.name|%jevt.value[/user/x]",
    )
    ref = {"resource": text, "subresource": text, "name": "plain"}
    members = {
        "objectRef": ref,
        "user": {"username": text, "x": text, text: text},
        "requestObject": {"metadata": {"name": text}},
    }
    (always,) = (
        check("ka.user.name exists", "%ka.user.name|%jevt.value[/user/x]").process(event(text, **members)).alerts
    )
    assert always.message == f"{text}|{text}"
    assert detect.process(event(text, **members)).alerts == []
    kinds = [kind for kind in detect.rules.table if kind[1] == text]
    assert not any(text in detect.rules.source(kind) for kind in kinds if len(text) > 2)
