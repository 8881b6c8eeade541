"""The table of alerts: appending, reading in order, and forgetting what is old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.engine import Connection

from lanner.engine.alert import Finding
from lanner.outputs.format import without_surrogates
from lanner.outputs.journal import Entry
from lanner.store.tables import ALERTS

ROW_BYTES = 160
"""What an alert takes beside its body, about."""

MAX_READ_BYTES = 8 * 1024 * 1024
"""What is read at a time, about; a single alert may be larger."""

_CHUNKS = (64, 8, 1)
"""How many rows a statement inserts: few numbers, so that a database prepares few statements."""

_COLUMNS = ("seq", "identity", "time", "stored", "rule", "priority", "source", "total", "body")
_MAX_INTEGER = 2**63 - 1
_FORGET = 1000

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


def encode(finding: Finding) -> bytes:
    """A finding as it is kept: JSON. What UTF-8 cannot say becomes U+FFFD."""
    try:
        return _ENCODE(finding)
    except UnicodeEncodeError:
        return _ENCODE(Finding.of(without_surrogates(finding.alert()), finding.identity))


def decode(body: bytes) -> Finding:
    """The finding of what was kept."""
    return _DECODE(body)


def plain(text: str) -> str:
    """The text with U+FFFD for what a database cannot keep: what UTF-8 cannot say, and NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def append(connection: Connection, placeholder: str, kept: Sequence[tuple[Finding, bytes]], now_ns: int) -> Appended:
    """Store alerts behind all others; one whose identity is there already is left out.

    Args:
        connection: Within a transaction that no other one that appends overlaps.
        placeholder: What stands for a value in the database's own SQL.
        kept: The findings, and each as `encode` gives it.
        now_ns: The time.
    """
    before = connection.execute(_LAST).first()
    seq, total = (before.seq, before.total) if before else (0, 0)
    first = seq
    rows: list[tuple[Any, ...]] = []
    for finding, body in kept:
        kind = finding.kind
        seq += 1
        total += len(body) + ROW_BYTES
        time_ns = max(-_MAX_INTEGER, min(finding.time_ns, _MAX_INTEGER))
        rule = plain(kind.rule)
        rows.append((seq, finding.identity, time_ns, now_ns, rule, kind.priority.level, kind.source, total, body))
    entries = [Entry(row[0], now_ns, row[7], finding) for row, (finding, _) in zip(rows, kept, strict=True)]
    if _insert(connection, placeholder, rows) != len(rows):
        new = set(connection.scalars(select(ALERTS.c.seq).where(ALERTS.c.seq > first)))
        entries = [entry for entry in entries if entry.seq in new]
    return Appended(first, entries)


def after(connection: Connection, seq: int, most: int) -> list[Entry]:
    """The alerts behind a number, in order: at most so many, and about `MAX_READ_BYTES`; none only if there is none."""
    entries: list[Entry] = []
    read = 0
    asked = select(ALERTS.c.seq, ALERTS.c.stored, ALERTS.c.total, ALERTS.c.body)
    asked = asked.where(ALERTS.c.seq > seq).order_by(ALERTS.c.seq).limit(most)
    with connection.execution_options(yield_per=min(most, 32)).execute(asked) as rows:
        for row in rows:
            entries.append(Entry(row.seq, row.stored, row.total, decode(row.body)))
            read += len(row.body)
            if read >= MAX_READ_BYTES:
                break
    return entries


def last(connection: Connection) -> tuple[int, int]:
    """The number of the newest alert, and its `total`; zeros before the first."""
    row = connection.execute(_LAST).first()
    return (row.seq, row.total) if row else (0, 0)


def used_bytes(connection: Connection) -> int:
    """About how many bytes alerts take, without the oldest one, so that a store of any size has room for one."""
    return last(connection)[1] - (connection.scalar(_OLDEST) or 0)


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


_LAST = select(ALERTS.c.seq, ALERTS.c.total).order_by(ALERTS.c.seq.desc()).limit(1)
_OLDEST = select(ALERTS.c.total).order_by(ALERTS.c.seq).limit(1)


def _insert(connection: Connection, placeholder: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows whose identity is new; how many those were.

    Several rows a statement: between two steps of a statement, a thread waits for its turn.
    """
    inserted = at = 0
    for size in _CHUNKS:
        while len(rows) - at >= size:
            chunk = rows[at : at + size]
            values = tuple(value for row in chunk for value in row)
            inserted += connection.exec_driver_sql(_statement(placeholder, size), values).rowcount
            at += size
    return inserted


@lru_cache(maxsize=8)
def _statement(placeholder: str, rows: int) -> str:
    row = f"({', '.join([placeholder] * len(_COLUMNS))})"
    names = ", ".join(_COLUMNS)
    return (
        f"INSERT INTO {ALERTS.name} ({names}) VALUES {', '.join([row] * rows)} "  # noqa: S608 - no value is in it
        "ON CONFLICT (identity) DO NOTHING"
    )
