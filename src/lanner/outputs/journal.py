"""Alerts as outputs read them: in order, each output from where it has come to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

from lanner.engine.alert import Finding
from lanner.outputs.window import Entry, QueueLimits, Window, size_of

Mark: TypeAlias = "tuple[int, int]"
"""How far somebody has come: the number of an alert, and its `total`."""


class Journal(Protocol):
    """Where alerts are kept for outputs; for any number of threads.

    Attributes:
        is_durable: Whether what is left at the end is delivered by another run.
        poll_s: How often to look for what others have added, in seconds; None: nobody else adds anything.
    """

    is_durable: bool
    poll_s: float | None

    @property
    def top(self) -> Mark:
        """The newest alert that is known of."""

    def claim(self, output: str) -> Mark | None:
        """The last alert that an output is done with; None while somebody else delivers to it."""

    def release(self, output: str) -> None:
        """Let somebody else deliver to an output."""

    def after(self, output: str, seq: int, most: int) -> tuple[Sequence[Entry], int]:
        """The alerts behind a number, at most so many, and how many before them were lost; the output is claimed."""

    def move(self, output: str, seq: int) -> None:
        """Say that an output is done with all alerts up to a number."""

    def bury(self, output: str, finding: Finding, reason: str) -> None:
        """Keep an alert that the output does not get; whoever has kept it may forget it once this returns."""

    def letters(self, output: str) -> Sequence[tuple[int, Finding]]:
        """Alerts that were kept so, and are to be sent again, by number."""

    def discard(self, letter: int) -> None:
        """Forget one of those, which was delivered."""


class MemoryJournal:
    """Alerts in memory alone, of work that can be done again. The oldest ones are lost where there are too many."""

    is_durable = False
    poll_s: float | None = None

    def __init__(self, limits: QueueLimits, outputs: Iterable[str]) -> None:
        """Begin without an alert.

        Args:
            limits: How many alerts there may be.
            outputs: Those that are to get all of them.
        """
        self._window = Window(limits)
        for output in outputs:
            self._window.follow(output, 0)

    @property
    def top(self) -> Mark:
        """The newest alert."""
        return self._window.top

    def append(self, findings: Sequence[Finding]) -> None:
        """Take alerts, in order."""
        seq, total = begins_after, _ = self._window.top
        now_ns = time.time_ns()
        entries = []
        for finding in findings:
            seq += 1
            total += size_of(finding)
            entries.append(Entry(seq, now_ns, total, finding))
        if entries:
            self._window.extend(begins_after, entries)

    def claim(self, output: str) -> Mark:
        """An output begins with the first alert."""
        return 0, 0

    def release(self, output: str) -> None:
        """An output that has ended keeps nothing from being forgotten."""
        self._window.leave(output)

    def after(self, output: str, seq: int, most: int) -> tuple[Sequence[Entry], int]:
        """The alerts behind a number, and how many before them were lost."""
        entries = self._window.after(seq, most)
        if entries is None:
            entries = self._window.rest(most)
            return entries, entries[0].seq - 1 - seq if entries else 0
        return entries, 0

    def move(self, output: str, seq: int) -> None:
        """Forget what all outputs are done with."""
        self._window.follow(output, seq)

    def bury(self, output: str, finding: Finding, reason: str) -> None:
        """Nothing: it is counted, and said."""

    def letters(self, output: str) -> Sequence[tuple[int, Finding]]:
        """None."""
        return ()

    def discard(self, letter: int) -> None:
        """Nothing: there is none."""
