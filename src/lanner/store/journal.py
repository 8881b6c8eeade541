"""Stored alerts for the outputs of this process: from memory for those that keep up, else from the store."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lanner.engine.alert import Finding
from lanner.outputs.journal import Mark
from lanner.outputs.window import Entry, QueueLimits, Window
from lanner.store.claims import Claims
from lanner.store.errors import StoreError
from lanner.store.place import Place
from lanner.store.store import Store

POLL_S = 0.5
"""How often to look for what others have stored."""


class StoreJournal:
    """A journal that is a store. For any number of threads.

    Attributes:
        is_durable: Whether what is left at the end is delivered by another run.
        poll_s: How often to look for what others have stored; None: nobody else stores anything.
    """

    def __init__(self, store: Store, place: Place, limits: QueueLimits | None) -> None:
        """Begin with what is stored by now.

        Args:
            store: Keeps the alerts.
            place: Where it is.
            limits: How many alerts are kept in memory; None: none, because others store alerts too.

        Raises:
            StoreError: It cannot be read.
        """
        self.is_durable = not place.is_temporary
        self.poll_s = POLL_S if limits is None else None
        self._store = store
        self._claims = Claims(place, store.database)
        self._top = store.last()
        self._window = Window(limits, self._top) if limits else None
        self._looked_at = time.monotonic()
        if self._window:
            store.on_stored = self._window.extend

    @property
    def top(self) -> Mark:
        """The newest alert that is known of."""
        return self._window.top if self._window else self._top

    def claim(self, output: str) -> Mark | None:
        """The last alert that an output is done with; None while another process delivers to it.

        Raises:
            StoreError: It cannot be read.
        """
        if not self._claims.take(output):
            return None
        mark = self._store.cursor(output)
        self._follow(output, mark[0])
        return mark

    def release(self, output: str) -> None:
        """Let somebody else deliver to an output, from where it has come to."""
        if self._window:
            self._window.leave(output)
        self._store.flush()
        self._claims.release(output)

    def after(self, output: str, seq: int, most: int) -> tuple[Sequence[Entry], int]:
        """The alerts behind a number, in order, at most so many; none of a store is lost.

        Raises:
            StoreError: They cannot be read, or somebody else may deliver to the output by now.
        """
        if self._window:
            entries = self._window.after(seq, most)
            return self._store.after(seq, most) if entries is None else entries, 0
        self._look()
        if not self._claims.has(output):
            raise StoreError("the connection to the database was lost")
        return self._store.after(seq, most), 0

    def move(self, output: str, seq: int) -> None:
        """Say that an output is done with all alerts up to a number."""
        self._store.move(output, seq)
        self._follow(output, seq)

    def bury(self, output: str, finding: Finding, reason: str) -> None:
        """Keep an alert that the output does not get.

        Raises:
            NotStored: It is not kept.
        """
        self._store.bury(output, finding, reason)

    def letters(self, output: str) -> Sequence[tuple[int, Finding]]:
        """Alerts that an output is to be sent again, by number.

        Raises:
            StoreError: They cannot be read.
        """
        return [(letter.id, letter.finding) for letter in self._store.letters(output)]

    def discard(self, letter: int) -> None:
        """Forget one of those, which was delivered.

        Raises:
            NotStored: It is still there.
        """
        self._store.discard(letter)

    def close(self) -> None:
        """Let others deliver."""
        self._claims.close()

    def _follow(self, output: str, seq: int) -> None:
        if self._window:
            self._window.follow(output, seq)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at >= POLL_S:
            self._looked_at = now
            self._claims.check()
            self._top = self._store.last()
