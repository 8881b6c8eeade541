"""What a message holds, by the option `format`, to JSON documents of audit events.

Source: Amazon CloudWatch Logs, subscription filters (the envelope and its compression); for others see their plugins.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from lanner.events.skim import skim
from lanner.plugins.aks import records
from lanner.plugins.eks.entries import content_of
from lanner.plugins.gke.entry import SetAside, read_entry, to_event
from lanner.plugins.kafka.options import Form
from lanner.plugins.texts import DECODE_ERRORS, Standing
from lanner.sources.base import Limits
from lanner.sources.batches import Convert, Converted
from lanner.sources.plugin import Trouble

_BLANK = b" \t\r\n"
_GZIP = b"\x1f\x8b"
_AUDIT_STREAM = "kube-apiserver-audit"
_GROUP = re.compile(r"/aws/eks/([^/]+)/cluster")
_MARKS = (b'"protoPayload"', b'"logName"', b'"records"', b'"logEvents"')
"""Members of envelopes; a message without any of them is taken for events, and not looked into."""


def converter(form: Form, limits: Limits) -> Convert:
    """What turns the value of a message into documents."""
    forms: Mapping[Form, Convert] = {"auto": _auto, "audit": _audit, "gke": _gke, "eks": _eks, "aks": _AKS}
    return partial(_convert, forms[form], limits.max_batch_size)


def _convert(convert: Convert, bound: int, value: bytes) -> Converted:
    is_whole = True
    if value.startswith(_GZIP):
        value, is_whole = _decompressed(value, bound)
    if not value.strip(_BLANK):
        return Converted((), 0, 1) if is_whole else Converted((), 1)
    found = convert(value)
    return found if is_whole else Converted(found.documents, found.damaged + 1, found.ignored)


def _decompressed(value: bytes, bound: int) -> tuple[bytes, bool]:
    """What gzip packed, up to a bound, and whether that is all of it."""
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = unpack.decompress(value, bound)
    except zlib.error:
        return b"", False
    return text, unpack.eof


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


class _LogEvent(msgspec.Struct):
    message: str


class _LogEvents(msgspec.Struct):
    """The envelope of a subscription of CloudWatch Logs."""

    logEvents: list[_LogEvent]
    messageType: str = "DATA_MESSAGE"
    logGroup: str = ""
    logStream: str = _AUDIT_STREAM


_decode_log_events = msgspec.json.Decoder(_LogEvents).decode


def _eks(value: bytes) -> Converted:
    """CloudWatch's envelope around lines of an API server's audit log; lines without one are taken as they are."""
    damaged = 0
    try:
        found = _decode_log_events(value)
    except DECODE_ERRORS:
        damaged = 1
        try:
            found = _decode_log_events(skim(value).document)
        except DECODE_ERRORS:
            return _audit(value)
    if found.messageType != "DATA_MESSAGE":
        return Converted((), damaged, 1)
    if not found.logStream.startswith(_AUDIT_STREAM):
        return Converted((), damaged, len(found.logEvents))
    group = _GROUP.fullmatch(found.logGroup)
    contents = [content_of(each.message, group[1] if group else "") for each in found.logEvents]
    documents = [each.text for each in contents if each.standing in (Standing.EVENT, Standing.CUT)]
    damaged += sum(each.standing is Standing.CUT for each in contents)
    return Converted(documents, damaged, len(contents) - len(documents))


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
