"""`lanner run`: live detection until stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from functools import partial
from signal import SIGINT
from typing import TYPE_CHECKING

import click
import uvloop

from lanner.cli.checking import check_sources
from lanner.cli.detection import shared_stdout
from lanner.cli.falco_version import versions
from lanner.cli.messages import Console, ExitCode, Failure, counted
from lanner.cli.options import detection_options, log_format_option
from lanner.cli.planning import Planner, Wishes
from lanner.cli.screens import Figures, screen_for, watched
from lanner.cli.settings import Settings
from lanner.cli.summary import close, tell_undelivered
from lanner.server.facts import labels, warnings_of
from lanner.server.plan import PlanError
from lanner.server.station import Station
from lanner.server.workers import MAX_DEATHS, run_workers
from lanner.sources.base import SourceError
from lanner.store.errors import StoreError

if TYPE_CHECKING:
    from lanner.outputs.screen import Screen
    from lanner.server.facts import Ending
    from lanner.server.plan import Plan
    from lanner.server.snapshot import Snapshot

_COLLECTIONS = (20_000, 20, 20)
"""When unreachable cycles are looked for: posts come and go by thousands of objects, of which none is in a cycle."""


@click.command("run")
@click.argument("source", metavar="[SOURCE]", required=False)
@detection_options
@click.option("--from-start", is_flag=True, help="Begin with the first event that is there, whatever was read before.")
@click.option("--tls-cert", metavar="FILE", help="Certificate for an https SOURCE (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its key, when that is not in the same file.")
@click.option("--client-ca", metavar="FILE", help="CAs of client certificates: who posts to SOURCE needs one (PEM).")
@click.option("--token-file", metavar="FILE", help="Bearer tokens, one a line: who posts to SOURCE needs one.")
@click.option("--allow-unauthenticated", is_flag=True, help="Listen beyond this machine without asking who posts.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    metavar="N",
    help="Use N processes, which share a webhook's port.",
)
@log_format_option
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Load everything, then end.")
@click.option(
    "--check", "is_check", is_flag=True, help="Load everything, test whether the sources would get events, then end."
)
@click.pass_context
def run(
    context: click.Context,
    *,
    source: str | None,
    from_start: bool,
    tls_cert: str | None,
    tls_key: str | None,
    client_ca: str | None,
    token_file: str | None,
    allow_unauthenticated: bool,
    workers: int,
    is_dry_run: bool,
    is_check: bool,
    settings: Settings,
    console: Console,
) -> None:
    """Detect live, until stopped.

    SOURCE is an address to listen on for the API server's audit webhook (http:// or https://), a file to follow, `-`
    for standard input, or the name of a configured plugin or source. Without one it is what the configuration says,
    else http://127.0.0.1:9765/k8s-audit.

    SIGHUP has configuration and rules read again, SIGUSR1 has outputs open their files anew, SIGTERM and Ctrl-C end it
    once what was received is evaluated.
    """
    wishes = Wishes(
        source,
        from_start,
        tls_cert,
        tls_key,
        allow_unauthenticated,
        client_ca=client_ca,
        token_file=token_file,
    )
    if is_check:
        planner = Planner(wishes, console, shared_stdout(None))
        context.exit(check_sources(planner.plan(settings), console))
    context.exit(detect(wishes, settings, console, workers=workers, is_dry_run=is_dry_run))


def detect(
    wishes: Wishes,
    settings: Settings,
    console: Console,
    *,
    workers: int = 1,
    stop_after_s: float | None = None,
    is_dry_run: bool = False,
) -> ExitCode:
    """Detect live until all sources have ended or a signal comes, then print the summary.

    Args:
        wishes: What the command line asks for.
        settings: What to detect, and where alerts go.
        console: What to say beside the results.
        workers: How many processes evaluate.
        stop_after_s: End after so many seconds.
        is_dry_run: Load everything, then end.

    Returns:
        The exit status: 130 after Ctrl-C.

    Raises:
        Failure: Configuration or rules have errors, the source cannot start, or workers die again and again.
        BrokenPipeError: Nobody reads standard output any more, and there is no other output.
    """
    with screen_for(console) as screen:
        planner = Planner(wishes, console, shared_stdout(screen))
        plan = planner.plan(settings)
        if workers > 1:
            _check_shareable(plan)
        if is_dry_run:
            for text in warnings_of(plan):
                console.warn(text)
            return ExitCode.DONE
        if console.quiet:
            logging.getLogger("lanner.server").setLevel(logging.ERROR)
        number = len(labels(plan))
        console.note(counted(number, "rule"), rules=number)
        gc.set_threshold(*_COLLECTIONS)
        started = time.perf_counter()
        again = partial(_again, planner, settings, is_shared=workers > 1)
        try:
            if workers > 1:
                ending = run_workers(plan, again, workers, versions=versions(), watch=_watcher(screen, console))
            else:
                station = Station(plan, again, versions=versions(), stop_after_s=stop_after_s)
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    ending = runner.run(watched(station.run(), lambda: _figures(station.look()), screen, console))
        except (SourceError, StoreError) as error:
            raise Failure(str(error), error.help, ExitCode.FAILED) from error
    return _close(ending, time.perf_counter() - started, console)


def _watcher(screen: Screen | None, console: Console) -> Callable[[Snapshot], None] | None:
    """What draws how workers are, if there is a screen."""
    if screen is None:
        return None
    from lanner.cli.view import View  # noqa: PLC0415 - heavy, and only who watches needs it

    view = View(screen, console)
    return lambda snapshot: view.draw(_figures(snapshot))


def _figures(snapshot: Snapshot) -> Figures:
    """What the status on a terminal tells of a run."""
    waiting = [name for name, counts in snapshot.sources.items() if not counts.status.is_well]
    state = f"no events from {', '.join(waiting)}" if waiting else "detecting"
    if snapshot.sight.blind:
        state += ", may miss events"
    if not snapshot.reloads.is_current:
        state += ", new configuration refused"
    if snapshot.workers > 1:
        state += f", {snapshot.workers} workers"
    if snapshot.worker_restarts:
        state += f", {snapshot.worker_restarts} restarted"
    lost = {"undelivered": snapshot.undelivered}
    is_well = not waiting and snapshot.reloads.is_current and not snapshot.sight.blind
    return Figures(snapshot.stats, state, is_well=is_well, lost=lost)


def _close(ending: Ending, seconds: float, console: Console) -> ExitCode:
    close(ending.stats, seconds, console)
    tell_undelivered(ending.undelivered, console)
    if ending.restarted:
        console.note(f"Workers restarted: {ending.restarted}", restarted=ending.restarted)
    if ending.is_given_up:
        raise Failure(f"{MAX_DEATHS} workers died within a minute", "see above why", ExitCode.FAILED)
    if ending.stopped is SIGINT:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if ending.undelivered else ExitCode.DONE


def _again(planner: Planner, settings: Settings, *, is_shared: bool) -> Plan:
    """A plan of the same configuration, read anew.

    Raises:
        PlanError: It cannot be used, or not by several processes that share it.
    """
    plan = planner.again(settings)
    try:
        if is_shared:
            _check_shareable(plan)
    except Failure as failure:
        raise PlanError(failure.message, failure.help) from failure
    return plan


def _check_shareable(plan: Plan) -> None:
    """What several processes can do together.

    Raises:
        Failure: The plan asks for something else.
    """
    for source in plan.sources:
        if source.webhook is None:
            help_text = "leave `--workers` out: processes share the port of a webhook, and nothing else"
            raise Failure(f"`--workers` is for webhooks, and `{source.name}` is none", help_text)
        if source.rules.numbers_events:
            help_text = "leave out `--workers`, or `%evt.num` in the rules"
            raise Failure("a rule asks for the running number of events, which only one process can give", help_text)
    if plan.web and plan.web.listening is None:
        help_text = "leave out `webserver.k8s_audit_endpoint`, and give the address as SOURCE"
        raise Failure("with `--workers`, health and metrics need a port of their own", help_text)
