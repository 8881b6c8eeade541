"""Bytes to events (step 7 of the data flow).

The fast way decodes a whole block of lines, or a large part of a webhook's body, with the schema's typed decoder in one
call.
When that fails, the block is taken apart and each document is decoded on its own, as far as it can be: a wrong type,
a broken character, a list in a list, nesting beyond the decoder or a cut-off end costs the event its damaged part,
never its neighbours, and never hides it. What could not be read as sent is reported as a `Flaw`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import msgspec

from lanner.events.elements import documents, elements, parts
from lanner.events.schema import Event, EventSchema
from lanner.events.skim import skim
from lanner.events.values import Json, decode_json, encode_json

MAX_LIST_DEPTH = 4
"""Lists in lists: an API server sends one level, and a bound keeps nesting from costing more than its bytes."""

MAX_PROBLEMS = 100
"""Documents set aside that a batch describes; further ones are only counted."""

PART_BYTES = 256 * 1024
"""What is decoded of a posted list at a time: what becomes of it is evaluated, and done with, while it is cached."""

_HEADROOM = 24
"""Calls that stand between the first look at a text and the caller; later looks are from less deep."""

_MAX_SAMPLE = 120
_OPENING, _CLOSING = b"{}"
_BRACKETS = tuple(b"[]")
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_Result = TypeVar("_Result")

Payload: TypeAlias = "bytes | memoryview"
"""JSON text. What is decoded from a view of memory must be done with before that memory changes."""


class Flaw(StrEnum):
    """Why a document, or a part of one, could not be read as it was sent."""

    NOT_JSON = "not_json"
    NOT_AN_EVENT = "not_an_event"
    CUT_OFF = "cut_off"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"


FLAWS: Mapping[Flaw, str] = {
    Flaw.NOT_JSON: "not JSON",
    Flaw.NOT_AN_EVENT: "not an audit event",
    Flaw.CUT_OFF: "JSON ends too early or is damaged; evaluated as far as it could be read",
    Flaw.TOO_DEEP: "nested too deeply; evaluated without the members that are",
    Flaw.TOO_LARGE: "larger than the limit; evaluated without its large members",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One document that was not read as sent, with the start of its text; `event` is its place in the batch, if any."""

    flaw: Flaw
    sample: str
    event: int | None = None


class _Form(Enum):
    """How the texts of a batch's events stand in its source."""

    LINES = auto()
    EVENT_LIST = auto()
    PART = auto()


@dataclass(slots=True)
class Batch:
    """Events in the order in which they came, what was wrong among them, and their texts on demand.

    `more_problems` counts documents that were set aside beyond those in `problems`, `missing_audit_id` events without
    `auditID`.
    """

    events: list[Event]
    problems: list[Problem] = field(default_factory=list)
    more_problems: int = 0
    missing_audit_id: int = 0
    _source: Payload = b""
    _form: _Form = _Form.LINES
    _raws: list[bytes | memoryview | msgspec.Raw] | None = None

    @property
    def size(self) -> int:
        """How many events and problems there are."""
        return len(self.events) + len(self.problems) + self.more_problems

    def raw(self, index: int) -> bytes:
        """The JSON text of one event, as it was sent where it could be decoded at once."""
        if self._raws is None:
            self._raws = self._texts()
        return bytes(self._raws[index])

    def _texts(self) -> list[Any]:
        if self._form is _Form.PART:
            return _RAW_ITEMS.decode(self._source)
        if self._form is _Form.EVENT_LIST:
            return _RAW_LIST.decode(self._source).items
        lines = _lines(bytes(self._source))
        return lines if len(lines) == len(self.events) else _RAWS.decode_lines(self._source)


def _lines(text: bytes) -> list[memoryview]:
    """The lines of a block that was decoded, if each can only be one document; else none.

    Decoded JSON has line breaks between tokens only. A line that ends with a brace is followed by a comma or a closing
    bracket if its document goes on, so that none that begins with a brace can follow: each ends where a document ends.
    With as many lines as documents, each is one.
    """
    view = memoryview(text)
    found = []
    start = 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        if text[start] != _OPENING or text[end - 1] != _CLOSING:
            return []
        found.append(view[start:end])
        start = end + 1
    return found


