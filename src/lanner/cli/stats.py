"""`lanner stats`: events counted and ranked by fields."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import click

from lanner.cli.diagnostics import show
from lanner.cli.interrupts import Interrupts, Stopped
from lanner.cli.loading import load_names
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, report
from lanner.cli.options import color_option, jobs_option, names_option, progress_option, quiet_option, strict_option
from lanner.cli.parallel import map_parts
from lanner.cli.progress import ProgressBar
from lanner.cli.ranking import FORMATS, Format, Ranking
from lanner.cli.screens import screen_for
from lanner.condition.operators import TRANSFORMERS
from lanner.engine.filter import EVERY_EVENT, Filter, compile_filter
from lanner.engine.stats import Stats
from lanner.engine.tally import Tally
from lanner.fields.catalogue import FIELDS
from lanner.sources.base import Delivery, Framing, Limits, SourceError
from lanner.sources.files import STDIN, total_size
from lanner.sources.files import scan as read_paths
from lanner.sources.parts import read_part

MAX_KEYS = 100_000
TIME = "evt.rawtime"
_FIELD = re.compile(
    rf"(?:{'|'.join(sorted({name.partition('.')[0] for name in FIELDS}))})\.|(?:{'|'.join(TRANSFORMERS)})\("
)
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class DurationType(click.ParamType[int]):
    """A length of time such as `30s`, `5m`, `1h` or `1d`, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number and its unit.

        Raises:
            click.BadParameter: It is no length of time.
        """
        if isinstance(value, int):
            return value
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"'{value}' is no length of time such as 30s, 5m, 1h or 1d", param, ctx)
        return int(found[1]) * _SECONDS[found[2]]


@click.command("stats")
@click.argument("words", metavar="FIELD… PATH…", nargs=-1, required=True)
@click.option("-w", "--where", "condition", metavar="CONDITION", help="Count only events for which this holds.")
@names_option
@click.option(
    "--top", type=click.IntRange(0), default=20, show_default=True, metavar="N", help="Show the N first; 0: all."
)
@click.option(
    "--by", "step_s", type=DurationType(), metavar="TIME", help="Count each 30s, 5m, 1h or 1d by itself (UTC)."
)
@click.option("--format", "output_format", type=click.Choice(FORMATS), default="table", help="How to print.")
@click.option(
    "--max-keys",
    type=click.IntRange(1),
    default=MAX_KEYS,
    show_default=True,
    metavar="N",
    help="Keep so many different combinations; what comes beyond is counted together.",
)
@jobs_option
@strict_option
@quiet_option
@progress_option
@color_option
@click.pass_context
def stats(
    context: click.Context,
    *,
    words: tuple[str, ...],
    condition: str | None,
    rules_files: tuple[str, ...],
    top: int,
    step_s: int | None,
    output_format: Format,
    max_keys: int,
    jobs: int,
    strict: bool,
    quiet: bool,
    no_progress: bool,
    color: ColorChoice,
) -> None:
    """Count events by the values of fields, most frequent first.

    FIELD is a field as in a rule, such as `ka.user.name`, or a transformer around one; a list counts under each of its
    elements. PATH is a file, a folder, a glob pattern or `-` for standard input. All that begins like a field, up to
    the first word that does not, is a field; write `./ka.log` for a file of such a name.
    """
    console = Console(quiet, not no_progress, color)
    fields, paths = divide(words, needs_field=step_s is None)
    asked = (*fields, *([TIME] if step_s else []))
    found, diagnostics = compile_filter(condition or EVERY_EVENT, fields=asked, names=load_names(rules_files, console))
    if found is None:
        show(diagnostics.errors, sys.stderr, console)
        raise Failure("the fields or the condition have errors", "`lanner fields` lists what they can ask for")
    columns = tuple(key for key in found.keys if key != TIME or TIME in fields)
    counter = Counter(found, columns, max_keys, step_s)
    with screen_for(console) as screen:
        counter.bar = ProgressBar(total_size(paths), screen, console, has_alerts=False) if screen else None
        status = counter.count(paths, jobs)
    Ranking.of(counter.tally, columns, counter.selected, top=top, step_s=step_s).write(output_format, console)
    if status is ExitCode.INTERRUPTED:
        console.warn("interrupted: these are the counts so far")
    _report(counter, found.stats, console)
    is_failed = strict and found.stats.malformed
    context.exit(status or (ExitCode.FAILED if is_failed else ExitCode.DONE))


def divide(words: Sequence[str], *, needs_field: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell fields from paths.

    Raises:
        Failure: There are none of one of them, or a field stands behind a path.
    """
    number = next((at for at, word in enumerate(words) if not _FIELD.match(word)), len(words))
    fields, paths = tuple(words[:number]), tuple(words[number:])
    if needs_field and not fields:
        raise Failure(f"`{words[0]}` is not a field", "fields come first, such as `ka.user.name`")
    for word in paths:
        if _FIELD.match(word):
            raise Failure(f"field `{word}` stands behind a path", f"fields come first; a file is written `./{word}`")
    if not paths:
        raise Failure("no path is given", "`-` reads standard input")
    return fields, paths


