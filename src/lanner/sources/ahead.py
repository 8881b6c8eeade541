"""Reading ahead: a file is decompressed beside the work on what was read from it before."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from queue import Empty, Full, Queue
from typing import Protocol

_DEPTH = 3
"""Blocks that wait; more would only cost memory."""

_POLL_S = 0.1


class Readable(Protocol):
    """What blocks are read from."""

    def read1(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class ReadAhead:
    """Reads a file in a thread of its own, in blocks of one size; decompressors let other threads run meanwhile.

    What reading raises is raised again by `read1`, behind all that could be read before.
    """

    def __init__(self, file: Readable, block_size: int, stack: ExitStack) -> None:
        self._file = file
        self._block_size = block_size
        self._blocks: Queue[bytes | Exception] = Queue(_DEPTH)
        self._rest = b""
        self._is_done = False
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)
        self._thread.start()
        stack.callback(self.close)

    def read1(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        if not self._rest and not self._is_done:
            found = self._blocks.get()
            if isinstance(found, Exception):
                self._is_done = True
                raise found
            self._is_done = not found
            self._rest = found
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def close(self) -> None:
        """Stop reading, and wait until the file is no longer in use."""
        self._is_closed.set()
        while self._thread.is_alive():
            try:
                self._blocks.get_nowait()
            except Empty:
                self._thread.join(_POLL_S)

    def _read(self) -> None:
        while not self._is_closed.is_set():
            try:
                found: bytes | Exception = self._file.read1(self._block_size)
            except Exception as error:  # each decompressor has an exception class of its own
                found = error
            self._put(found)
            if not found or isinstance(found, Exception):
                return

    def _put(self, found: bytes | Exception) -> None:
        while not self._is_closed.is_set():
            try:
                self._blocks.put(found, timeout=_POLL_S)
            except Full:
                continue
            return
