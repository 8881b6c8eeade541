"""How a request ended: the status of a log entry to the `responseStatus` of an event."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lanner.events.values import Json, as_text

INFERRED = "inferred"
"""The message of a status that the log entry does not have: a request that nothing says failed has succeeded."""

_HTTP: Mapping[int, tuple[int, str]] = MappingProxyType(
    {
        1: (499, "ClientClosedRequest"),
        2: (500, "InternalError"),
        3: (400, "BadRequest"),
        4: (504, "Timeout"),
        5: (404, "NotFound"),
        6: (409, "AlreadyExists"),
        7: (403, "Forbidden"),
        8: (429, "TooManyRequests"),
        9: (400, "FailedPrecondition"),
        10: (409, "Conflict"),
        11: (400, "BadRequest"),
        12: (501, "NotImplemented"),
        13: (500, "InternalError"),
        14: (503, "ServiceUnavailable"),
        15: (500, "InternalError"),
        16: (401, "Unauthorized"),
    }
)
"""Codes of google.rpc.Code to those of HTTP, with the reason that Kubernetes gives.

Source: googleapis, google/rpc/code.proto; kubernetes, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go.
"""

_UPGRADES = ("exec", "attach", "portforward")
_CODES = range(100, 600)


def response_status(
    verb: str, subresource: str, *, returned: Json, status: Json, is_refused: bool
) -> Mapping[str, str | int]:
    """The status of an event, from the first of these that says something.

    Args:
        verb: What was asked for.
        subresource: Of what; empty for the object itself.
        returned: The response, if it is a `Status` of Kubernetes.
        status: The entry's status, a `google.rpc.Status`.
        is_refused: Whether the entry says that the request was not allowed.

    Returns:
        The status; where it is a success that the entry only lets one infer, with the message `INFERRED`.
    """
    found = status if isinstance(status, dict) else {}
    message = as_text(found.get("message"))
    http = _http(found.get("code")) or ((403, "Forbidden") if is_refused else None)
    if isinstance(returned, dict) and (code := _failed(returned, http)):
        said = {key: as_text(returned.get(key)) for key in ("message", "reason")}
        return _failure(code, said["message"] or message, said["reason"])
    if http:
        return _failure(http[0], message, http[1])
    code = 101 if subresource in _UPGRADES else 201 if verb == "create" and subresource != "proxy" else 200
    return {"status": "Success", "message": INFERRED, "code": code}


def _http(code: Json) -> tuple[int, str] | None:
    if type(code) is not int or code == 0:
        return None
    return _HTTP.get(code) or ((code, "") if code in _CODES else (500, "InternalError"))


def _failed(returned: Mapping[str, Json], http: tuple[int, str] | None) -> int | None:
    """The code of a `Status`, if it is one of a failure."""
    code = returned.get("code")
    if type(code) is int and code in _CODES:
        return code if code >= 400 else None
    return (http[0] if http else 500) if returned.get("status") == "Failure" else None


def _failure(code: int, message: str | None, reason: str | None) -> Mapping[str, str | int]:
    members = {"status": "Failure", "message": message, "reason": reason, "code": code}
    return {key: value for key, value in members.items() if value}
