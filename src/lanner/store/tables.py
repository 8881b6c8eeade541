"""The tables of a store. Times are nanoseconds since the epoch.

A change to them is a new version: `VERSION` goes up by one, and `MIGRATIONS` gets the step that leads there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text
from sqlalchemy.engine import Connection

VERSION = 1

MIGRATIONS: Mapping[int, Callable[[Connection], None]] = MappingProxyType({})
"""The step from each older version to the one after it."""

_METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite has its fast keys under that name alone

SCHEMA = Table("lanner_schema", _METADATA, Column("version", Integer, primary_key=True, autoincrement=False))

ALERTS = Table(
    "lanner_alerts",
    _METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("identity", LargeBinary, nullable=False, unique=True),
    Column("time", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("rule", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Alerts in the order in which they were stored. `total` is about how many bytes an alert and all before it take, so
that two rows tell how much lies between them. `body` is the finding as JSON; the other columns are for questions."""

CURSORS = Table(
    "lanner_cursors",
    _METADATA,
    Column("output", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)
"""The last alert that each output is done with, and when a run last had that output."""

DEAD_LETTERS = Table(
    "lanner_dead_letters",
    _METADATA,
    Column("id", _NUMBER, primary_key=True),
    Column("output", Text, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("wanted", BigInteger),
    Column("body", LargeBinary, nullable=False),
    Index("lanner_dead_letters_once", "output", "identity", unique=True),
)
"""Alerts that an output did not get and is not tried with any more; `wanted` since when they are to be sent again."""

CHECKPOINTS = Table(
    "lanner_checkpoints",
    _METADATA,
    Column("source", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Where each source has come to."""


def create(connection: Connection) -> None:
    """Make the tables of this version."""
    _METADATA.create_all(connection)
    connection.execute(SCHEMA.insert().values(version=VERSION))
