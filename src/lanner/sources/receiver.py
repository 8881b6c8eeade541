"""The ASGI application of the webhook: a post to a delivery, and what the handler made of it to a status.

Source: Falco plugins, k8saudit source.go (endpoint, method and content type); Kubernetes, audit webhook backend, which
takes 200 for delivered, repeats a post on any other status, and waits after 429 for as long as it is told.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from lanner.sources.base import MIB, Delivery, Framing, Handler, Limits, RejectedDelivery

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_GZIP_STEP = 4 * MIB
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Refusal(StrEnum):
    """Why a request was not answered with 200."""

    NOT_FOUND = "not_found"
    METHOD = "method"
    CONTENT_TYPE = "content_type"
    ENCODING = "encoding"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    SLOW = "slow"
    DAMAGED = "damaged"
    REJECTED = "rejected"
    FAILED = "failed"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without a body but for a few words; `is_last` closes the connection, so that no rest is read."""

    status: int
    text: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_last: bool = False


OK: Final = Answer(200)
ANSWERS: Final[Mapping[Refusal, Answer]] = {
    Refusal.NOT_FOUND: Answer(404, b"not found", is_last=True),
    Refusal.METHOD: Answer(405, b"only POST", ((b"allow", b"POST"),), is_last=True),
    Refusal.CONTENT_TYPE: Answer(415, b"content type is not application/json", is_last=True),
    Refusal.ENCODING: Answer(415, b"content encoding is neither gzip nor identity", is_last=True),
    Refusal.TOO_LARGE: Answer(413, b"body is larger than webhookMaxBatchSize", is_last=True),
    Refusal.BUSY: Answer(429, b"too many bytes in flight", ((b"retry-after", b"5"),), is_last=True),
    Refusal.SLOW: Answer(408, b"body took too long", is_last=True),
    Refusal.DAMAGED: Answer(400, b"body is not gzip"),
    Refusal.REJECTED: Answer(400, b"body is not audit events in JSON"),
    Refusal.FAILED: Answer(500, b"not evaluated"),
}


@dataclass(slots=True)
class WebhookStats:
    """Counters since the start: requests to the endpoint by what became of them, and the gauge of bytes in flight."""

    posts: int = 0
    """Posts evaluated and answered with 200."""
    bytes: int = 0
    """Bytes of their bodies, as received."""
    refused: Counter[Refusal] = field(default_factory=Counter)
    in_flight_bytes: int = 0
    """Bytes held now of bodies that are being received or evaluated."""


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


