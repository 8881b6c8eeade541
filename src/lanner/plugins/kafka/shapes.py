"""What a message holds, by the option `format`, to JSON documents of audit events.

Source: Amazon CloudWatch Logs, subscription filters (the envelope and its compression); for others see their plugins.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from lanner.events.elements import documents, elements
from lanner.events.skim import skim
from lanner.events.values import Json, decode_json
from lanner.plugins.aks import records
from lanner.plugins.eks.entries import content_of
from lanner.plugins.gke.entry import SetAside, read_entry, to_event
from lanner.plugins.kafka.options import Form
from lanner.plugins.texts import DECODE_ERRORS, Standing
from lanner.sources.base import Limits
from lanner.sources.batches import Convert, Converted
from lanner.sources.plugin import Trouble

_BLANK = b" \t\r\n"
_OPENERS = (b"{", b"[")
_CHUNK = 1 << 16
_GZIP = b"\x1f\x8b"
_AUDIT_STREAM = "kube-apiserver-audit"
_GROUP = re.compile(r"/aws/eks/([^/]+)/cluster")
_MARKS = (b'"protoPayload"', b'"logName"', b'"records"', b'"logEvents"')
"""Members of envelopes; a message without any of them is taken for events, and not looked into."""


def converter(form: Form, limits: Limits) -> Convert:
    """What turns the value of a message into documents."""
    forms: Mapping[Form, Convert] = {
        "auto": _auto,
        "audit": _audit,
        "gke": partial(_each, _gke),
        "eks": partial(_each, _eks),
        "aks": partial(_each, _AKS),
    }
    return partial(_convert, forms[form], limits.max_batch_size)


def _convert(convert: Convert, bound: int, value: bytes) -> Converted:
    is_whole = True
    if value.startswith(_GZIP):
        value, is_whole = _decompressed(value, bound)
    if not value.strip(_BLANK):
        return Converted((), 0, 1) if is_whole else Converted((), 1)
    found = convert(value)
    return found if is_whole else replace(found, damaged=found.damaged + 1)


def _decompressed(value: bytes, bound: int) -> tuple[bytes, bool]:
    """What gzip packed, in one member or several, up to a bound or to damage, and whether that is all of it."""
    parts: list[bytes] = []
    left = bound
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(value)) as packed:
            while left and (part := packed.read1(min(left, _CHUNK))):
                parts.append(part)
                left -= len(part)
            is_whole = left > 0 or not packed.read1(1)
    except (OSError, EOFError, zlib.error):
        is_whole = False
    return b"".join(parts), is_whole


def _each(convert: Convert, value: bytes) -> Converted:
    """What becomes of each object of a message: of one, of several, or of a list's. None takes its neighbours along."""
    parts = _parts(value)
    return convert(value) if parts is None else _together([convert(part) for part in parts])


def _parts(value: bytes) -> Sequence[bytes] | None:
    """The objects of a message; None: it is one, whole or not."""
    text = value.strip(_BLANK)
    try:
        _decode_any(text)
    except DECODE_ERRORS:
        lines = [line for line in text.splitlines() if line.strip(_BLANK)]
        if len(lines) > 1 and all(line.startswith(_OPENERS) for line in lines):  # a line that is cut off ends there
            return lines
        found = documents(text)
        return found if len(found) > 1 else elements(text)
    return elements(text) if text.startswith(b"[") else None


def _together(found: Sequence[Converted]) -> Converted:
    truncated: list[int] = []
    made: list[bytes] = []
    for each in found:
        truncated += (len(made) + number for number in each.truncated)
        made += each.documents
    damaged, ignored = sum(each.damaged for each in found), sum(each.ignored for each in found)
    return Converted(made, damaged, ignored, frozenset(truncated))


def _audit(value: bytes) -> Converted:
    """Events, arrays of events, `EventList`s, one or several: as they are."""
    return Converted((value,))


def _gke(value: bytes) -> Converted:
    """A log entry of Google Cloud."""
    entry = read_entry(value)
    if isinstance(entry, SetAside):
        is_damaged = entry.trouble is Trouble.DAMAGED
        return Converted((), int(is_damaged), int(not is_damaged))
    return Converted((to_event(entry),), int(not entry.is_whole))


class _LogEvents(msgspec.Struct):
    """The envelope of a subscription of CloudWatch Logs. Members are of any type, so that none costs the others."""

    logEvents: list[Any]
    messageType: Any = "DATA_MESSAGE"
    logGroup: Any = ""
    logStream: Any = _AUDIT_STREAM


_decode_any = msgspec.json.Decoder(msgspec.Raw).decode
_decode_log_events = msgspec.json.Decoder(_LogEvents).decode


def _eks(value: bytes) -> Converted:
    """CloudWatch's envelope around lines of an API server's audit log; lines without one are taken as they are."""
    found, damaged = _log_events(value)
    if found is None:
        return _audit(value)
    if found.messageType != "DATA_MESSAGE":
        return Converted((), damaged, 1)
    if isinstance(found.logStream, str) and not found.logStream.startswith(_AUDIT_STREAM):
        return Converted((), damaged, len(found.logEvents))
    group = _GROUP.fullmatch(found.logGroup) if isinstance(found.logGroup, str) else None
    messages = [each.get("message") if isinstance(each, dict) else None for each in found.logEvents]
    texts = [message for message in messages if isinstance(message, str)]
    contents = [content_of(text, group[1] if group else "") for text in texts]
    whole = [each.text for each in contents if each.standing in (Standing.EVENT, Standing.CUT)]
    damaged += sum(each.standing is Standing.CUT for each in contents) + len(messages) - len(texts)
    return Converted(whole, damaged, len(contents) - len(whole))


def _log_events(value: bytes) -> tuple[_LogEvents | None, int]:
    """The envelope, None if it is none; and whether it was damaged."""
    try:
        return _decode_log_events(value), 0
    except DECODE_ERRORS:
        pass
    for text in (value, skim(value).document):
        try:
            return msgspec.convert(_json(text), _LogEvents), 1
        except msgspec.ValidationError:
            continue
    return None, 1


def _json(text: bytes) -> Json:
    try:
        return decode_json(text)
    except msgspec.DecodeError:
        return None


class _Probe(msgspec.Struct):
    kind: Any = None
    auditID: Any = None
    logName: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    protoPayload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    records: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    logEvents: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_probe = msgspec.json.Decoder(_Probe).decode
_AKS = records.converter()


def _auto(value: bytes) -> Converted:
    """Tell by the top-level members what it is: words within an event's own texts say nothing."""
    if not any(mark in value for mark in _MARKS):
        return _audit(value)
    return _each(_probed, value)


def _probed(value: bytes) -> Converted:
    """One object by its top-level members."""
    if not any(mark in value for mark in _MARKS):
        return _audit(value)
    try:
        found = _probe(value)
    except DECODE_ERRORS:
        try:
            found = _probe(skim(value).document)
        except DECODE_ERRORS:
            return _audit(value)
    if found.auditID is not None or found.kind in ("Event", "EventList"):
        return _audit(value)
    if found.protoPayload is not msgspec.UNSET or found.logName is not msgspec.UNSET:
        return _gke(value)
    if found.records is not msgspec.UNSET:
        return _AKS(value)
    return _eks(value) if found.logEvents is not msgspec.UNSET else _audit(value)
