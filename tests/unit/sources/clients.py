"""A webhook that runs, and clients that are better or worse than httpx."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import uvloop

from lanner.sources.base import Delivery, Handler
from lanner.sources.plugin import Trouble
from lanner.sources.webhook import WebhookSource

T = TypeVar("T")

BODY = b'{"kind":"EventList","items":[]}\n'


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in the event loop that a run has; other tests of the webhook take asyncio's."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class Keep:
    """A handler that keeps what it gets."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)


class Told:
    """Keeps the trouble that a source tells of."""

    def __init__(self) -> None:
        self.troubles: list[tuple[Trouble, str]] = []

    def __call__(self, trouble: Trouble, text: str, times: int = 1) -> None:
        self.troubles.append((trouble, text))


@asynccontextmanager
async def running(source: WebhookSource, handle: Handler) -> AsyncIterator[int]:
    """The port of a source that takes connections until the block ends."""
    task = asyncio.ensure_future(source.run(handle))
    waiting = asyncio.ensure_future(source.started.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
    assert source.address is not None
    try:
        yield source.address[1]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def head(length: int | None, *more: str, path: str = "/k8s-audit", method: str = "POST", version: str = "1.1") -> bytes:
    """The head of a request; without a length its body comes in chunks."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"{method} {path} HTTP/{version}", "Host: x", "Content-Type: application/json", framing, *more]
    return "\r\n".join([*lines, "", ""]).encode()


def request(*more: str, body: bytes = BODY, path: str = "/k8s-audit") -> bytes:
    """A post that closes its connection."""
    return head(len(body), "Connection: close", *more, path=path) + body


async def send(port: int, data: bytes, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> bytes:
    """Send bytes as they are, and read until the connection is closed; what was read until then when it is reset."""
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    answer = b""
    with suppress(ConnectionError, ssl.SSLError):
        writer.write(data)
        while part := await reader.read(65536):
            answer += part
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return answer


async def until(holds: Callable[[], bool]) -> None:
    """Let others go on until something is so."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)
