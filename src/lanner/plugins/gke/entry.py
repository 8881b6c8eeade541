"""Log entries of GKE's audit log to events of `audit.k8s.io/v1`.

Pure: bytes in, bytes out. What an entry does not hold is missing from the event, never made up; the one exception is
the status of a request that succeeded, which says that it is inferred.

Source: Google Cloud, Logging API v2, LogEntry; Cloud Audit Logs, AuditLog; GKE, Audit policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from lanner.events.skim import skim
from lanner.events.values import Json, as_text, decode_json, encode_json
from lanner.plugins.gke.outcome import response_status
from lanner.plugins.gke.target import Method, Target, read_method, read_target
from lanner.sources.plugin import Trouble

SERVICE = "k8s.io"
"""The service of the entries that are events of a cluster's API server."""

_RAW = msgspec.Raw()
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CONNECTIONS = ("exec", "attach", "portforward", "proxy")
_DECISION = "authorization.k8s.io/decision"
_COMMAND = "command.gke.io/command"
_DRY_RUN = "command.gke.io/dryRun"


class _Payload(msgspec.Struct):
    """An `AuditLog`. Members are of any type: whoever writes to the topic decides what is in them."""

    serviceName: Any = None
    methodName: Any = None
    resourceName: Any = None
    status: Any = None
    authenticationInfo: Any = None
    authorizationInfo: Any = None
    requestMetadata: Any = None
    request: msgspec.Raw = _RAW
    response: msgspec.Raw = _RAW


class _LogEntry(msgspec.Struct):
    protoPayload: _Payload | None = None
    insertId: Any = None
    operation: Any = None
    timestamp: Any = None
    receiveTimestamp: Any = None
    resource: Any = None
    labels: Any = None


_decode_entry = msgspec.json.Decoder(_LogEntry).decode
_decode_body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where an entry is from."""

    project: str
    location: str
    name: str

    @property
    def path(self) -> str:
        """Its name in the Container API."""
        return f"projects/{self.project}/locations/{self.location}/clusters/{self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that is an event of an API server.

    Attributes:
        cluster: Where it is from, if it says so.
        is_whole: Whether it could be read as it was sent; else what could be read of it is here.
    """

    cluster: Cluster | None
    is_whole: bool
    _log: _LogEntry


@dataclass(frozen=True, slots=True)
class SetAside:
    """What is no event: `IGNORED` for an entry of another service, `DAMAGED` for what cannot be read."""

    trouble: Trouble
    reason: str


def read_entry(data: bytes) -> Entry | SetAside:
    """Read a `LogEntry` in JSON; a damaged one as far as it can be read. No data makes it raise."""
    is_whole = True
    try:
        log = _decode_entry(data)
    except _DECODE_ERRORS:
        is_whole = False
        try:
            log = _decode_entry(_repaired(data))
        except _DECODE_ERRORS:
            log = _LogEntry()
    payload = log.protoPayload
    if payload is None and not is_whole:
        return SetAside(Trouble.DAMAGED, "not a log entry in JSON")
    if payload is None or payload.serviceName != SERVICE:
        return SetAside(Trouble.IGNORED, _foreign(payload))
    return Entry(_cluster(_texts(_member(log.resource, "labels"))), is_whole, log)


def to_event(entry: Entry, cluster_labels: Mapping[str, str] | None = None, *, with_bodies: bool = True) -> bytes:
    """The event of an entry, in one line of JSON.

    Args:
        entry: From `read_entry`.
        cluster_labels: The user's labels of the cluster; they become annotations, and take the place of none.
        with_bodies: Whether request and response go along; without them the event is on the level `Metadata`.
    """
    log, payload = entry._log, entry._log.protoPayload
    assert payload is not None  # noqa: S101 - INVARIANT: `read_entry` makes no entry without a payload
    labels = _texts(log.labels)
    (request, _), (response, returned_type) = _body(payload.request), _body(payload.response)
    target = _named(read_target(_method(payload), as_text(payload.resourceName) or ""), request)
    caller = payload.authenticationInfo
    user = _text(caller, "principalEmail") or _text(caller, "principalSubject")
    impersonated = _text(caller, "authoritySelector")
    address = _text(payload.requestMetadata, "callerIp")
    time = as_text(log.timestamp) or as_text(log.receiveTimestamp)
    returned = _status_object(response, returned_type)
    bodies = {"requestObject": request, "responseObject": response} if with_bodies else {}
    members: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": _level(bodies),
        "auditID": _text(log.operation, "id") or as_text(log.insertId),
        "stage": _stage(log.operation, target),
        "requestURI": target.uri(_query(labels)),
        "verb": target.verb,
        "user": {"username": user} if user else {},
        "impersonatedUser": {"username": impersonated} if impersonated else None,
        "sourceIPs": [address] if address else None,
        "userAgent": _text(payload.requestMetadata, "callerSuppliedUserAgent"),
        "objectRef": target.reference(),
        "responseStatus": response_status(
            target.verb,
            target.subresource,
            returned=returned,
            status=payload.status,
            is_refused=_is_refused(payload.authorizationInfo, labels),
        ),
        **bodies,
        "requestReceivedTimestamp": time,
        "stageTimestamp": time,
        "annotations": {**(cluster_labels or {}), **labels, **_texts(_member(log.resource, "labels"))} or None,
    }
    return _encode({key: value for key, value in members.items() if value is not None and value != ""})


