"""What stands between a socket and a handler: messages in order, of a bounded size."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

BOUND_BYTES = 8 << 20
"""How much waits at most, and one message more. Beyond it the socket is not read, so that the sender has to wait."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message and when it came, in seconds since the epoch."""

    at_s: float
    frame: bytes


class Intake:
    """Messages that wait. One task puts, another takes."""

    def __init__(self, bound: int = BOUND_BYTES) -> None:
        self._bound = bound
        self._messages: deque[Message] = deque()
        self._size = 0
        self._is_closed = False
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._messages)

    async def put(self, message: Message) -> None:
        """Add a message; waits while there is too much."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._size < self._bound)
            self._messages.append(message)
            self._size += len(message.frame)
            self._changed.notify_all()

    async def take(self, size: int) -> list[Message]:
        """The next messages, of about `size` bytes, once there is one; none: it is closed, and all were taken."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._messages or self._is_closed)
            taken: list[Message] = []
            while self._messages and size > 0:
                taken.append(self._messages.popleft())
                size -= len(taken[-1].frame)
            self._size -= sum(len(message.frame) for message in taken)
            self._changed.notify_all()
        return taken

    async def close(self) -> None:
        """Say that no more will come."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()
