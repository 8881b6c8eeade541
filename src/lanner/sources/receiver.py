"""The ASGI application of the webhook: a post to a delivery, and what the handler made of it to a status.

Source: Falco plugins, k8saudit source.go (endpoint, method and content type); Kubernetes, audit webhook backend, which
takes 200 for delivered, repeats a post on any other status, and waits after 429 for as long as it is told.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from lanner.sources.auth import DENIALS, Denial, Denied, Guard, Peer, address_of
from lanner.sources.base import MIB, Delivery, Framing, Handler, Limits, NotStored, RejectedDelivery
from lanner.sources.connection import Bounds
from lanner.sources.crowd import ConnectionStats
from lanner.sources.refusals import Refusals
from lanner.sources.room import Body, NoRoom, Room

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_GZIP_STEP = 4 * MIB
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Refusal(StrEnum):
    """Why a request was not answered with 200, or not even asked."""

    TLS = "tls"
    NOT_FOUND = "not_found"
    METHOD = "method"
    CONTENT_TYPE = "content_type"
    ORIGIN = "origin"
    ENCODING = "encoding"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    SLOW = "slow"
    DAMAGED = "damaged"
    REJECTED = "rejected"
    NOT_STORED = "not_stored"
    FAILED = "failed"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without a body.

    Attributes:
        status: Its status.
        reason: Why, for the log; the peer is not told. It goes on "it …".
        headers: More headers.
        is_last: Whether it closes the connection, so that no rest is read.
    """

    status: int
    reason: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_last: bool = False


OK: Final = Answer(200)
UNAUTHORIZED: Final = Answer(401, headers=((b"www-authenticate", b"Bearer"),), is_last=True)
FORBIDDEN: Final = Answer(403, is_last=True)
RETRY_LATER: Final = ((b"retry-after", b"5"),)
ANSWERS: Final[Mapping[Refusal, Answer]] = {
    Refusal.NOT_FOUND: Answer(404, "it asks for another path", is_last=True),
    Refusal.METHOD: Answer(405, "it does not POST", ((b"allow", b"POST"),), is_last=True),
    Refusal.CONTENT_TYPE: Answer(415, "its content type is not application/json", is_last=True),
    Refusal.ORIGIN: Answer(403, "a page in a browser sends it", is_last=True),
    Refusal.ENCODING: Answer(415, "its content encoding is neither gzip nor identity", is_last=True),
    Refusal.TOO_LARGE: Answer(413, "its body is larger than `webhookMaxBatchSize`", is_last=True),
    Refusal.BUSY: Answer(429, "it posts while too much is held of it or of all", RETRY_LATER, is_last=True),
    Refusal.SLOW: Answer(408, "its body took too long", is_last=True),
    Refusal.DAMAGED: Answer(400, "its body is not gzip"),
    Refusal.REJECTED: Answer(400, "its body is not audit events in JSON"),
    Refusal.NOT_STORED: Answer(429, "its alerts cannot be stored", RETRY_LATER),
    Refusal.FAILED: Answer(500, "its events could not be evaluated"),
}


@dataclass(slots=True)
class WebhookStats:
    """Counters since the start: requests to the endpoint by what became of them, and the gauge of bytes in flight."""

    posts: int = 0
    """Posts evaluated and answered with 200."""
    bytes: int = 0
    """Bytes of their bodies, as received."""
    refused: Counter[Refusal | Denial] = field(default_factory=Counter)
    in_flight_bytes: int = 0
    """Bytes held now of bodies that are being received or evaluated."""
    connections: ConnectionStats = field(default_factory=ConnectionStats)


def _unsaid(text: str, number: int = 0) -> None:
    pass


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


def _refusal_of(error: _Refused | NoRoom) -> Refusal:
    if isinstance(error, _Refused):
        return error.refusal
    return Refusal.BUSY if error.is_for_now else Refusal.TOO_LARGE


