"""Stored alerts and dead letters for people who look at them; beside a run, or without one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sqlalchemy import select
from sqlalchemy.engine import Connection

from lanner.engine.alert import Finding
from lanner.outputs.window import Entry
from lanner.store import alerts, delivery
from lanner.store.database import Database
from lanner.store.delivery import DeadLetter
from lanner.store.errors import StoreError
from lanner.store.place import Place
from lanner.store.tables import ALERTS, CURSORS, DEAD_LETTERS

_READ = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which alerts are asked for.

    Attributes:
        rules: Globs of rule names; none: all.
        least_level: No alerts below this priority, as its number.
        since_ns: None stored, or given up, before this time, in nanoseconds since the epoch.
        until_ns: None after this time.
        ids: Only those with these numbers; none: all.
    """

    rules: Sequence[str] = ()
    least_level: int = 7
    since_ns: int = 0
    until_ns: int = 2**63 - 1
    ids: Sequence[int] = ()

    def is_about(self, finding: Finding) -> bool:
        """Whether a finding's rule and priority are asked for."""
        kind = finding.kind
        is_rule = not self.rules or any(fnmatchcase(kind.rule, pattern) for pattern in self.rules)
        return is_rule and kind.priority.level <= self.least_level


class Archive:
    """What a store holds. It does not make one where there is none."""

    def __init__(self, place: Place) -> None:
        """Open a place.

        Raises:
            StoreError: There is no store, or it cannot be read.
        """
        if place.path and not place.path.is_file():
            raise StoreError(
                f"there is no store at `{place.name}`", "`-c` names the configuration, `store.url` the place"
            )
        self._database: Database = place.database()
        try:
            self._database.check()
        except StoreError as error:
            self.close()
            raise StoreError(f"the store `{place.name}` cannot be read: {error}", error.help) from error

    def alerts(self, question: Question) -> Iterator[Entry]:
        """The alerts that are asked for, in the order in which they were stored."""
        seq = 0
        while True:
            asked = select(ALERTS.c.seq, ALERTS.c.stored, ALERTS.c.total, ALERTS.c.body).where(ALERTS.c.seq > seq)
            asked = asked.where(ALERTS.c.stored >= question.since_ns, ALERTS.c.stored <= question.until_ns)
            asked = asked.where(ALERTS.c.priority <= question.least_level)
            if question.ids:
                asked = asked.where(ALERTS.c.seq.in_(question.ids))
            with self._database.reading() as connection:
                rows = connection.execute(asked.order_by(ALERTS.c.seq).limit(_READ)).all()
            for row in rows:
                finding = alerts.decode(row.body)
                if question.is_about(finding):
                    yield Entry(row.seq, row.stored, row.total, finding)
            if len(rows) < _READ:
                return
            seq = rows[-1].seq

    def dead_letters(self, question: Question, output: str | None) -> list[DeadLetter]:
        """The dead letters that are asked for, of one output or of all."""
        with self._database.reading() as connection:
            found = delivery.dead_letters(connection, output=output)
        return [
            letter
            for letter in found
            if question.is_about(letter.finding)
            and question.since_ns <= letter.failed_ns <= question.until_ns
            and (not question.ids or letter.id in question.ids)
        ]

    def outputs(self) -> dict[str, int]:
        """The outputs that runs have had, and the last alert that each is done with."""
        with self._database.reading() as connection:
            return {row.output: row.seq for row in connection.execute(select(CURSORS.c.output, CURSORS.c.seq))}

    def resend_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Have dead letters sent again by the run that has their output, now or when one begins."""
        with self._database.writing() as connection:
            delivery.resurrect(connection, [letter.id for letter in letters], time.time_ns())

    def resend_alerts(self, entries: Sequence[Entry], outputs: Sequence[str]) -> None:
        """Have alerts sent again to outputs, be it that they have got them."""
        now_ns = time.time_ns()
        with self._database.writing() as connection:
            for entry in entries:
                for output in outputs:
                    _ask_again(connection, output, entry.finding, now_ns)

    def close(self) -> None:
        """Let go of the store."""
        self._database.close()


@contextmanager
def opened(place: Place) -> Iterator[Archive]:
    """A store to look at.

    Raises:
        StoreError: There is none, or it cannot be read.
    """
    archive = Archive(place)
    try:
        yield archive
    finally:
        archive.close()


def _ask_again(connection: Connection, output: str, finding: Finding, now_ns: int) -> None:
    values = {"failed": now_ns, "reason": "asked for", "wanted": now_ns, "body": alerts.encode(finding)}
    delivery.put(connection, DEAD_LETTERS, {"output": output, "identity": finding.identity}, values)
