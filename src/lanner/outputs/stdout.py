"""Alerts to standard output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from lanner.engine.alert import Alert
from lanner.outputs.format import AlertFormat


class StdoutOutput:
    """Writes a line an alert to a binary stream."""

    def __init__(self, stream: BinaryIO, alert_format: AlertFormat) -> None:
        self._stream = stream
        self.format = alert_format

    def write(self, alerts: Sequence[Alert]) -> None:
        """Write the alerts, in order."""
        if alerts:
            self._stream.write(self.format.encode_all(alerts))

    def write_lines(self, lines: bytes) -> None:
        """Write alerts that another process has encoded in the same format."""
        self._stream.write(lines)

    def flush(self) -> None:
        """Hand on what the stream holds back."""
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open, it belongs to the process."""
        self._stream.flush()
