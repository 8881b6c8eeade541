"""Which process delivers to which output: one at a time, by locks that go with the process that holds them."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import Protocol
from zlib import crc32

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from lanner.store.database import Database
from lanner.store.errors import StoreError
from lanner.store.place import Place

_OUTPUTS = 0x6C616E6F
"""The first number of the locks of outputs, among those that applications agree on in PostgreSQL."""


class Locks(Protocol):
    """Locks by number; used by one thread at a time."""

    def take(self, number: int) -> bool:
        """Take a lock; whether it was free."""

    def release(self, number: int) -> None:
        """Let go of it."""

    def are_held(self) -> bool:
        """Whether those that were taken still are this process's."""

    def close(self) -> None:
        """Let go of all."""


class Claims:
    """What this process delivers; for any number of threads, each of which can claim an output for itself."""

    def __init__(self, place: Place, database: Database) -> None:
        self._locks: Locks = _FileLocks(f"{place.path}.outputs") if place.path else _ServerLocks(database)
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def take(self, output: str) -> bool:
        """Claim an output; whether nobody else has it."""
        with self._lock:
            if output in self._held or not self._locks.take(crc32(output.encode(errors="replace"))):
                return False
            self._held.add(output)
            return True

    def release(self, output: str) -> None:
        """Let somebody else deliver to it."""
        with self._lock:
            if output in self._held:
                self._held.remove(output)
                self._locks.release(crc32(output.encode(errors="replace")))

    def has(self, output: str) -> bool:
        """Whether an output is claimed."""
        return output in self._held

    def check(self) -> None:
        """See whether what was claimed still is this process's; if not, nothing is."""
        with self._lock:
            if self._held and not self._locks.are_held():
                self._held.clear()

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            self._held.clear()
            self._locks.close()


class _FileLocks:
    """Locks on single bytes of a file that is never written. They are a process's, and go with it."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, number: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return False
        return True

    def release(self, number: int) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)

    def are_held(self) -> bool:
        return True

    def close(self) -> None:
        os.close(self._descriptor)


class _ServerLocks:
    """Advisory locks of a connection: when that breaks they are gone, and taken anew by a new one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def take(self, number: int) -> bool:
        return bool(self._ask("SELECT pg_try_advisory_lock(:space, :number)", number))

    def release(self, number: int) -> None:
        if self._connection:
            self._ask("SELECT pg_advisory_unlock(:space, :number)", number)

    def are_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._ask("SELECT 1 FROM (SELECT CAST(:space AS int), CAST(:number AS int)) AS nothing", 0)
        except StoreError:
            return False
        return True

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.invalidate()
            connection.close()

    def _ask(self, question: str, number: int) -> object:
        try:
            if self._connection is None:
                self._connection = self._database.lasting()
            signed = number - (1 << 32) if number >= 1 << 31 else number
            return self._connection.execute(text(question), {"space": _OUTPUTS, "number": signed}).scalar()
        except SQLAlchemyError as error:
            self.close()
            raise StoreError.of(error) from error
