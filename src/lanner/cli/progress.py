"""A progress bar on a terminal for work over files."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_DELAY_S = 0.5
_INTERVAL_S = 0.1
_CLEAR_LINE = "\r\x1b[2K"


class ProgressBar:
    """One line that shows bytes, rate, a count and the time left; it appears when the work takes longer than a moment.

    It draws only when told of progress, never from a thread, so that it does not mix with alerts on the same terminal.
    """

    def __init__(
        self,
        total: int | None,
        stream: TextIO,
        *,
        counts: str = "alerts",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a bar that is not shown yet.

        Args:
            total: Bytes that there are to read; None when that is not known.
            stream: The terminal.
            counts: What is counted beside.
            clock: Seconds.
        """
        self._total = total
        self._counts = counts
        self._stream = stream
        self._clock = clock
        self._next = clock() + _DELAY_S
        self._bar: tuple[Progress, TaskID] | None = None

    def advance(self, done: int, count: int) -> None:
        """Show how far the work is.

        Args:
            done: Bytes of the files read so far.
            count: Alerts raised so far, or what the bar counts.
        """
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _INTERVAL_S
        progress, task = self._bar or self._start()
        progress.update(task, completed=done, count=f"{count:,} {self._counts}")
        progress.refresh()

    def clear(self) -> None:
        """Empty the line for other text; the next `advance` shows the bar again."""
        if self._bar:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar[0].stop()
            self._bar = None

    def _start(self) -> tuple[Progress, TaskID]:
        columns = (
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
        )
        progress = Progress(
            *columns,
            console=Console(file=self._stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        progress.start()
        self._bar = progress, progress.add_task("", total=self._total, count="")
        return self._bar
