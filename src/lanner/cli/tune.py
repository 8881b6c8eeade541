"""`lanner tune`: exceptions proposed from past alerts."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lanner.cli.configuration import read_settings, store_place
from lanner.cli.diagnostics import show
from lanner.cli.loading import load_files, load_sources
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, report
from lanner.cli.options import color_option, config_option, quiet_option, rules_option, set_option
from lanner.cli.settings import Settings
from lanner.cli.tune_view import Found
from lanner.cli.writing import replace_file
from lanner.compiler.load import LoadedRules
from lanner.compiler.ruleset import compile_rules
from lanner.diagnostics import SourceFile
from lanner.rules.files import DEFAULT_RULES, read_rule_files
from lanner.sources.base import SourceError, reason_of
from lanner.tuning.alerts import Malformed, PastAlert, read_alerts
from lanner.tuning.effect import Effect, effect_on
from lanner.tuning.merge import is_covered, merged
from lanner.tuning.noise import Noise, Row, propose
from lanner.tuning.proposal import collected, proposal

if TYPE_CHECKING:
    from lanner.config.models import Config

_HEAD = "Exceptions that `lanner tune` proposes: read them, then load this file behind the rules."


@click.command("tune")
@click.argument("paths", metavar="[ALERTS]…", nargs=-1)
@config_option
@set_option
@click.option("--store", metavar="URL", help="Read the alerts of this store: `sqlite:////PATH` or `postgresql://…`.")
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
@click.option("--write", metavar="FILE", help="Put the proposal into this rule file; it is made if need be.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@quiet_option
@color_option
@click.pass_context
def tune(
    context: click.Context,
    *,
    paths: tuple[str, ...],
    config_file: str | None,
    options: tuple[str, ...],
    store: str | None,
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

    ALERTS is a file of alerts as JSON, as Lanner, Falco and falcosidekick write them, a folder, a glob pattern or `-`;
    without it, the alerts are those of the store that `lanner run` writes to with the same configuration.
    The proposal is a rule file for standard output; the table beside it is on standard error.
    """
    console = Console(quiet=quiet, color=color)
    if paths and store is not None:
        raise Failure("alerts are given, and a store", "name one of them")
    settings = read_settings(config_file, options, rules_files, console)
    tuner = _Tuner.of(settings, write, console)
    found = tuner.propose(tuner.alerts(paths) if paths else _stored(store, settings.config), least)
    if against:
        found.missed = tuner.effect(against, found.rows)
        found.rows = tuner.harmless(against, [row for row in found.rows if not found.missed.missed[row]], found.missed)
        tuner.warn_of_local(against)
    found.effect = tuner.effect(events, found.rows) if events else None
    if output_format == "json":
        click.echo(json.dumps(found.as_json() | {"proposal": tuner.text(found.rows)}, indent=2))
    else:
        if write is None:
            sys.stdout.buffer.write(tuner.text(found.rows).encode())
            sys.stdout.buffer.flush()
        found.show(console)
    if write is not None and found.rows:
        tuner.write(write, found.rows)
        names = [name for name in settings.rules_files or (DEFAULT_RULES,) if name != write]
        console.tell(f"added to {write}; load it behind the rules: {shlex.join(_options([*names, write]))}")
    context.exit(ExitCode.FAILED if tuner.unreadable else ExitCode.DONE)


