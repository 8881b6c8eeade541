"""What `lanner tune` found, as a table and as JSON."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

import click

from lanner.cli.messages import Console, counted
from lanner.cli.tables import as_text, new_table, shown
from lanner.tuning.effect import Effect
from lanner.tuning.noise import FEW, Left, Row


@dataclass(slots=True)
class Found:
    """What is said of past alerts.

    Attributes:
        rows: The exceptions that are proposed.
        present: Those that the rules have already.
        left: Alerts for which there are none.
        missed: What the exceptions would do to the log of an attack, if there is one.
        effect: What they would do to another log, if there is one.
    """

    rows: list[Row]
    present: list[Row]
    left: list[Left]
    missed: Effect | None = None
    effect: Effect | None = None

    def show(self, console: Console) -> None:
        """The table, and what was left out and why."""
        if console.quiet:
            return
        self._show_table(console)
        silenced = sum(row.alerts for row in self.rows)
        console.tell(f"{counted(len(self.rows), 'exception')} would have silenced {counted(silenced, 'alert')}")
        if already := sum(row.alerts for row in self.present):
            console.tell(f"{counted(already, 'alert')} left, because the rules have the exceptions for them already")
        if few := sum(each.alerts for each in self.left if each.reason == FEW):
            console.tell(f"{counted(few, 'alert')} left, because too few are alike; `--min` says how many are enough")
        if self.effect:
            before, after = self.effect.before.total(), self.effect.after.total()
            console.tell(f"alerts on the events: {before:,} before, {after:,} after")
        if self.missed is not None:
            console.tell(f"alerts on the attack: {self.missed.before.total():,}, none of which would be silenced")

    def _show_table(self, console: Console) -> None:
        table = new_table()
        for name in ("alerts", "rule", "exception", "attention"):
            table.add_column(name, justify="right" if name == "alerts" else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(f"{row.alerts:,}", shown(row.rule), shown(_comparison(row)), shown(row.attention))
        for row, number in (self.missed.missed if self.missed else {}).items():
            why = f"not proposed: silences {counted(number, 'alert')} of the attack"
            table.add_row(f"{row.alerts:,}", shown(row.rule), shown(_comparison(row)), shown(why))
        for each in (each for each in self.left if each.reason != FEW):
            table.add_row(f"{each.alerts:,}", shown(each.rule), "", shown(f"left: {each.reason}"))
        if table.row_count:
            click.echo(as_text(table, console, sys.stderr), nl=False, err=True, color=True)

    def as_json(self) -> dict[str, object]:
        """What is printed for programs, without the proposal itself."""
        withheld = self.missed.missed.items() if self.missed else ()
        effect = self.effect
        return {
            "exceptions": [asdict(row) for row in self.rows],
            "present": [asdict(row) for row in self.present],
            "withheld": [{**asdict(row), "missed": number} for row, number in withheld],
            "left": [asdict(each) for each in self.left],
            "events": {"before": dict(effect.before), "after": dict(effect.after)} if effect else None,
        }


def _comparison(row: Row) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(row.fields, row.values, strict=True))
