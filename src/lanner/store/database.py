"""A database as a store needs it: SQLite in a file, or PostgreSQL; its connections, transactions and version.

Nothing is kept open over a fork: a process opens what it uses.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import create_engine, event, inspect, select, text, update
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lanner.store import tables
from lanner.store.errors import StoreError

BUSY_S = 5.0
"""How long to wait for others that write, and for a server that does not answer."""

TURN_S = 60.0
"""How long to wait for what this process itself is writing, which a slow disk can make long."""

_CACHE_KIB = 2 * 1024
_WAL_PAGES = 2000
_WAL_BYTES = 64 * 1024 * 1024
_PAGE_BYTES = 4096
_WRITERS = 0x6C616E6E
"""The number of the lock, among those that applications agree on in PostgreSQL, which serialises writers."""
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")


def driver(connection: Connection) -> Any:
    """The connection of the database's own library, by which what each transaction does costs less."""
    return connection.connection.driver_connection


class Database:
    """Connections to one database; for any number of threads."""

    def __init__(self, url: URL, *, is_temporary: bool = False) -> None:
        """Connect nothing yet.

        Args:
            url: `sqlite` with a file, or `postgresql+psycopg`.
            is_temporary: Whether it need not survive the machine.

        Raises:
            StoreError: The library for it is not installed.
        """
        self.is_shared = url.get_backend_name() != "sqlite"
        try:
            self._engine = self._shared(url) if self.is_shared else self._file(url, is_temporary=is_temporary)
        except ModuleNotFoundError as error:
            raise StoreError("PostgreSQL needs a library", "pip install 'lanner[postgres]'") from error
        self._errors = (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)
        self._writer: Connection | None = None
        self._turn = threading.Lock()

    @property
    def placeholder(self) -> str:
        """What stands for a value in the database's own SQL."""
        return "%s" if self.is_shared else "?"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other one that writes overlaps; it is durable once this has ended.

        Raises:
            StoreError: It is not, or it is not known to be.
        """
        with self._my_turn():
            is_written = False
            try:
                connection = self._begun()
                try:
                    yield connection
                except BaseException:
                    with suppress(Exception):  # what went wrong is to be told, not that the connection is gone
                        driver(connection).rollback()
                    raise
                self._commit(connection)
                is_written = True
            except self._errors as error:
                raise StoreError.of(error) from error
            finally:
                if not is_written:
                    self._let_go()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to ask questions by.

        Raises:
            StoreError: It does not answer.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except self._errors as error:
            raise StoreError.of(error) from error

    def lasting(self) -> Connection:
        """A connection that is kept, and on which every statement is for itself; for locks, in PostgreSQL.

        Raises:
            SQLAlchemyError: It is not to be had.
        """
        return self._engine.execution_options(isolation_level="AUTOCOMMIT").connect()

    def check(self) -> None:
        """See that there are tables that this version can read.

        Raises:
            StoreError: There are none.
        """
        with self.reading() as connection:
            if not inspect(connection).has_table(tables.SCHEMA.name):
                raise StoreError("no alerts were stored there")
            found = connection.scalar(select(tables.SCHEMA.c.version))
        if found != tables.VERSION:
            text = f"its tables are version {found}, and this one knows {tables.VERSION}"
            raise StoreError(f"made by another version ({text})", "use the version that runs")

    def prepare(self) -> None:
        """Make the tables where there are none; bring those of an older version up to date.

        Raises:
            StoreError: It is no database, cannot be written, or was made by a newer version.
        """
        with self.writing() as connection:
            if not inspect(connection).has_table(tables.SCHEMA.name):
                tables.create(connection)
                return
            found = connection.scalar(select(tables.SCHEMA.c.version)) or 0
            if found > tables.VERSION:
                raise StoreError(
                    f"made by a newer version (its tables are version {found}, this one knows {tables.VERSION})",
                    "run the newer version, or use another place",
                )
            while found < tables.VERSION:
                tables.MIGRATIONS[found](connection)
                found += 1
                connection.execute(update(tables.SCHEMA).values(version=found))

    def close(self) -> None:
        """Close what is open."""
        with suppress(StoreError), self._my_turn():
            self._let_go()
        self._engine.dispose()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=TURN_S):
            raise StoreError("the database does not answer", is_of_place=True)
        try:
            yield
        finally:
            self._turn.release()

    def _begun(self) -> Connection:
        """The connection that is kept to write by, in a transaction.

        Transactions are begun and ended by the database's own library, which costs 1 % of a post of 400 events less
        than by SQLAlchemy. What SQLAlchemy takes for a transaction lasts as long as the connection.
        """
        is_new = self._writer is None
        try:
            if self._writer is None:
                self._writer = self._engine.connect()
                self._writer.begin()
            if self.is_shared:
                self._writer.execute(_LOCK, {"key": _WRITERS})  # the library begins one with the first statement
            else:
                driver(self._writer).execute("BEGIN IMMEDIATE")
        except self._errors as error:
            self._let_go()
            if is_new or not (isinstance(error, DBAPIError) and error.connection_invalidated):
                raise
            return self._begun()  # the server was started again since the last time
        return self._writer

    def _commit(self, connection: Connection) -> None:
        own = driver(connection)
        # PostgreSQL takes a COMMIT of what has failed, or was ended before, and writes nothing.
        is_whole = own.info.transaction_status.name == "INTRANS" if self.is_shared else own.in_transaction
        if not is_whole:
            raise StoreError("a transaction failed, or was ended, before all was written")
        own.execute("COMMIT")

    def _let_go(self) -> None:
        """Keep the connection no more: what went wrong on it may go on to, and a commit that failed is still begun.

        A file's is only taken back, and used again: the last one to be closed makes room in the file by a checkpoint,
        so that a full disk would refuse and take posts by turns.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(Exception):
                writer.invalidate() if self.is_shared else writer.connection.rollback()
            with suppress(Exception):
                writer.close()

    @staticmethod
    def _shared(url: URL) -> Engine:
        server = {"connect_timeout": int(BUSY_S), "tcp_user_timeout": int(2000 * BUSY_S), "application_name": "lanner"}
        limits = f"-c statement_timeout={int(4000 * BUSY_S)} -c lock_timeout={int(2000 * BUSY_S)}"
        return create_engine(url, connect_args={**server, "options": limits}, pool_timeout=BUSY_S, pool_pre_ping=True)

    @staticmethod
    def _file(url: URL, *, is_temporary: bool) -> Engine:
        engine = create_engine(url, connect_args={"timeout": BUSY_S}, pool_timeout=BUSY_S)

        @event.listens_for(engine, "connect")
        def connected(connection: sqlite3.Connection, record: Any) -> None:
            connection.isolation_level = None  # no transaction begins by itself
            for pragma in (
                f"page_size={_PAGE_BYTES}",  # of a new file
                "journal_mode=WAL",
                f"synchronous={'OFF' if is_temporary else 'FULL'}",
                f"cache_size=-{_CACHE_KIB}",
                f"wal_autocheckpoint={_WAL_PAGES}",
                f"journal_size_limit={_WAL_BYTES}",
            ):
                connection.execute(f"PRAGMA {pragma}")

        return engine
