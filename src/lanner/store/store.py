"""The store as a process uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from lanner.engine.alert import Finding
from lanner.outputs.journal import Entry
from lanner.sources.base import NotStored
from lanner.store import alerts, delivery
from lanner.store.database import Database
from lanner.store.errors import StoreError
from lanner.store.place import Place
from lanner.store.writer import Bounds, Writer, WriterStats

MAX_CHECKPOINT = 64 * 1024
"""Characters of a checkpoint."""


class Store:
    """Stores alerts, gives them to outputs, and keeps where each has come to. For any number of threads.

    To be made in the process that uses it: nothing of it survives a fork.
    """

    def __init__(
        self,
        place: Place,
        bounds: Bounds | None = None,
        *,
        on_stored: Callable[[int, Sequence[Entry]], None] = lambda begins_after, entries: None,
        tidies: bool = True,
    ) -> None:
        """Connect; nothing is opened yet.

        Args:
            place: One that is held.
            bounds: How much is kept.
            on_stored: Told what was stored, and the last number before it; called from another thread.
            tidies: Whether to delete old alerts now and then.
        """
        self._database: Database = place.database()
        self._writer = Writer(self._database, bounds or Bounds(), on_stored=on_stored, tidies=tidies)

    @property
    def stats(self) -> WriterStats:
        """What was written so far."""
        return self._writer.stats

    async def put(self, findings: Sequence[Finding]) -> None:
        """Store alerts. When this returns they are durable; those that were there before are there once.

        Raises:
            NotStored: They are not.
        """
        await asyncio.shield(asyncio.wrap_future(self._writer.put(findings)))

    def put_soon(self, findings: Sequence[Finding], otherwise: Callable[[Sequence[Finding]], None]) -> None:
        """Store alerts that nobody waits for; `otherwise` is given them, in another thread, when they are not."""
        done = self._writer.put(findings)
        done.add_done_callback(lambda future: otherwise(findings) if future.exception() else None)

    def after(self, seq: int, most: int) -> Sequence[Entry]:
        """The alerts behind a number, in order, at most so many.

        Raises:
            StoreError: They cannot be read.
        """
        with self._database.reading() as connection:
            return alerts.after(connection, seq, most)

    def last(self) -> tuple[int, int]:
        """The number of the newest alert, and its `total`.

        Raises:
            StoreError: It cannot be read.
        """
        with self._database.reading() as connection:
            return alerts.last(connection)

    def begin(self, outputs: Sequence[str]) -> None:
        """Have outputs begin with what is stored from now on, those that are new; it is durable once this returns.

        Raises:
            StoreError: It cannot be written.
        """
        self._writer.serve(outputs)
        with self._database.writing() as connection:
            delivery.begin(connection, outputs, time.time_ns())

    def cursor(self, output: str) -> int:
        """The last alert that an output is done with.

        Raises:
            StoreError: It cannot be read.
        """
        with self._database.reading() as connection:
            return delivery.cursor(connection, output)

    def move(self, output: str, seq: int) -> None:
        """Say where an output has come to; it is durable within a second."""
        self._writer.move(output, seq)

    def bury(self, output: str, finding: Finding, reason: str) -> None:
        """Keep an alert that an output will not get; it is durable once this returns.

        Raises:
            NotStored: It is not.
        """
        self._writer.do(lambda connection: delivery.bury(connection, output, finding, reason, time.time_ns())).result()

    def checkpoint(self, name: str) -> StoredCheckpoint:
        """Where a source has come to, by its name."""
        return StoredCheckpoint(self._database, self._writer, name)

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self._writer.close()
        self._database.close()


class StoredCheckpoint:
    """Where a source has come to, kept over restarts."""

    def __init__(self, database: Database, writer: Writer, name: str) -> None:
        self._database = database
        self._writer = writer
        self._name = name

    async def load(self) -> str | None:
        """What was saved last; None: nothing yet.

        Raises:
            NotStored: It cannot be read.
        """
        return await asyncio.to_thread(self._load)

    async def save(self, value: str) -> None:
        """Keep it; it is durable once this returns.

        Raises:
            NotStored: It is not.
            ValueError: It is too long.
        """
        if len(value) > MAX_CHECKPOINT:
            raise ValueError(f"a checkpoint of {len(value)} characters; {MAX_CHECKPOINT} are the most")
        name = self._name
        saved = self._writer.do(lambda connection: delivery.save_checkpoint(connection, name, value))
        await asyncio.shield(asyncio.wrap_future(saved))

    def _load(self) -> str | None:
        try:
            with self._database.reading() as connection:
                return delivery.checkpoint(connection, self._name)
        except StoreError as error:
            raise NotStored(str(error)) from error