class Receiver:
    """Takes posts of audit events at one path; other paths go to the applications in `extra`, or are not found.

    Args:
        path: The endpoint; compared exactly, a query is ignored.
        handle: Called with every body, whole and decompressed.
        limits: `max_batch_size` bounds a body, before and after decompression.
        bounds: How much may be in flight, and how long a body may take.
        guard: Decides who may post; None: everybody. The applications in `extra` are for all.
        refusals: Says who was refused.
        extra: Applications by exact path, such as for health.
        stats: Where to count.
    """

    def __init__(
        self,
        path: str,
        handle: Handler,
        limits: Limits,
        *,
        bounds: Bounds | None = None,
        guard: Guard | None = None,
        refusals: Refusals | None = None,
        extra: Mapping[str, ASGIApp] | None = None,
        stats: WebhookStats | None = None,
    ) -> None:
        self._path = path
        self._handle = handle
        self._bounds = bounds or Bounds()
        self._guard = guard
        self._refusals = refusals or Refusals(_unsaid, _unsaid)
        self._extra = dict(extra or {})
        self.stats = stats or WebhookStats()
        bounds = self._bounds
        self._room = Room(limits.max_batch_size, bounds.in_flight_bytes, bounds.posts, self.stats)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"]
        if path != self._path and path in self._extra:
            await self._extra[path](scope, receive, send)
            return
        peer = peer_of(scope)
        try:
            self._admit(peer, scope)
            await self._post(scope, receive, peer)
        except Denied as denied:
            self.stats.refused[denied.denial] += 1
            self._refusals.denied(peer, _told(denied))
            await _answer(send, FORBIDDEN if denied.denial.is_known else UNAUTHORIZED)
        except (_Refused, NoRoom) as error:
            refusal = _refusal_of(error)
            self.stats.refused[refusal] += 1
            if answer := ANSWERS.get(refusal):
                self._refusals.refused(peer, answer.reason)
                await _answer(send, answer)
        else:
            peer.is_known = True
            await _answer(send, OK)

    def _admit(self, peer: Peer, scope: Scope) -> None:
        if self._guard is not None:
            self._guard.check(peer, authorization_of(scope))

    async def _post(self, scope: Scope, receive: Receive, peer: Peer) -> None:
        is_gzip = self._check(scope, peer)
        site = peer.site
        with self._room.post(), Body(self._room, site) as body:
            await self._collect(scope, receive, body)
            size = body.size
            if not is_gzip:
                await self._deliver(body, scope, size)
                return
            with Body(self._room, site) as plain:
                await _decompress(body, plain)
                await self._deliver(plain, scope, size)

    async def _collect(self, scope: Scope, receive: Receive, body: Body) -> None:
        """Receive a body, as long as it does not come too slowly."""
        is_more = True
        began = asyncio.get_running_loop().time()
        if pour := scope.get("state", {}).get("pour"):
            pour(scope, body)
        while is_more:
            message = await self._next(receive, body, began)
            if message["type"] == "http.disconnect":
                raise _Refused(Refusal.DISCONNECTED)
            if part := message.get("body", b""):
                body.add(part)
            else:
                body.check()
            is_more = message.get("more_body", False)

    async def _next(self, receive: Receive, body: Body, began: float) -> Message:
        """The next message of a body, for which there is more time the more of it has come meanwhile."""
        loop = asyncio.get_running_loop()
        while (until := began + self._allowed_s(body.size)) > loop.time():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    return await receive()
        raise _Refused(Refusal.SLOW)

    def _allowed_s(self, size: int) -> float:
        bounds = self._bounds
        return min(bounds.body_s, bounds.body_grace_s + size / bounds.body_rate)

    async def _deliver(self, body: Body, scope: Scope, size: int) -> None:
        host, port = scope["client"] or ("", 0)
        origin = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            await self._handle(Delivery(body.whole(), Framing.BODY, origin, size=size))
        except RejectedDelivery:
            raise _Refused(Refusal.REJECTED) from None
        except NotStored:
            raise _Refused(Refusal.NOT_STORED) from None
        except Exception as error:  # whatever kept it from being handled: the client is to send it again
            raise _Refused(Refusal.FAILED) from error
        self.stats.posts += 1
        self.stats.bytes += size

    def _check(self, scope: Scope, peer: Peer) -> bool:
        """Refuse what can be refused by its head; whether the body is compressed."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["path"] != self._path:
            raise _Refused(Refusal.NOT_FOUND)
        if scope["method"] != "POST":
            raise _Refused(Refusal.METHOD)
        # A browser sends this type for a page of another site only where it is allowed to, which it asks first.
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise _Refused(Refusal.CONTENT_TYPE)
        if b"origin" in headers:
            raise _Refused(Refusal.ORIGIN)
        encoding = headers.get(b"content-encoding", b"").strip().lower()
        if encoding not in (b"", b"identity", b"gzip"):
            raise _Refused(Refusal.ENCODING)
        # Announced bytes are only compared, not set aside: a peer that announces much and sends nothing must not
        # keep others out.
        self._room.check(peer.site, 0, int(headers.get(b"content-length", b"0")))
        return encoding == b"gzip"


def authorization_of(scope: Scope) -> list[bytes]:
    """The values of a request's headers of that name."""
    return [value for name, value in scope["headers"] if name == b"authorization"]


def peer_of(scope: Scope) -> Peer:
    """Who asks; a server that is not Lanner's own knows the address alone."""
    host, _ = scope["client"] or ("", 0)
    peer: Peer = scope.get("state", {}).get("peer") or Peer(address_of(host))
    return peer


def _told(denied: Denied) -> str:
    names = f", which is {', '.join(denied.names)}" if denied.names else ""
    return f"{DENIALS[denied.denial]}{names}"


async def _decompress(body: Body, plain: Body) -> None:
    """Decompress outside of the event loop, in steps, so that no bound is passed by much.

    One gzip member is all that is taken: thousands of empty ones in a row would cost far more time than bytes.
    """
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    for compressed in body.pieces():
        rest, is_full = compressed, True
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
    headers = [(b"content-length", b"0"), *answer.headers]
    if answer.is_last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
