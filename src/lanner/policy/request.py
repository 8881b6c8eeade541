"""Audit events to the requests that a policy decided on.

The object reference of an event says more than the policy saw: the name of a new object comes from its body. So the
request is read from the URI again, as the API server reads it, and from the reference where there is no URI.
Source: Kubernetes, apiserver: endpoints/request/requestinfo.go, audit/request.go (v1.36).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from lanner.policy.model import Request

_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_SPECIAL_VERBS = ("proxy", "watch")


def request_of(event: dict[str, Any]) -> Request:
    """The request of an event of `audit.k8s.io`, decoded."""
    user = _mapping(event.get("user"))
    reference = _mapping(event.get("objectRef"))
    verb = _text(event.get("verb"))
    uri = _text(event.get("requestURI"))
    path = unquote(uri.partition("?")[0])
    target = _target(path) if uri else None
    if target is None and not uri and reference:
        target = _referenced(verb, reference)
    elif target and verb in ("list", "watch"):
        target["name"] = target["name"] or _text(reference.get("name"))  # from `fieldSelector`
    groups = user.get("groups")
    return Request(
        verb=verb,
        user=_text(user.get("username")) or None,
        groups=tuple(map(_text, groups)) if isinstance(groups, list) else (),
        path=path,
        is_resource=target is not None,
        **(target or {}),
    )


def _target(path: str) -> dict[str, str] | None:
    """What a path names; None where that is no resource."""
    parts = path.strip("/").split("/")
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return None
    group = ""
    if parts[0] == "apis":
        if len(parts) < 4:
            return None
        group = parts[1]
        del parts[1]
    rest = parts[2:]
    is_proxy = rest[0] == "proxy"
    if rest[0] in _SPECIAL_VERBS and len(rest) > 1:
        del rest[0]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    return {
        "group": group,
        "resource": rest[0],
        "namespace": namespace,
        "name": rest[1] if len(rest) > 1 else "",
        "subresource": rest[2] if len(rest) > 2 and not is_proxy else "",
    }


def _referenced(verb: str, reference: dict[str, Any]) -> dict[str, str]:
    subresource = _text(reference.get("subresource"))
    is_new = verb == "create" and not subresource
    return {
        "group": _text(reference.get("apiGroup")),
        "resource": _text(reference.get("resource")),
        "subresource": subresource,
        "namespace": _text(reference.get("namespace")),
        "name": "" if is_new else _text(reference.get("name")),
    }


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
