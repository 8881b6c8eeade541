"""Messages from the threads of Google's client library to the event loop, many at a time."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from google.cloud.pubsub_v1.subscriber.scheduler import Scheduler

if TYPE_CHECKING:
    from google.cloud.pubsub_v1.subscriber.message import Message

MAX_MESSAGES = 1000
MAX_BYTES = 8 << 20
"""How much is taken at a time: enough for one commit to store the alerts of many messages."""


class Held(NamedTuple):
    """A message that is not dealt with yet, and the full name of the subscription that it came from."""

    path: str
    message: Message


class Inbox:
    """Messages that wait to be evaluated; the flow control of the library bounds how many there are."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: list[Held] = []
        self._has_some = asyncio.Event()

    def put(self, held: Iterable[Held]) -> None:
        """Add messages; called in a thread of the library, too."""
        with self._lock:
            was_empty = not self._waiting
            self._waiting += held
        if was_empty:
            self._wake()

    async def take(self) -> list[Held]:
        """The messages that wait, up to a bound; waits until there is one."""
        while True:
            await self._has_some.wait()
            with self._lock:
                end = _end(self._waiting)
                taken, self._waiting = self._waiting[:end], self._waiting[end:]
                if not self._waiting:
                    self._has_some.clear()
            if taken:
                return taken

    def drain(self, path: str | None = None) -> list[Held]:
        """All messages that wait, or those of one subscription."""
        with self._lock:
            taken = [each for each in self._waiting if path in (None, each.path)]
            self._waiting = [each for each in self._waiting if path not in (None, each.path)]
        return taken

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, and the message goes back when the stream is closed
            self._loop.call_soon_threadsafe(self._has_some.set)


def _end(waiting: list[Held]) -> int:
    size = 0
    for index, each in enumerate(waiting[:MAX_MESSAGES]):
        size += each.message.size
        if size > MAX_BYTES and index:
            return index
    return min(len(waiting), MAX_MESSAGES)


class ToInbox(Scheduler):  # type: ignore[misc]  # the library has no types
    """Has the library put messages into the inbox in its own thread, instead of calling something in another one."""

    def __init__(self, inbox: Inbox, path: str) -> None:
        self._inbox = inbox
        self._path = path
        self._queue: queue.Queue[Any] = queue.Queue()

    @property
    def queue(self) -> queue.Queue[Any]:
        """The library's requests, such as acknowledgements."""
        return self._queue

    def schedule(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Put a message into the inbox; there is nothing else to call."""
        self._inbox.put([Held(self._path, args[0])])

    def shutdown(self, await_msg_callbacks: bool = False) -> list[Message]:
        """The messages that wait; the library gives them back when its stream is closed."""
        return [each.message for each in self._inbox.drain(self._path)]
