"""`lanner scan`: detection over logs, then the end."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from signal import SIGALRM
from typing import TYPE_CHECKING, Protocol

import click

from lanner.cli.detection import compile_settings, open_stdout, shared_stdout
from lanner.cli.interrupts import Interrupts, Stopped
from lanner.cli.messages import Console, ExitCode, report
from lanner.cli.options import PriorityType, detection_options, jobs_option, strict_option
from lanner.cli.parallel import map_parts
from lanner.cli.progress import ProgressBar
from lanner.cli.screens import screen_for
from lanner.cli.settings import Settings
from lanner.cli.summary import close, tell_undelivered
from lanner.engine.alert import Finding
from lanner.engine.engine import Engine
from lanner.engine.stats import Stats
from lanner.outputs.stdout import StdoutOutput
from lanner.rules.priority import Priority
from lanner.sources.base import Delivery, Framing, Limits, SourceError
from lanner.sources.files import STDIN, total_size
from lanner.sources.files import scan as read_paths

if TYPE_CHECKING:
    from lanner.cli.delivery import RoutedOutput
    from lanner.outputs.screen import Screen


@dataclass(frozen=True, slots=True)
class Verdict:
    """When a scan counts as failed.

    Attributes:
        fail_on: Alerts of this priority or above make the exit status 3; None: alerts never do.
        strict: Malformed events make the exit status 1.
    """

    fail_on: Priority | None = None
    strict: bool = False

    def status(self, stats: Stats, unreadable: int) -> ExitCode:
        """The exit status of a scan that came to its end."""
        if self.fail_on is not None and any(
            number and priority.level <= self.fail_on.level for priority, number in stats.by_priority.items()
        ):
            return ExitCode.ALERTS
        return ExitCode.FAILED if unreadable or (self.strict and stats.malformed) else ExitCode.DONE


@click.command("scan")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@detection_options
@click.option(
    "--fail-on", type=PriorityType(), metavar="PRIORITY", help="Exit with 3 after an alert of this priority or above."
)
@jobs_option
@strict_option
@click.pass_context
def scan(
    context: click.Context,
    *,
    paths: tuple[str, ...],
    fail_on: Priority | None,
    jobs: int,
    strict: bool,
    settings: Settings,
    console: Console,
) -> None:
    """Detect over logs at full speed, then end.

    PATH is a file, a folder, a glob pattern or `-` for standard input; JSON Lines, arrays or EventLists, plain or .gz,
    .zst, .bz2, .xz.
    """
    context.exit(scan_paths(paths, settings, console, Verdict(fail_on, strict), jobs=jobs))


def scan_paths(
    paths: tuple[str, ...],
    settings: Settings,
    console: Console,
    verdict: Verdict,
    *,
    jobs: int = 1,
    stop_after_s: float | None = None,
    is_dry_run: bool = False,
    to_all: bool = False,
) -> ExitCode:
    """Detect over paths, write alerts and the summary.

    Args:
        paths: As `PATH` of the command.
        settings: What to detect, and how alerts look.
        console: What to say beside the results.
        verdict: When the scan counts as failed.
        jobs: How many processes work.
        stop_after_s: End after so many seconds, as after the last event.
        is_dry_run: Load everything, then end.
        to_all: Alerts go to all outputs of the configuration, and not to standard output alone.

    Returns:
        The exit status.

    Raises:
        Failure: The rules have errors.
        BrokenPipeError: Nobody reads standard output any more.
    """
    engine = Engine(compile_settings(settings, console))
    if is_dry_run:
        return ExitCode.DONE
    gc.freeze()  # what was loaded stays; no collection need look at it again
    started = time.perf_counter()
    status = None
    with screen_for(console) as screen:
        bar = ProgressBar(total_size(paths), screen, console) if screen else None
        output = open_stdout(settings, console, screen)
        routed = _routed(settings, console, screen, to_all=to_all)
        scanner = Scanner(engine, output, bar)
        try:
            with Interrupts(stop_after_s) as interrupts:
                if routed:
                    scanner.scan(paths, interrupts, routed)
                elif jobs > 1 and scanner.is_divisible(paths):
                    scanner.scan_parts(paths, interrupts, jobs)
                else:
                    scanner.scan(paths, interrupts, output)
        except Stopped as stopped:
            status = ExitCode.DONE if stopped.signal == SIGALRM else ExitCode.INTERRUPTED
        undelivered = routed.close() if routed else {}
    stats = scanner.engine.stats
    close(stats, time.perf_counter() - started, console)
    tell_undelivered(undelivered, console)
    return verdict.status(stats, scanner.unreadable + len(undelivered)) if status is None else status


def _routed(settings: Settings, console: Console, screen: Screen | None, *, to_all: bool) -> RoutedOutput | None:
    """Outputs of the configuration, unless alerts go to plain standard output; one process serves them.

    Raises:
        Failure: An option of an output cannot be used.
    """
    if settings.config is None:
        return None
    from lanner.cli import delivery  # noqa: PLC0415 - without a configuration there is nothing in it to look at

    config = settings.config if to_all else delivery.stdout_alone(settings.config)
    if delivery.is_plain(config):
        return None
    return delivery.RoutedOutput(delivery.configured_routes(config, settings, console, shared_stdout(screen)))


class FindingOutput(Protocol):
    """What takes the findings of a scan."""

    def write_findings(self, findings: Sequence[Finding]) -> None:
        """Take them, in order."""

    def flush(self) -> None:
        """Hand on what was taken."""


@dataclass(slots=True)
class Scanner:
    """Files through an engine to an output, with a progress bar beside.

    Attributes:
        engine: Evaluates.
        output: Standard output.
        bar: Shows how far the scan is.
        unreadable: How many paths could not be read, or not to their end.
    """

    engine: Engine
    output: StdoutOutput
    bar: ProgressBar | None = None
    unreadable: int = 0

    def scan(self, paths: tuple[str, ...], interrupts: Interrupts, output: FindingOutput) -> None:
        """Evaluate all events of the paths; what cannot be read is said and counted.

        Args:
            paths: What to read.
            interrupts: Signals, held back while a block is dealt with.
            output: Takes what was found.

        Raises:
            Stopped: A signal came; everything that was begun is evaluated and written.
        """
        for delivery in read_paths(paths, Limits(), on_error=self._on_error, on_progress=self._on_progress):
            with interrupts.held():
                result = self.engine.process(
                    delivery.payload,
                    body=delivery.framing is Framing.BODY,
                    truncated=delivery.truncated,
                    size=delivery.size,
                    origin=delivery.origin,
                )
                if result.findings:
                    output.write_findings(result.findings)
                    output.flush()

    def is_divisible(self, paths: tuple[str, ...]) -> bool:
        """Whether several processes would find the same; standard input and running numbers allow only one."""
        return STDIN not in paths and not self.engine.rules.numbers_events

    def scan_parts(self, paths: tuple[str, ...], interrupts: Interrupts, jobs: int) -> None:
        """As `scan`, with several processes.

        Raises:
            Stopped: A signal came; everything that was begun is evaluated, and written as far as it was at hand.
        """
        errors: list[SourceError] = []
        done = 0
        for result in map_parts(paths, self._evaluate, jobs, errors):
            lines, stats = result.value
            with interrupts.held():
                for error in (*errors, *(SourceError(*found) for found in result.errors)):
                    self._on_error(error)
                errors.clear()
                self.engine.stats.add(stats)
                if lines:
                    self.output.write_lines(lines)
                    self.output.flush()
            done += result.part.size
            self._on_progress(done)
        for error in errors:
            self._on_error(error)

    def _evaluate(self, deliveries: Iterable[Delivery]) -> tuple[bytes, Stats]:
        """In a process of its own: the alerts of a part as lines, and what was counted."""
        self.engine.take_stats()  # what this process may have inherited is the parent's to count
        lines = []
        for delivery in deliveries:
            found = self.engine.process(
                delivery.payload,
                body=delivery.framing is Framing.BODY,
                truncated=delivery.truncated,
                size=delivery.size,
                origin=delivery.origin,
            )
            lines.append(self.output.encoder.encode(found.findings))
        return b"".join(lines), self.engine.take_stats()

    def _on_error(self, error: SourceError) -> None:
        report(str(error), help=error.help, file=error.path, reason=error.reason)
        self.unreadable += 1

    def _on_progress(self, done: int) -> None:
        if self.bar:
            self.bar.advance(done, self.engine.stats)
