"""Messages of a tail to audit events: both envelopes are JSON, and are decoded.

A message is `{"message": TEXT}`; the text is a log in Graylog's form (GELF), whose `short_message` is the event's text.
Source: OVHcloud's ldp-tail; Falco plugins, k8saudit-ovh.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from lanner.plugins.texts import DECODE_ERRORS, Content, Standing, judged

_BLANK = b" \t\r\n"


class _Envelope(Struct):
    message: Raw | UnsetType = UNSET
    short_message: Raw | UnsetType = UNSET


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_text = msgspec.json.Decoder(str).decode


def content_of(frame: bytes) -> Content:
    """What is in a message."""
    try:
        text = _unwrapped(frame)
    except DECODE_ERRORS:
        try:
            text = _unwrapped(frame.decode("utf-8", "replace").encode())
        except DECODE_ERRORS:
            return Content(Standing.BROKEN)
    if text is None:
        return Content(Standing.BROKEN)
    return judged(text)


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
