"""Time, number, bodies and text of the event at hand."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanner.events import context as context_module
from lanner.events.context import Context, host_name, parse_time, utc_text
from lanner.events.decode import EventDecoder
from lanner.events.schema import EventSchema
from tests.unit.engine import engines

ARRIVAL = 1_700_000_000_000_000_001
SCHEMA = EventSchema([("requestObject", "a"), ("responseObject", "a")])
DECODER = EventDecoder(SCHEMA)
SECOND = 1_000_000_000


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setattr(context_module, "_local_texts", {})
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: bytes, index: int = 0) -> Context:
    context = Context("here", lambda: ARRIVAL)
    batch = DECODER.lines(text)
    context.begin(batch)
    context.at(batch.events[index], index)
    return context


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29T12:34:56.123456Z", 1709210096_123456000),
        ("2024-02-29T12:34:56.1Z", 1709210096_100000000),
        ("2024-02-29T12:34:56.123456789Z", 1709210096_123456789),
        ("2024-02-29T12:34:56.1234567899999Z", 1709210096_123456789),
        ("2024-02-29T12:34:56.000001Z", 1709210096_000001000),
        ("2024-02-29T12:34:56Z", 1709210096_000000000),
        ("2024-02-29T12:34:56+00:00", 1709210096_000000000),
        ("2024-02-29T13:34:56.123456789+01:00", 1709210096_123456789),
        ("2024-02-29T08:04:56.5-04:30", 1709210096_500000000),
        ("2024-02-29 12:34:56Z", 1709210096_000000000),
        ("1970-01-01T00:00:01Z", SECOND),
        ("9999-12-31T23:59:59.999999999Z", 253402300799_999999999),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "Z", "x", "0", "null", "2024", "2024-02-29", "12:34:56Z"),
        *("2024-02-30T12:34:56Z", "2024-02-30T12:34:56.1Z", "2024-13-01T00:00:00.1Z", "2024-01-01T25:00:00.1Z"),
        *("2024-01-01T23:59:60.1Z", "2024-01-01T12:34:56", "2024-01-01T12:34:56.123456"),
        *("2024-01-01T12:34:56.12x456Z", "2024-01-01T12:34:56.\u0661Z", "2024-01-01T12:34:56.²Z"),
        *("0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "-2024-01-01T00:00:00Z"),
        *(
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59",
            "10000-01-01T00:00:00Z",
            "2024-01-01T00:00:00+99:00",
        ),
    ],
)
def test_what_is_no_time_after_the_epoch_is_none(text: str) -> None:
    assert parse_time(text) is None


@given(st.text("0123456789-:.TZ+, ", max_size=36) | st.text(max_size=30))
@example("9" * 5000 + "Z")
@example("2024-01-01T00:00:00." + "9" * 5000 + "Z")
@example("2024-01-01T00:00:00.5" + "Z" * 5000)
def test_any_text_is_a_time_that_can_be_printed_or_none(text: str) -> None:
    found = parse_time(text)
    if found is not None:
        assert 0 < found < 253402300800 * SECOND
        assert parse_time(utc_text(found) + "Z") == (found if found >= SECOND else None)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ('"stageTimestamp":"2024-01-01T00:00:03Z","requestReceivedTimestamp":"2024-01-01T00:00:02Z"', 3),
        ('"requestReceivedTimestamp":"2024-01-01T00:00:02Z","timestamp":"2024-01-01T00:00:01Z"', 2),
        ('"timestamp":"2024-01-01T00:00:01Z"', 1),
        ('"stageTimestamp":"soon","requestReceivedTimestamp":"2024-01-01T00:00:02Z"', 2),
        ('"stageTimestamp":"","timestamp":"2024-01-01T00:00:01Z"', 1),
        ('"stageTimestamp":null,"timestamp":"2024-01-01T00:00:01Z"', 1),
        ('"stageTimestamp":"9999-12-31T23:59:59-23:59","timestamp":"2024-01-01T00:00:01Z"', 1),
        ('"stageTimestamp":5,"requestReceivedTimestamp":{},"timestamp":["2024-01-01T00:00:01Z"]', None),
        ('"verb":"get"', None),
    ],
)
def test_an_event_has_the_first_time_that_is_one_else_that_of_its_arrival(members: str, expected: int | None) -> None:
    context = at(b'{"auditID":"i",' + members.encode() + b"}")
    start = 1704067200
    assert context.time_ns() == context.rawtime() == (ARRIVAL if expected is None else (start + expected) * SECOND)


@pytest.mark.usefixtures("berlin")
def test_a_time_is_printed_for_people_and_for_machines() -> None:
    context = at(b'{"auditID":"i","stageTimestamp":"2024-06-30T22:15:01.000042Z"}')
    assert context.time() == "00:15:01.000042000"
    assert context.datetime() == "2024-07-01 00:15:01.000042000"
    assert context.iso8601() == "2024-06-30T22:15:01.000042000+0000"


@pytest.mark.parametrize("text", ["1970-01-01T00:00:01Z", "9999-12-30T23:59:59.999999999Z", "2038-01-19T03:14:08Z"])
def test_far_times_can_be_printed(text: str) -> None:
    context = at(b'{"auditID":"i","stageTimestamp":"%b"}' % text.encode())
    assert context.iso8601()[:19] == text[:19]
    assert len(context.datetime()) == len("2006-01-02 15:04:05.000000000")
    assert len(context.time()) == len("15:04:05.000000000")


def test_remembered_times_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_seconds", "_local_texts"):
        monkeypatch.setattr(context_module, name, {})
    monkeypatch.setattr(context_module, "_MAX_SECONDS", 10)
    for second in range(35):
        context = at(b'{"auditID":"i","stageTimestamp":"2024-01-01T00:00:%02d.1Z"}' % second)
        assert context.rawtime() == (1704067200 + second) * SECOND + SECOND // 10
        assert context.time().endswith(f":{second:02d}.100000000")
        assert len(context_module._seconds) <= 10
        assert len(context_module._local_texts) <= 10


def test_a_body_is_decoded_once_and_for_its_event_only() -> None:
    text = b'{"auditID":"1","requestObject":{"a":[1.50]}}\n{"auditID":"2","requestObject":null}\n{"auditID":"3"}'
    batch = DECODER.lines(text)
    context = Context("here", lambda: ARRIVAL)
    context.begin(batch)
    found = []
    for index, event in enumerate(batch.events):
        context.at(event, index)
        found.append(context.member("requestObject"))
        assert context.member("requestObject") is found[-1]
        assert context.member("responseObject") is None
        assert context.whole()["auditID"] == event.auditID
        assert context.whole() is context.whole()
    assert found == [{"a": [1.5]}, None, None]


def test_the_whole_event_is_printed_as_it_was_sent() -> None:
    text = '{"auditID": "i",\t"x":[1.50,"\\u00e9é"],"requestObject":{}}'
    context = at(text.encode() + b"\n")
    assert context.plugininfo() == text
    assert context.obj() == '{\n  "auditID": "i",\n  "x": [\n    1.50,\n    "\\u00e9é"\n  ],\n  "requestObject": {}\n}'


@pytest.mark.parametrize(
    "text", [b'{"verb":"\xff"}', b'{"verb":"x","y":tru}', b'{"verb":"x","y":"\x01"}', b'{"verb":"y","a":"x']
)
def test_a_damaged_event_can_be_printed_too(text: bytes) -> None:
    context = at(text + b'\n{"auditID":"i"}')
    assert context.obj().startswith('{\n  "verb": "')
    assert context.plugininfo().startswith("{")


@pytest.mark.parametrize("surrogate", [rb"\ud800", rb"\udc00", rb"\ud800x", rb"\ud800\ud800"])
def test_an_event_with_half_a_character_can_be_printed_too(surrogate: bytes) -> None:
    context = at(b'{"verb":"x","userAgent":"' + surrogate + b'","annotations":{"a":1.50}}')
    assert context.obj().startswith('{\n  "verb": "x",\n  "userAgent": "\ufffd')
    assert context.obj().endswith('"annotations": {\n    "a": 1.50\n  }\n}')
    assert "ud800" in context.plugininfo() or "udc00" in context.plugininfo()


@pytest.mark.parametrize("levels", [100, 950, 985, 5000])
def test_a_deep_event_can_be_printed_too(levels: int) -> None:
    context = at(b'{"verb":"x","requestObject":{"y":' + b"[" * levels + b"]" * levels + b"}}")
    assert context.obj().startswith('{\n  "verb": "x"')


def test_what_the_engine_knows_is_the_same_for_all_events() -> None:
    context = at(b'{"auditID":"i"}')
    assert (context.source(), context.pluginname(), context.hostname()) == ("k8s_audit", "k8saudit", "here")
    assert context.asynctype() is None  # type: ignore[func-returns-value]  # the field never has a value


def test_events_are_numbered_from_one() -> None:
    context = at(b'{"auditID":"1"}\n{"auditID":"2"}', 1)
    assert context.num() == 2
    context.first_number = 10
    assert context.num() == 11


def test_the_name_of_the_host_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCO_HOSTNAME", "node-7")
    assert host_name() == "node-7"
    monkeypatch.setenv("FALCO_HOSTNAME", "")
    assert host_name()


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (b'{"verb":"get","x":{"a":[1.0,"b"]}}', "x", {"a": [1.0, "b"]}),
        (b'{"verb":"get","x":1,"x":{"a":2}}', "x", {"a": 2}),
        (b'{"verb":"get","\\u0078":{"a":2}}', "x", {"a": 2}),
        (b'{"verb":"get","y":{"x":1}}', "x", None),
        (b'{"verb":"get","x":null}', "x", None),
        (b'{"verb":"get","user":{"username":"eve","extra":{}}}', "user", {"username": "eve", "extra": {}}),
        (b'{"verb":"get","a\\"b":{"c":1}}', 'a"b', {"c": 1}),
        (b'{"verb":"get","x":"\\ud800"}', "x", "\ufffd"),
        (b'{"verb":"get","x":"\xff"}', "x", "\ufffd"),
    ],
)
def test_a_member_that_is_not_kept_is_had_from_the_text_of_the_event(text: bytes, name: str, expected: object) -> None:
    other = b'{"verb":"list","x":"other"}\n'
    context = at(other + text + b"\n" + other, 1)
    assert context.outer(name) == expected
    assert context.outer(name) == expected
    fresh = at(other + text + b"\n" + other, 1)
    assert fresh.whole().get(name) == expected
    assert fresh.outer(name) == expected


def test_what_was_looked_at_is_let_go_of_with_its_batch() -> None:
    detect = engines.check("kx.pod.host_network = true")
    body = bytearray(engines.event(requestObject={"x": "y" * 5000}))
    assert not detect.process(memoryview(body)).findings
    body += b" "  # memory that is looked at by anyone cannot grow
