"""Whatever arrives is evaluated, or counted; nothing raises."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanner.engine.engine import DAMAGED_EVENT, Engine
from lanner.engine.filter import Filter, compile_filter
from tests.property.strategies import events
from tests.unit.engine.engines import check, listed

_CONDITION = (
    "ka.verb exists or ka.user.groups intersects (a) or jevt.value[/user] exists or ka.uri.param[x] = y"
    " or ka.req.pod.containers.image intersects (x) or tolower(ka.target.name) glob val(ka.user.name) or evt.num > 0"
)
_OUTPUT = "%evt.num %ka.verb %ka.user.groups %jevt.value[/requestObject] %jevt.obj %evt.time.iso8601 %ka.response.code"
ENGINE: Engine = check(_CONDITION, _OUTPUT)
FILTER = compile_filter(_CONDITION, _OUTPUT)[0]

_PIECES = st.sampled_from(
    (
        *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b"\r\n", b" ", b"\x00", b"\xff", b"\xef\xbb\xbf"),
        *(
            b"null",
            b"true",
            b"NaN",
            b"-1",
            b"1e5",
            b"1" * 30,
            b'"x"',
            b'"\\ud800"',
            b'"\\u00e9"',
            b'"verb":',
            b'"stage":',
        ),
        *(b'"items":[', b'"kind":"EventList"', b'"kind":"Event"', b'{"verb":"get"}', b'{"stage":"s","verb":5}'),
        *(b'{"kind":"EventList","items":[', b'"user":{"username":"u","groups":["a"]}', b'"requestObject":{"a":[[[]]]}'),
        *(
            b'"stageTimestamp":"9999-12-31T23:59:59-23:59"',
            b'"objectRef":{"resource":"pods"}',
            b'"requestURI":"/%zz?x=y"',
        ),
    )
)
payloads = st.binary(max_size=200) | st.lists(_PIECES, max_size=14).map(b"".join)
documents = st.lists(events.map(lambda event: json.dumps(event).encode()), min_size=1, max_size=4)


def taken(payload: bytes, *, body: bool, truncated: bool = False) -> tuple[int, int]:
    """How many events an engine found, and how many documents it set aside or found damaged."""
    before = ENGINE.stats.events
    result = ENGINE.process(payload, body=body, truncated=truncated)
    assert ENGINE.stats.events - before == result.events
    assert ENGINE.rules.numbers_events
    told = [alert for alert in result.alerts if alert.rule == DAMAGED_EVENT]
    numbers = [alert.output_fields["evt.num"] for alert in result.alerts if alert.rule != DAMAGED_EVENT]
    first = ENGINE._context.first_number - result.events
    assert numbers == list(range(first, first + result.events))
    assert len(told) <= result.events
    return result.events, result.malformed


@settings(max_examples=500)
@given(payloads, st.booleans(), st.booleans())
@example(b'{"kind":"Event"}', True, False)
@example(b'{"kind":"EventList"}{"kind":"Event"}', False, False)
@example(b"[" * 3000, False, True)
def test_any_bytes_are_evaluated_or_counted(payload: bytes, body: bool, truncated: bool) -> None:
    found, malformed = taken(payload, body=body, truncated=truncated)
    if payload.strip(b" \t\r\n[]\xef\xbb\xbf"):
        assert found + malformed > 0 or b"EventList" in payload or b"[" in payload


@settings(max_examples=300)
@given(payloads, st.booleans())
def test_any_bytes_can_be_filtered(payload: bytes, body: bool) -> None:
    assert isinstance(FILTER, Filter)
    events_ = ENGINE.process(payload, body=body).events
    before = FILTER.stats.events
    selected = list(FILTER.select(payload, body=body))
    assert FILTER.stats.events - before == len(selected) == events_


@given(documents, st.binary(max_size=12).filter(lambda data: not set(data) & set(b'[]{}"')), st.integers(0, 4))
def test_what_is_no_event_costs_the_events_beside_it_nothing(audit: list[bytes], junk: bytes, at: int) -> None:
    lines = [*audit[:at], junk, *audit[at:]]
    for payload, body in ((b"\n".join(lines), False), (b" ".join(lines), True)):
        assert taken(payload, body=body)[0] == len(audit)


@given(documents)
def test_however_events_are_packed_they_are_found(audit: list[bytes]) -> None:
    commas = b",".join(audit)
    for payload in (
        b"\n".join(audit),
        b"".join(audit),
        b"[" + commas + b"]",
        listed(*audit),
        b"[[" + commas + b"],[]]",
    ):
        for body in (False, True):
            assert taken(payload, body=body) == (len(audit), 0)


@given(events, st.data())
def test_an_event_that_is_cut_off_is_counted_and_nothing_before_it_is_lost(
    event: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(event).encode()
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    for payload, body in ((text + b"\n" + cut, False), (listed(text)[:-2] + b"," + cut, True)):
        found, malformed = taken(payload, body=body)
        assert found in (1, 2)
        assert malformed == 1


@pytest.mark.parametrize("body", [False, True])
@given(events, st.sampled_from((b"tru", b"01", b'"\\q"', b"[1,]", b"nul", b"'x'", b"NaN", b'"\x01"')))
def test_a_damaged_member_hides_no_other(body: bool, event: dict[str, Any], damage: bytes) -> None:
    whole = {**event, "verb": "get"}
    text = json.dumps(whole).encode()[:-1] + b',"zzz":' + damage + b"}"
    result = ENGINE.process(text, body=body)
    alert, told = result.alerts
    assert alert.output_fields["ka.verb"] == "get"
    assert told.output_fields["reason"] == "cut_off"
    expected = ENGINE.process(json.dumps(whole).encode()).alerts[0].output_fields
    same = ("ka.user.groups", "jevt.value[/requestObject]", "ka.response.code")
    assert [alert.output_fields[name] for name in same] == [expected[name] for name in same]
