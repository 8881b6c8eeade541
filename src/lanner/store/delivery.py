"""Where outputs have come to, and the alerts that they did not get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from lanner.engine.alert import Finding
from lanner.outputs.journal import Mark
from lanner.store import alerts
from lanner.store.tables import ALERTS, CHECKPOINTS, CURSORS, DEAD_LETTERS


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An alert that an output did not get.

    Attributes:
        id: Its number.
        output: The output.
        failed_ns: When it was given up, in nanoseconds since the epoch.
        reason: Why, in words for people.
        is_wanted: Whether it is to be sent again.
        finding: What was to be told.
    """

    id: int
    output: str
    failed_ns: int
    reason: str
    is_wanted: bool
    finding: Finding


def begin(connection: Connection, outputs: Sequence[str], now_ns: int) -> None:
    """Have outputs begin with what is stored from now on, those that are new."""
    newest, _ = alerts.last(connection)
    for name in outputs:
        put(connection, CURSORS, {"output": name}, {"seen": now_ns}, {"seq": newest})


def cursor(connection: Connection, output: str) -> Mark:
    """The last alert that an output is done with."""
    found = connection.scalar(select(CURSORS.c.seq).where(CURSORS.c.output == output))
    if found is None:
        return alerts.last(connection)
    behind = select(ALERTS.c.total).where(ALERTS.c.seq <= found).order_by(ALERTS.c.seq.desc()).limit(1)
    total = connection.scalar(behind)
    if total is None:
        total = connection.scalar(select(ALERTS.c.total).order_by(ALERTS.c.seq).limit(1))
    return found, total or 0


def move(connection: Connection, cursors: Mapping[str, int], now_ns: int) -> None:
    """Say where outputs have come to; none is moved back."""
    for output, seq in cursors.items():
        higher = update(CURSORS).where(CURSORS.c.output == output, CURSORS.c.seq <= seq)
        connection.execute(higher.values(seq=seq, seen=now_ns))


def see(connection: Connection, outputs: Sequence[str], now_ns: int) -> None:
    """Say that a run has these outputs."""
    connection.execute(update(CURSORS).where(CURSORS.c.output.in_(outputs)).values(seen=now_ns))


def leave(connection: Connection, unseen_since_ns: int) -> None:
    """Forget outputs that no run has had since then."""
    connection.execute(delete(CURSORS).where(CURSORS.c.seen < unseen_since_ns))


def delivered(connection: Connection) -> int:
    """The last alert that all outputs are done with; all are done with when there is no output."""
    least = connection.scalar(select(func.min(CURSORS.c.seq)))
    return alerts.last(connection)[0] if least is None else least


def bury(connection: Connection, output: str, finding: Finding, reason: str, now_ns: int) -> None:
    """Keep an alert that an output did not get; one that was kept before is kept once."""
    values = {"failed": now_ns, "reason": alerts.plain(reason), "wanted": None, "body": alerts.encode(finding)}
    put(connection, DEAD_LETTERS, {"output": output, "identity": finding.identity}, values)


def dead_letters(connection: Connection, *, output: str | None = None, wanted: bool = False) -> list[DeadLetter]:
    """Alerts that outputs did not get, in the order in which they were given up.

    Args:
        connection: To ask by.
        output: Those of one output; None: of all.
        wanted: Only those that are to be sent again.
    """
    asked = select(DEAD_LETTERS).order_by(DEAD_LETTERS.c.id)
    if output is not None:
        asked = asked.where(DEAD_LETTERS.c.output == output)
    if wanted:
        asked = asked.where(DEAD_LETTERS.c.wanted.is_not(None)).limit(100)
    return [
        DeadLetter(row.id, row.output, row.failed, row.reason, row.wanted is not None, alerts.decode(row.body))
        for row in connection.execute(asked)
    ]


def resurrect(connection: Connection, ids: Sequence[int], now_ns: int) -> int:
    """Have dead letters sent again; how many there were."""
    wanted = update(DEAD_LETTERS).where(DEAD_LETTERS.c.id.in_(ids)).values(wanted=now_ns)
    return connection.execute(wanted).rowcount


def discard(connection: Connection, letter: int) -> None:
    """Forget a dead letter, as once it was delivered."""
    connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.id == letter))


def forget_letters(connection: Connection, older_than_ns: int) -> None:
    """Delete dead letters that are too old."""
    connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.failed < older_than_ns))


def checkpoint(connection: Connection, source: str) -> str | None:
    """Where a source has come to."""
    found: str | None = connection.scalar(select(CHECKPOINTS.c.value).where(CHECKPOINTS.c.source == source))
    return found


def save_checkpoint(connection: Connection, source: str, value: str) -> None:
    """Keep where a source has come to."""
    put(connection, CHECKPOINTS, {"source": source}, {"value": value})


def put(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    first: Mapping[str, Any] | None = None,
) -> None:
    """Write a row, in place of the one with its key.

    Args:
        connection: Within a transaction.
        table: Where.
        key: What is unique.
        values: The rest.
        first: What is written only if the row is new.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = insert(table).values(**key, **values, **(first or {}))
    connection.execute(row.on_conflict_do_update(index_elements=list(key), set_=dict(values)))
