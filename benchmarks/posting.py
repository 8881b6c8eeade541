"""A client that posts as API servers do: over connections that are kept, one post at a time on each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from benchmarks.process import BenchmarkError

_OK = 200


@dataclass(frozen=True, slots=True)
class Post:
    """A body, and when it is to be sent: seconds after the start; 0: as soon as a connection is free."""

    body: bytes
    due_s: float = 0.0


class _Connection(asyncio.Protocol):
    """One connection; `answered` is told of every response."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.fail("the connection was closed")

    def on_message_complete(self) -> None:
        if (status := self._parser.get_status_code()) != _OK:
            self._client.fail(f"the webhook answered {status}")
        else:
            self._client.answered(self)

    def send(self, request: bytes) -> None:
        """Write a request."""
        assert self._transport
        self._transport.write(request)

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()


class _Client:
    def __init__(self, url: str, posts: Sequence[Post], started_s: float) -> None:
        parts = urlsplit(url)
        self._head = (
            f"POST {parts.path}?timeout=30s HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: Go-http-client/1.1\r\n"
            "Content-Type: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: "
        ).encode()
        self._posts = deque(posts)
        self._open = len(posts)
        self._idle: list[_Connection] = []
        self._started_s = started_s
        self._loop = asyncio.get_running_loop()
        self.done = self._loop.create_future()

    def answered(self, connection: _Connection) -> None:
        """A response came; the connection can be used again."""
        self._open -= 1
        self.free(connection)
        if not self._open and not self.done.done():
            self.done.set_result(None)

    def fail(self, reason: str) -> None:
        """Give up, unless everything was answered."""
        if not self.done.done():
            self.done.set_exception(BenchmarkError(reason))

    def free(self, connection: _Connection) -> None:
        """Use a connection for what is due."""
        self._idle.append(connection)
        self.send_due()

    def send_due(self) -> None:
        """Send what is due over idle connections, and come back for the rest."""
        while self._idle and self._posts:
            wait_s = self._started_s + self._posts[0].due_s - time.monotonic()
            if wait_s > 0:
                self._loop.call_later(wait_s, self.send_due)
                return
            body = self._posts.popleft().body
            self._idle.pop().send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))


async def post_all(url: str, posts: Sequence[Post], connections: int, started_s: float = 0.0) -> None:
    """Send every post and wait for every answer.

    Args:
        url: Where to.
        posts: In order of time.
        connections: How many to use.
        started_s: The time, by `time.monotonic`, that `due_s` counts from.

    Raises:
        BenchmarkError: A post was not answered with 200.
    """
    client = _Client(url, posts, started_s)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(lambda: _Connection(client), host, port))[1] for _ in range(connections)]
    for connection in opened:
        client.free(connection)
    try:
        await client.done
    finally:
        for connection in opened:
            connection.close()
