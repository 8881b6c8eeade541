"""What is served over HTTP for those who look after the program: is it alive, is it ready, its versions, its metrics.

Source: Falco 0.44, webserver.cpp (paths, and the answers of `/healthz` and `/versions`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lanner.server.metrics import metrics_text
from lanner.server.plan import WebPlan
from lanner.server.snapshot import Snapshot
from lanner.sources.receiver import ASGIApp, Receive, Scope, Send

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_JSON = b"application/json"
_NOT_FOUND = 404
_NOT_ALLOWED = 405

Answer = tuple[int, bytes, bytes]
"""Status, content type, body."""


def endpoints(plan: WebPlan, snapshot: Callable[[], Snapshot], versions: Mapping[str, object]) -> Mapping[str, ASGIApp]:
    """The applications by path.

    Args:
        plan: Which there are.
        snapshot: What the run has done so far.
        versions: What `/versions` tells.
    """

    def ready() -> Answer:
        found = snapshot()
        waiting = [name for name, counts in found.sources.items() if not counts.status.is_well]
        body = {"status": "ok" if found.is_ready else "not ready", "waiting_for": waiting}
        if found.sight.blind:  # not a reason to be unready: a pod without traffic would be blind for sure
            body["blind"] = list(found.sight.blind)
        return (200 if found.is_ready else 503), _JSON, msgspec.json.encode(body)

    answers: dict[str, Callable[[], Answer]] = {
        plan.health_path: lambda: (200, _JSON, b'{"status": "ok"}'),
        "/readyz": ready,
        "/versions": lambda: (200, _JSON, msgspec.json.encode(dict(versions))),
    }
    if plan.has_metrics:
        answers["/metrics"] = lambda: (200, METRICS_TYPE, metrics_text(snapshot()))
    return {path: _app(answer) for path, answer in answers.items()}


def by_path(apps: Mapping[str, ASGIApp]) -> ASGIApp:
    """One application of several; other paths are not found."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await apps.get(scope["path"], _missing)(scope, receive, send)

    return app


def _app(answer: Callable[[], Answer]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await _send(send, answer(), has_body=scope["method"] == "GET")
        else:
            await _send(send, (_NOT_ALLOWED, b"text/plain", b"only GET"), has_body=True)

    return app


async def _missing(scope: Scope, receive: Receive, send: Send) -> None:
    await _send(send, (_NOT_FOUND, b"text/plain", b"not found"), has_body=True)


async def _send(send: Send, answer: Answer, *, has_body: bool) -> None:
    status, kind, body = answer
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if status == _NOT_ALLOWED:
        headers.append((b"allow", b"GET, HEAD"))
    if status >= 400:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if has_body else b""})
