"""Diagnostic records of Azure Monitor to audit events.

A message holds `{"records": […]}`; a record of the categories `kube-audit` and `kube-audit-admin` has the event as a
text in `properties.log`. What it says of the cluster becomes the annotation `cluster_name`, for `ka.cluster.name`.

Source: Azure Monitor, schema of resource logs; AKS, monitoring data reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from lanner.events.skim import skim
from lanner.events.values import Json, decode_json, encode_json
from lanner.plugins.texts import DECODE_ERRORS, Standing, judged, with_cluster
from lanner.sources.batches import Convert, Converted

CATEGORIES = frozenset({"kube-audit", "kube-audit-admin"})

SKIPPED = b"skipped-too-big-size-object"
"""What stands in place of a body that was too large for Azure. Source: Azure Monitor reference, table AKSAudit."""

_CLUSTER = "/managedclusters/"
_BLANK = b" \t\r\n"


class _Record(msgspec.Struct):
    """Members are of any type: who writes to the hub decides what is in them."""

    category: Any = None
    resourceId: Any = None
    properties: Any = None


class _Message(msgspec.Struct):
    records: list[_Record]


class _Bodies(msgspec.Struct):
    requestObject: msgspec.Raw = msgspec.Raw()
    responseObject: msgspec.Raw = msgspec.Raw()


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_bodies = msgspec.json.Decoder(_Bodies).decode


def converter(clusters: Iterable[str] = ()) -> Convert:
    """What turns a message into events.

    Args:
        clusters: Names of clusters as they are to be spelled: Azure Monitor writes them in capitals. Others are written
            in small letters, unless the record has both.
    """
    return partial(to_documents, spelling={name.lower(): name for name in clusters})


def to_documents(value: bytes, spelling: Mapping[str, str]) -> Converted:
    """The events of a message, each a document; one that is broken as far as it goes. No value makes it raise."""
    if not value.strip(_BLANK):
        return Converted((), ignored=1)
    damaged = ignored = 0
    try:
        records = _decode_message(value).records
    except DECODE_ERRORS:
        found, damaged = _repaired(value)
        if found is None:
            return Converted((value,))  # an event, or a list of them; the engine counts what is none
        records = found
    documents: list[bytes] = []
    truncated = set()
    for record in records:
        if isinstance(record.category, str) and record.category.lower() not in CATEGORIES:
            ignored += 1
            continue
        log = record.properties.get("log") if isinstance(record.properties, dict) else None
        text = log.encode() if isinstance(log, str) else encode_json(log) if isinstance(log, dict) else b""
        content = with_cluster(judged(text), _cluster(record.resourceId, spelling))
        damaged += content.standing is Standing.CUT or not text.strip(_BLANK)
        ignored += content.standing is Standing.OTHER and bool(text.strip(_BLANK))
        if content.standing in (Standing.EVENT, Standing.CUT):
            has_request, has_response = _has_bodies(text)
            damaged += not (has_request and has_response)
            if not has_request:  # what was asked for is not known; few rules look at the answer
                truncated.add(len(documents))
            documents.append(content.text)
    return Converted(documents, damaged, ignored, frozenset(truncated))


def _has_bodies(text: bytes) -> tuple[bool, bool]:
    """Whether an event's request and response are as the API server wrote them, rather than left out by Azure."""
    if SKIPPED not in text:
        return True, True
    try:
        found = _decode_bodies(text)
    except DECODE_ERRORS:
        return True, True  # which the engine tells of
    mark = b'"' + SKIPPED + b'"'
    return bytes(found.requestObject) != mark, bytes(found.responseObject) != mark


def _repaired(value: bytes) -> tuple[list[_Record] | None, int]:
    """The records of a message that is not as it should be, None if it holds none; and whether it was damaged."""
    damaged = 0
    try:
        found = decode_json(value)
    except msgspec.DecodeError:
        damaged = 1
        try:
            found = decode_json(skim(value).document)
        except msgspec.DecodeError:
            return None, damaged
    items = found.get("records") if isinstance(found, dict) and "records" in found else found
    listed: list[Json] = items if isinstance(items, list) else [items]
    records = [item for item in listed if isinstance(item, dict) and "properties" in item]
    if not records and not (isinstance(found, dict) and "records" in found):
        return None, damaged
    made = [_Record(item.get("category"), item.get("resourceId"), item["properties"]) for item in records]
    return made, damaged + len(listed) - len(records)


def _cluster(resource_id: object, spelling: Mapping[str, str]) -> str:
    """The name of a cluster in the ID of its resource; of no ID, that of the only cluster there is."""
    text = resource_id if isinstance(resource_id, str) else ""
    at = text.lower().rfind(_CLUSTER)
    name = text[at + len(_CLUSTER) :].partition("/")[0] if at >= 0 else ""
    if not name:
        return next(iter(spelling.values())) if len(spelling) == 1 else ""
    return spelling.get(name.lower(), name.lower() if text.isupper() else name)
