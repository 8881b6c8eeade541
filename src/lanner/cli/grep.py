"""`lanner grep`: events for which a condition holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from lanner.cli.diagnostics import show
from lanner.cli.interrupts import Interrupts, Stopped
from lanner.cli.loading import load_names
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, report
from lanner.cli.options import color_option, names_option, quiet_option
from lanner.engine.filter import Filter, compile_filter
from lanner.outputs.format import escape, for_terminal
from lanner.rules.model import Collection
from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.files import scan


@click.command("grep")
@click.argument("condition", metavar="CONDITION")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option("--output", metavar="TEXT", help="Print this text for each event, with fields as in a rule's output.")
@click.option("-c", "--count", "is_count", is_flag=True, help="Print only how many events there are.")
@click.option("-v", "--invert", "is_inverted", is_flag=True, help="Print the events for which it does not hold.")
@names_option
@quiet_option
@color_option
@click.pass_context
def grep(
    context: click.Context,
    *,
    condition: str,
    paths: tuple[str, ...],
    output: str | None,
    is_count: bool,
    is_inverted: bool,
    rules_files: tuple[str, ...],
    quiet: bool,
    color: ColorChoice,
) -> None:
    """Print the events for which a condition holds, one a line, as they were sent.

    PATH is a file, a folder, a glob pattern or `-` for standard input.
    """
    console = Console(quiet=quiet, color=color)
    names = load_names(rules_files, console)
    search = Search(_filter(condition, output, console, inverted=is_inverted, names=names))
    status = None
    try:
        with Interrupts() as interrupts:
            for line in search.lines(paths):
                if not is_count:
                    with interrupts.held():
                        sys.stdout.buffer.write(line + b"\n")
    except Stopped:
        status = ExitCode.INTERRUPTED
    if is_count:
        click.echo(search.found)
    stats = search.filter.stats
    if stats.malformed:
        console.warn(f"{counted(stats.malformed, 'document')} malformed; the first: {stats.samples[0]}")
    context.exit(status or (ExitCode.FAILED if search.unreadable else ExitCode.DONE))


@dataclass(slots=True)
class Search:
    """Files through a filter.

    Attributes:
        filter: Selects the events.
        found: How many events were selected.
        unreadable: How many paths could not be read, or not to their end.
    """

    filter: Filter
    found: int = 0
    unreadable: int = 0

    def lines(self, paths: tuple[str, ...]) -> Iterator[bytes]:
        """The lines to print, without line breaks, safe for a terminal when standard output is one."""
        is_terminal = sys.stdout.isatty()
        for delivery in scan(paths, Limits(), on_error=self._on_error):
            is_body = delivery.framing is Framing.BODY
            for raw, text in self.filter.select(delivery.payload, body=is_body, truncated=delivery.truncated):
                self.found += 1
                # A line break inside JSON text stands between tokens only, where a blank means the same.
                line = escape(text) if text is not None else raw.strip().translate(_LINE_BREAKS)
                yield for_terminal(line) if is_terminal else line

    def _on_error(self, error: SourceError) -> None:
        report(str(error), help=error.help, file=error.path, reason=error.reason)
        self.unreadable += 1


_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def _filter(condition: str, output: str | None, console: Console, *, inverted: bool, names: Collection) -> Filter:
    """Compile the condition.

    Raises:
        Failure: It has errors, which are shown.
    """
    compiled, found = compile_filter(condition, output, inverted=inverted, names=names)
    if compiled is None:
        show(found.errors, sys.stderr, console)
        raise Failure("the condition or the output has errors", "`lanner fields` lists what they can ask for")
    return compiled
