"""`lanner run`: live detection until stopped."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from signal import SIGINT
from typing import Any

import click
import uvloop

from lanner.cli.detection import compile_settings, open_stdout
from lanner.cli.messages import Console, ExitCode, Failure, counted, report
from lanner.cli.options import detection_options, log_format_option
from lanner.cli.place import Place, choose_place
from lanner.cli.screens import Figures, screen_for, watched
from lanner.cli.settings import Settings
from lanner.cli.summary import close
from lanner.engine.engine import Engine
from lanner.outputs.stdout import SharedOutput
from lanner.server.serve import serve
from lanner.server.worker import Job
from lanner.server.workers import MAX_DEATHS, Death, serve_workers
from lanner.sources.base import Limits, Source, SourceError
from lanner.sources.follow import FollowSource, StdinSource
from lanner.sources.webhook import WebhookOptions, WebhookSource


@dataclass(frozen=True, slots=True)
class Listening:
    """How a webhook listens.

    Attributes:
        certificate: PEM file with the certificate, for https.
        key: PEM file with its key; None: in the same file.
        allow_unauthenticated: Listen beyond loopback though nothing asks who posts.
        options: Options of the k8saudit plugin; `certificate` and `key` go before them.
        warn: Told when other machines can reach the address.
    """

    certificate: str | None = None
    key: str | None = None
    allow_unauthenticated: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    warn: Callable[[str], None] = lambda text: None


@click.command("run")
@click.argument("source", metavar="[SOURCE]", required=False)
@detection_options
@click.option("--from-start", is_flag=True, help="Read a followed file from its start, not only what is added.")
@click.option("--tls-cert", metavar="FILE", help="Certificate for an https SOURCE (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its key, when that is not in the same file.")
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
@click.pass_context
def run(
    context: click.Context,
    *,
    source: str | None,
    from_start: bool,
    tls_cert: str | None,
    tls_key: str | None,
    allow_unauthenticated: bool,
    workers: int,
    is_dry_run: bool,
    settings: Settings,
    console: Console,
) -> None:
    """Detect live, until stopped.

    SOURCE is an address to listen on for the API server's audit webhook (http:// or https://), a file to follow, `-`
    for standard input, or the name of a configured plugin. Without one it is what the configuration says, else
    http://127.0.0.1:9765/k8s-audit.
    """
    place = choose_place(source, settings)
    listening = listening_at(place, settings, console, Listening(tls_cert, tls_key, allow_unauthenticated))
    if workers > 1:
        context.exit(run_workers(place.address, listening, workers, settings, console, is_dry_run=is_dry_run))
    opened = open_source(place.address, listening, console, from_start=from_start or place.is_configured)
    context.exit(run_source(opened, settings, console, is_dry_run=is_dry_run))


def run_source(
    source: Source,
    settings: Settings,
    console: Console,
    *,
    stop_after_s: float | None = None,
    is_dry_run: bool = False,
) -> ExitCode:
    """Detect on a live source until it ends or a signal comes, then print the summary.

    Args:
        source: Gives the events.
        settings: What to detect, and how alerts look.
        console: What to say beside the results.
        stop_after_s: End after so many seconds.
        is_dry_run: Load everything, then end.

    Returns:
        The exit status: 130 after Ctrl-C.

    Raises:
        Failure: The rules have errors, or the source cannot start.
        BrokenPipeError: Nobody reads standard output any more.
    """
    engine = Engine(compile_settings(settings, console))
    if is_dry_run:
        return ExitCode.DONE
    console.note(counted(number := len(engine.rules.rules), "rule"), rules=number)
    started = time.perf_counter()
    try:
        with screen_for(console) as screen, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            output = open_stdout(settings, console, screen)
            run = serve(source, engine, [output], report=_report, stop_after_s=stop_after_s)
            stopped = runner.run(watched(run, lambda: Figures(engine.stats, "detecting"), screen, console))
    except SourceError as error:
        raise Failure(str(error), error.help, ExitCode.FAILED) from error
    close(engine.stats, time.perf_counter() - started, console)
    return ExitCode.INTERRUPTED if stopped is SIGINT else ExitCode.DONE


def run_workers(
    url: str, listening: Listening, workers: int, settings: Settings, console: Console, *, is_dry_run: bool = False
) -> ExitCode:
    """As `run_source` for a webhook, with several processes.

    Args:
        url: Where to listen.
        listening: How to listen.
        workers: How many processes evaluate.
        settings: What to detect, and how alerts look.
        console: What to say beside the results.
        is_dry_run: Load everything, then end.

    Raises:
        Failure: The source is no webhook, the rules have errors or number events, or workers die again and again.
        BrokenPipeError: Nobody reads standard output any more.
    """
    if not _is_url(url):
        raise Failure(f"`--workers` is for webhooks, and `{url}` is none", "leave it out, or give an `http://` address")
    options = _webhook_options(url, listening)
    engine = Engine(compile_settings(settings, console))
    if engine.rules.numbers_events:
        help_text = "leave out `--workers`, or `%evt.num` in the rules"
        raise Failure("a rule asks for the running number of events, which only one process can give", help_text)
    descriptor = sys.stdout.fileno() if settings.stdout_output else os.open(os.devnull, os.O_WRONLY)
    output = SharedOutput(descriptor, open_stdout(settings, console).format)
    if is_dry_run:
        return ExitCode.DONE
    console.note(counted(number := len(engine.rules.rules), "rule"), rules=number)
    started = time.perf_counter()
    job = Job(options, engine, output, _report)
    try:
        outcome = serve_workers(job, workers, on_started=_announcing(options, console), on_death=_report_death)
    except SourceError as error:
        raise Failure(str(error), error.help, ExitCode.FAILED) from error
    close(outcome.stats, time.perf_counter() - started, console)
    if outcome.restarted:
        console.note(f"Workers restarted: {outcome.restarted}", restarted=outcome.restarted)
    if outcome.is_given_up:
        raise Failure(f"{MAX_DEATHS} workers died within a minute", "see above why", ExitCode.FAILED)
    return ExitCode.INTERRUPTED if outcome.stopped is SIGINT else ExitCode.DONE


def listening_at(place: Place, settings: Settings, console: Console, given: Listening) -> Listening:
    """How to listen at a place: as the command line says, with what the configuration allows and adds."""
    return replace(
        given,
        allow_unauthenticated=given.allow_unauthenticated or settings.allow_unauthenticated or place.is_configured,
        options=place.options,
        warn=console.warn,
    )


def open_source(source: str, listening: Listening, console: Console, *, from_start: bool = False) -> Source:
    """The source that a user named: a URL to listen on, a file to follow, or `-`.

    Raises:
        Failure: The URL cannot be listened on as it is written, or it is not safe to.
    """
    if _is_url(source):
        options = _webhook_options(source, listening)
        return WebhookSource(options, on_started=_announcing(options, console))
    if source == "-":
        return StdinSource(Limits())
    return FollowSource(source, Limits(), from_start=from_start, on_error=_report_source)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _webhook_options(url: str, listening: Listening) -> WebhookOptions:
    certificate = {"sslCertificate": listening.certificate, "sslKey": listening.key}
    given = {key: value for key, value in certificate.items() if value is not None}
    try:
        options = WebhookOptions.from_url(url, {**listening.options, **given})
    except SourceError as error:
        raise Failure(str(error), error.help) from error
    if not options.is_loopback and not listening.allow_unauthenticated:
        raise Failure(
            f"`{url}` is open to other machines, and nothing asks who posts",
            "listen on 127.0.0.1, or add `--allow-unauthenticated`",
        )
    if not options.is_loopback:
        listening.warn(f"`{url}` is open to other machines, and nothing asks who posts")
    return options


def _announcing(options: WebhookOptions, console: Console) -> Callable[[str, int], None]:
    def announce(host: str, port: int) -> None:
        scheme = "https" if options.is_tls else "http"
        name = f"[{host}]" if ":" in host else host
        url = f"{scheme}://{name}:{port}{options.path}"
        console.note(f"listening on {url}", url=url)

    return announce


def _report_source(error: Exception) -> None:
    """Say what a source met on its way and goes on after; errors of outputs are said where they happen."""
    if not isinstance(error, OSError):
        report(str(error), help=getattr(error, "help", None))


def _report(error: OSError) -> None:
    reason = (error.strerror or str(error)).lower()
    report(f"cannot write alerts: {reason}", reason=reason)


def _report_death(death: Death) -> None:
    then = "" if death.pause_s is None else f", another starts in {death.pause_s:g} s"
    what = f"a worker was lost with what it had counted: {death.reason}{then}"
    report(what, reason=death.reason, pause_s=death.pause_s)
