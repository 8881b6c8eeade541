import asyncio
import json

import pytest

from lanner.sources.base import Delivery, Framing, Limits, NotStored, RejectedDelivery
from lanner.sources.batches import MAX_JOINED_BYTES, Converted, Message, Piece, Struggle, Struggles, cut, hand_over
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import STUCK_AFTER_S, Patience

EVENT = {"kind": "Event", "auditID": "a", "requestObject": {"metadata": {"labels": {"x": "y"}}}}


def as_it_is(value: bytes) -> Converted:
    return Converted((value,))


def pieces(*values: bytes, limits: Limits | None = None) -> list[Piece]:
    messages = [Message(number, value) for number, value in enumerate(values)]
    return [*cut("audit/0", messages, as_it_is, limits or Limits())]


def payloads(found: list[Piece]) -> list[bytes]:
    return [bytes(delivery.payload) for piece in found for delivery in piece.deliveries]


def test_messages_are_lines_of_one_delivery() -> None:
    (piece,) = pieces(b'{"a":1}', b'[{"b":2}]\n', b'{"c":3}')
    assert payloads([piece]) == [b'{"a":1}\n[{"b":2}]\n{"c":3}']
    assert (piece.end, piece.deliveries[0].framing, piece.deliveries[0].origin) == (3, Framing.LINES, "audit/0@0-2")


def test_a_document_over_several_lines_becomes_one_line() -> None:
    printed = json.dumps(EVENT, indent=2).encode()
    (payload,) = payloads(pieces(printed, b'{"b":2}'))
    first, second = payload.splitlines()
    assert json.loads(first) == EVENT
    assert second == b'{"b":2}'


def test_documents_on_lines_of_their_own_stay_as_they_are() -> None:
    lines = b'{"a":1}\r\n{"b":2}\n'
    assert payloads(pieces(lines)) == [b'{"a":1}\r\n{"b":2}']


def test_a_document_that_opens_more_than_it_closes_cannot_take_in_the_next() -> None:
    found = pieces(b'{"a":1}', b'{"kind":"Event","x":', b'{"b":2}')
    assert payloads(found) == [b'{"a":1}', b'{"kind":"Event","x":', b'{"b":2}']
    assert [piece.end for piece in found] == [1, 2, 3]


