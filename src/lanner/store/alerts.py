"""The table of alerts: appending, reading in order, and forgetting what is old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.engine import Connection

from lanner.engine.alert import AlertKind, FieldValue, Finding
from lanner.outputs.format import without_surrogates
from lanner.outputs.journal import Mark
from lanner.outputs.window import Entry
from lanner.store.database import driver
from lanner.store.tables import ALERTS

ROW_BYTES = 160
"""What an alert takes beside its body, about."""

MAX_READ_BYTES = 8 * 1024 * 1024
"""What is read at a time, about; a single alert may be larger."""

_MAX_ROWS = 64
"""How many rows a statement inserts at most: as many statements are prepared in time, and kept."""

_COLUMNS = ("seq", "identity", "time", "stored", "rule", "priority", "source", "total", "body")
_MAX_INTEGER = 2**63 - 1
_FORGET = 1000

_MAX_KINDS = 4096
"""Kinds of alerts whose encoding is remembered; rules that are loaded anew bring new ones."""

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Finding).decode


@dataclass(frozen=True, slots=True)
class Appended:
    """What came of alerts that were to be stored.

    Attributes:
        begins_after: The last number before theirs.
        entries: Those that are new, in order.
    """

    begins_after: int
    entries: list[Entry]


class _Kept(msgspec.Struct, gc=False):
    """A `Finding` whose kind is encoded already."""

    kind: msgspec.Raw
    time_ns: int
    message: str
    values: tuple[FieldValue, ...]
    identity: bytes


_kinds: dict[int, tuple[AlertKind, msgspec.Raw]] = {}
"""Kinds by their `id`, which stays their own while they are here."""


def encode(finding: Finding) -> bytes:
    """A finding as it is kept: JSON. What UTF-8 cannot say becomes U+FFFD."""
    kind = finding.kind
    try:
        _, encoded = _kinds.get(id(kind)) or _learn(kind)
        return _ENCODE(_Kept(encoded, finding.time_ns, finding.message, finding.values, finding.identity))
    except UnicodeEncodeError:
        return _ENCODE(Finding.of(without_surrogates(finding.alert()), finding.identity))


def _learn(kind: AlertKind) -> tuple[AlertKind, msgspec.Raw]:
    if len(_kinds) >= _MAX_KINDS:
        _kinds.clear()
    learnt = _kinds[id(kind)] = kind, msgspec.Raw(_ENCODE(kind))
    return learnt


def decode(body: bytes) -> Finding:
    """The finding of what was kept."""
    return _DECODE(body)


def plain(text: str) -> str:
    """The text with U+FFFD for what a database cannot keep: what UTF-8 cannot say, and NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def append(
    connection: Connection, placeholder: str, newest: Mark, kept: Sequence[tuple[Finding, bytes]], now_ns: int
) -> Appended:
    """Store alerts behind all others; one whose identity is there already is left out.

    Args:
        connection: Within a transaction that no other one that appends overlaps.
        placeholder: What stands for a value in the database's own SQL.
        newest: What `last` gives within the transaction.
        kept: The findings, and each as `encode` gives it.
        now_ns: The time.
    """
    seq, total = first, _ = newest
    rows: list[tuple[Any, ...]] = []
    entries = []
    for finding, body in kept:
        kind = finding.kind
        seq += 1
        total += len(body) + ROW_BYTES
        time_ns = max(-_MAX_INTEGER, min(finding.time_ns, _MAX_INTEGER))
        rule = plain(kind.rule)
        rows.append((seq, finding.identity, time_ns, now_ns, rule, kind.priority.level, kind.source, total, body))
        entries.append(Entry(seq, now_ns, total, finding))
    if _insert(connection, placeholder, rows) != len(rows):
        new = set(connection.scalars(select(ALERTS.c.seq).where(ALERTS.c.seq > first)))
        entries = [entry for entry in entries if entry.seq in new]
    return Appended(first, entries)


def after(connection: Connection, seq: int, most: int) -> list[Entry]:
    """The alerts behind a number, in order: at most so many, and about `MAX_READ_BYTES`; none only if there is none."""
    later = ALERTS.c.seq > seq
    first = select(ALERTS.c.total).where(later).order_by(ALERTS.c.seq).limit(1).scalar_subquery()
    asked = select(ALERTS.c.seq, ALERTS.c.stored, ALERTS.c.total, ALERTS.c.body)
    asked = asked.where(later, ALERTS.c.total <= first + MAX_READ_BYTES).order_by(ALERTS.c.seq).limit(most)
    return [Entry(row.seq, row.stored, row.total, decode(row.body)) for row in connection.execute(asked)]


def last(connection: Connection) -> Mark:
    """The number of the newest alert, and its `total`; zeros before the first."""
    row = driver(connection).execute(_LAST).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def oldest_total(connection: Connection) -> int:
    """The `total` of the oldest alert."""
    return connection.exec_driver_sql(_OLDEST).scalar() or 0


def forget(connection: Connection, *, up_to: int, older_than_ns: int, max_bytes: int) -> bool:
    """Delete the oldest alerts: those that are too old, and those that are too many. The newest one always stays.

    Args:
        connection: Within a transaction.
        up_to: None with a higher number is deleted.
        older_than_ns: Those stored before this time are too old.
        max_bytes: What those that stay may take, about.

    Returns:
        Whether there may be more to delete; a transaction is to be short.
    """
    newest, total = last(connection)
    asked = select(ALERTS.c.seq, ALERTS.c.stored, ALERTS.c.total).where(ALERTS.c.seq <= min(up_to, newest - 1))
    oldest = connection.execute(asked.order_by(ALERTS.c.seq).limit(_FORGET)).all()
    end = None
    for row in oldest:
        if row.stored >= older_than_ns and row.total > total - max_bytes:
            break
        end = row.seq
    if end is None:
        return False
    connection.execute(delete(ALERTS).where(ALERTS.c.seq <= end))
    return end == oldest[-1].seq and len(oldest) == _FORGET


def count_after(connection: Connection, seq: int) -> int:
    """How many alerts are behind a number."""
    return connection.scalar(select(func.count()).select_from(ALERTS).where(ALERTS.c.seq > seq)) or 0


_LAST = f"SELECT seq, total FROM {ALERTS.name} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - no value is in it
_OLDEST = f"SELECT total FROM {ALERTS.name} ORDER BY seq LIMIT 1"  # noqa: S608 - as above


def _insert(connection: Connection, placeholder: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows whose identity is new; how many those were.

    Several rows a statement: between two steps of a statement, a thread waits for its turn.
    """
    inserted, execute = 0, driver(connection).execute
    for at in range(0, len(rows), _MAX_ROWS):
        chunk = rows[at : at + _MAX_ROWS]
        statement = _statement(placeholder, len(chunk))
        inserted += execute(statement, tuple(chain.from_iterable(chunk))).rowcount
    return inserted


@lru_cache(maxsize=2 * _MAX_ROWS)
def _statement(placeholder: str, rows: int) -> str:
    row = f"({', '.join([placeholder] * len(_COLUMNS))})"
    names = ", ".join(_COLUMNS)
    return (
        f"INSERT INTO {ALERTS.name} ({names}) VALUES {', '.join([row] * rows)} "  # noqa: S608 - no value is in it
        "ON CONFLICT (identity) DO NOTHING"
    )
