"""A terminal that lines share with one status below them, also lines that forked processes write.

Nothing of the terminal's state is changed, so that there is nothing to restore, however a process ends: the status is
ordinary text, and the cursor waits at its beginning. Whoever writes a line erases the status, writes, and puts the
status below again, all at once. When the terminal becomes narrower and wraps the status, the cursor stays at the
beginning, and what is erased from there on is all of it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ERASE = b"\r\x1b[J"
_HOME = b"\r"
_MAX_STATUS = 4096
_HEAD = 2


class Screen:
    """Whole lines above, a status of one line below; for all threads, and all processes that are forked after this."""

    def __init__(self, descriptor: int) -> None:
        """Make the locks.

        Args:
            descriptor: An open terminal.
        """
        self.descriptor = descriptor
        self._threads = threading.Lock()
        # A record lock on a file in memory tells processes apart, and goes when its holder is killed.
        self._processes = os.memfd_create("lanner-screen")
        os.ftruncate(self._processes, _HEAD + _MAX_STATUS)
        self._memory = mmap.mmap(self._processes, _HEAD + _MAX_STATUS)

    @property
    def columns(self) -> int:
        """How wide the terminal is now, 80 when it does not know."""
        return columns(self.descriptor) or 80

    def append(self, lines: bytes) -> None:
        """Write lines, each with its line break, above the status.

        Raises:
            OSError: The terminal is gone.
        """
        with self._locked(waits=True):
            status = self._status
            self._put(_ERASE + lines + status + _HOME if status else lines)

    def write(self, lines: bytes) -> None:
        """As `append`, for what writes to a stream."""
        if lines:
            self.append(lines)

    def flush(self) -> None:
        """Nothing waits: each write went to the system."""

    def show(self, status: str) -> None:
        """Have a status below the lines, in place of the last one.

        It is left for another time while the terminal takes nothing (Ctrl-S) or somebody else writes: this never waits.
        In the background there is none, so that it does not get between a shell and its user.
        """
        text = status.encode() if self._is_in_front() else b""
        if len(text) > _MAX_STATUS or not self._takes_output():
            return
        with self._locked(waits=False) as is_locked, suppress(OSError):
            if is_locked and text != self._status:
                self._exchange(text)

    def close(self) -> None:
        """Take the status away."""
        with self._locked(waits=True), suppress(OSError):
            if self._status:
                self._exchange(b"")

    @property
    def _status(self) -> bytes:
        return self._memory[_HEAD : _HEAD + int.from_bytes(self._memory[:_HEAD])]

    def _exchange(self, status: bytes) -> None:
        self._memory[: _HEAD + len(status)] = len(status).to_bytes(_HEAD) + status
        self._put(_ERASE + status + _HOME if status else _ERASE)

    def _put(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def _is_in_front(self) -> bool:
        try:
            return os.tcgetpgrp(self.descriptor) == os.getpgrp()
        except OSError:
            return True  # it is not the terminal that controls this process, so that no shell waits there

    def _takes_output(self) -> bool:
        return bool(select.select((), (self.descriptor,), (), 0)[1])

    @contextmanager
    def _locked(self, *, waits: bool) -> Iterator[bool]:
        """Hold both locks, if they are to be had at once or it may wait for them; whether they are held."""
        if not self._threads.acquire(blocking=waits):
            yield False
            return
        try:
            fcntl.lockf(self._processes, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except OSError:
            self._threads.release()
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._processes, fcntl.LOCK_UN)
            self._threads.release()


def columns(descriptor: int) -> int:
    """How wide a terminal is now; 0 when it does not know, or is none."""
    try:
        return os.get_terminal_size(descriptor).columns
    except OSError:
        return 0