class Receiver:
    """Takes posts of audit events at one path; other paths go to the applications in `extra`, or are not found.

    Args:
        path: The endpoint; compared exactly, a query is ignored.
        handle: Called with every body, whole and decompressed.
        limits: `max_batch_size` bounds a body, before and after decompression.
        max_in_flight_bytes: Bound of all bodies that are held at a time.
        body_timeout_s: How long a body may take to arrive.
        extra: Applications by exact path, such as for health.
        stats: Where to count.
    """

    def __init__(
        self,
        path: str,
        handle: Handler,
        limits: Limits,
        *,
        max_in_flight_bytes: int = 512 * MIB,
        body_timeout_s: float = 60.0,
        extra: Mapping[str, ASGIApp] | None = None,
        stats: WebhookStats | None = None,
    ) -> None:
        self._path = path
        self._handle = handle
        self._max_body = limits.max_batch_size
        self._max_in_flight = max(max_in_flight_bytes, limits.max_batch_size)
        self._body_timeout_s = body_timeout_s
        self._extra = dict(extra or {})
        self.stats = stats or WebhookStats()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"]
        if path != self._path and path in self._extra:
            await self._extra[path](scope, receive, send)
            return
        try:
            await self._post(scope, receive)
        except _Refused as refused:
            self.stats.refused[refused.refusal] += 1
            if refused.refusal in ANSWERS:
                await _answer(send, ANSWERS[refused.refusal])
        else:
            await _answer(send, OK)

    async def _post(self, scope: Scope, receive: Receive) -> None:
        is_gzip = self._check(scope)
        with self._body() as body:
            try:
                async with asyncio.timeout(self._body_timeout_s):
                    await _collect(receive, body)
            except TimeoutError:
                raise _Refused(Refusal.SLOW) from None
            size = body.size
            if not is_gzip:
                await self._deliver(body, scope, size)
                return
            with self._body() as plain:
                await _decompress(body, plain)
                await self._deliver(plain, scope, size)

    async def _deliver(self, body: _Body, scope: Scope, size: int) -> None:
        host, port = scope["client"] or ("", 0)
        origin = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            await self._handle(Delivery(body.join(), Framing.BODY, origin, size=size))
        except RejectedDelivery:
            raise _Refused(Refusal.REJECTED) from None
        except Exception as error:  # whatever kept it from being handled: the client is to send it again
            raise _Refused(Refusal.FAILED) from error
        self.stats.posts += 1
        self.stats.bytes += size

    def _check(self, scope: Scope) -> bool:
        """Refuse what can be refused by its head; whether the body is compressed."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["path"] != self._path:
            raise _Refused(Refusal.NOT_FOUND)
        if scope["method"] != "POST":
            raise _Refused(Refusal.METHOD)
        if b"application/json" not in headers.get(b"content-type", b"").lower():
            raise _Refused(Refusal.CONTENT_TYPE)
        encoding = headers.get(b"content-encoding", b"").strip().lower()
        if encoding not in (b"", b"identity", b"gzip"):
            raise _Refused(Refusal.ENCODING)
        # Announced bytes are only compared, not set aside: a peer that announces much and sends nothing must not
        # keep others out.
        self._body().admit(int(headers.get(b"content-length", b"0")))
        return encoding == b"gzip"

    def _body(self) -> _Body:
        return _Body(self._max_body, self._max_in_flight, self.stats)


class _Body:
    """The parts of one body, counted as in flight while they are held."""

    def __init__(self, max_size: int, max_in_flight: int, stats: WebhookStats) -> None:
        self._max_size = max_size
        self._max_in_flight = max_in_flight
        self._stats = stats
        self.parts: list[bytes] = []
        self.size = 0

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stats.in_flight_bytes -= self.size

    def admit(self, more: int) -> None:
        """Refuse bytes that there is no room for."""
        if self.size + more > self._max_size:
            raise _Refused(Refusal.TOO_LARGE)
        if self._stats.in_flight_bytes + more > self._max_in_flight:
            raise _Refused(Refusal.BUSY)

    def add(self, part: bytes) -> None:
        self.admit(len(part))
        self.parts.append(part)
        self.size += len(part)
        self._stats.in_flight_bytes += len(part)

    def join(self) -> bytes:
        """The whole body; its parts are let go of."""
        parts, self.parts = self.parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)


async def _collect(receive: Receive, body: _Body) -> None:
    is_more = True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(Refusal.DISCONNECTED)
        if part := message.get("body", b""):
            body.add(part)
        is_more = message.get("more_body", False)


async def _decompress(body: _Body, plain: _Body) -> None:
    """Decompress outside of the event loop, in steps, so that no bound is passed by much.

    One gzip member is all that is taken: thousands of empty ones in a row would cost far more time than bytes.
    """
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    for part in body.parts:
        rest, is_full = part, True
        while rest or is_full:
            try:
                piece = await asyncio.to_thread(inflater.decompress, rest, _GZIP_STEP)
            except zlib.error:
                raise _Refused(Refusal.DAMAGED) from None
            plain.add(piece)
            rest, is_full = inflater.unconsumed_tail, len(piece) == _GZIP_STEP
        if inflater.unused_data:
            raise _Refused(Refusal.DAMAGED)
    if not inflater.eof:
        raise _Refused(Refusal.DAMAGED)


async def _answer(send: Send, answer: Answer) -> None:
    headers = [(b"content-length", str(len(answer.text)).encode()), *answer.headers]
    if answer.text:
        headers.append((b"content-type", b"text/plain"))
    if answer.is_last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.text})