class _RawList(msgspec.Struct):
    items: list[msgspec.Raw] = []


_RAWS = msgspec.json.Decoder(msgspec.Raw)
_RAW_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_LIST = msgspec.json.Decoder(_RawList)


class EventDecoder:
    """Decodes audit events into the structs of a schema."""

    def __init__(self, schema: EventSchema) -> None:
        self._schema = schema
        event = schema.event_type
        self._decode_lines = msgspec.json.Decoder(event).decode_lines
        self._decode_event = msgspec.json.Decoder(event).decode
        self._decode_items = msgspec.json.Decoder(list[event]).decode  # type: ignore[valid-type]
        posted = msgspec.defstruct("EventList", [("kind", str), ("items", list[event])])  # type: ignore[valid-type]
        self._decode_list: Callable[[Payload], Any] = msgspec.json.Decoder(posted).decode

    def batches(self, payload: Payload, *, body: bool = False, truncated: bool = False) -> Iterator[Batch]:
        """Decode a payload; each batch must be done with before the next one is asked for.

        Args:
            payload: JSON text: documents one after the other, or, with `body`, a single one.
            body: Whether the payload is one document.
            truncated: Whether the payload is what was kept of one event beyond the size limit.
        """
        if truncated:
            yield self.piecewise(payload, Flaw.TOO_LARGE)
        elif body:
            yield from self.parts(payload)
        else:
            yield self.lines(payload)

    def lines(self, block: Payload) -> Batch:
        """Decode documents that follow each other: one a line, several a line, or lists of them."""
        try:
            return Batch(_from_deeper(self._decode_lines, block), _source=block)
        except DECODE_ERRORS:
            return self._piecewise(_documents(block))

    def parts(self, payload: Payload) -> Iterator[Batch]:
        """Decode one document as `body` does, but a large `EventList` of an API server in parts.

        A part must be done with before the next one is asked for.
        """
        cuts = parts(payload, PART_BYTES)
        if not cuts:
            yield self.body(payload)
            return
        view, start = memoryview(payload), cuts[0]
        for start, end in pairwise(cuts):
            if not (yield from self._part(view, start, end)):
                break  # what looked like a border was none, or something is damaged
        else:
            return
        if end == cuts[-1] or not (yield from self._part(view, start, cuts[-1])):
            yield self._piecewise([b"".join((view[: cuts[0]], b"[", view[start + 1 :]))])

    def _part(self, document: memoryview, start: int, end: int) -> Generator[Batch, None, bool]:
        """Decode what lies between two places as a list of events; whether it is one."""
        with _as_list(document, start, end) as part:
            try:
                events = _from_deeper(self._decode_items, part)
            except DECODE_ERRORS:
                return False
            yield Batch(events, _source=part, _form=_Form.PART)
            return True

    def body(self, payload: Payload) -> Batch:
        """Decode one document: a webhook's `EventList`, a list, or an event."""
        try:
            posted = _from_deeper(self._decode_list, payload)
        except DECODE_ERRORS:
            return self._piecewise([bytes(payload)])
        if posted.kind != "EventList":
            return self._piecewise([bytes(payload)])
        return Batch(posted.items, _source=payload, _form=_Form.EVENT_LIST)

    def piecewise(self, document: Payload, flaw: Flaw | None = None) -> Batch:
        """Decode one document the slow way; `flaw` says what is already known to be wrong with it."""
        return self._piecewise([bytes(document)], flaw)

    def _piecewise(self, documents: list[bytes], flaw: Flaw | None = None) -> Batch:
        batch = Batch([], _raws=[])
        _from_deeper(partial(self._add_all, batch, flaw), documents)
        return batch

    def _add_all(self, batch: Batch, flaw: Flaw | None, documents: list[bytes]) -> None:
        for document in documents:
            if document.strip(_BLANK):
                self._add(batch, document.removeprefix(_BOM), flaw)

    def _add(self, batch: Batch, document: bytes, flaw: Flaw | None, depth: int = MAX_LIST_DEPTH) -> None:
        """Add the events of a line or body, by the first of these ways that reads it.

        `depth` is how many more lists it may be taken out of.
        """
        try:
            event = self._decode_event(document)
        except DECODE_ERRORS:
            pass
        else:
            _append(batch, event, document, flaw)
            return
        try:
            value = decode_json(document)
        except msgspec.DecodeError as error:
            damage = Flaw.TOO_DEEP if isinstance(error.__cause__, RecursionError) else Flaw.CUT_OFF
            self._add_damaged(batch, document, flaw, flaw or damage, depth)
        else:
            self._add_value(batch, value, document, flaw)

    def _add_value(self, batch: Batch, value: Json, document: bytes, flaw: Flaw | None) -> None:
        for item in _items(value, MAX_LIST_DEPTH):
            event = self._schema.from_object(item) if isinstance(item, dict) else None
            if event is None or not (_is_event(event) or item.get("kind") == "Event"):  # type: ignore[union-attr]
                _set_aside(batch, Flaw.NOT_AN_EVENT, encode_json(item))
            else:
                _append(batch, event, document if item is value else encode_json(item), flaw)

    def _add_damaged(self, batch: Batch, document: bytes, flaw: Flaw | None, damage: Flaw, depth: int) -> None:
        """Add what can be had from a list, from several documents in one line, or from a broken one."""
        pieces = documents(document)
        if len(pieces) == 1:
            pieces = (elements(document) if depth else None) or []
            depth -= 1
        if pieces:
            for piece in pieces:
                self._add(batch, piece, flaw, depth)
            return
        skimmed = skim(document)
        try:
            value = decode_json(skimmed.document)
        except msgspec.DecodeError:
            value = None
        before = batch.size
        if value:
            self._add_value(batch, value, skimmed.document, damage if skimmed.complete else flaw or Flaw.CUT_OFF)
        if batch.size == before:
            _set_aside(batch, Flaw.NOT_JSON, document)


