"""One connection of the webhook: HTTP as uvicorn speaks it, with the bounds that it leaves out."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, cast

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from lanner.sources.auth import Peer, certificate_of
from lanner.sources.base import MIB
from lanner.sources.crowd import Closing, Crowd, Rank
from lanner.sources.room import MAX_DIRECT_BYTES, Body

HEAD_BYTES = 16 * 1024
"""What is read at a time of what the parser is to see."""

_FRAMING = 8  # a chunk of one byte comes with five more
_LINE = 4  # a header's colon, space and line break
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a listener grants to connections and requests: a peer that wants more is refused, or waits."""

    connections: int = 1024
    """Those that are open; an API server in a blocking mode uses one for each request that it is serving."""
    of_site: int = 640
    """Those from one address, or one IPv6 network of 64 bits; an API server serves 600 requests at a time."""
    head_size: int = 64 * 1024
    """Bytes of a request that are no body: an API server sends a few hundred, with a bearer token a few thousand."""
    pipelined: int = 64
    """Requests of one connection that wait for the one before; nobody who posts audit events sends any like that."""
    direct_size: int = 64 * 1024
    """Bytes of a body that are still to come, from which on they are received to where they are decoded."""
    handshake_s: float = 10.0
    """How long TLS may take to be agreed on, and to be ended."""
    head_s: float = 20.0
    """How long a request's head may take, and a new connection may be silent."""
    answer_s: float = 20.0
    """How long an answer may wait for its peer to take it."""
    keep_alive_s: float = 75.0
    """How long a connection may be idle between requests."""
    body_s: float = 60.0
    """How long a body may take; an API server waits for its answer for 30 seconds."""
    body_grace_s: float = 10.0
    """How long it may take however small it is; from then on it must have come at the rate below."""
    body_rate: int = 16 * 1024
    """Bytes a second that a body must come at."""
    posts: int = 640
    """Posts that are received or evaluated at a time."""
    in_flight_bytes: int = 512 * MIB
    """Bytes of all bodies that are held at a time."""
    renewal_s: float = 5.0
    """How often it is looked whether certificates were exchanged; connections that began with others are then ended."""


class _Excess(Exception):
    """Raised to the parser, which then refuses what it reads."""


