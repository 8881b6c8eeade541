"""Files to deliveries of whole lines, through one buffer that is filled again and again.

Memory that is asked of the system for every block costs more than reading into it, and so does a copy of each block
for the sake of the line at its start. Here a line is moved only when a read ended within it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lanner.sources.base import MIB, Delivery, Framing, Limits
from lanner.sources.lines import LineCutter

_MAX_WINDOW = 4 * MIB
"""Bytes of the largest line that is read into the buffer; a longer one is put together, or skimmed, by `LineCutter`."""


class Readable(Protocol):
    """What is read from."""

    def readinto1(self, buffer: memoryview, /) -> int:
        """Put what is at hand into the buffer, at least a byte; the number of bytes, 0 at the end."""
        ...


class Failsafe:
    """A file that ends where reading it fails; `failure` says why."""

    def __init__(self, file: Readable) -> None:
        self.failure: Exception | None = None
        self._file = file

    def readinto1(self, buffer: memoryview, /) -> int:
        """As the file's, but for failures."""
        try:
            return 0 if self.failure else self._file.readinto1(buffer)
        except Exception as error:  # each decompressor has an exception class of its own
            self.failure = error
            return 0


def read_some(file: Readable, size: int) -> bytes:
    """The next `size` bytes, fewer at the end."""
    buffer = bytearray(size)
    view = memoryview(buffer)
    filled = 0
    while filled < size and (number := file.readinto1(view[filled:])):
        filled += number
    return bytes(view[:filled])


def read_lines(file: Readable, origin: str, limits: Limits, start: bytes = b"") -> Iterator[Delivery]:
    """Deliver a file in blocks of whole lines.

    The payload of a delivery is a view of the buffer: it changes when the next delivery is asked for.

    Args:
        file: What to read, to its end.
        origin: Its name.
        limits: Bounds; `block_size` is how much is read at a time.
        start: What was read of it before.
    """
    return _Window(origin, limits, start).deliveries(file)


class _Window:
    """The part of a file that is in memory: at the front of the buffer, a line that waits for its end."""

    def __init__(self, origin: str, limits: Limits, start: bytes) -> None:
        self._origin = origin
        self._cutter = LineCutter(origin, limits)
        self._read_size = self._cutter.block_size
        self._largest = max(self._read_size, min(limits.max_event_size, _MAX_WINDOW))
        self._buffer = bytearray(max(self._read_size, len(start) + 1))
        self._view = memoryview(self._buffer)
        self._view[: len(start)] = start
        self._filled = len(start)
        self._is_long = False  # the cutter has the start of the line at the front, which is longer than the buffer

    def deliveries(self, file: Readable) -> Iterator[Delivery]:
        yield from self._complete(0)
        searched = self._filled
        while number := file.readinto1(self._view[searched : searched + self._read_size]):
            self._filled += number
            yield from self._complete(searched)
            if self._filled == len(self._buffer):
                yield from self._make_room()
            searched = self._filled
        if self._filled:
            yield self._delivery(self._filled)
        yield from self._cutter.finish()

    def _complete(self, searched: int) -> Iterator[Delivery]:
        """The lines that are complete; the first `searched` bytes are known to end none."""
        if self._is_long:
            end = self._buffer.find(b"\n", 0, self._filled) + 1
            self._is_long = not end
            yield from self._pass_on(end or self._filled)
            searched = 0
        end = self._buffer.rfind(b"\n", searched, self._filled) + 1
        if end:
            yield self._delivery(end)
            self._drop(end)

    def _make_room(self) -> Iterator[Delivery]:
        """A larger buffer for the line that fills this one, or an empty one."""
        if len(self._buffer) < self._largest:
            self._buffer = bytearray(self._buffer).ljust(min(len(self._buffer) * 2, self._largest), b"\0")
            self._view = memoryview(self._buffer)
        else:
            self._is_long = True
            yield from self._pass_on(self._filled)

    def _pass_on(self, size: int) -> Iterator[Delivery]:
        yield from self._cutter.feed(bytes(self._view[:size]))
        self._drop(size)

    def _drop(self, size: int) -> None:
        rest = self._filled - size
        self._view[:rest] = self._view[size : self._filled]
        self._filled = rest

    def _delivery(self, size: int) -> Delivery:
        return Delivery(self._view[:size], Framing.LINES, self._origin)
