"""`lanner grep`: events for which a condition holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import click

from lanner.cli.diagnostics import show
from lanner.cli.interrupts import Interrupts, Stopped
from lanner.cli.loading import load_names
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, report
from lanner.cli.options import color_option, names_option, progress_option, quiet_option, strict_option
from lanner.cli.progress import ProgressBar
from lanner.cli.screens import screen_for
from lanner.engine.filter import Filter, compile_filter
from lanner.outputs.format import escape, for_terminal
from lanner.outputs.screen import Screen
from lanner.rules.model import Collection
from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.files import scan, total_size


@click.command("grep")
@click.argument("condition", metavar="CONDITION")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option("--output", metavar="TEXT", help="Print this text for each event, with fields as in a rule's output.")
@click.option("-c", "--count", "is_count", is_flag=True, help="Print only how many events there are.")
@click.option("-v", "--invert", "is_inverted", is_flag=True, help="Print the events for which it does not hold.")
@names_option
@strict_option
@quiet_option
@progress_option
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
    strict: bool,
    quiet: bool,
    no_progress: bool,
    color: ColorChoice,
) -> None:
    """Print the events for which a condition holds, one a line, as they were sent.

    PATH is a file, a folder, a glob pattern or `-` for standard input.
    """
    console = Console(quiet, not no_progress, color)
    names = load_names(rules_files, console)
    search = Search(_filter(condition, output, console, inverted=is_inverted, names=names))
    status = None
    try:
        with Interrupts() as interrupts, _screen(console, is_count=is_count) as screen:
            search.bar = ProgressBar(total_size(paths), screen, console, has_alerts=False) if screen else None
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
    is_failed = search.unreadable or (strict and stats.malformed)
    context.exit(status or (ExitCode.FAILED if is_failed else ExitCode.DONE))


@dataclass(slots=True)
class Search:
    """Files through a filter.

    Attributes:
        filter: Selects the events.
        bar: Shows how far it is, if there is a terminal for it.
        found: How many events were selected.
        unreadable: How many paths could not be read, or not to their end.
    """

    filter: Filter
    bar: ProgressBar | None = None
    found: int = 0
    unreadable: int = 0

    def lines(self, paths: tuple[str, ...]) -> Iterator[bytes]:
        """The lines to print, without line breaks, safe for a terminal when standard output is one."""
        is_terminal = sys.stdout.isatty()
        for delivery in scan(paths, Limits(), on_error=self._on_error, on_progress=self._on_progress):
            is_body = delivery.framing is Framing.BODY
            for raw, text in self.filter.select(delivery.payload, body=is_body, truncated=delivery.truncated):
                self.found += 1
                # A line break inside JSON text stands between tokens only, where a blank means the same.
                line = escape(text) if text is not None else raw.strip().translate(_LINE_BREAKS)
                yield for_terminal(line) if is_terminal else line

    def _on_error(self, error: SourceError) -> None:
        report(str(error), help=error.help, file=error.path, reason=error.reason)
        self.unreadable += 1

    def _on_progress(self, done: int) -> None:
        if self.bar:
            self.bar.advance(done, self.filter.stats)


_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def _screen(console: Console, *, is_count: bool) -> AbstractContextManager[Screen | None]:
    """A place for the progress bar, which would stand among the results where both go to the terminal."""
    return nullcontext() if sys.stdout.isatty() and not is_count else screen_for(console)


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