class Connection(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with bounds on the size and time of all that is not body.

    A body whose length is announced can be received to where the application wants it, past the parser: copies on the
    way cost as much as decoding. For that, a transport is given its `Intake`.
    """

    def __init__(
        self, config: Config, state: ServerState, crowd: Crowd, bounds: Bounds, peer: Peer, *, head: memoryview
    ) -> None:
        """Prepare a connection, which enters the crowd before it is open.

        Args:
            config: Of the server.
            state: Of the server.
            crowd: All connections of the server.
            bounds: What it is granted.
            peer: Who is at its other end.
            head: Where to receive what the parser is to see. Connections of one event loop share it: each is done with
                it before another one receives.
        """
        super().__init__(config, state, {})
        self.peer = peer
        self.opening: asyncio.Task[None] | None = None
        """The handshake; None: there is none yet."""
        self.generation = 0
        """How often certificates had been exchanged when it began."""
        self._crowd = crowd
        self._bounds = bounds
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._head = head
        self._head_size = 0
        self._excess = 0
        self._left = 0  # of an announced body
        self._body: Body | None = None

    def give_up(self) -> None:
        """Close it at once."""
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Learn who is there; expect a request."""
        if self.opening is not None and self.opening.cancelling():
            transport.abort()  # it was given up meanwhile; uvicorn would wait for its end, of which nobody tells
            return
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self.peer.certificate = certificate_of(tls.getpeercert()) if tls else None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._crowd.leave(self)
        if self.transport is None:
            return
        self._body = None
        if self.scope is not None:
            self.scope["state"].pop("pour", None)  # which leads back here
        _stop(self._head_timer)
        _stop(self._answer_timer)
        super().connection_lost(exc)

    def pour(self, scope: MutableMapping[str, Any], body: Body) -> None:
        """Receive the rest of a request's body where it is wanted, if it is long and it is known how long.

        The application goes on to `receive`: a message tells that all has come, or more than there is room for, without
        any bytes.

        Raises:
            NoRoom: What has come so far is too much.
        """
        size = len(self.cycle.body) + self._left
        if scope is not self.scope or self._left < self._bounds.direct_size or size > MAX_DIRECT_BYTES:
            return
        if self.cycle.body:
            body.add(bytes(self.cycle.body))
            self.cycle.body.clear()
        if body.open_space():
            self._body = body

    def get_buffer(self) -> memoryview:
        """Where the transport is to put what it receives next."""
        if self._body is None:
            return self._head
        return self._body.space(self._left) if self._body.is_open else self._head[: self._left]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received. What comes after an application has let go of its body is not wanted."""
        if self._body is None:
            self.data_received(bytes(self._head[:nbytes]))
            return
        if self._body.is_open:
            self._body.filled(nbytes)
        self._left -= nbytes
        if self._left:
            if not (self._body.is_open and self._body.fits()):
                self.flow.pause_reading()  # until the application has seen that there is no room for more
                self.cycle.message_event.set()
        else:
            self._body = None
            self.parser = _parser(self)  # which has not seen the end of the body
            self.on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Count what is not body; end a connection that sends too much of it."""
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        self._excess += len(data)
        super().data_received(data)
        if self._excess > self._bounds.head_size and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        """Count it."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it; trailers are headers too."""
        self._count(len(name) + len(value) + _LINE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock: how long a body may take is for the application to say."""
        _stop(self._head_timer)
        self._head_timer = None
        self._crowd.work(self)
        self.scope["state"].update(peer=self.peer, pour=self.pour)
        self._left = _announced(self.headers)
        super().on_headers_complete()
        if self._left >= self._bounds.direct_size:
            self.flow.pause_reading()  # until it is known where to, or the application asks for it
        if len(self.pipeline) > self._bounds.pipelined:
            raise _Excess

    def on_body(self, body: bytes) -> None:
        """Take body off the count, with what framing in small chunks adds to it; it earns nothing for later."""
        self._excess = max(0, self._excess - _FRAMING * len(body))
        self._left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin anew with the next request."""
        self._excess = self._left = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Rest until the next request, unless the rest of this one is still to come, which nobody will read."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._crowd.rest(self, Rank.KNOWN if self.peer.is_known else None)
            if self.cycle.more_body:
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no proper HTTP, without a word that tells anything."""
        self._crowd.close(Closing.HEAD)
        self.transport.write(_BAD_REQUEST)
        self.transport.close()

    def pause_writing(self) -> None:
        """Wait for the peer to take what it has asked for, but not for ever."""
        super().pause_writing()
        self._answer_timer = self.loop.call_later(self._bounds.answer_s, self._close, Closing.SLOW)

    def resume_writing(self) -> None:
        """Go on."""
        _stop(self._answer_timer)
        super().resume_writing()

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._bounds.head_size:
            raise _Excess

    def _expect_head(self) -> None:
        _stop(self._head_timer)
        self._head_timer = self.loop.call_later(self._bounds.head_s, self._close, Closing.SLOW)

    def _close(self, why: Closing) -> None:
        self._crowd.close(why)
        self.transport.abort()


class Intake(asyncio.BufferedProtocol):
    """A connection as its transport sees it: one that says where to receive, which the base class of it is not."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As `Connection` has it."""
        self._connection.connection_made(cast(asyncio.Transport, transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """As `Connection` has it."""
        self._connection.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """As `Connection` has it."""
        return self._connection.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """As `Connection` has it."""
        self._connection.buffer_updated(nbytes)

    def eof_received(self) -> None:
        """As `Connection` has it."""
        self._connection.eof_received()

    def pause_writing(self) -> None:
        """As `Connection` has it."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """As `Connection` has it."""
        self._connection.resume_writing()


def _announced(headers: list[tuple[bytes, bytes]]) -> int:
    """The length of a body, where nothing else says where it ends."""
    found = dict(headers)
    if b"transfer-encoding" in found or b"upgrade" in found:
        return 0
    return int(found.get(b"content-length", b"0"))


def _parser(connection: Connection) -> httptools.HttpRequestParser:
    """One as the base class makes it."""
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
