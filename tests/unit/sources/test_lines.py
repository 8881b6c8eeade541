import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.sources.base import Delivery, Framing, Limits
from lanner.sources.lines import LineCutter, is_one_document

SMALL = Limits(max_event_size=100, max_batch_size=1000, block_size=1 << 20)


def cut(text: bytes, limits: Limits, part: int = 1 << 20) -> list[Delivery]:
    cutter = LineCutter("audit.log", limits)
    part = min(part, cutter.block_size)
    deliveries = [
        delivery for start in range(0, len(text), part) for delivery in cutter.feed(text[start : start + part])
    ]
    return [*deliveries, *cutter.finish()]


@given(st.text("ab\n\r ", max_size=200).map(str.encode), st.integers(1, 50))
def test_whole_lines_come_out_in_order(text: bytes, part: int) -> None:
    deliveries = cut(text, Limits(), part)
    assert b"".join(delivery.payload for delivery in deliveries) == text
    assert all(bytes(delivery.payload).endswith(b"\n") for delivery in deliveries[:-1])


@pytest.mark.parametrize("part", [3, 30, 100])
def test_a_line_beyond_the_limit_is_reduced_and_its_neighbours_are_not(part: int) -> None:
    large = b'{"verb":"create","requestObject":"' + b"x" * 1_500_000 + b'"}\n'
    before, after = b'{"verb":"get"}\n', b'{"verb":"list"}\n'
    deliveries = cut(before + large + after, SMALL, part)
    assert [d.truncated for d in deliveries] == [False, True, False]
    assert json.loads(bytes(deliveries[1].payload)) == {"verb": "create"}
    assert (deliveries[1].framing, deliveries[1].size) == (Framing.BODY, len(large))
    assert (deliveries[0].payload, deliveries[2].payload) == (before, after)


def test_a_line_is_reduced_only_beyond_the_limit() -> None:
    fits = b'{"a":"' + b"x" * 91 + b'"}\n'
    assert len(fits) == SMALL.max_event_size
    assert [d.truncated for d in cut(fits, SMALL, 7)] == [False]
    assert [d.truncated for d in cut(b" " + fits, SMALL, 7)] == [True]


def test_a_last_line_beyond_the_limit_needs_no_newline() -> None:
    (delivery,) = cut(b'{"verb":"get","requestURI":"' + b"x" * 200, SMALL)
    assert delivery.truncated
    assert delivery.size == 228


@pytest.mark.parametrize(
    "head", [b"[", b'{"kind":"EventList","metadata":{},"items":[', b' {"apiVersion":"v1","items" : [']
)
def test_a_list_on_one_line_is_bounded_as_a_batch(head: bytes) -> None:
    line = head + b'{"verb":"get"},' * 30 + b'{"verb":"get"}]' + b"}" * head.count(b"{", 0, 3) + b"\n"
    for part in (1, 5, 100):
        (delivery,) = cut(line, SMALL, part)
        assert (delivery.payload, delivery.truncated) == (line, False)
    (delivery,) = cut(line.replace(b"get", b"g" * 40), SMALL)
    assert delivery.truncated


def test_a_text_within_an_event_cannot_make_it_a_list() -> None:
    line = b'{"kind":"Event","requestURI":"\\"kind\\":\\"EventList\\",\\"items\\":[' + b"x" * 200 + b'"}\n'
    (delivery,) = cut(line, SMALL)
    assert delivery.truncated


def test_waiting_bytes_are_those_without_a_newline() -> None:
    cutter = LineCutter("audit.log", Limits())
    list(cutter.feed(b'{"a":1}\n{"b"'))
    assert cutter.waiting == 4
    list(cutter.feed(b":2}\n"))
    assert cutter.waiting == 0


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b'{\n  "kind": "EventList",\n', True),
        (b"[\n{}\n]", True),
        (b'[{"verb":"get"},\n {"verb":"list"}]', True),
        (b'{"kind":"EventList","items":[\n{"verb":"get"},\n', True),
        (b'{"kind":"EventList",\r\n"items":[]}', True),
        (b'\n \n{\n "verb": "get"\n}', True),
        (b'{"verb":"get"}\n{"verb":"list"}\n', False),
        (b'[{"verb":"get"}]\n', False),
        (b'{"verb":"get","user":{"username":"a\n{"verb":"list"}\n', False),
        (b'{"verb":"get",\n{"verb":"list"}\n', False),
        (b'"tail of a line"}\n{"verb":"list"}\n', False),
        (b'{"verb":"get"}', False),
        (b"", False),
        (b"\n\n", False),
    ],
)
def test_a_document_over_several_lines_is_told_from_json_lines(start: bytes, expected: bool) -> None:
    assert is_one_document(start) is expected


@pytest.mark.parametrize("start", [b'[{"a":1}\n,{"b":2}\n]\n', b"[\n]\n", b'{"kind":"EventList"\n,"items":[]}\n'])
def test_a_document_with_its_commas_in_front_is_one(start: bytes) -> None:
    assert is_one_document(start)


def test_a_line_that_was_cut_off_makes_no_document_of_those_behind_it() -> None:
    assert not is_one_document(b'{"a":[1,2\n{"b":2}\n')
