"""Reading ahead: a file is decompressed beside the work on what was read from it before."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from io import BufferedIOBase
from queue import Empty, Full, Queue

_DEPTH = 3
"""Blocks that wait; more would only cost memory."""

_POLL_S = 0.1


class ReadAhead:
    """Reads a file in a thread of its own, in blocks of one size; decompressors let other threads run meanwhile.

    What reading raises is raised again by `readinto1`, behind all that could be read before.
    """

    def __init__(self, file: BufferedIOBase, block_size: int, stack: ExitStack) -> None:
        self._file = file
        self._block_size = block_size
        self._blocks: Queue[bytes | Exception] = Queue(_DEPTH)
        self._rest = memoryview(b"")
        self._is_done = False
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)
        self._thread.start()
        stack.callback(self.close)

    def readinto1(self, buffer: memoryview, /) -> int:
        """Put the next bytes into the buffer; their number, 0 at the end."""
        if not self._rest and not self._is_done:
            found = self._blocks.get()
            if isinstance(found, Exception):
                self._is_done = True
                raise found
            self._is_done = not found
            self._rest = memoryview(found)
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

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
