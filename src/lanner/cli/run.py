"""`lanner run`: live detection until stopped."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from signal import SIGINT

import click
import uvloop

from lanner.cli.detection import compile_settings, open_stdout
from lanner.cli.messages import Console, ExitCode, Failure, counted, say
from lanner.cli.options import detection_options
from lanner.cli.settings import Settings
from lanner.cli.summary import close
from lanner.engine.engine import Engine
from lanner.server.serve import serve
from lanner.sources.base import Handler, Limits, Source, SourceError
from lanner.sources.follow import FollowSource, StdinSource
from lanner.sources.webhook import WebhookOptions, WebhookSource

DEFAULT_SOURCE = "http://127.0.0.1:9765/k8s-audit"


@dataclass(frozen=True, slots=True)
class Listening:
    """How a webhook listens.

    Attributes:
        certificate: PEM file with the certificate, for https.
        key: PEM file with its key; None: in the same file.
        allow_unauthenticated: Listen beyond loopback though nothing asks who posts.
    """

    certificate: str | None = None
    key: str | None = None
    allow_unauthenticated: bool = False


@click.command("run")
@click.argument("source", metavar="[SOURCE]", default=DEFAULT_SOURCE)
@detection_options
@click.option("--from-start", is_flag=True, help="Read a followed file from its start, not only what is added.")
@click.option("--tls-cert", metavar="FILE", help="Certificate for an https SOURCE (PEM).")
@click.option("--tls-key", metavar="FILE", help="Its key, when that is not in the same file.")
@click.option("--allow-unauthenticated", is_flag=True, help="Listen beyond this machine without asking who posts.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Load everything, then end.")
@click.pass_context
def run(
    context: click.Context,
    *,
    source: str,
    from_start: bool,
    tls_cert: str | None,
    tls_key: str | None,
    allow_unauthenticated: bool,
    is_dry_run: bool,
    settings: Settings,
    console: Console,
) -> None:
    """Detect live, until stopped.

    SOURCE is an address to listen on for the API server's audit webhook (http:// or https://), a file to follow, or `-`
    for standard input. Without one it is http://127.0.0.1:9765/k8s-audit.
    """
    listening = Listening(tls_cert, tls_key, allow_unauthenticated)
    opened = open_source(source, listening, console, from_start=from_start)
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
    output = open_stdout(settings, console)
    if is_dry_run:
        return ExitCode.DONE
    console.note(counted(len(engine.rules.rules), "rule"))
    started = time.perf_counter()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            stopped = runner.run(serve(source, engine, [output], report=_report, stop_after_s=stop_after_s))
    except SourceError as error:
        raise Failure(str(error), error.help, ExitCode.FAILED) from error
    close(engine.stats, time.perf_counter() - started, console)
    return ExitCode.INTERRUPTED if stopped is SIGINT else ExitCode.DONE


def open_source(source: str, listening: Listening, console: Console, *, from_start: bool = False) -> Source:
    """The source that a user named: a URL to listen on, a file to follow, or `-`.

    Raises:
        Failure: The URL cannot be listened on as it is written, or it is not safe to.
    """
    if source.startswith(("http://", "https://")):
        return _open_webhook(source, listening, console)
    if source == "-":
        return StdinSource(Limits())
    return FollowSource(source, Limits(), from_start=from_start, on_error=_report_source)


def _open_webhook(url: str, listening: Listening, console: Console) -> Source:
    certificate = {"sslCertificate": listening.certificate, "sslKey": listening.key}
    try:
        options = WebhookOptions.from_url(url, {key: value for key, value in certificate.items() if value is not None})
    except SourceError as error:
        raise Failure(str(error), error.help) from error
    if not options.is_loopback and not listening.allow_unauthenticated:
        raise Failure(
            f"`{url}` is open to other machines, and nothing asks who posts",
            "listen on 127.0.0.1, or add `--allow-unauthenticated`",
        )

    return _AnnouncedWebhook(WebhookSource(options), console)


@dataclass(frozen=True, slots=True)
class _AnnouncedWebhook:
    """A webhook that says where it listens as soon as it does."""

    webhook: WebhookSource
    console: Console

    async def run(self, handle: Handler) -> None:
        announcing = asyncio.create_task(self._announce())
        try:
            await self.webhook.run(handle)
        finally:
            announcing.cancel()

    async def _announce(self) -> None:
        await self.webhook.started.wait()
        if self.webhook.address:
            options, (host, port) = self.webhook.options, self.webhook.address
            scheme = "https" if options.is_tls else "http"
            name = f"[{host}]" if ":" in host else host
            self.console.note(f"listening on {scheme}://{name}:{port}{options.path}")


def _report_source(error: Exception) -> None:
    """Say what a source met on its way and goes on after; errors of outputs are said where they happen."""
    if not isinstance(error, OSError):
        Failure(str(error), getattr(error, "help", None)).show()


def _report(error: OSError) -> None:
    say(f"error: cannot write alerts: {(error.strerror or str(error)).lower()}")