@dataclass(slots=True)
class Counter:
    """Files through a filter to a tally.

    Attributes:
        filter: Selects the events and gives their fields.
        columns: The fields that are counted by; with a step, the time stands before them.
        max_keys: Of the tally.
        step_s: Seconds that are counted by themselves; None for all together.
        tally: What was counted.
        selected: How many events the filter selected.
        unreadable: How many paths could not be read, or not to their end.
    """

    filter: Filter
    columns: tuple[str, ...]
    max_keys: int
    step_s: int | None = None
    bar: ProgressBar | None = None
    selected: int = 0
    unreadable: int = 0
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.tally = Tally(self.max_keys)

    def count(self, paths: Sequence[str], jobs: int) -> ExitCode:
        """Count all events of the paths; what cannot be read is said and counted."""
        try:
            with Interrupts() as interrupts:
                if jobs > 1 and STDIN not in paths and not self.filter.numbers_events:
                    self._count_parts(paths, jobs, interrupts)
                else:
                    for delivery in read_paths(paths, Limits(), on_error=self._on_error, on_progress=self._on_progress):
                        with interrupts.held():
                            self._add(delivery)
        except Stopped:
            return ExitCode.INTERRUPTED
        return ExitCode.FAILED if self.unreadable else ExitCode.DONE

    def _count_parts(self, paths: Sequence[str], jobs: int, interrupts: Interrupts) -> None:
        """Count with several processes; the result is that of one, whatever the bound on keys leaves out.

        Of a part with more keys than the bound, what is left out depends on the parts before it: it is counted here.
        """
        errors: list[SourceError] = []
        done = 0
        for result in map_parts(paths, self._part, jobs, errors):
            tally, selected, stats = result.value
            with interrupts.held():
                for error in (*errors, *(SourceError(*found) for found in result.errors)):
                    self._on_error(error)
                errors.clear()
                if tally.is_closed:
                    for delivery in read_part(result.part, Limits(), on_error=lambda error: None):
                        self._add(delivery)
                else:
                    self.tally.merge(tally)
                    self.selected += selected
                    self.filter.stats.add(stats)
            done += result.part.size
            self._on_progress(done)
        for error in errors:
            self._on_error(error)

    def _part(self, deliveries: Iterable[Delivery]) -> tuple[Tally, int, Stats]:
        """In a process of its own: what is to be counted of a part."""
        self.tally, self.selected, self.filter.stats = Tally(self.max_keys), 0, Stats()
        for delivery in deliveries:
            self._add(delivery)
        return self.tally, self.selected, self.filter.stats

    def _add(self, delivery: Delivery) -> None:
        is_body = delivery.framing is Framing.BODY
        add, columns, step = self.tally.add, self.columns, (self.step_s or 0) * 1_000_000_000
        for fields in self.filter.fields(delivery.payload, body=is_body, truncated=delivery.truncated):
            values = [fields[name] for name in columns]
            if step:
                values.insert(0, fields[TIME] // step * step)  # type: ignore[operator] # every event has a time
            add(values)
            self.selected += 1

    def _on_error(self, error: SourceError) -> None:
        report(str(error), help=error.help, file=error.path, reason=error.reason)
        self.unreadable += 1

    def _on_progress(self, done: int) -> None:
        if self.bar:
            self.bar.advance(done, self.filter.stats)


def _report(counter: Counter, stats: Stats, console: Console) -> None:
    if folded := counter.tally.folded:
        more = "; `--max-keys` keeps more" if counter.tally.is_full else ""
        console.warn(f"{counted(folded, 'occurrence')} of further values counted together, in no row{more}")
    if stats.malformed:
        console.warn(f"{counted(stats.malformed, 'document')} malformed; the first: {stats.samples[0]}")
