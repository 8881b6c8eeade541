"""Alerts to standard output."""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from select import PIPE_BUF
from typing import ClassVar, Protocol

from lanner.engine.alert import Alert, Finding
from lanner.outputs.direct import FindingEncoder
from lanner.outputs.sink import Encoding, GoneError


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


class SharedDescriptor:
    """A file descriptor that processes share which are forked after this was made, for whole lines.

    What is written at once stands together, and no line is within another, not even when a process is killed while it
    writes: the system releases its lock, and a line that it cut off is ended before the next one begins.
    """

    def __init__(self, descriptor: int) -> None:
        """Make the lock.

        Args:
            descriptor: Open for writing; not buffered by anyone.
        """
        self._descriptor = descriptor
        # A file takes a whole batch in one call, each of which may have to wait for its turn among threads.
        self._at_once = sys.maxsize if stat.S_ISREG(os.fstat(descriptor).st_mode) else PIPE_BUF
        # A file in memory needs no writable folder. It is a record lock that tells processes apart: forked ones would
        # have a lock of `flock` in common.
        self._lock = os.memfd_create("lanner-output")
        os.ftruncate(self._lock, 1)
        self._is_cut = mmap.mmap(self._lock, 1)

    def append(self, lines: bytes) -> None:
        """Write lines, each with its line break.

        Raises:
            OSError: The place cannot take more; it may have taken some of the lines.
        """
        with self._locked():
            if self._is_cut[0]:
                os.write(self._descriptor, b"\n")
                self._is_cut[0] = 0
            for piece in pieces(lines, self._at_once):
                self._write(piece)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _write(self, piece: bytes) -> None:
        """Write whole lines; up to `PIPE_BUF` they are written as a whole or not at all, so that none can be cut."""
        self._is_cut[0] = len(piece) > PIPE_BUF  # for whoever comes after a process that is killed here
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        finally:
            self._is_cut[0] = 0 < len(rest) < len(piece) and piece[-len(rest) - 1 : -len(rest)] != b"\n"


class Lines(Protocol):
    """What takes whole lines from threads and processes: a `SharedDescriptor`, or the `Screen` of a terminal."""

    def append(self, lines: bytes) -> None:
        """Write lines, each with its line break, together."""


class SharedOutput:
    """Writes a line an alert to what processes share."""

    max_batch: ClassVar[int] = 256

    def __init__(self, lines: Lines, encoding: Encoding) -> None:
        self._lines = lines
        self._encoding = encoding
        self._encoder = FindingEncoder(encoding)

    @property
    def place(self) -> str:
        """Nothing: there is one standard output."""
        return ""

    def write(self, alerts: Sequence[Alert]) -> None:
        """Write the alerts, in order.

        Raises:
            GoneError: Nobody reads it any more.
            OSError: The place cannot take more; it may have taken some of the lines.
        """
        if alerts:
            self._append(self._encoding.encode_all(alerts))

    def write_findings(self, findings: Sequence[Finding]) -> None:
        """As `write`, for the alerts of findings."""
        if findings:
            self._append(self._encoder.encode(findings))

    def _append(self, lines: bytes) -> None:
        try:
            self._lines.append(lines)
        except BrokenPipeError as error:
            raise GoneError(error.errno, "nobody reads it any more") from error

    def flush(self) -> None:
        """Nothing waits: each write went to the system."""

    def close(self) -> None:
        """Nothing to do: the descriptor belongs to the process."""

    def reopen(self) -> None:
        """Nothing to do: the descriptor belongs to the process."""


def pieces(lines: bytes, size: int) -> Iterator[bytes]:
    """Lines, as many at a time as fit into so many bytes; a longer line comes by itself."""
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + size) + 1 or lines.index(b"\n", start) + 1
        yield lines[start:end]
        start = end
