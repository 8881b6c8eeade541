"""Texts that should hold an event each to deliveries: the whole ones together, damaged ones alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from lanner.events.skim import Skimmer
from lanner.sources.base import Delivery, Framing, Handler, Limits
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import insist

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BLANK = b" \t\r\n"
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


class Standing(StrEnum):
    """What a text holds."""

    EVENT = "event"
    CUT = "cut"
    """An event that is damaged or cut off."""
    OTHER = "other"
    """Another log."""
    BROKEN = "broken"
    """Not what the platform sends."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was in a message: the event's JSON text on one line, or the text that is left of it, or nothing."""

    standing: Standing
    text: bytes = b""


Tells: TypeAlias = Mapping[Standing, tuple[Trouble, str]]
"""What to tell of what is no whole event."""


class _Head(Struct):
    """What makes an event, or a list of events."""

    auditID: Raw | UnsetType = UNSET
    stage: Raw | UnsetType = UNSET
    verb: Raw | UnsetType = UNSET
    items: Raw | UnsetType = UNSET


_CLUSTER_NAME = "cluster_name"
_NULL = Raw(b"null")
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_annotations = msgspec.json.Decoder(dict[str, Raw] | None).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_any = msgspec.json.Decoder(Raw).decode


def judged(text: bytes) -> Content:
    """What a text holds, which should be an event."""
    text = text.strip(_BLANK)
    if not text.startswith((b"{", b"[")):
        return Content(Standing.OTHER)
    try:
        if text.startswith(b"["):
            _decode_any(text)
        elif not _is_event(text):
            return Content(Standing.OTHER)
    except RecursionError:
        pass  # deeper than the decoder goes is no damage: who evaluates it says so
    except DECODE_ERRORS:
        return Content(Standing.CUT, text)
    # In JSON, line ends stand between tokens only.
    return Content(Standing.EVENT, text.translate(_LINE_ENDS))


def with_cluster(content: Content, cluster: str) -> Content:
    """The content with a cluster's name among the annotations, where `ka.cluster.name` has it from; empty: as it is."""
    if not cluster or not content.text.startswith(b"{"):
        return content
    match content.standing:
        case Standing.EVENT:
            return Content(Standing.EVENT, _named(content.text, cluster))
        case Standing.CUT:
            # Annotations come last in an event, so that one that was cut has none.
            start = msgspec.json.encode({"annotations": {_CLUSTER_NAME: cluster}})[:-1]
            rest = content.text[1:]
            return Content(Standing.CUT, start + (b"," if rest.lstrip(_BLANK).startswith(b'"') else b"") + rest)
    return content


def _named(text: bytes, cluster: str) -> bytes:
    try:
        event = _decode_members(text)
        annotations = _decode_annotations(event.get("annotations", _NULL)) or {}
    except DECODE_ERRORS:
        return text  # nested too deeply, or not annotations: it is evaluated as it is
    name = Raw(msgspec.json.encode(cluster))
    return msgspec.json.encode({**event, "annotations": {**annotations, _CLUSTER_NAME: name}})


def _is_event(text: bytes) -> bool:
    head = _decode_head(text)
    return any(part is not UNSET for part in (head.auditID, head.stage, head.verb, head.items))


def deliveries(contents: Iterable[Content], limits: Limits, origin: str) -> Iterator[Delivery]:
    """Whole events together, in order with those that are damaged or too large, which come alone."""
    lines: list[bytes] = []
    for content in contents:
        is_large = len(content.text) > limits.max_event_size
        if content.standing is Standing.EVENT and not is_large:
            lines.append(content.text)
        elif content.standing in (Standing.EVENT, Standing.CUT):
            yield from _together(lines, origin)
            lines = []
            yield _reduced(content.text, origin) if is_large else Delivery(content.text, Framing.BODY, origin)
    yield from _together(lines, origin)


async def hand_on(
    contents: Sequence[Content], handle: Handler, context: Context, *, limits: Limits, origin: str, tells: Tells
) -> None:
    """Tell of what is no whole event, and hand on all that is one, or what is left of one, until it is taken."""
    for standing in (Standing.OTHER, Standing.BROKEN):
        if times := sum(content.standing is standing for content in contents):
            trouble, text = tells[standing]
            context.tell(trouble, text, times)
    for delivery in deliveries(contents, limits, origin):
        is_taken = await insist(handle, delivery, context)  # which tells when it is not
        if is_taken and delivery.framing is Framing.BODY and not delivery.truncated:
            context.tell(*tells[Standing.CUT])


def _together(lines: list[bytes], origin: str) -> Iterator[Delivery]:
    if lines:
        yield Delivery(b"\n".join(lines), Framing.LINES, origin)


def _reduced(text: bytes, origin: str) -> Delivery:
    """An event beyond the limit, with what can be kept of it."""
    skimmer = Skimmer()
    skimmer.feed(text)
    return Delivery(skimmer.finish().document, Framing.BODY, origin, truncated=True, size=len(text))


def one_line(text: str) -> str:
    """A text of another program as part of a message."""
    return " ".join(text.split())
