"""Bytes to events, the fast way and the slow way."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.events.decode import MAX_LIST_DEPTH, MAX_PROBLEMS, Batch, EventDecoder, Flaw
from lanner.events.schema import EventSchema
from lanner.events.values import decode_json

SCHEMA = EventSchema(
    [("user", "groups"), ("sourceIPs",), ("responseStatus", "code"), ("requestObject", "spec"), ("annotations", "a/b")]
)
DECODER = EventDecoder(SCHEMA)
WAYS: dict[str, Callable[[bytes], Batch]] = {
    "lines": DECODER.lines,
    "body": DECODER.body,
    "piecewise": DECODER.piecewise,
}


def event(verb: str, **members: Any) -> bytes:
    return json.dumps({"auditID": "i", "stage": "ResponseComplete", "verb": verb, **members}).encode()


def listed(*events: bytes) -> bytes:
    return b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[' + b",".join(events) + b"]}"


def verbs(batch: Batch) -> list[str | None]:
    return [each.verb for each in batch.events]


def flaws(batch: Batch) -> list[Flaw]:
    return [problem.flaw for problem in batch.problems]


A, B, C = event("a"), event("b"), event("c")
DAMAGED = b'{"verb":"damaged","z":tru}'
DEEP = b'{"verb":"deep","auditID":"d","requestObject":{"spec":' + b"[" * 5000 + b"]" * 5000 + b',"x":1},"stage":"s"}'


@pytest.mark.parametrize(
    "block",
    [
        A + b"\n" + B + b"\n" + C,
        A + b"\n" + B + b"\n" + C + b"\n",
        A + b"\r\n" + B + b"\r\n" + C + b"\r\n",
        b"\n\n" + A + b"\n \t\n" + B + b"\n\r\n" + C + b"\n\n",
        A + B + C,
        A + b" " + B + b"\t" + C,
        b"[" + A + b"," + B + b"," + C + b"]",
        b"[" + A + b"]\n[" + B + b"," + C + b"]",
        b"[" + A + b"][" + B + b"]" + C,
        A + b"[" + B + b"," + C + b"]",
        b"[" + A + b",[" + B + b",[" + C + b"]]]",
        b"[[],[" + A + b"],[[[" + B + b"]]]," + C + b"]",
        listed(A, B, C),
        listed(A, B) + C,
        listed(A) + b"\n" + listed(B, C),
        listed(A) + listed(B) + listed() + listed(C),
        listed(A, listed(B, C)),
        b"[" + listed(A) + b"," + listed(B, C) + b"]",
        b'{"items":[' + A + b"," + B + b"," + C + b'],"metadata":{},"kind":"EventList"}',
        b"\xef\xbb\xbf" + A + b"\n" + B + b"\n" + C,
        b"\xef\xbb\xbf" + listed(A, B, C),
    ],
)
@pytest.mark.parametrize("way", ["lines", "body"])
def test_events_come_out_in_order_however_they_are_packed(block: bytes, way: str) -> None:
    batch = WAYS[way](block)
    assert verbs(batch) == ["a", "b", "c"]
    assert batch.problems == []
    assert [json.loads(batch.raw(n))["verb"] for n in range(3)] == ["a", "b", "c"]


def test_a_body_may_be_spread_over_lines() -> None:
    spread = json.dumps([json.loads(each) for each in (A, B, C)], indent=2).encode()
    batch = DECODER.body(spread)
    assert (verbs(batch), batch.problems) == (["a", "b", "c"], [])


@pytest.mark.parametrize(
    "block",
    [
        A + b"\n" + DAMAGED + b"\n" + B,
        A + DAMAGED + B,
        b"[" + A + b"," + DAMAGED + b"," + B + b"]",
        b"[" + A + b",[" + DAMAGED + b"]," + B + b"]",
        b"[" + A + b"," + DAMAGED + b"]" + B,
        listed(A, DAMAGED, B),
        listed(A, DAMAGED) + listed(B),
        listed(listed(A), listed(DAMAGED), B),
    ],
)
@pytest.mark.parametrize("way", ["lines", "body"])
def test_a_damaged_event_costs_its_neighbours_nothing(block: bytes, way: str) -> None:
    batch = WAYS[way](block)
    assert verbs(batch) == ["a", "damaged", "b"]
    assert flaws(batch) == [Flaw.CUT_OFF]
    assert batch.problems[0].event == 1


@pytest.mark.parametrize(
    "block",
    [
        A + b"\n" + DEEP + b"\n" + B,
        A + DEEP + B,
        b"[" + A + b"," + DEEP + b"," + B + b"]",
        listed(A, DEEP, B),
        listed(A, listed(DEEP), B),
    ],
)
@pytest.mark.parametrize("way", ["lines", "body"])
def test_an_event_nested_too_deeply_keeps_its_metadata_and_its_neighbours(block: bytes, way: str) -> None:
    batch = WAYS[way](block)
    assert verbs(batch) == ["a", "deep", "b"]
    assert (batch.events[1].stage, batch.events[1].auditID) == ("s", "d")
    assert flaws(batch) == [Flaw.TOO_DEEP]
    assert batch.problems[0].event == 1
    assert json.loads(batch.raw(1))["requestObject"]["x"] == 1


@pytest.mark.parametrize("levels", [10, 200, 500, 900, *range(940, 1000, 3), 1000, 2000, 100_000])
@pytest.mark.parametrize("way", list(WAYS))
def test_what_was_decoded_can_be_decoded_again_from_deeper_in_the_program(levels: int, way: str) -> None:
    """How much nesting the decoder takes depends on its caller; a text between two bounds must not get stuck there."""

    def deeper(function: Callable[[], Any], calls: int = 15) -> Any:
        return deeper(function, calls - 1) if calls else function()

    body = b'{"spec":1,"x":' + b"[" * levels + b"]" * levels + b"}"
    batch = WAYS[way](event("a")[:-1] + b',"requestObject":' + body + b"}")
    assert verbs(batch) == ["a"]
    if batch.problems:
        assert flaws(batch) == [Flaw.TOO_DEEP]
    whole = deeper(lambda: decode_json(batch.raw(0)))
    assert isinstance(whole, dict)
    assert deeper(lambda: decode_json(batch.events[0].requestObject))["spec"] == 1


@pytest.mark.parametrize(
    ("block", "flaw"),
    [
        (b"null", Flaw.NOT_AN_EVENT),
        (b"5", Flaw.NOT_AN_EVENT),
        (b'"text"', Flaw.NOT_AN_EVENT),
        (b'{"a":1}', Flaw.NOT_AN_EVENT),
        (b"{}", Flaw.NOT_AN_EVENT),
        (b'{"kind":"Pod","metadata":{"name":"x"}}', Flaw.NOT_AN_EVENT),
        (b'{"kind":"EventList","items":{"verb":"x"}}', Flaw.NOT_AN_EVENT),
        (b"hello", Flaw.NOT_JSON),
        (b"<html></html>", Flaw.NOT_JSON),
        (b"\x00\x01\xff\xfe", Flaw.NOT_JSON),
        (b"\x1f\x8b\x08\x00", Flaw.NOT_JSON),
        (b"}", Flaw.NOT_JSON),
        (b'{"', Flaw.NOT_JSON),
        (b"nul", Flaw.NOT_JSON),
        (b"1" * 5000 + b"x", Flaw.NOT_JSON),
    ],
)
@pytest.mark.parametrize("way", list(WAYS))
def test_what_is_no_event_is_set_aside_with_its_start(block: bytes, flaw: Flaw, way: str) -> None:
    batch = WAYS[way](block)
    assert batch.events == []
    assert flaws(batch) == [flaw]
    assert batch.problems[0].sample == block[:120].decode("utf-8", "replace")
    assert batch.problems[0].event is None
    mixed = WAYS["lines"](A + b"\n" + block + b"\n" + B)
    assert verbs(mixed) == ["a", "b"]
    assert flaws(mixed) == [flaw]


@pytest.mark.parametrize("block", [b"", b"\n", b" \r\n\t ", b"[]", b"[[],[]]", listed(), b'{"kind":"EventList"}'])
@pytest.mark.parametrize("way", list(WAYS))
def test_nothing_is_no_problem(block: bytes, way: str) -> None:
    batch = WAYS[way](block)
    assert (batch.events, batch.problems) == ([], [])


@pytest.mark.parametrize(
    "text",
    [b'{"auditID":"i"}', b'{"stage":"s"}', b'{"verb":""}', b'{"kind":"Event"}', b'{"kind":"Event","user":{}}'],
)
@pytest.mark.parametrize("way", list(WAYS))
def test_little_makes_an_event(text: bytes, way: str) -> None:
    batch = WAYS[way](text)
    assert (len(batch.events), batch.problems) == (1, [])


def test_lists_in_lists_are_bounded() -> None:
    inside = DECODER.piecewise(b"[" * MAX_LIST_DEPTH + A + b"]" * MAX_LIST_DEPTH)
    assert (verbs(inside), inside.problems) == (["a"], [])
    beyond = DECODER.piecewise(b"[" * (MAX_LIST_DEPTH + 1) + A + b"]" * (MAX_LIST_DEPTH + 1))
    assert (beyond.events, flaws(beyond)) == ([], [Flaw.NOT_AN_EVENT])


@pytest.mark.parametrize("cut", range(1, len(A), 7))
def test_a_cut_off_line_keeps_what_was_there(cut: int) -> None:
    batch = DECODER.lines(B + b"\n" + A[:cut])
    assert verbs(batch)[0] == "b"
    assert len(batch.problems) == 1
    known = A[:cut]
    if known.count(b'",') or known.count(b'"}'):
        assert len(batch.events) == 2
        assert batch.events[1].auditID == "i"
        assert flaws(batch) == [Flaw.CUT_OFF]


def test_a_cut_off_list_keeps_its_complete_events() -> None:
    for way in WAYS.values():
        batch = way(listed(A, B, C)[:-20])
        assert verbs(batch)[:2] == ["a", "b"]
        assert flaws(batch) == [Flaw.CUT_OFF]


WRONG: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 7,
    "fraction": msgspec.Raw(b"1.50"),
    "huge": 10**30,
    "text": "x",
    "list": ["x", 1, None, ["y"]],
    "object": {"x": 1},
}
MEMBERS = (
    ("verb",),
    ("stage",),
    ("auditID",),
    ("stageTimestamp",),
    ("sourceIPs",),
    ("user",),
    ("user", "username"),
    ("user", "groups"),
    ("objectRef",),
    ("objectRef", "resource"),
    ("responseStatus", "code"),
    ("requestObject",),
    ("annotations",),
    ("annotations", "a/b"),
)


@pytest.mark.parametrize("path", MEMBERS, ids="/".join)
@pytest.mark.parametrize("kind", WRONG)
def test_a_member_of_another_type_costs_no_other_member(path: tuple[str, ...], kind: str) -> None:
    members: dict[str, Any] = {
        "auditID": "i",
        "stage": "s",
        "verb": "get",
        "user": {"username": "u", "groups": ["g"]},
        "objectRef": {"resource": "pods"},
        "responseStatus": {"code": 200},
        "requestObject": {"spec": 1},
        "annotations": {"a/b": "x"},
    }
    inner = members
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = WRONG[kind]
    text = msgspec.json.encode(members, enc_hook=str, order=None) if kind != "huge" else json.dumps(members).encode()
    for way in WAYS.values():
        batch = way(text)
        assert (len(batch.events), batch.problems) == (1, [])
        found = batch.events[0]
        assert found.auditID == "i" or path == ("auditID",)
        assert found.verb == "get" or path == ("verb",)
        assert found == DECODER.lines(text).events[0]
        assert path[0] == "user" or found.user.username == "u"
        assert path != ("user", "groups") or found.user.username == "u"


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        (b'{"verb":"get","verb":"delete"}', "delete"),
        (b'{"verb":5,"verb":"delete"}', "delete"),
        (b'{"verb":"delete","verb":5}', "5"),
        (b'{"verb":"get","ve\\u0072b":"delete"}', "delete"),
        (b'{"auditID":"i","verb":"get","verb":null}', None),
        (b'{"verb":"\\u0064elete"}', "delete"),
        (b'{"verb":"a\\u0000b"}', "a\0b"),
        (b'{"verb":"\\ud800x"}', "\ufffdx"),
        (b'{"verb":"\\ud83d\\ude00"}', "\U0001f600"),
        (b'{"verb":"\xff\xc3"}', "\ufffd\ufffd"),
        (b'{"VERB":"x","auditID":"i"}', None),
        (b'{"verb":' + b"9" * 5000 + b"}", "9" * 5000),
        (b'{"verb":1.50}', "1.50"),
        (b'{"verb":true}', "true"),
        (b'{"verb":["a",{"b":null}]}', '["a",{"b":null}]'),
    ],
)
@pytest.mark.parametrize("way", list(WAYS))
def test_what_a_member_says_is_the_same_every_way(text: bytes, verb: str | None, way: str) -> None:
    batch = WAYS[way](text)
    assert verbs(batch) == [verb]
    assert batch.problems == []


@pytest.mark.parametrize("more", [b"", b'\n{"verb":5}'])
def test_of_equal_objects_the_last_counts_as_a_whole(more: bytes) -> None:
    text = b'{"verb":"x","user":{"username":"a","groups":["g"]},"user":{"username":"b"}}'
    user = DECODER.lines(text + more).events[0].user
    assert (user.username, user.groups) == ("b", None)


def test_of_equal_lists_of_events_the_last_counts() -> None:
    text = b'{"kind":"EventList","items":[' + A + b'],"items":[' + B + b"]}"
    for way in WAYS.values():
        batch = way(text)
        assert verbs(batch) == ["b"]
        assert json.loads(batch.raw(0)) == json.loads(B)


@pytest.mark.parametrize("text", [A, b" " + A + b" ", event("é\u2028"), A[:-1] + b', "x" : [1.0, "\\u00e9"] }'])
def test_the_text_of_an_event_is_as_it_was_sent(text: bytes) -> None:
    for way in WAYS.values():
        assert way(text).raw(0).strip() == text.strip()
    assert DECODER.lines(B + b"\n" + text + b"\n" + B).raw(1) == text.strip()
    assert DECODER.body(listed(B, text)).raw(1) == text.strip()


_GLUE = st.sampled_from([b"\n", b"\n\n", b"", b" ", b"\r\n", b" \n", b"\n "])
_ODD = st.sampled_from(
    [
        b'{"verb":"%d"}',
        b'{"verb":"%d",\n"x":{}}',
        b'{"verb":"%d","x":{}\n,"y":{}}',
        b'{"x":[\n{"verb":"no"}\n],"verb":"%d"}',
        b'{"x":[{"verb":"no"}\n,{}],"verb":"%d"\n}',
        b'{"x":\n{"verb":"no"},"verb":"%d"}',
        b'{"x":"}{","verb":"%d"}',
        b'\n{"verb":"%d"}',
    ]
)


@given(st.lists(st.tuples(_ODD, _GLUE), min_size=1, max_size=8))
def test_each_event_has_its_own_text_however_documents_are_spread_over_lines(pieces: list[tuple[bytes, bytes]]) -> None:
    batch = DECODER.lines(b"".join(text % number + glue for number, (text, glue) in enumerate(pieces)))
    assert [json.loads(batch.raw(number))["verb"] for number in range(len(pieces))] == [
        event.verb for event in batch.events
    ]


def test_the_text_of_a_repaired_event_is_json() -> None:
    for text in (b'{"verb":"\xff"}', DAMAGED, DEEP, A[:-5]):
        batch = DECODER.lines(text + b"\n" + A)
        assert json.loads(batch.raw(0).decode("utf-8", "replace"))
        assert batch.raw(1) == A


def test_a_known_flaw_is_told_of_every_event() -> None:
    batch = DECODER.piecewise(listed(A, B), Flaw.TOO_LARGE)
    assert [(problem.flaw, problem.event) for problem in batch.problems] == [(Flaw.TOO_LARGE, 0), (Flaw.TOO_LARGE, 1)]
    nothing = DECODER.piecewise(b"{}", Flaw.TOO_LARGE)
    assert flaws(nothing) == [Flaw.NOT_AN_EVENT]


def test_many_documents_that_are_no_events_take_little_memory() -> None:
    block = b"[" + b"0," * 300_000 + A + b"]"
    tracemalloc.start()
    batch = DECODER.body(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verbs(batch) == ["a"]
    assert len(batch.problems) == MAX_PROBLEMS
    assert batch.more_problems == 300_000 - MAX_PROBLEMS
    assert peak < 40 * len(block)


_SLOW = {
    "documents": A + b"0 " * 1000,
    "objects": b"{} ",
    "events with junk between": A + b"x",
    "lists": b"[]",
    "opened": b"[",
    "closed": b"]",
    "opened objects": b'{"a":',
    "quotes": b'"',
    "escaped quotes": b'\\"',
    "commas": b",",
    "lone surrogates": b'"\\ud800"',
    "digits": b"1",
    "numbers": b"1" * 400 + b",",
    "fractions": b"1" * 400 + b".5,",
    "signs": b"-",
    "NUL": b"\0",
    "broken lines": b'{"verb":5\n',
    "carriage returns": b"\r",
}


@pytest.mark.parametrize("start", [b"", b"[", b'{"kind":"EventList","items":[', b'{"verb":"x","a":"', b'{"verb":"x",'])
@pytest.mark.parametrize("piece", _SLOW.values(), ids=list(_SLOW))
def test_no_text_keeps_the_decoder_for_long(start: bytes, piece: bytes) -> None:
    """Of something quadratic, this many would take minutes."""
    block = start + piece * (120_000 // len(piece))
    for way in (DECODER.lines, DECODER.body):
        assert len(way(block).events) <= len(block)
