"""The struct made to measure for the paths that rules ask for."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.events.decode import EventDecoder
from lanner.events.schema import KIND_PATHS, Access, EventSchema, Leaf, Path, kind_of
from lanner.events.values import as_text, decode_json, walk
from tests.property.strategies import events


def test_an_event_has_what_the_engine_needs_and_nothing_more() -> None:
    assert EventSchema([]).event_type.__struct_fields__ == (
        *("stage", "verb", "objectRef", "user", "auditID", "stageTimestamp"),
    )


@pytest.mark.parametrize(
    ("path", "is_list", "access"),
    [
        (("verb",), False, Access(("verb",), Leaf.TEXT)),
        (("user", "username"), False, Access(("user", "username"), Leaf.TEXT)),
        (("user", "groups"), True, Access(("user", "groups"), Leaf.TEXTS)),
        (("user", "groups"), False, Access((), Leaf.RAW, ("user", "groups"))),
        (("sourceIPs",), True, Access(("sourceIPs",), Leaf.TEXTS)),
        (("responseStatus", "code"), False, Access(("responseStatus", "code"), Leaf.NUMBER)),
        (("requestObject", "spec", "0"), False, Access(("requestObject",), Leaf.RAW, ("spec", "0"))),
        (("requestObject",), False, Access(("requestObject",), Leaf.RAW)),
        (("annotations", "a.b/c"), False, Access(("annotations", "_0"), Leaf.TEXT)),
        (("user",), False, Access((), Leaf.RAW, ("user",))),
        (("user", "extra", "x"), False, Access((), Leaf.RAW, ("user", "extra", "x"))),
        (("verb", "x"), False, Access((), Leaf.RAW, ("verb", "x"))),
        ((), False, Access((), Leaf.RAW)),
    ],
)
def test_a_path_leads_to_an_attribute_or_into_the_whole_event(path: Path, is_list: bool, access: Access) -> None:
    assert EventSchema([path]).access(path, is_list=is_list) == access


_KEYS = ("verb", "a-b", "a b", "m0", "_0", "_1", "__init__", "class", "None", "é", "", "0", "a.b/c~d", "x" * 300)


@given(st.lists(st.sampled_from(_KEYS) | st.text(max_size=5), min_size=1, max_size=8))
def test_any_keys_have_attributes_of_their_own(keys: list[str]) -> None:
    schema = EventSchema([*((key,) for key in keys), *(("annotations", key) for key in keys)])
    decoder = EventDecoder(schema)
    members: dict[str, Any] = {key: f"member {n}" for n, key in enumerate(keys)}
    members["auditID"] = "i"
    members["annotations"] = {key: f"annotation {n}" for n, key in enumerate(keys)}
    text = json.dumps(members).encode()
    for batch in (decoder.lines(text), decoder.piecewise(text), decoder.lines(text + b'\n{"verb":5}')):
        assert batch.problems == []
        for path in (*((key,) for key in keys), *(("annotations", key) for key in keys)):
            assert read(schema, batch.events[0], batch.raw(0), path) == as_text(walk(members, path))


def read(schema: EventSchema, event: Any, whole: bytes, path: Path) -> str | None:
    """The text at a path, as generated code gets it."""
    access = schema.access(path)
    value: Any = decode_json(whole)
    if access.attributes:
        value = event
        for name in access.attributes:
            value = value and getattr(value, name)
    if isinstance(value, msgspec.Raw):
        value = decode_json(value) if value else None
    return as_text(walk(value, access.rest))


_PATHS: tuple[Path, ...] = (
    *KIND_PATHS,
    ("requestURI",),
    ("user", "groups"),
    ("user",),
    ("objectRef",),
    ("objectRef", "name"),
    ("sourceIPs",),
    ("responseStatus", "code"),
    ("requestObject", "kind"),
    ("requestObject", "spec", "containers", "0", "image"),
    ("annotations", "authorization.k8s.io/decision"),
)


@given(events)
def test_both_ways_to_an_event_give_the_texts_that_are_there(event: dict[str, Any]) -> None:
    schema = EventSchema(_PATHS)
    decoder = EventDecoder(schema)
    text = json.dumps(event).encode()
    expected = {path: as_text(walk(event, path)) for path in _PATHS}
    for batch in (decoder.lines(text), decoder.body(text), decoder.piecewise(text)):
        assert {path: read(schema, batch.events[0], batch.raw(0), path) for path in _PATHS} == expected
    assert kind_of(decoder.lines(text).events[0]) == tuple(expected[path] for path in KIND_PATHS)


def test_a_list_member_of_another_shape_counts_as_for_falco() -> None:
    schema = EventSchema([("user", "groups"), ("sourceIPs",)])
    event = schema.from_object({"user": {"groups": ["a", 1, None, {"b": [2]}]}, "sourceIPs": "1.2.3.4"})
    assert event.user.groups == ["a", "1", '{"b":[2]}']
    assert event.sourceIPs is None


def test_no_member_is_a_member_too() -> None:
    event = EventSchema([("requestObject", "x"), ("user", "groups")]).from_object({})
    assert (event.verb, event.user.groups, event.objectRef.resource) == (None, None, None)
    assert not event.requestObject
    assert kind_of(event) == (None,) * 5
