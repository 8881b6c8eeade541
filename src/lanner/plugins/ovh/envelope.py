"""Messages of a tail to audit events: both envelopes are JSON, and are decoded.

A message is `{"message": TEXT}`; the text is a log in Graylog's form (GELF), whose `short_message` is the event's text.
Source: OVHcloud's ldp-tail; Falco plugins, k8saudit-ovh.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

_BLANK = b" \t\r\n"
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


class Standing(StrEnum):
    """What a message holds."""

    EVENT = "event"
    CUT = "cut"
    """An event that is damaged or cut off."""
    OTHER = "other"
    """Another log in the same stream."""
    BROKEN = "broken"
    """Not the envelopes that the platform sends."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was in a message: the event's JSON text on one line, or the text that is left of it, or nothing."""

    standing: Standing
    text: bytes = b""


class _Envelope(Struct):
    message: Raw | UnsetType = UNSET
    short_message: Raw | UnsetType = UNSET


class _Head(Struct):
    """What makes an event, or a list of events."""

    auditID: Raw | UnsetType = UNSET
    stage: Raw | UnsetType = UNSET
    verb: Raw | UnsetType = UNSET
    items: Raw | UnsetType = UNSET


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_any = msgspec.json.Decoder(Raw).decode

_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def content_of(frame: bytes) -> Content:
    """What is in a message."""
    try:
        text = _unwrapped(frame)
    except _ERRORS:
        try:
            text = _unwrapped(frame.decode("utf-8", "replace").encode())
        except _ERRORS:
            return Content(Standing.BROKEN)
    if text is None:
        return Content(Standing.BROKEN)
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
    except _ERRORS:
        return Content(Standing.CUT, text)
    # In JSON, line ends stand between tokens only.
    return Content(Standing.EVENT, text.translate(_LINE_ENDS))


def _unwrapped(frame: bytes) -> bytes | None:
    """The text of the innermost envelope; None when there is none."""
    outer = _decode_envelope(frame)
    if outer.short_message is UNSET:
        if outer.message is UNSET:
            return None
        outer = _decode_envelope(_text(outer.message))
    return None if outer.short_message is UNSET else _text(outer.short_message)


def _text(value: Raw) -> bytes:
    """The text that a JSON text holds; another value as it stands."""
    raw = bytes(value).strip(_BLANK)
    return _decode_text(raw).encode() if raw.startswith(b'"') else raw


def _is_event(text: bytes) -> bool:
    head = _decode_head(text)
    return any(part is not UNSET for part in (head.auditID, head.stage, head.verb, head.items))