def _documents(block: Payload) -> list[bytes]:
    """The documents of a block that holds what is no event; its lines where something in it is no JSON."""
    try:
        return [bytes(raw) for raw in _from_deeper(_RAWS.decode_lines, block)]
    except DECODE_ERRORS:
        return bytes(block).splitlines()


@contextmanager
def _as_list(document: memoryview, start: int, end: int) -> Iterator[memoryview]:
    """What lies between two places of a document, with brackets there for as long as it is looked at."""
    was, part = (document[start], document[end]), document[start : end + 1]
    if was != _BRACKETS:
        part = memoryview(bytearray(part)) if document.readonly else part
        part[0], part[-1] = _BRACKETS
    try:
        yield part
    finally:
        if not part.readonly:
            part[0], part[-1] = was


def _is_event(event: Event) -> bool:
    """Whether it has something of what makes an audit event; `kind` is missing from a webhook's items."""
    return event.stage is not None or event.verb is not None or event.auditID is not None


def _from_deeper(function: Callable[[Any], _Result], argument: Any, levels: int = _HEADROOM) -> _Result:
    """Call a function from further down the stack.

    How much nesting a decoder takes depends on how deep its caller is. What is accepted from down here is accepted
    again when rules look into it.
    """
    return _from_deeper(function, argument, levels - 1) if levels else function(argument)


def _append(batch: Batch, event: Event, raw: bytes, flaw: Flaw | None) -> None:
    assert batch._raws is not None  # noqa: S101 - INVARIANT: a batch that is put together keeps its texts
    if flaw is not None:
        batch.problems.append(_problem(flaw, raw, len(batch.events)))
    batch.events.append(event)
    batch.missing_audit_id += event.auditID is None
    batch._raws.append(raw)


def _set_aside(batch: Batch, flaw: Flaw, document: bytes) -> None:
    if len(batch.problems) < MAX_PROBLEMS:
        batch.problems.append(_problem(flaw, document))
    else:
        batch.more_problems += 1


def _problem(flaw: Flaw, document: bytes, event: int | None = None) -> Problem:
    return Problem(flaw, document[:_MAX_SAMPLE].decode("utf-8", "replace"), event)


def _items(value: Json, depth: int) -> Iterator[Json]:
    """The events in a list or `EventList`, in order, lists in lists included; anything else is itself."""
    inner = value
    if isinstance(value, dict) and value.get("kind") == "EventList":
        inner = value.get("items")
        if inner is None:
            return
    if isinstance(inner, list) and depth > 0:
        for item in inner:
            yield from _items(item, depth - 1)
    else:
        yield value
