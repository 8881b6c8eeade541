"""Lists are taken apart as text, so that what is wrong with one element stays with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.events.elements import elements

_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_json, max_size=6), st.sampled_from((None, 1)))
def test_elements_of_a_list_are_its_elements(values: list[Any], indent: int | None) -> None:
    found = elements(json.dumps(values, indent=indent).encode())
    assert found is not None
    assert [json.loads(text) for text in found] == values


@given(st.lists(_json, max_size=6), st.permutations(("kind", "items", "metadata")))
def test_items_of_an_event_list_are_its_elements(values: list[Any], order: list[str]) -> None:
    members = {"kind": "EventList", "items": values, "metadata": {"items": [1], "kind": "EventList"}}
    found = elements(json.dumps({key: members[key] for key in order}).encode())
    assert found is not None
    assert [json.loads(text) for text in found] == values


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"1",
        b'"x"',
        b'{"kind":"Event","items":[1]}',
        b'{"a":{"kind":"EventList","items":[1]}}',
        b'{"kind":"EventList"}',
        b'{"kind":"EventList","items":{}}',
        b'{"text":"\\"kind\\":\\"EventList\\"","items":[1]}',
    ],
)
def test_anything_else_is_no_list(document: bytes) -> None:
    assert elements(document) is None


def test_the_last_element_of_a_list_that_ends_too_early_is_what_there_is() -> None:
    assert elements(b'[{"a":1},{"b":[2,') == [b'{"a":1}', b'{"b":[2,']


@given(st.binary(max_size=60).map(lambda data: b"[" + data))
def test_any_bytes_are_taken_apart(document: bytes) -> None:
    assert isinstance(elements(document), list)
