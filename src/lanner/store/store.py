"""The store as a process uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from lanner.engine.alert import Finding
from lanner.outputs.journal import Mark
from lanner.outputs.window import Entry
from lanner.sources.base import NotStored
from lanner.store import alerts, delivery
from lanner.store.database import Database
from lanner.store.delivery import DeadLetter
from lanner.store.errors import StoreError
from lanner.store.place import Place
from lanner.store.writer import Bounds, Writer, WriterStats

MAX_TEMPORARY_BYTES = 32 * 1024 * 1024
"""What a store in memory takes at most: containers have 64 MiB for such files."""

MAX_CHECKPOINT = 64 * 1024
"""Characters of a checkpoint."""


class Store:
    """Stores alerts, gives them to outputs, and keeps where each has come to. For any number of threads.

    To be made in the process that uses it: nothing of it survives a fork.

    Attributes:
        database: Where it is.
        on_stored: Told what was stored, and the last number before it; called from another thread.
        on_done: Told, behind that, that something was stored.
    """

    def __init__(
        self,
        place: Place,
        bounds: Bounds | None = None,
        *,
        tidies: bool = True,
    ) -> None:
        """Connect; nothing is opened yet.

        Args:
            place: One that is held.
            bounds: How much is kept.
            tidies: Whether to delete old alerts now and then.
        """
        self.database: Database = place.database()
        self.on_stored: Callable[[int, Sequence[Entry]], None] = lambda begins_after, entries: None
        self.on_done: Callable[[], None] = lambda: None
        bounds = bounds or Bounds()
        if place.is_temporary:
            bounds = replace(bounds, max_bytes=min(bounds.max_bytes, MAX_TEMPORARY_BYTES))
        self._writer = Writer(self.database, bounds, on_stored=self._tell, tidies=tidies)

    @property
    def stats(self) -> WriterStats:
        """What was written so far."""
        return self._writer.stats

    def put(self, findings: Sequence[Finding]) -> Awaitable[None]:
        """Store alerts, in the order of the calls; once this is awaited they are durable, each once.

        What is awaited raises `NotStored` if they are not.
        """
        return asyncio.shield(asyncio.wrap_future(self._writer.put(findings)))

    def put_soon(self, findings: Sequence[Finding], otherwise: Callable[[Sequence[Finding], NotStored], None]) -> None:
        """Store alerts that nobody waits for; `otherwise` is given them, in another thread, when they are not."""

        def settled(future: Future[None]) -> None:
            if isinstance(error := future.exception(), NotStored):
                otherwise(findings, error)

        self._writer.put(findings).add_done_callback(settled)

    def flush(self) -> None:
        """Wait until everything that was to be written by now is, or cannot be."""
        with suppress(NotStored):
            self._writer.flush().result()

    def after(self, seq: int, most: int) -> Sequence[Entry]:
        """The alerts behind a number, in order, at most so many.

        Raises:
            StoreError: They cannot be read.
        """
        with self.database.reading() as connection:
            return alerts.after(connection, seq, most)

    def last(self) -> Mark:
        """The number of the newest alert, and its `total`.

        Raises:
            StoreError: It cannot be read.
        """
        with self.database.reading() as connection:
            return alerts.last(connection)

    def begin(self, outputs: Sequence[str]) -> None:
        """Have outputs begin with what is stored from now on, those that are new; it is durable once this returns.

        Raises:
            StoreError: It cannot be written.
        """
        self._writer.serve(outputs)
        with self.database.writing() as connection:
            delivery.begin(connection, outputs, time.time_ns())

    def cursor(self, output: str) -> Mark:
        """The last alert that an output is done with.

        Raises:
            StoreError: It cannot be read.
        """
        with self.database.reading() as connection:
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

    def letters(self, output: str) -> Sequence[DeadLetter]:
        """Alerts that an output is to be sent again, some at a time.

        Raises:
            StoreError: They cannot be read.
        """
        with self.database.reading() as connection:
            return delivery.dead_letters(connection, output=output, wanted=True)

    def discard(self, letter: int) -> None:
        """Forget a dead letter, which was delivered.

        Raises:
            NotStored: It is still there.
        """
        self._writer.do(lambda connection: delivery.discard(connection, letter)).result()

    def checkpoint(self, name: str) -> StoredCheckpoint:
        """Where a source has come to, by its name."""
        return StoredCheckpoint(self.database, self._writer, name)

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self._writer.close()
        self.database.close()

    def _tell(self, begins_after: int, entries: Sequence[Entry]) -> None:
        self.on_stored(begins_after, entries)
        self.on_done()


def begin_outputs(place: Place, outputs: Sequence[str]) -> None:
    """As `Store.begin`, in a process that has no threads, before those that store alerts are forked.

    Raises:
        StoreError: It cannot be written.
    """
    database = place.database()
    try:
        with database.writing() as connection:
            delivery.begin(connection, outputs, time.time_ns())
    finally:
        database.close()


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
