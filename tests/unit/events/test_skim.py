import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.events.skim import MAX_VALUE_BYTES, Skimmed, Skimmer, skim

SCALARS = st.none() | st.booleans() | st.integers(-9999, 9999) | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=6)


def skim_in_parts(payload: bytes, part: int, **limits: int) -> Skimmed:
    skimmer = Skimmer(**limits)
    for start in range(0, len(payload), part):
        skimmer.feed(payload[start : start + part])
    return skimmer.finish()


def depth_of(value: Any) -> int:
    """Levels of containers that hold containers, and one more."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((depth_of(item) for item in inner if isinstance(item, (dict, list))), default=0)


@given(OBJECTS, st.integers(1, 9), st.booleans())
def test_a_text_within_the_bounds_is_kept_whatever_its_chunks(value: dict[str, Any], part: int, pretty: bool) -> None:
    payload = json.dumps(value, indent=2 if pretty else None, ensure_ascii=False).encode()
    skimmed = skim_in_parts(payload, part)
    assert json.loads(skimmed.document) == value
    assert (skimmed.size, skimmed.complete, skimmed.dropped) == (len(payload), True, ())


@given(st.lists(VALUES, max_size=5), st.integers(1, 9))
def test_the_elements_of_an_array_are_kept_too(value: list[Any], part: int) -> None:
    skimmed = skim_in_parts(json.dumps(value).encode(), part)
    assert (json.loads(skimmed.document), skimmed.complete) == (value, True)


@given(st.binary(max_size=80) | st.text('{}[]",:\\ a1', max_size=60).map(str.encode), st.integers(1, 7))
def test_any_bytes_give_json_and_never_an_exception(payload: bytes, part: int) -> None:
    skimmed = skim_in_parts(payload, part, max_value_bytes=20, max_depth=3)
    json.loads(skimmed.document.decode("utf-8", "replace"), strict=False)
    assert skimmed.size == len(payload)


@given(OBJECTS, st.data())
def test_a_text_cut_off_anywhere_keeps_members_as_sent_save_the_last(
    value: dict[str, Any], data: st.DataObject
) -> None:
    payload = json.dumps(value).encode()
    cut = payload[: data.draw(st.integers(0, len(payload) - 1))]
    skimmed = skim(cut)
    kept = json.loads(skimmed.document)
    assert not skimmed.complete
    assert list(kept) == list(value)[: len(kept)]
    assert all(kept[name] == value[name] for name in list(kept)[:-1])


@given(OBJECTS, st.integers(1, 9))
def test_what_is_nested_too_deeply_becomes_null_in_its_place(value: dict[str, Any], part: int) -> None:
    skimmed = skim_in_parts(json.dumps(value).encode(), part, max_depth=2)
    kept = json.loads(skimmed.document)
    assert depth_of(kept) <= 3
    assert list(kept) == list(value)
    cut = [name for name in value if kept[name] != value[name]]
    assert len(cut) == len(skimmed.dropped)
    assert skimmed.complete


@pytest.mark.parametrize(
    "large",
    [
        b'"' + b"x" * 500 + b'"',
        b'"' + b'\\"}' * 200 + b'"',
        b"[" * 300 + b"]" * 300,
        b'{"a":"}]"},' * 50,
        b"1" * 500,
        b'["' + b"\\\\" * 300 + b'"]',
    ],
    ids=["text", "escapes", "brackets", "objects", "number", "backslashes"],
)
@pytest.mark.parametrize("part", [1, 7, 100, 4096])
def test_a_large_member_is_dropped_whatever_hides_inside(large: bytes, part: int) -> None:
    wrapped = b"[" + large.rstrip(b",") + b"]"
    payload = b' {"verb":"get", "requestObject" : ' + wrapped + b', "user":{"username":"a"}} \n'
    skimmed = skim_in_parts(payload, part, max_value_bytes=120)
    assert skimmed.document == b'{"verb":"get", "user":{"username":"a"}}'
    assert skimmed.dropped == ("requestObject",)
    assert (skimmed.complete, skimmed.size) == (True, len(payload))


def test_a_hundred_megabytes_of_text_leave_the_small_members() -> None:
    skimmer = Skimmer()
    skimmer.feed(b'{"verb":"create","requestObject":{"data":"')
    for _ in range(100):
        skimmer.feed(b"x" * MAX_VALUE_BYTES)
    skimmer.feed(b'"},"stage":"ResponseComplete"}')
    skimmed = skimmer.finish()
    assert json.loads(skimmed.document) == {"verb": "create", "stage": "ResponseComplete"}
    assert skimmed.size > 100 * MAX_VALUE_BYTES


def test_many_members_are_bounded_in_sum() -> None:
    skimmed = skim(b'{"verb":"get",' + b'"abc":"defgh",' * 10_000 + b'"z":1}', max_value_bytes=1000)
    assert len(skimmed.document) <= 4001
    assert json.loads(skimmed.document)["verb"] == "get"
    assert skimmed.complete
    assert "abc" in skimmed.dropped


def test_names_of_dropped_members_are_bounded() -> None:
    payload = b"{" + b",".join(b'"k%d":"%s"' % (n, b"x" * 50) for n in range(100)) + b"}"
    skimmed = skim(payload, max_value_bytes=20)
    assert skimmed.document == b"{}"
    assert skimmed.dropped[:2] == ("k0", "k1")
    assert len(skimmed.dropped) == 64


def test_a_member_that_is_not_json_is_left_out() -> None:
    skimmed = skim(b'{"verb":"get","a":\x00\xff,"b":[1,],"user":"x"}')
    assert json.loads(skimmed.document) == {"verb": "get", "user": "x"}
    assert skimmed.dropped == ("a", "b")
    assert skimmed.complete


def test_a_batch_that_was_cut_off_keeps_its_complete_events() -> None:
    skimmed = skim(b'{"kind":"EventList","items":[{"verb":"get"},{"verb":"list","user":{"username":"a","groups":["b')
    assert json.loads(skimmed.document) == {
        "kind": "EventList",
        "items": [{"verb": "get"}, {"verb": "list", "user": {"username": "a", "groups": []}}],
    }
    assert (skimmed.complete, skimmed.dropped) == (False, ("items",))


def test_one_event_nested_too_deeply_costs_its_neighbours_nothing() -> None:
    deep = b"[" * 5000 + b"]" * 5000
    events = [b'{"verb":"get"}', b'{"verb":"create","requestObject":{"a":' + deep + b',"b":1}}', b'{"verb":"list"}']
    skimmed = skim(b'{"kind":"EventList","items":[' + b",".join(events) + b"]}")
    items = json.loads(skimmed.document)["items"]
    assert [item["verb"] for item in items] == ["get", "create", "list"]
    assert items[1]["requestObject"]["b"] == 1
    assert skimmed.complete


@pytest.mark.parametrize("payload", [b"", b" \n", b"null", b'"{}"', b"\x00{}", b"}"])
def test_what_is_no_object_gives_an_empty_one(payload: bytes) -> None:
    assert skim(payload) == Skimmed(b"{}", len(payload), False, ())


@pytest.mark.parametrize("payload", [b'{"a":1}{"b":2}', b'{"a":1}]', b'{"a":1] '])
def test_what_follows_or_closes_wrongly_is_not_complete(payload: bytes) -> None:
    skimmed = skim(payload)
    assert json.loads(skimmed.document) == {"a": 1}
    assert not skimmed.complete


def test_a_byte_order_mark_before_the_object_is_ignored() -> None:
    assert skim(b'\xef\xbb\xbf{"a":1}').document == b'{"a":1}'


def test_real_posts_are_kept_as_sent(shared: Path) -> None:
    with gzip.open(shared / "recordings" / "webhook-posts.jsonl.gz") as posts:
        for body in list(posts)[:4]:
            skimmed = skim(body)
            assert skimmed.document == body.rstrip()
            assert (skimmed.complete, skimmed.dropped) == (True, ())
