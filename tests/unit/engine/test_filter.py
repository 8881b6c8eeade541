"""Events selected by a condition."""

import json
from typing import Any

import pytest
from hypothesis import given

from lanner.condition import to_text
from lanner.engine.filter import Filter, compile_filter
from tests.property.strategies import conditions, events
from tests.reference import holds
from tests.unit.engine.engines import event, listed

A, B, C = event("a"), event("b", user={"x": 1}), event("c")


def made(condition: str, output: str | None = None, *, inverted: bool = False) -> Filter:
    found, diagnostics = compile_filter(condition, output, inverted=inverted)
    assert found is not None, [each.message for each in diagnostics]
    return found


def test_the_events_for_which_the_condition_holds_come_as_sent() -> None:
    assert list(made("ka.verb in (a, c)").select(b"\n".join((A, B, C)))) == [(A, None), (C, None)]
    assert list(made("ka.verb in (a, c)", inverted=True).select(b"\n".join((A, B, C)))) == [(B, None)]


def test_an_output_is_rendered() -> None:
    texts = [text for _, text in made("ka.verb exists", "%evt.num %ka.verb %ka.user.name").select(A + B)]
    assert texts == ["1 a <NA>", "2 b <NA>"]


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b"\n".join((A, B, C)), False),
        (b"\n".join((A, listed(B), C)), False),
        (listed(A, B, C), True),
        (listed(A, listed(B, C)), True),
        (b"[" + A + b"," + B + b"," + C + b"]", True),
        (b"nonsense\n" + A + b"\n{}\n" + B + C, False),
    ],
)
def test_however_events_are_packed_they_are_found_and_numbered(payload: bytes, body: bool) -> None:
    select = made("ka.verb exists", "%evt.num %ka.verb %jevt.value[/user]")
    for first in (1, 4):
        texts = [text for _, text in select.select(payload, body=body)]
        assert texts == [f"{first} a <NA>", f'{first + 1} b {{"x":1}}', f"{first + 2} c <NA>"]
    assert select.stats.events == 6


def test_an_event_with_nothing_but_its_kind_is_selected() -> None:
    for payload in (b'{"kind":"Event"}', listed(b'{"kind":"Event"}')):
        for body in (False, True):
            assert [text for text, _ in made("not ka.verb exists").select(payload, body=body)] == [b'{"kind":"Event"}']


def test_what_is_wrong_with_the_input_is_counted() -> None:
    select = made("ka.verb exists")
    assert len(list(select.select(b"x\n" * 300 + A))) == 1
    assert (select.stats.malformed, select.stats.events) == (300, 1)
    assert select.stats.samples[0] == "not JSON: x"


def test_an_event_over_the_limit_is_selected_by_what_was_kept() -> None:
    assert [text for text, _ in made("ka.verb=a").select(A, truncated=True)] == [A]


@pytest.mark.parametrize(
    ("condition", "output", "code", "file", "marked"),
    [
        ("ka.verbs=x", None, "LN0203", "condition", "ka.verbs"),
        ("ka.verb=", None, "LN0201", "condition", ""),
        ("some_macro", None, "LN0202", "condition", "some_macro"),
        ("ka.verb=x", "%nope.x", "LN0302", "output", "%nope.x"),
        ("evt.type=open", None, "LN0203", "condition", "evt.type"),
    ],
)
def test_a_wrong_condition_or_output_is_shown_where_it_is_wrong(
    condition: str, output: str | None, code: str, file: str, marked: str
) -> None:
    found, diagnostics = compile_filter(condition, output)
    assert found is None
    (problem,) = diagnostics.errors
    assert problem.code.code == code
    assert problem.span is not None
    assert (problem.file_name, problem.span.text) == (file, marked)


@given(conditions, events)
def test_an_event_is_selected_where_the_condition_holds(condition: Any, members: dict[str, Any]) -> None:
    text = json.dumps(members).encode()
    found, _ = compile_filter(to_text(condition))
    assert found is not None
    assert bool(list(found.select(text))) is holds(condition, members)


def test_fields_are_given_by_name_in_their_types() -> None:
    found, _ = compile_filter(fields=["ka.verb", "ka.user.groups", "evt.rawtime", "ka.verb", "len(ka.user.groups)"])
    assert found is not None
    assert found.keys == ("ka.verb", "ka.user.groups", "evt.rawtime", "len(ka.user.groups)")
    sent = event("a", user={"groups": ["x", "y"]}, stageTimestamp="1970-01-01T00:00:01.000000Z")
    assert list(found.fields(sent)) == [
        {"ka.verb": "a", "ka.user.groups": ["x", "y"], "evt.rawtime": 10**9, "len(ka.user.groups)": 2}
    ]


def test_without_a_condition_every_event_is_selected() -> None:
    found, _ = compile_filter(fields=["ka.verb"])
    assert found is not None
    sent = b"\n".join((A, b'{"kind":"Event"}', listed(B)))
    assert [each["ka.verb"] for each in found.fields(sent)] == ["a", None, "b"]
    assert found.numbers_events is False
