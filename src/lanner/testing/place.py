"""The place that a source under test takes its events from, and events to put there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_TIME = "2026-01-02T03:04:05.000000Z"


class Place:
    """What a test of a source has to provide: events can be put there, which the source then delivers.

    Attributes:
        open_params: Leads the source there.
        options: The plugin's options; None: its defaults.
    """

    open_params: str = ""
    options: Any = None

    async def put(self, documents: Sequence[bytes]) -> None:
        """Have these events delivered, one JSON object of audit.k8s.io/v1 each; they are there once this returns."""
        raise NotImplementedError

    def started(self, url: str) -> None:
        """Told the address at which the source takes events, if it has one; each time that it starts."""

    async def put_damaged(self) -> None:
        """Put something there that is no event at all."""
        raise NotImplementedError("write it, or say `can_be_damaged = False` in the kit if there is no such thing")

    async def acknowledged(self) -> int | None:
        """How many events the place takes for dealt with, and would not give again; None: it cannot tell."""
        return None

    async def close(self) -> None:
        """Clear the place away; called once a test is over."""


def event(audit_id: str, *, size: int = 0) -> bytes:
    """An event that differs from others in its `auditID`, with so many bytes of padding."""
    document = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": audit_id,
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/default/pods",
        "verb": "list",
        "user": {"username": "alice", "groups": ["system:authenticated"]},
        "sourceIPs": ["192.0.2.1"],
        "userAgent": "kit/" + "x" * size,
        "objectRef": {"resource": "pods", "namespace": "default", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": _TIME,
        "stageTimestamp": _TIME,
    }
    return msgspec.json.encode(document)


def ids_of(payload: bytes) -> list[str]:
    """The `auditID` of each event of a payload: JSON lines, one event, a list of events, or an EventList.

    What is no JSON is passed over, as Lanner does; it counts and shows it.
    """
    try:
        return [*_ids(msgspec.json.decode(payload))]
    except msgspec.DecodeError:
        return [found for line in payload.splitlines() for found in _ids(_decoded(line))]


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None


def _ids(document: Any) -> Iterable[str]:
    if isinstance(document, list):
        for each in document:
            yield from _ids(each)
    elif isinstance(document, dict) and document.get("kind") == "EventList":
        yield from _ids(document.get("items"))
    elif isinstance(document, dict) and isinstance(document.get("auditID"), str):
        yield document["auditID"]
