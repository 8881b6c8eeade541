"""Alerts to standard output."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from select import PIPE_BUF
from typing import Protocol

from lanner.engine.alert import Alert, Finding
from lanner.outputs.direct import FindingEncoder
from lanner.outputs.sink import Encoding


class Stream(Protocol):
    """What takes bytes, and hands them on when it is told to."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""

    def flush(self) -> None:
        """Hand on what was taken."""


class StdoutOutput:
    """Writes a line an alert to a binary stream."""

    def __init__(self, stream: Stream, alert_format: Encoding) -> None:
        self._stream = stream
        self.format = alert_format
        self.encoder = FindingEncoder(alert_format)

    def write(self, alerts: Sequence[Alert]) -> None:
        """Write the alerts, in order."""
        if alerts:
            self._stream.write(self.format.encode_all(alerts))

    def write_findings(self, findings: Sequence[Finding]) -> None:
        """Write the alerts of findings, in order."""
        if findings:
            self._stream.write(self.encoder.encode(findings))

    def write_lines(self, lines: bytes) -> None:
        """Write alerts that another process has encoded in the same format."""
        self._stream.write(lines)

    def flush(self) -> None:
        """Hand on what the stream holds back."""
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open, it belongs to the process."""
        self._stream.flush()


class SharedOutput:
    """Writes a line an alert to a file descriptor that processes share which are forked after this was made.

    The alerts of a flush stand together, and no line is within another, not even when a process is killed while it
    writes: the system releases its lock, and a line that it cut off is ended before the next one begins.
    """

    def __init__(self, descriptor: int, alert_format: Encoding) -> None:
        """Make the lock.

        Args:
            descriptor: Open for writing; not buffered by anyone.
            alert_format: How alerts look.
        """
        self.format = alert_format
        self._descriptor = descriptor
        self._lines = b""
        # A file in memory needs no writable folder. It is a record lock that tells processes apart: forked ones would
        # have a lock of `flock` in common.
        self._lock = os.memfd_create("lanner-output")
        os.ftruncate(self._lock, 1)
        self._is_cut = mmap.mmap(self._lock, 1)

    def write(self, alerts: Sequence[Alert]) -> None:
        """Take the alerts, in order."""
        if alerts:
            self._lines += self.format.encode_all(alerts)

    def flush(self) -> None:
        """Write what was taken; what cannot be written is forgotten, because whoever sent the events sends them again.

        Raises:
            OSError: The place cannot take more; it may have taken some of the lines.
        """
        lines, self._lines = self._lines, b""
        if not lines:
            return
        with self._locked():
            if self._is_cut[0]:
                os.write(self._descriptor, b"\n")
                self._is_cut[0] = 0
            for piece in pieces(lines):
                self._write(piece)

    def close(self) -> None:
        """Flush; the descriptor stays open, it belongs to the process."""
        self.flush()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _write(self, piece: bytes) -> None:
        """Write whole lines; up to `PIPE_BUF` they are written as a whole or not at all, so that none can be cut."""
        self._is_cut[0] = len(piece) > PIPE_BUF
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
            self._is_cut[0] = len(rest) > 0


def pieces(lines: bytes) -> Iterator[bytes]:
    """Lines, as many at a time as fit into `PIPE_BUF` bytes; a longer line comes by itself."""
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + PIPE_BUF) + 1 or lines.index(b"\n", start) + 1
        yield lines[start:end]
        start = end
