"""Messages of a partitioned log: to deliveries, and handed over in order.

Many messages make one delivery; those that could harm their neighbours have deliveries of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from lanner.sources.base import MIB, Delivery, Framing, Handler, Limits, NotStored, RejectedDelivery, reason_of
from lanner.sources.lines import LineCutter, is_one_document
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import Patience

MAX_JOINED_BYTES = 4 * MIB
"""A delivery of many messages is full once it has so many bytes."""

TRIES_TOGETHER = 3
"""After so many failures messages are handed over one by one: those before the one that fails are then handled."""

_BLANK = b" \t\r\n"
_ENDS = {b"{": b"}", b"[": b"]"}
_TO_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")  # within JSON, line breaks stand between tokens only


@dataclass(frozen=True, slots=True)
class Converted:
    """What a message holds: JSON documents of audit events; how much of it was damaged, or of another kind.

    `truncated` are the places of documents that are events whose bodies were left out on the way, for their size.
    """

    documents: Sequence[bytes]
    damaged: int = 0
    ignored: int = 0
    truncated: frozenset[int] = frozenset()


Convert = Callable[[bytes], Converted]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a partition, and its number there."""

    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition came: the number before which all is handled, if any, and the one that failed, if any.

    `left` is what was not handled, in order, perhaps in smaller pieces than before.
    """

    handled: int | None
    failed: int | None
    left: Iterable[Piece] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Deliveries of messages that follow each other; once they are handled, so is all before `end`.

    `records` counts what the messages hold, audit events or not.
    """

    deliveries: tuple[Delivery, ...]
    messages: tuple[Message, ...]
    end: int
    records: int = 0
    damaged: int = 0
    ignored: int = 0


@dataclass(slots=True)
class Struggle:
    """What keeps a partition from getting on: the message that failed last, or the first of several, and how often."""

    patience: Patience
    offset: int = -1
    times: int = 0


@dataclass(slots=True)
class Struggles:
    """Those of a source's partitions, kept from one `hand_over` to the next."""

    context: Context
    found: dict[str, Struggle] = field(default_factory=dict)

    def passed(self, partition: str) -> None:
        """Something of a partition was handled."""
        self.found.pop(partition, None)

    def failed(self, partition: str, offset: int, error: Exception) -> None:
        """Messages failed, and why; a store that cannot be written is not their fault, and does not count."""
        at = self.found.setdefault(partition, Struggle(Patience(self.context)))
        if offset != at.offset:
            at.offset, at.times = offset, 0
        at.times += not isinstance(error, NotStored)
        at.patience.failed(f"{partition}@{offset} is not handled: {type(error).__name__}: {reason_of(error)}")

    def is_hard(self, partition: str, piece: Piece) -> bool:
        """Whether its messages failed so often together that they are to be tried one by one."""
        at = self.found.get(partition)
        offsets = [message.offset for message in piece.messages]
        return at is not None and at.times >= TRIES_TOGETHER and len(offsets) > 1 and at.offset in offsets


def cut(partition: str, messages: Iterable[Message], convert: Convert, limits: Limits) -> Iterator[Piece]:
    """The messages of a partition, in order, as few deliveries.

    A message that is no JSON document by its ends, or beyond the limit of an event, has deliveries of its own: what is
    damaged must not run into the next. A message is converted when its piece is asked for: what is packed may be many
    times as large as the messages are.
    """
    joined: list[Message] = []
    found: list[Converted] = []
    size = 0
    for message in messages:
        converted = convert(message.value)
        is_joinable = not converted.truncated and all(_is_joinable(each, limits) for each in converted.documents)
        if joined and (size >= MAX_JOINED_BYTES or not is_joinable):
            yield _joined(partition, joined, found)
            joined, found, size = [], [], 0
        if is_joinable:
            joined.append(message)
            found.append(converted)
            size += sum(map(len, converted.documents))
        else:
            yield _alone(partition, message, converted, limits)
    if joined:
        yield _joined(partition, joined, found)


