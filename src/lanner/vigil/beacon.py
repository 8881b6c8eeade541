"""A marker that is looked for in what arrives, in memory that processes share which are forked off later.

While none is awaited, a delivery costs the look at one byte. While one is, its bytes are searched for the marker.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from mmap import PAGESIZE, mmap

from stringzilla import find

from lanner.events.decode import Payload
from lanner.sources.base import Delivery, Handler

MARKER_BYTES = 32
_LIT = 0
_AWAITED = struct.Struct(f"=Q{MARKER_BYTES}s")
_AWAITED_AT = 8
_SEEN = struct.Struct("=Qd")
_SEEN_AT = 128


class Beacon:
    """Where one process says what is awaited, and others that it came.

    A number goes with each marker, so that what was seen of one is never taken for the next.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing awaited.

        Args:
            clock: Seconds that are the same in all processes.
        """
        self._memory = mmap(-1, PAGESIZE)
        self.now = clock

    def light(self, marker: bytes) -> None:
        """Await a marker of 32 bytes, from now on, in place of the one before."""
        if len(marker) != MARKER_BYTES:
            raise ValueError(f"a marker has {MARKER_BYTES} bytes")
        number, _ = _AWAITED.unpack_from(self._memory, _AWAITED_AT)
        self._memory[_LIT] = 0
        _AWAITED.pack_into(self._memory, _AWAITED_AT, number + 1, marker)
        self._memory[_LIT] = 1

    def put_out(self) -> None:
        """Await nothing."""
        self._memory[_LIT] = 0

    def seen_at(self) -> float | None:
        """When the marker that was lit last came, by the clock; None: it has not."""
        number, _ = _AWAITED.unpack_from(self._memory, _AWAITED_AT)
        seen, at = _SEEN.unpack_from(self._memory, _SEEN_AT)
        return at if number and seen == number else None

    def look(self, payload: Payload) -> None:
        """Look for the marker in what arrived, if one is awaited."""
        if not self._memory[_LIT]:
            return
        number, marker = _AWAITED.unpack_from(self._memory, _AWAITED_AT)
        if find(payload, marker) >= 0 and _AWAITED.unpack_from(self._memory, _AWAITED_AT) == (number, marker):
            _SEEN.pack_into(self._memory, _SEEN_AT, number, self.now())
            self._memory[_LIT] = 0

    def watched(self, handle: Handler) -> Handler:
        """A handler that looks at what another one has dealt with: what was not stored has not come."""

        async def handled(delivery: Delivery) -> None:
            await handle(delivery)
            self.look(delivery.payload)

        return handled