def test_a_delivery_that_is_full_is_followed_by_another() -> None:
    large = b'{"a":"' + b"x" * (MAX_JOINED_BYTES // 2) + b'"}'
    assert [len(piece.messages) for piece in pieces(*[large] * 5)] == [2, 2, 1]


def test_a_list_beyond_the_limit_of_an_event_is_whole_and_an_event_is_cut() -> None:
    events = [{"kind": "Event", "auditID": str(number)} for number in range(10)]
    large = {**EVENT, "responseObject": "x" * 500}
    limits = Limits(max_event_size=200, max_batch_size=10_000)
    found = pieces(json.dumps(events).encode(), json.dumps(large).encode(), limits=limits)
    listed, cut_off = (delivery for piece in found for delivery in piece.deliveries)
    assert json.loads(bytes(listed.payload)) == events
    assert (cut_off.truncated, cut_off.size) == (True, len(json.dumps(large)))


@pytest.mark.parametrize("poison", [0, 2, 4])
def test_of_rejected_messages_only_the_one_is_set_aside(poison: int) -> None:
    handled: list[bytes] = []
    told: list[tuple[str, str]] = []

    async def handle(delivery: Delivery) -> None:
        if b"poison" in bytes(delivery.payload):
            raise RejectedDelivery("no JSON")
        handled.extend(bytes(delivery.payload).splitlines())

    values = [b'{"n":%d}' % number for number in range(5)]
    values[poison] = b'{"poison":1}'
    context = Context(name="x", tell=lambda trouble, text, _: told.append((trouble.value, text)))
    progress = asyncio.run(hand_over("audit/0", pieces(*values), as_it_is, handle, context))
    assert handled == [value for value in values if b"poison" not in value]
    assert (progress.handled, progress.failed) == (5, None)
    assert told == [("damaged", f"audit/0@{poison}: set aside: no JSON")]


def test_what_comes_after_a_failure_is_not_handed_over() -> None:
    handled: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        if bytes(delivery.payload) == b"{":
            raise OSError(28, "No space left on device")
        handled.append(bytes(delivery.payload))

    found = pieces(b'{"a":1}', b"{", b'{"b":2}')
    progress = asyncio.run(hand_over("audit/0", found, as_it_is, handle, Context(name="x")))
    assert handled == [b'{"a":1}']
    assert (progress.handled, progress.failed) == (1, 1)


def test_an_event_whose_body_was_left_out_on_the_way_is_handed_over_as_truncated() -> None:
    def convert(value: bytes) -> Converted:
        return Converted((value, b'{"auditID":"cut"}'), truncated=frozenset({1})) if b"2" in value else as_it_is(value)

    messages = [Message(number, b'{"auditID":"%d"}' % number) for number in range(4)]
    found = [each for piece in cut("audit/0", messages, convert, Limits()) for each in piece.deliveries]
    assert [each.truncated for each in found] == [False, False, True, False]
    assert bytes(found[2].payload) == b'{"auditID":"cut"}'


def test_messages_are_unpacked_as_their_turn_comes_and_counted_as_large_as_they_are_then() -> None:
    unpacked = 0

    def convert(value: bytes) -> Converted:
        nonlocal unpacked
        unpacked += 1
        return Converted((b'{"a":"' + b"x" * (MAX_JOINED_BYTES // 2) + b'"}',))

    held = []

    async def handle(delivery: Delivery) -> None:
        held.append((len(delivery.payload), unpacked))

    made = cut("audit/0", [Message(number, b"small") for number in range(8)], convert, Limits())
    asyncio.run(hand_over("audit/0", made, convert, handle, Context(name="x")))
    assert [count for _, count in held] == [3, 5, 7, 8]
    assert max(size for size, _ in held) < MAX_JOINED_BYTES + 100


@pytest.mark.parametrize("rereads", [True, False])
def test_a_message_that_always_fails_does_not_keep_those_before_it_and_is_named(rereads: bool) -> None:
    handled: list[bytes] = []
    told: list[tuple[Trouble, str]] = []
    now = 0.0

    async def handle(delivery: Delivery) -> None:
        if b"poison" in bytes(delivery.payload):
            raise ValueError("odd")
        handled.extend(bytes(delivery.payload).splitlines())

    context = Context(name="x", tell=lambda trouble, text, _: told.append((trouble, text)))
    struggles = Struggles(context, {"audit/0": Struggle(Patience(context, lambda: now))})
    values = [b'{"n":0}', b'{"n":1}', b'{"poison":1}', b'{"n":3}']
    messages = [Message(number, value) for number, value in enumerate(values)]
    left = [*cut("audit/0", messages, as_it_is, Limits())]
    for _ in range(4):
        progress = asyncio.run(hand_over("audit/0", left, as_it_is, handle, context, struggles=struggles))
        assert progress.failed is not None
        left = [*progress.left]
        if rereads:
            left = [*cut("audit/0", messages[progress.failed :], as_it_is, Limits())]
    assert (handled, progress.handled, progress.failed) == (values[:2], 2, 2)
    assert not [text for trouble, text in told if trouble is Trouble.STUCK]
    struggles.found["audit/0"].patience = Patience(context, lambda: now)
    for _ in range(2):
        asyncio.run(hand_over("audit/0", left, as_it_is, handle, context, struggles=struggles))
        now += STUCK_AFTER_S
    assert told[-1] == (Trouble.STUCK, "for 5 minutes: audit/0@2 is not handled: ValueError: odd")
    assert handled == values[:2]


def test_messages_stay_together_while_the_store_cannot_be_written() -> None:
    async def handle(delivery: Delivery) -> None:
        raise NotStored("the disk is full")

    context = Context(name="x")
    struggles = Struggles(context)
    found = pieces(b'{"n":0}', b'{"n":1}')
    for _ in range(6):
        progress = asyncio.run(hand_over("audit/0", found, as_it_is, handle, context, struggles=struggles))
    assert [*progress.left] == found
