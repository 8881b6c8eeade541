"""Events of any size, and events that are all different."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_CHUNK_EVENTS = 256
_SETTINGS = "net.core.somaxconn = 4096\nnet.ipv4.ip_local_port_range = 1024 65535\n"


def sized(size: int, *, is_searched: bool) -> bytes:
    """An update with a body, of about so many bytes, which raises no alert, as a line.

    Args:
        size: Bytes of the line; 1 KiB at least.
        is_searched: Whether it is a ConfigMap, whose body rules look through, or an EndpointSlice, which none opens.
    """
    event = _update("configmaps" if is_searched else "endpointslices")
    data = event["requestObject"]["data"]
    while (missing := size - len(_line(event))) > 0:
        data[f"part-{len(data)}.conf"] = (_SETTINGS * 40)[: max(missing - 40, 1)]
    return _line(event)


def flood(events: int) -> Iterator[bytes]:
    """Chunks of events of which none has a verb, resource, name, user, field or time in common with another."""
    for start in range(0, events, _CHUNK_EVENTS):
        yield b"".join(map(_novel, range(start, min(start + _CHUNK_EVENTS, events))))


def _novel(n: int) -> bytes:
    day, second = divmod(n, 86_400)
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return (
        f'{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"{n}","x{n}":{n},'
        f'"stage":"ResponseComplete","requestURI":"/apis/g{n}/v1/namespaces/ns-{n}/r{n}/n-{n}?p{n}={n}","verb":"v{n}",'
        f'"user":{{"username":"u{n}","groups":["g{n}"]}},"userAgent":"agent/{n}","sourceIPs":["10.0.0.{n % 256}"],'
        f'"objectRef":{{"resource":"r{n}","namespace":"ns-{n}","name":"n-{n}","apiGroup":"g{n}","subresource":"s{n}"}},'
        f'"responseStatus":{{"code":{n},"reason":"r{n}"}},"requestObject":{{"k{n}":{{"l{n}":"{n}"}}}},'
        f'"requestReceivedTimestamp":"{2000 + day % 8000}-01-01T{clock}.000000Z",'
        f'"stageTimestamp":"{2000 + day % 8000}-01-01T{clock}.{n % 1_000_000:06}Z",'
        f'"annotations":{{"a{n}":"b{n}","authorization.k8s.io/decision":"d{n}"}}}}\n'
    ).encode()


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def _update(resource: str) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request",
        "auditID": "9b2c4f4e-55b8-4d0e-8f7c-2f1f0c6f2f10",
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/shop/{resource}/settings?fieldManager=deployer",
        "verb": "update",
        "user": {
            "username": "system:serviceaccount:shop:deployer",
            "groups": ["system:serviceaccounts", "system:authenticated"],
        },
        "sourceIPs": ["10.1.2.3"],
        "userAgent": "deployer/v1.4 (linux/amd64)",
        "objectRef": {"resource": resource, "namespace": "shop", "name": "settings", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestObject": {
            "apiVersion": "v1",
            "metadata": {"name": "settings", "namespace": "shop"},
            "data": {},
        },
        "requestReceivedTimestamp": "2026-11-21T10:00:00.000000Z",
        "stageTimestamp": "2026-11-21T10:00:00.004000Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }
