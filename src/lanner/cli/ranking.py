"""Counts in the order of their size, as a table, bars, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from lanner.cli.messages import Console, counted
from lanner.cli.tables import as_text, new_table, shown
from lanner.diagnostics.render import printable
from lanner.engine.tally import Key, Tally, Value, ranked
from lanner.events.context import utc_text

if TYPE_CHECKING:
    from rich.table import Table

Format: TypeAlias = Literal["table", "json", "csv", "bars"]
FORMATS: tuple[Format, ...] = get_args(Format)

_TIME = "time"
_MISSING = "<NA>"
_BAR_WIDTH = 40
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - some spreadsheets take the wide ones too


@dataclass(frozen=True, slots=True)
class Row:
    """The values of one key, with the time before them when times are counted by themselves, and its count."""

    values: tuple[Value, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """What is printed.

    Attributes:
        columns: Names of the values of a row.
        rows: In order.
        events: How many events were selected.
        hidden: How often the values occurred of rows that are not shown.
        folded: How often values occurred that were not kept apart.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    events: int
    hidden: int
    folded: int

    @classmethod
    def of(cls, tally: Tally, columns: tuple[str, ...], events: int, *, top: int, step_s: int | None) -> Ranking:
        """Rank what was counted.

        Args:
            tally: The counts; with a step, each key begins with a time in nanoseconds.
            columns: Names of the other values of a key.
            events: How many events were selected.
            top: How many rows are shown, of each time; 0 for all.
            step_s: Seconds that are counted by themselves.
        """
        groups: Iterator[tuple[tuple[str, ...], Mapping[Key, int]]]
        if step_s is None:
            groups = iter([((), tally.counts)])
        else:
            in_order = sorted(tally.counts.items(), key=lambda item: item[0][0] or 0)
            groups = (
                ((f"{utc_text(int(time or 0))[:19]}Z",), {key[1:]: count for key, count in items})
                for time, items in groupby(in_order, key=lambda item: item[0][0])
            )
        rows = tuple(
            Row((*head, *key), count) for head, counts in groups for key, count in ranked(counts)[: top or None]
        )
        hidden = sum(tally.counts.values()) - sum(row.count for row in rows)
        names = columns if step_s is None else (_TIME, *columns)
        return cls(names, rows, events, hidden, tally.folded)

    def write(self, output_format: Format, console: Console) -> None:
        """Print on standard output, and what is not shown on standard error."""
        match output_format:
            case "json":
                text = self._json()
            case "csv":
                text = self._csv()
            case "table":
                text = as_text(self._table(), console)
            case "bars":
                text = as_text(self._bars(), console)
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
        if self.hidden:
            console.notice(f"{counted(self.hidden, 'further occurrence')} not shown; `--top 0` shows all")

    def _json(self) -> str:
        rows = [{"count": row.count, **dict(zip(self.columns, row.values, strict=True))} for row in self.rows]
        found = {"events": self.events, "rows": rows, "hidden": self.hidden, "folded": self.folded}
        return json.dumps(found, indent=2) + "\n"

    def _csv(self) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["count", *self.columns])
        writer.writerows([row.count, *map(_cell, row.values)] for row in self.rows)
        return stream.getvalue()

    def _table(self) -> Table:
        table = new_table()
        table.add_column("count", justify="right", no_wrap=True)
        table.add_column("of events", justify="right", no_wrap=True)
        self._add_value_columns(table)
        for row in self.rows:
            table.add_row(f"{row.count:,}", f"{row.count / max(self.events, 1):.1%}", *self._labels(row))
        return table

    def _bars(self) -> Table:
        from rich.bar import Bar  # noqa: PLC0415 - heavy, and only this needs it

        table = new_table()
        self._add_value_columns(table)
        table.add_column("count", justify="right", no_wrap=True)
        table.add_column("", width=_BAR_WIDTH, no_wrap=True)
        most = max((row.count for row in self.rows), default=1)
        for row in self.rows:
            table.add_row(*self._labels(row), f"{row.count:,}", Bar(most, 0, row.count, color="cyan"))
        return table

    def _add_value_columns(self, table: Table) -> None:
        for name in self.columns:
            table.add_column(shown(name), overflow="ellipsis", no_wrap=True)

    @staticmethod
    def _labels(row: Row) -> list[str]:
        return [shown(_MISSING if value is None else str(value)) for value in row.values]


def _cell(value: Value) -> str | int:
    """A value as a spreadsheet shows it, and never as a formula that it would evaluate."""
    if not isinstance(value, str):
        return _MISSING if value is None else value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