@dataclass(slots=True)
class _Tuner:
    """The rules, and what can be done with them.

    Attributes:
        settings: How they are loaded.
        files: Their files, in order.
        rules: What they define.
        local: The file that the proposal is added to, if it is there; loaded last unless it is one of the files.
        unreadable: How many paths could not be read, or not to their end.
    """

    settings: Settings
    files: Sequence[SourceFile]
    rules: LoadedRules
    console: Console
    local: SourceFile | None = None
    unreadable: int = 0
    noise: Noise = field(default_factory=Noise)

    @classmethod
    def of(cls, settings: Settings, write: str | None, console: Console) -> _Tuner:
        """Load the rules, and the local file behind them.

        Raises:
            Failure: They have errors.
        """
        files, result = load_files(settings)
        local = None
        is_named = write and any(Path(file.name).resolve() == Path(write).resolve() for file in files)
        if write and Path(write).exists() and not is_named:
            (local,), found = read_rule_files([write])
            result = load_sources([*files, local], settings, found)
            files = [*files, local]
        elif is_named:
            local = next(file for file in files if Path(file.name).resolve() == Path(write or "").resolve())
        if result.rules is None:
            show([found for found in result.diagnostics if found.severity == "error"], sys.stderr, console)
            raise Failure("the rules have errors", "`lanner rules check FILE…` shows warnings too")
        return cls(settings, files, result.rules, console, local)

    def alerts(self, paths: Sequence[str]) -> Iterator[PastAlert]:
        """The alerts of files; what is no alert is told at the end.

        Raises:
            Failure: What could be read holds no alert.
        """
        malformed = Malformed()
        number = 0
        for alert in read_alerts(paths, malformed, on_error=self._on_error):
            number += 1
            yield alert
        if malformed.number:
            self.console.warn(f"{counted(malformed.number, 'line')} without an alert; the first: {malformed.sample}")
        if not number and not self.unreadable:
            hint = "give alerts as JSON, as `lanner scan --format json` prints them"
            raise Failure(f"there is no alert in `{paths[0]}`", hint, ExitCode.FAILED)

    def propose(self, alerts: Iterable[PastAlert], least: int) -> Found:
        """Find what alerts have in common: exceptions to propose, those that the rules have already, and the rest."""
        for alert in alerts:
            self.noise.add(alert)
        if folded := self.noise.tally.folded:
            self.console.warn(f"{counted(folded, 'alert')} left, because too many differ from each other")
        rows, left = propose(self.noise, {rule.name: rule for rule in self.rules.rules}, least)
        base = collected(self.files)
        present = [row for row in rows if is_covered(row, base)]
        return Found([row for row in rows if row not in present], present, left)

    def text(self, rows: Sequence[Row]) -> str:
        """The proposal."""
        return proposal(rows, collected(self.files), self._head)

    @property
    def _head(self) -> str:
        return f"{_HEAD}\nMade from {counted(self.noise.alerts, 'alert')}."

    def effect(self, paths: Sequence[str], rows: Sequence[Row]) -> Effect:
        """What the proposal does to the alerts of a log.

        Raises:
            Failure: A log cannot be read to its end, or holds no event: what the proposal does is not known then.
        """
        patched = load_sources([*self.files, SourceFile("<proposal>", self.text(rows))], self.settings)
        if patched.rules is None:
            show(patched.diagnostics, sys.stderr, self.console)
            raise Failure("the proposal does not load", "this is a mistake in Lanner: please report it")
        return self._effect(paths, self.rules, patched.rules, rows)

    def warn_of_local(self, paths: Sequence[str]) -> None:
        """Say which alerts of an attack the local file silences as it is."""
        without = load_sources([file for file in self.files if file is not self.local], self.settings)
        if self.local is None or without.rules is None:
            return
        found = self._effect(paths, without.rules, self.rules, ())
        for rule in sorted(found.before):
            if (number := found.before[rule] - found.after[rule]) > 0:
                alerts = counted(number, "alert")
                self.console.warn(f"`{self.local.name}` silences {alerts} of the attack already, of the rule `{rule}`")

    def _effect(self, paths: Sequence[str], rules: LoadedRules, patched: LoadedRules, rows: Sequence[Row]) -> Effect:
        base, changed = (compile_rules(each) for each in (rules, patched))
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

    def write(self, path: str, rows: Sequence[Row]) -> None:
        """Put the proposal into a rule file, which is made if need be.

        Raises:
            Failure: It cannot be written; the file is as it was.
        """
        try:
            replace_file(path, merged(self.local or SourceFile(path, ""), rows, collected(self.files), self._head))
        except OSError as error:
            raise Failure(f"cannot write `{path}`: {reason_of(error)}", code=ExitCode.FAILED) from None

    def _on_error(self, error: SourceError) -> None:
        report(str(error), help=error.help, file=error.path, reason=error.reason)
        self.unreadable += 1


def _options(rules_files: Sequence[str]) -> list[str]:
    return [word for name in rules_files for word in ("-r", name)]


def _stored(url: str | None, config: Config | None) -> Iterator[PastAlert]:
    """The alerts of the store at a URL, or of the one that a run with the configuration uses.

    Raises:
        Failure: It cannot be read, or holds none.
    """
    from lanner.store.errors import StoreError  # noqa: PLC0415 - heavy, and only this needs it
    from lanner.store.place import locate  # noqa: PLC0415 - as above
    from lanner.tuning.stored import stored_alerts  # noqa: PLC0415 - as above

    try:
        place = locate(url) if url is not None else store_place(config)
    except StoreError as error:
        raise Failure(f"cannot use `--store`: {error}", error.help) from None
    number = 0
    try:
        for alert in stored_alerts(place):
            number += 1
            yield alert
    except StoreError as error:
        raise Failure(f"cannot read the store `{place.name}`: {error}", error.help, ExitCode.FAILED) from None
    if not number:
        raise Failure(f"there is no alert in the store `{place.name}`", code=ExitCode.FAILED)
