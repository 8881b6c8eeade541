"""The webhook as a target: bytes that a peer sends, in pieces, to the HTTP server and the receiver behind it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from lanner.sources.auth import Access, Guard, Peer, address_of
from lanner.sources.base import Delivery, Limits
from lanner.sources.connection import Bounds, Connection
from lanner.sources.crowd import ConnectionStats, Crowd, Rank
from lanner.sources.receiver import Receiver

MAX_BODY = 4096

_BODY = b'{"kind":"EventList","items":[{"stage":"s","verb":"get"}]}'
_HEAD = b"POST /k8s-audit HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
_ZIPPED = gzip.compress(_BODY, mtime=0)
REQUESTS = (
    b"\x40" + _HEAD + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY,
    b"\x05" + _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"\xff" + _HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_ZIPPED) + _ZIPPED,
    b"\x20GET /k8s-audit HTTP/1.0\r\n\r\n",
    b"\x10" + _HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"\x10" + _HEAD + b"Content-Length: 2\r\n\r\n{}" + _HEAD + b"Content-Length: 9999999\r\n\r\n",
    b"\x30PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)


class _Peer(asyncio.Transport):
    """The other end: keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 4000), "sockname": ("127.0.0.1", 9765)})
        self.sent = bytearray()
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass


def webhook(data: bytes) -> None:
    """Whatever is sent gets answers of HTTP or none; no more than a body is held, and nothing once it is over.

    Where a certificate is asked for, and none is shown, nothing of it is delivered.

    The first byte says in pieces of how many bytes the rest arrives.
    """
    size, rest = (data[0] or 1, data[1:]) if data else (1, b"")
    pieces = [rest[at : at + size] for at in range(0, len(rest), size)]
    asyncio.run(_converse(pieces))
    delivered = asyncio.run(_converse(pieces, Guard(Access(client_ca="clients.pem"))))
    assert not delivered, "somebody without a certificate was let in"


def _receive(protocol: Connection, piece: bytes) -> None:
    """As a transport does it."""
    while piece:
        space = protocol.get_buffer()
        number = min(len(space), len(piece))
        space[:number] = piece[:number]
        protocol.buffer_updated(number)
        piece = piece[number:]


async def _converse(pieces: list[bytes], guard: Guard | None = None) -> int:
    """How many deliveries came of it."""
    loop = asyncio.get_running_loop()
    failures: list[Mapping[str, Any]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    largest = number = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal largest, number
        number += 1
        largest = max(largest, len(delivery.payload))

    bounds = Bounds(in_flight_bytes=MAX_BODY, direct_size=32)
    receiver = Receiver("/k8s-audit", handle, Limits(max_batch_size=MAX_BODY), bounds=bounds, guard=guard)
    config = uvicorn.Config(receiver, http=Connection, ws="none", lifespan="off", log_config=None)
    config.load()
    crowd, who = Crowd(2, 2, ConnectionStats()), Peer(address_of("10.0.0.1"))
    protocol = Connection(config, ServerState(), crowd, bounds, who, head=memoryview(bytearray(MAX_BODY)))
    assert crowd.enter(protocol, who.site, Rank.GUEST)
    peer = _Peer()
    protocol.connection_made(peer)
    for piece in pieces:
        if peer.is_closed:
            break
        _receive(protocol, piece)
        await asyncio.sleep(0)
        assert receiver.stats.in_flight_bytes <= MAX_BODY, receiver.stats.in_flight_bytes
    protocol.connection_lost(None)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)
    assert all(task.done() for task in others), "a request never ended"
    assert not failures, failures
    assert not crowd.members()
    assert receiver.stats.in_flight_bytes == 0, receiver.stats.in_flight_bytes
    assert largest <= MAX_BODY, largest
    assert not peer.sent or peer.sent.startswith(b"HTTP/1.1 "), bytes(peer.sent[:40])
    return number
