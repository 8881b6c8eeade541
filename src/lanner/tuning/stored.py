"""Past alerts out of the store, also while a run writes to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from sqlalchemy import inspect, select

from lanner.store import alerts, tables
from lanner.store.errors import StoreError
from lanner.store.place import Place
from lanner.tuning.alerts import PastAlert, Value

_CHUNK = 1000


def stored_alerts(place: Place) -> Iterator[PastAlert]:
    """The alerts of a store, oldest first; nothing is written.

    Raises:
        StoreError: There is none, or it cannot be read.
    """
    if place.path is not None and not place.path.is_file():
        raise StoreError("there is none", "`lanner run` makes it; name another one, or a file of alerts")
    database = place.database()
    try:
        with database.reading() as connection:
            known = inspect(connection).has_table(tables.SCHEMA.name)
            version = connection.scalar(select(tables.SCHEMA.c.version)) if known else None
        if version != tables.VERSION:
            raise StoreError("it is no store of this version of Lanner", "read it with the version that wrote it")
        seq = 0
        while True:
            with database.reading() as connection:
                entries = alerts.after(connection, seq, _CHUNK)
            if not entries:
                return
            for entry in entries:
                kind = entry.finding.kind
                values = cast("tuple[Value, ...]", entry.finding.values)
                yield PastAlert(kind.rule, dict(zip(kind.keys, values, strict=True)))
            seq = entries[-1].seq
    finally:
        database.close()
