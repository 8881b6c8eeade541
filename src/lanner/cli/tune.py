"""`lanner tune`: exceptions proposed from past alerts."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from lanner.cli.diagnostics import show
from lanner.cli.loading import load_files
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, report
from lanner.cli.options import color_option, quiet_option, rules_option
from lanner.cli.settings import Settings
from lanner.cli.tables import as_text, new_table, shown
from lanner.cli.writing import replace_file
from lanner.compiler.load import LoadedRules, load
from lanner.compiler.ruleset import compile_rules
from lanner.diagnostics import SourceFile
from lanner.rules.files import read_rule_files
from lanner.sources.base import SourceError, reason_of
from lanner.tuning.alerts import Malformed, read_alerts
from lanner.tuning.effect import Effect, effect_on
from lanner.tuning.noise import FEW, Left, Noise, Row, propose
from lanner.tuning.proposal import collected, proposal

_HEAD = "Exceptions that `lanner tune` proposes: read them, then load this file behind the rules."


@click.command("tune")
@click.argument("paths", metavar="ALERTS…", nargs=-1, required=True)
@rules_option
@click.option(
    "--events", metavar="PATH", multiple=True, help="A log: say how many of its alerts would be left; repeatable."
)
@click.option(
    "--against",
    metavar="PATH",
    multiple=True,
    help="A log of an attack: propose nothing that would silence one of its alerts; repeatable.",
)
@click.option(
    "--min", "least", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="Fewest like alerts."
)
@click.option("--write", metavar="FILE", help="Add the proposal to this rule file; it is made if need be.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@quiet_option
@color_option
@click.pass_context
def tune(
    context: click.Context,
    *,
    paths: tuple[str, ...],
    rules_files: tuple[str, ...],
    events: tuple[str, ...],
    against: tuple[str, ...],
    least: int,
    write: str | None,
    output_format: str,
    quiet: bool,
    color: ColorChoice,
) -> None:
    """Propose exceptions from past alerts.

    ALERTS is a file of alerts as JSON, as Lanner, Falco and falcosidekick write them, a folder, a glob pattern or `-`.
    The proposal is a rule file for standard output; the table beside it is on standard error.
    """
    console = Console(quiet=quiet, color=color)
    tuner = _Tuner.of(rules_files, write, console)
    rows, left = tuner.propose(paths, least)
    missed: Effect | None = None
    if against:
        missed = tuner.effect(against, rows)
        rows = tuner.harmless(against, [row for row in rows if not missed.missed[row]], missed)
    effect = tuner.effect(events, rows) if events else None
    text = tuner.text(rows)
    if output_format == "json":
        click.echo(json.dumps(_as_json(rows, left, missed, effect, text), indent=2))
    else:
        if write is None:
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
        _show(rows, left, missed, effect, console)
    if write is not None and rows:
        tuner.write(write, text)
        console.tell(f"added to {write}; load it behind the rules: `-r RULES -r {write}`")
    context.exit(ExitCode.FAILED if tuner.unreadable else ExitCode.DONE)


@dataclass(slots=True)
class _Tuner:
    """The rules, and what can be done with them.

    Attributes:
        files: Their files, in order.
        rules: What they define.
        local: The file that the proposal is added to, if it is there; loaded last.
        unreadable: How many paths could not be read, or not to their end.
    """

    files: Sequence[SourceFile]
    rules: LoadedRules
    console: Console
    local: SourceFile | None = None
    unreadable: int = 0
    noise: Noise = field(default_factory=Noise)

    @classmethod
    def of(cls, rules_files: tuple[str, ...], write: str | None, console: Console) -> _Tuner:
        """Load the rules, and the local file behind them.

        Raises:
            Failure: They have errors.
        """
        files, result = load_files(Settings(rules_files=rules_files))
        local = None
        is_named = write and any(Path(file.name).resolve() == Path(write).resolve() for file in files)
        if write and Path(write).exists() and not is_named:
            (local,), found = read_rule_files([write])
            result = load([*files, local], diagnostics=found)
            files = [*files, local]
        elif is_named:
            local = next(file for file in files if Path(file.name).resolve() == Path(write or "").resolve())
        if result.rules is None:
            show([found for found in result.diagnostics if found.severity == "error"], sys.stderr, console)
            raise Failure("the rules have errors", "`lanner rules check FILE…` shows warnings too")
        return cls(files, result.rules, console, local)

    def propose(self, paths: Sequence[str], least: int) -> tuple[list[Row], list[Left]]:
        """Read alerts, and find what they have in common."""
        malformed = Malformed()
        for alert in read_alerts(paths, malformed, on_error=self._on_error):
            self.noise.add(alert)
        if malformed.number:
            lines = counted(malformed.number, "line")
            self.console.warn(f"{lines} of the alerts are no alerts; the first: {malformed.sample}")
        if self.noise.tally.folded:
            self.console.warn(f"{self.noise.tally.folded:,} alerts are too different from each other to be looked at")
        return propose(self.noise, {rule.name: rule for rule in self.rules.rules}, least)

    def text(self, rows: Sequence[Row]) -> str:
        """The proposal."""
        head = f"{_HEAD}\nMade from {counted(self.noise.alerts, 'alert')}."
        return proposal(rows, collected(self.files), head)

    def effect(self, paths: Sequence[str], rows: Sequence[Row]) -> Effect:
        """What the proposal does to the alerts of a log.

        Raises:
            Failure: A log cannot be read to its end, or holds no event: what the proposal does is not known then.
        """
        patched = load([*self.files, SourceFile("<proposal>", self.text(rows))])
        if patched.rules is None:
            show(patched.diagnostics, sys.stderr, self.console)
            raise Failure("the proposal does not load", "this is a mistake in Lanner: please report it")
        base, changed = (compile_rules(each) for each in (self.rules, patched.rules))
        unreadable = self.unreadable
        found = effect_on(paths, base, changed, rows, on_error=self._on_error)
        if self.unreadable > unreadable:
            message = "nothing is proposed: what it would do to a log that cannot be read is not known"
            raise Failure(
                message, "give `--against` and `--events` logs that can be read to their end", ExitCode.FAILED
            )
        if found.empty:
            message = f"nothing is proposed: there is no audit event in `{found.empty[0]}`"
            raise Failure(
                message, "give `--against` and `--events` audit logs, as `lanner scan` reads them", ExitCode.FAILED
            )
        return found

    def harmless(self, paths: Sequence[str], rows: Sequence[Row], missed: Effect) -> list[Row]:
        """The rows of rules that the others leave all alerts of a log; those that go are added to what would be missed.

        Past alerts may lack fields that events have, and then do not tell what an exception would do.
        """
        found = self.effect(paths, rows) if rows else Effect()
        quieter = {name: found.before[name] - found.after[name] for name in found.before}
        missed.missed.update({row: quieter[row.rule] for row in rows if quieter.get(row.rule)})
        return [row for row in rows if not quieter.get(row.rule)]

    def write(self, path: str, text: str) -> None:
        """Add the proposal to the end of a rule file.

        Raises:
            Failure: It cannot be written; the file is as it was.
        """
        before = f"{self.local.text.rstrip()}\n\n" if self.local and self.local.text.strip() else ""
        try:
            replace_file(path, before + text)
        except OSError as error:
            raise Failure(f"cannot write `{path}`: {reason_of(error)}", code=ExitCode.FAILED) from None

    def _on_error(self, error: SourceError) -> None:
        report(str(error), help=error.help, file=error.path, reason=error.reason)
        self.unreadable += 1


def _show(
    rows: Sequence[Row], left: Sequence[Left], missed: Effect | None, effect: Effect | None, console: Console
) -> None:
    """The table, and what was left out and why."""
    if console.quiet:
        return
    withheld = missed.missed if missed else {}
    table = new_table()
    for name in ("alerts", "rule", "exception", "attention"):
        table.add_column(name, justify="right" if name == "alerts" else "left", no_wrap=True)
    for row in rows:
        table.add_row(f"{row.alerts:,}", shown(row.rule), shown(_comparison(row)), shown(row.attention))
    for row, number in withheld.items():
        why = f"not proposed: silences {counted(number, 'alert')} of the attack"
        table.add_row(f"{row.alerts:,}", shown(row.rule), shown(_comparison(row)), shown(why))
    for each in (each for each in left if each.reason != FEW):
        table.add_row(f"{each.alerts:,}", shown(each.rule), "", shown(f"left: {each.reason}"))
    click.echo(as_text(table, console, sys.stderr), nl=False, err=True, color=True)
    silenced = sum(row.alerts for row in rows)
    console.tell(f"{counted(len(rows), 'exception')} would have silenced {counted(silenced, 'alert')}")
    if few := sum(each.alerts for each in left if each.reason == FEW):
        console.tell(f"{counted(few, 'alert')} left, because too few are alike; `--min` says how many are enough")
    if effect:
        console.tell(f"alerts on the events: {effect.before.total():,} before, {effect.after.total():,} after")
    if missed is not None:
        console.tell(f"alerts on the attack: {missed.before.total():,}, none of which would be silenced")


def _comparison(row: Row) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(row.fields, row.values, strict=True))


def _as_json(
    rows: Sequence[Row], left: Sequence[Left], missed: Effect | None, effect: Effect | None, text: str
) -> Mapping[str, object]:
    withheld = missed.missed.items() if missed else ()
    return {
        "exceptions": [asdict(row) for row in rows],
        "withheld": [{**asdict(row), "missed": number} for row, number in withheld],
        "left": [asdict(each) for each in left],
        "events": {"before": dict(effect.before), "after": dict(effect.after)} if effect else None,
        "proposal": text,
    }
