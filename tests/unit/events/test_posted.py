"""Bodies as API servers post them are decoded in parts, and nothing is different for that."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanner.events import decode
from lanner.events.decode import Batch, EventDecoder, Flaw
from lanner.events.elements import parts
from lanner.events.schema import EventSchema

DECODER = EventDecoder(EventSchema([("user", "groups"), ("requestObject", "spec")]))
HEAD = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":'
TAILS = st.sampled_from([b"]}", b"]}\n"])
BORDER = '},{"level":"'
DAMAGED = b'{"level":"x","verb":"damaged","z":tru}'

_texts = st.text(max_size=5) | st.sampled_from([BORDER, "}]}", '"', "\\", '"items":[', "\u2028"])
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | _texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_texts, inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"level": _texts}), max_size=3)
    ),
    max_leaves=8,
)
_stages = st.sampled_from(["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"])
_names = st.sampled_from([{}, {"kind": "Event"}, {"kind": "Event", "apiVersion": "audit.k8s.io/v1"}])


@st.composite
def _items(draw: st.DrawFn) -> bytes:
    members = {
        **{"level": "Request", "auditID": draw(_texts), "stage": draw(_stages)},
        **{"requestObject": draw(_json), "verb": draw(_texts)},
    }
    return json.dumps(draw(_names) | members, separators=(",", ":")).encode()


def posted(items: list[bytes], tail: bytes = b"]}\n") -> bytes:
    return HEAD + b"[" + b",".join(items) + tail


@pytest.fixture(params=[1, 60, 400])
def part_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(decode, "PART_BYTES", size)
    return size


def seen(batches: Iterator[Batch]) -> list[tuple[Any, bytes]]:
    """Each event with its text, taken before the next part is asked for."""
    found = []
    for batch in batches:
        assert not batch.problems
        found += [(event, batch.raw(n)) for n, event in enumerate(batch.events)]
    return found


ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(items=st.lists(_items(), min_size=1, max_size=12), tail=TAILS, is_writable=st.booleans())
def test_parts_have_the_events_and_texts_of_the_whole(
    part_bytes: int, items: list[bytes], tail: bytes, is_writable: bool
) -> None:
    text = posted(items, tail)
    payload = memoryview(bytearray(text)) if is_writable else text
    whole = DECODER.body(text)
    found = seen(DECODER.parts(payload))
    assert [event for event, _ in found] == whole.events
    assert [raw for _, raw in found] == items
    assert bytes(payload) == text


@ANY
@given(items=st.lists(_items(), min_size=1, max_size=8), at=st.integers(0, 8), more=st.sampled_from([b"", b",", b"]"]))
def test_what_is_damaged_costs_no_other_event(part_bytes: int, items: list[bytes], at: int, more: bytes) -> None:
    text = posted([*items[:at], DAMAGED + more, *items[at:]])
    payload = bytearray(text)
    found = [event.verb for batch in DECODER.parts(memoryview(payload)) for event in batch.events]
    assert found == [event.verb for event in DECODER.piecewise(text).events]
    assert payload == text


def test_a_part_that_is_no_list_is_taken_apart_with_all_that_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "PART_BYTES", 1)
    items = [b'{"level":"x","auditID":"i","verb":"%d"}' % number for number in range(5)]
    items[3] = DAMAGED
    batches = list(DECODER.parts(posted(items)))
    assert [[event.verb for event in batch.events] for batch in batches] == [["0"], ["1"], ["2"], ["damaged", "4"]]
    assert [problem.flaw for problem in batches[3].problems] == [Flaw.CUT_OFF]


def test_a_large_body_comes_in_parts_of_about_the_same_size(part_bytes: int) -> None:
    item = b'{"level":"x","auditID":"i","verb":"get"}'
    text = posted([item] * 100)
    sizes = [len(batch.events) for batch in DECODER.parts(text)]
    assert sum(sizes) == 100
    assert max(sizes) * len(item) <= part_bytes + 2 * len(item)
    assert min(sizes[:-1]) * (len(item) + 1) >= part_bytes


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        HEAD + b"[]}",
        HEAD + b'[{"stage":"x"}]}',
        HEAD + b'[{"level":"x"}] }',
        HEAD + b'[{"level":"x"}',
        HEAD.replace(b"EventList", b"List") + b'[{"level":"x"}]}',
        HEAD.replace(b"{}", b'{"items":[{"level":"x"}]}') + b'[{"level":"x"}]}',
        b" " + HEAD + b'[{"level":"x"}]}',
    ],
)
def test_what_is_written_in_another_way_is_not_cut(document: bytes) -> None:
    assert parts(document, 1) == []