async def hand_over(
    partition: str,
    pieces: Iterable[Piece],
    convert: Convert,
    handle: Handler,
    context: Context,
    *,
    struggles: Struggles | None = None,
) -> Progress:
    """Hand a partition's messages over in order, up to the first that is not handled.

    What is rejected is set aside: of several messages, the one. Tells of that, of what fails, and of what of the
    messages was damaged or no audit event. Messages that fail again and again are tried one by one, and after minutes
    it is told which one the partition is stuck at; for both, `struggles` is to be the same each time.
    """
    struggles = struggles or Struggles(context)
    handled = None
    rest = iter(pieces)
    waiting: list[Piece] = []
    while piece := waiting.pop() if waiting else await asyncio.to_thread(next, rest, None):
        if struggles.is_hard(partition, piece):
            waiting += reversed(_each_alone(partition, piece, convert, context.limits))
            continue
        try:
            for delivery in piece.deliveries:
                await handle(delivery)
        except RejectedDelivery as error:
            if len(piece.messages) > 1:
                waiting += reversed(_each_alone(partition, piece, convert, context.limits))
                continue
            context.tell(Trouble.DAMAGED, f"{partition}@{piece.messages[0].offset}: set aside: {error.reason}", 1)
        except Exception as error:  # it may be anything: none of it may lose a message
            offset = piece.messages[0].offset
            reason = f"{type(error).__name__}: {reason_of(error)}"
            context.tell(Trouble.RETRY, f"{partition}@{offset}: not handled, delivered again later: {reason}", 1)
            struggles.failed(partition, offset, error)
            return Progress(handled, offset, chain((piece,), reversed(waiting), rest))
        handled = piece.end
        struggles.passed(partition)
        _tell(partition, piece, context)
    return Progress(handled, None)


def _each_alone(partition: str, piece: Piece, convert: Convert, limits: Limits) -> list[Piece]:
    return [_alone(partition, message, convert(message.value), limits) for message in piece.messages]


def _tell(partition: str, piece: Piece, context: Context) -> None:
    where = f"{partition}@{piece.messages[0].offset}-{piece.end - 1}"
    if piece.damaged:
        context.tell(Trouble.DAMAGED, f"{where}: damaged, evaluated as far as it can be read", piece.damaged)
    if piece.ignored:
        context.tell(Trouble.IGNORED, f"{where}: no audit events", piece.ignored)


def _is_joinable(document: bytes, limits: Limits) -> bool:
    text = document.strip(_BLANK)
    return len(text) <= limits.max_event_size and _ENDS.get(text[:1]) == text[-1:]


def _joined(partition: str, messages: Sequence[Message], found: Sequence[Converted]) -> Piece:
    lines = [_as_lines(document) for converted in found for document in converted.documents]
    origin = f"{partition}@{messages[0].offset}-{messages[-1].offset}"
    deliveries = (Delivery(b"\n".join(lines), Framing.LINES, origin),) if lines else ()
    return Piece(
        deliveries,
        tuple(messages),
        messages[-1].offset + 1,
        sum(len(converted.documents) + converted.ignored for converted in found),
        sum(converted.damaged for converted in found),
        sum(converted.ignored for converted in found),
    )


def _alone(partition: str, message: Message, converted: Converted, limits: Limits) -> Piece:
    origin = f"{partition}@{message.offset}"
    deliveries: list[Delivery] = []
    for number, document in enumerate(converted.documents):
        if number in converted.truncated:
            deliveries.append(Delivery(document, Framing.BODY, origin, truncated=True, size=len(document)))
        elif len(document) > limits.max_event_size:
            deliveries += _large(origin, document, limits)
        elif document.strip(_BLANK):
            deliveries.append(Delivery(document, Framing.BODY, origin))
    records = len(converted.documents) + converted.ignored
    return Piece(tuple(deliveries), (message,), message.offset + 1, records, converted.damaged, converted.ignored)


def _large(origin: str, document: bytes, limits: Limits) -> Iterator[Delivery]:
    """A document beyond the limit of an event: a list, whose events may be within it, or what can be kept of one."""
    cutter = LineCutter(origin, limits)
    text = _as_lines(document)
    for start in range(0, len(text), cutter.block_size):
        yield from cutter.feed(text[start : start + cutter.block_size])
    yield from cutter.finish()


def _as_lines(document: bytes) -> bytes:
    """A document that is printed over several lines as one; documents that stand in a line each as they are."""
    if b"\n" not in document and b"\r" not in document:
        return document
    text = document.strip(_BLANK)
    return text.translate(_TO_ONE_LINE) if is_one_document(text) or b"\n" not in text else text