def _repaired(data: bytes) -> bytes:
    """What can be read of an entry that the decoder refuses, for its text, its depth or because it is cut off."""
    try:
        return encode_json(decode_json(data))
    except msgspec.DecodeError:
        return skim(data).document


def _foreign(payload: _Payload | None) -> str:
    if payload is None:
        return "a log entry that is no audit log"
    return f"a log entry of the service {as_text(payload.serviceName) or 'without a name'}"


def _member(value: Json, key: str) -> Json:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: Json, key: str) -> str | None:
    return as_text(_member(value, key)) or None


def _texts(value: Json) -> dict[str, str]:
    """The members of an object that hold something, as texts."""
    members = value.items() if isinstance(value, dict) else ()
    return {key: text for key, inner in members if (text := as_text(inner)) is not None}


def _cluster(labels: Mapping[str, str]) -> Cluster | None:
    project, location, name = (labels.get(key) for key in ("project_id", "location", "cluster_name"))
    return Cluster(project, location, name) if project and location and name else None


def _method(payload: _Payload) -> Method:
    """The method; where the entry has none, the permission that was asked for, which is written in the same way."""
    found = payload.authorizationInfo
    first = found[0] if isinstance(found, list) and found else None
    return read_method(as_text(payload.methodName) or _text(first, "permission") or "")


def _body(raw: msgspec.Raw) -> tuple[dict[str, msgspec.Raw] | msgspec.Raw | None, str]:
    """A request or response without the `@type` that the log puts into it, and that."""
    if bytes(raw) in (b"", b"null"):
        return None, ""
    try:
        members = _decode_body(raw)
    except _DECODE_ERRORS:
        return raw, ""  # no object, or one that is nested deeply: as it is
    named = as_text(_decoded(members.pop("@type", _RAW))) or ""
    return members or None, named


def _named(target: Target, request: dict[str, msgspec.Raw] | msgspec.Raw | None) -> Target:
    """The target with the name that the request's object has, where the path had none.

    Source: kubernetes, staging/src/k8s.io/apiserver/pkg/audit/request.go, `LogRequestObject`.
    """
    if not target.resource or target.name or target.verb != "create" or not isinstance(request, dict):
        return target
    name = _text(_decoded(request.get("metadata", _RAW)), "name")
    return replace(target, name=name) if name else target


def _decoded(raw: msgspec.Raw) -> Json:
    try:
        return decode_json(raw)
    except msgspec.DecodeError:
        return None


def _status_object(response: Any, named: str) -> Json:
    """The response, decoded, if it is a `Status` of Kubernetes.

    An object that says itself that it is another is none, whatever else is in it: who makes a resource of an own kind
    decides on that. One that does not say what it is counts by the log's `@type`, or as a failure with its code.
    """
    if not isinstance(response, dict):
        return None
    kinds = (("kind", b'"Status"'), ("apiVersion", b'"v1"'))
    if any(bytes(response[key]) != value for key, value in kinds if key in response):
        return None
    found = {key: _decoded(response[key]) for key in ("status", "message", "reason", "code") if key in response}
    is_failure = found.get("status") == "Failure" and type(found.get("code")) is int
    return found if "kind" in response or named.endswith(".Status") or is_failure else None


def _level(bodies: Mapping[str, Any]) -> str:
    if bodies.get("responseObject") is not None:
        return "RequestResponse"
    return "Request" if bodies.get("requestObject") is not None else "Metadata"


def _stage(operation: Json, target: Target) -> str:
    """When the entry was written: at the start of a connection, or when a request had ended.

    The first of two entries stands for the start. Of a connection that has one entry, that is the start too: rules on
    connections ask for it, as the API server reports it for each.
    """
    is_first, is_last = _member(operation, "first") is True, _member(operation, "last") is True
    if is_first != is_last:
        return "ResponseStarted" if is_first else "ResponseComplete"
    is_connection = target.verb == "watch" or target.subresource in _CONNECTIONS
    return "ResponseStarted" if is_connection else "ResponseComplete"


def _query(labels: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """The parts of the query that the log keeps, as labels."""
    query = []
    if labels.get(_DRY_RUN, "").lower() in ("all", "true"):
        query.append(("dryRun", "All"))
    if command := labels.get(_COMMAND):
        query.append(("command", command))
    return query


def _is_refused(authorization: Json, labels: Mapping[str, str]) -> bool:
    """Whether the request was not allowed: the authoriser's own word counts, else that of the log."""
    if decision := labels.get(_DECISION):
        return decision == "forbid"
    found = authorization if isinstance(authorization, list) else []
    return any(_member(item, "granted") is False for item in found)
