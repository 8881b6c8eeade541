"""What is served over HTTP for those who look after the program: is it alive, is it ready, its versions, its metrics.

Source: Falco 0.44, webserver.cpp (paths, and the answers of `/healthz` and `/versions`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from lanner.server.metrics import metrics_text
from lanner.server.plan import WebPlan
from lanner.server.snapshot import Snapshot
from lanner.sources.auth import Access, Denied, Guard
from lanner.sources.receiver import ASGIApp, Receive, Scope, Send, authorization_of, peer_of

_LOG = logging.getLogger(__name__)

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_JSON = b"application/json"
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_NOT_ALLOWED = 405

Answer = tuple[int, bytes, bytes]
"""Status, content type, body."""

_ELSEWHERE: Answer = (_FORBIDDEN, b"text/plain", b"")
"""For other hosts, where no token could be asked for."""

_DENIED: Answer = (_UNAUTHORIZED, b"text/plain", b"")


def endpoints(plan: WebPlan, snapshot: Callable[[], Snapshot], versions: Mapping[str, object]) -> Mapping[str, ASGIApp]:
    """The applications by path.

    Args:
        plan: Which there are.
        snapshot: What the run has done so far.
        versions: What `/versions` tells.

    Raises:
        SourceError: The file of tokens cannot be used.
    """
    guard = Guard(Access(token_file=plan.token_file or None), _unusable)

    def ready(is_trusted: bool) -> Answer:
        found = snapshot()
        waiting = [name for name, counts in found.sources.items() if not counts.status.is_well]
        body: dict[str, object] = {"status": "ok" if found.is_ready else "not ready"}
        if is_trusted:
            body["waiting_for"] = waiting
        # Neither is a reason to be unready: a pod without traffic would see nothing for sure, and a refused connection
        # costs an API server one of its few tries, as 429 does not.
        if is_trusted and found.sight.blind:
            body["blind"] = list(found.sight.blind)
        if is_trusted and not found.store.is_well:
            body["degraded"] = ["alerts cannot be stored: events are evaluated, and not acknowledged"]
        return (200 if found.is_ready else 503), _JSON, msgspec.json.encode(body)

    has_tokens = bool(plan.token_file)

    def trusted(answer: Callable[[], Answer]) -> Callable[[bool], Answer]:
        return lambda is_trusted: answer() if is_trusted else _DENIED if has_tokens else _ELSEWHERE

    answers: dict[str, Callable[[bool], Answer]] = {
        plan.health_path: lambda is_trusted: (200, _JSON, b'{"status": "ok"}'),
        "/readyz": ready,
        "/versions": trusted(lambda: (200, _JSON, msgspec.json.encode(dict(versions)))),
    }
    if plan.has_metrics:
        metrics: Callable[[], Answer] = lambda: (200, METRICS_TYPE, metrics_text(snapshot()))  # noqa: E731 - as above
        answers["/metrics"] = trusted(metrics) if has_tokens else lambda is_trusted: metrics()
    return {path: _app(answer, guard) for path, answer in answers.items()}


def by_path(apps: Mapping[str, ASGIApp]) -> ASGIApp:
    """One application of several; other paths are not found."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await apps.get(scope["path"], _missing)(scope, receive, send)

    return app


def _app(answer: Callable[[bool], Answer], guard: Guard) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await _send(send, answer(_is_trusted(scope, guard)), has_body=scope["method"] == "GET")
        else:
            await _send(send, (_NOT_ALLOWED, b"text/plain", b""), has_body=True)

    return app


def _is_trusted(scope: Scope, guard: Guard) -> bool:
    """Whether it has a token; where none is asked for, whether it is on this host."""
    if not guard.access.asks:
        address = peer_of(scope).address
        return address is None or address.is_loopback
    try:
        guard.check(peer_of(scope), authorization_of(scope))
    except Denied:
        return False
    return True


def _unusable(text: str, help_text: str | None) -> None:
    _LOG.error("%s; nobody gets the metrics with a token", text, extra={"fields": {"help": help_text}})


async def _missing(scope: Scope, receive: Receive, send: Send) -> None:
    await _send(send, (_NOT_FOUND, b"text/plain", b""), has_body=True)


async def _send(send: Send, answer: Answer, *, has_body: bool) -> None:
    status, kind, body = answer
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if status == _UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == _NOT_ALLOWED:
        headers.append((b"allow", b"GET, HEAD"))
    if status >= 400:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if has_body else b""})
