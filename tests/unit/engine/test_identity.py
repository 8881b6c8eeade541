"""What tells a match from every other, and is the same when its event comes again."""

import json
from typing import Any

import pytest

from lanner.engine.alert import Finding
from lanner.engine.engine import Engine
from tests.unit.engine.engines import engine, rule

TIME = "2026-11-21T10:44:48.123456Z"
EVENT = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Request",
    "auditID": "a1",
    "stage": "ResponseComplete",
    "verb": "create",
    "user": {"username": "alice"},
    "stageTimestamp": TIME,
}


def text(**members: Any) -> bytes:
    return json.dumps(EVENT | members).encode()


def find(payload: bytes, output: str = "%ka.user.name", name: str = "A", *, body: bool = False) -> list[Finding]:
    detect = Engine(engine(rule(name, "ka.verb=create", output)).rules, identifies=True, clock=lambda: 7)
    return detect.process(payload, body=body).findings


def identity(payload: bytes, output: str = "%ka.user.name", name: str = "A", *, body: bool = False) -> bytes:
    (finding,) = find(payload, output, name, body=body)
    return finding.identity


def test_without_a_wish_for_it_there_is_none() -> None:
    assert engine(rule("A", "ka.verb=create")).process(text()).findings[0].identity == b""


def test_it_begins_with_the_events_own_time() -> None:
    (finding,) = find(text())
    assert finding.identity[:8] == finding.time_ns.to_bytes(8)
    assert len(finding.identity) == 40


def test_an_event_that_comes_again_has_it_again_however_it_comes() -> None:
    item = json.dumps({key: value for key, value in EVENT.items() if key not in ("kind", "apiVersion")})
    posted = f'{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{item}]}}'.encode()
    assert identity(posted, body=True) == identity(text()) == identity(b"\n" + text() + b"\n")


@pytest.mark.parametrize(
    "other",
    [
        {"auditID": "a2"},
        {"stage": "ResponseStarted"},
        {"stageTimestamp": "2026-11-21T10:44:48.123457Z"},
        {"user": {"username": "bob"}},
        {"user": {"username": "\ud800"}},
        {"user": {"username": None}},
    ],
)
def test_what_differs_in_what_is_told_is_another_match(other: dict[str, Any]) -> None:
    assert identity(text(**other)) != identity(text())


def test_a_number_of_any_size_and_a_time_far_away_tell_matches_apart() -> None:
    far = "2400-01-01T00:00:00.000000Z"
    numbers = (1 << 64, 1 << 70, -(1 << 64))
    found = {identity(text(n=number, stageTimestamp=far), "%jevt.value[/n]") for number in numbers}
    assert len(found) == len(numbers)


def test_each_rule_has_its_own() -> None:
    assert identity(text(), name="A") != identity(text(), name="B")


@pytest.mark.parametrize("missing", [{"auditID": None}, {"stageTimestamp": None}, {"stageTimestamp": "soon"}])
def test_of_an_event_without_time_or_audit_id_the_whole_text_counts(missing: dict[str, Any]) -> None:
    assert identity(text(**missing)) == identity(text(**missing))
    assert identity(text(**missing, x=1)) != identity(text(**missing, x=2))


def test_a_running_number_makes_no_other_match_of_an_event_that_comes_again() -> None:
    first, again = find(text() + b"\n" + text(), "%evt.num")
    assert first.message != again.message
    assert first.identity == again.identity
