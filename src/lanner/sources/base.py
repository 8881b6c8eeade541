"""What every source does, and the values it hands on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from lanner.events.decode import Payload

T = TypeVar("T")

MIB = 1 << 20


class Framing(StrEnum):
    """How a payload holds its JSON: whole lines with newlines between, or one document, over any number of lines."""

    LINES = "lines"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Events as a source received them, not decoded.

    `payload` is complete JSON text; a view of memory changes when the next delivery is asked for. `origin` names the
    file or peer, for messages only. With `truncated` the payload is one object with what could be kept of an event
    beyond the size limit, to be evaluated on its metadata; `size` is then its original size. `size` counts the bytes
    received, 0 for as many as the payload has.
    """

    payload: Payload
    framing: Framing
    origin: str
    truncated: bool = False
    size: int = 0

    @property
    def received(self) -> int:
        """Bytes received."""
        return self.size or len(self.payload)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a source takes, in bytes."""

    max_event_size: int = 32 * MIB
    """`maxEventSize`: a larger event is reduced to its metadata."""
    max_batch_size: int = 256 * MIB
    """`webhookMaxBatchSize`: a larger post is refused; bounds a list of events in a file too."""
    block_size: int = MIB // 2
    """How much is read at a time. Smaller blocks cost more steps, larger ones do not stay in a processor's cache."""


Handler = Callable[[Delivery], Awaitable[None]]
"""Takes a delivery. When it returns, its events are evaluated and stored, and may be acknowledged."""


class RejectedDelivery(Exception):
    """Raised by a handler for a delivery that no retry can make readable, such as a body that is not JSON."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotStored(Exception):
    """Raised by a handler for a delivery whose alerts could not be stored, as when the disk is full.

    It is not to be acknowledged, and to be delivered again later: alerts that are stored by then are not raised twice.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"alerts cannot be stored: {reason}")
        self.reason = reason


class SourceError(Exception):
    """A place that cannot be read from or listened on; as text "cannot read `x.json`: no such file"."""

    def __init__(self, path: str, reason: str, help: str | None = None, *, action: str = "read") -> None:
        super().__init__(f"cannot {action} `{path}`: {reason}")
        self.path = path
        self.reason = reason
        self.help = help


class Source(Protocol):
    """A place that events come from."""

    async def run(self, handle: Handler) -> None:
        """Deliver until there is no more, or until cancelled; what is being handled by then is finished first.

        Raises:
            SourceError: the source cannot be opened.
        """


def reason_of(error: BaseException) -> str:
    """What an exception of the operating system or of a decompressor says, in the words of an error message."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or "unreadable"
    return text[:1].lower() + text[1:].rstrip(".")


async def finish(work: Awaitable[T]) -> T:
    """Await work to its end even when cancelled; the cancellation goes on once the work is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that a failure in these last steps is not reported as forgotten
        raise
