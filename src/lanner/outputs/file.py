"""Alerts to a file. Source: Falco, outputs_file.cpp."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lanner.engine.alert import Alert
from lanner.outputs.sink import Encoding, OptionError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MODE = 0o666  # less the umask, so that a log shipper reads it where the user lets it


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """The keys of `file_output`.

    Attributes:
        filename: Where lines are appended; its folder exists.
        keep_alive: Keep the file open, until SIGUSR1 or until the name leads to another file or to none; else it is
            opened for each write.
    """

    filename: str
    keep_alive: bool = False


class FileOutput:
    """Appends a line an alert; a line that did not fit is ended before the next one begins."""

    max_batch: ClassVar[int] = 256

    def __init__(self, options: FileOptions, encoding: Encoding) -> None:
        """Check the options; the file is opened with the first write.

        Raises:
            OptionError: There is no file name.
        """
        if not options.filename:
            raise OptionError("filename", "empty", "name the file to append to")
        self._options = options
        self._encoding = encoding
        self._descriptor: int | None = None
        self._is_cut = False
        self._wants_reopen = False

    @property
    def place(self) -> str:
        """The file's name."""
        return self._options.filename

    def write(self, alerts: Sequence[Alert]) -> None:
        """Append the alerts, in order.

        Raises:
            OSError: The file cannot be opened or written; the last line may be there in part.
        """
        if not alerts:
            return
        lines = self._encoding.encode_all(alerts)
        descriptor = self._open()
        try:
            self._append(descriptor, lines)
        finally:
            if not self._options.keep_alive:
                self.close()

    def flush(self) -> None:
        """Nothing waits: each write went to the system."""

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def reopen(self) -> None:
        """Open the file by its name with the next write."""
        self._wants_reopen = True

    def _open(self) -> int:
        wants_reopen, self._wants_reopen = self._wants_reopen, False
        if self._descriptor is not None and self._is_rotated(self._descriptor):
            self.close()
            self._is_cut = False
        elif wants_reopen:
            self.close()
        if self._descriptor is None:
            self._descriptor = os.open(self._options.filename, _FLAGS, _MODE)
        return self._descriptor

    def _is_rotated(self, descriptor: int) -> bool:
        try:
            return not os.path.samestat(os.fstat(descriptor), os.stat(self._options.filename))
        except FileNotFoundError:
            return True

    def _append(self, descriptor: int, lines: bytes) -> None:
        rest = memoryview(b"\n" + lines if self._is_cut else lines)
        while rest:
            written = os.write(descriptor, rest)
            self._is_cut = rest[written - 1] != ord("\n")
            rest = rest[written:]
