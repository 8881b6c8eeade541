"""`make demo`: the main job end to end, on the recording that ships with the package.

A real webhook server on a free port of this machine, and beside it a client that posts what a kube-apiserver recorded,
in the same requests as an API server makes. Alerts go to standard output, the summary to standard error, as with
`lanner run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from importlib.resources import files
from signal import SIGINT

import uvloop

from lanner.cli.detection import alert_format, compile_settings, for_stdout, shared_stdout
from lanner.cli.falco_version import versions
from lanner.cli.messages import Console, ExitCode, Failure, counted, say
from lanner.cli.progress import ProgressBar
from lanner.cli.screens import screen_for
from lanner.cli.settings import Settings
from lanner.cli.summary import summary
from lanner.engine.stats import Stats
from lanner.outputs.lane import Route
from lanner.outputs.stdout import SharedOutput
from lanner.rules.priority import Priority
from lanner.server.plan import Plan, SourcePlan
from lanner.server.station import Station
from lanner.sources.base import Handler, Limits, SourceError
from lanner.sources.webhook import WebhookOptions, WebhookSource

_PATH = "/k8s-audit"
_OK = 200
_HEADERS = {
    "User-Agent": "Go-http-client/1.1",
    "Accept": "application/json, */*",
    "Content-Type": "application/json",
    "Accept-Encoding": "gzip",
}


class Demo:
    """The webhook as a source that ends when the recording has been posted to it."""

    def __init__(self, bodies: list[bytes], stats: Callable[[], Stats], bar: ProgressBar | None) -> None:
        """Prepare the posts.

        Args:
            bodies: What to post.
            stats: What was counted so far.
            bar: Shows how far it is.
        """
        self._bodies = bodies
        self._stats = stats
        self._bar = bar

    async def run(self, handle: Handler) -> None:
        """Listen, post everything, stop listening.

        Raises:
            SourceError: No port can be listened on, or a post was not acknowledged.
        """
        options = WebhookOptions.from_url(f"http://127.0.0.1:0{_PATH}")
        source = WebhookSource(options, Limits())
        listening = asyncio.create_task(source.run(handle))
        waiting = asyncio.create_task(source.started.wait())
        await asyncio.wait([listening, waiting], return_when=asyncio.FIRST_COMPLETED)
        try:
            if source.address:
                await self._post(*source.address)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _post(self, host: str, port: int) -> None:
        """Post as an API server does: the next batch once the last one is acknowledged, over one connection."""
        say(f"webhook on http://{host}:{port}{_PATH}: posting {counted(len(self._bodies), 'batch')[:-1]}es of events")
        connection = HTTPConnection(host, port)
        done = 0
        for body in self._bodies:
            status = await asyncio.to_thread(_request, connection, body)
            if status != _OK:
                raise SourceError(_PATH, f"the webhook answered {status}", action="post to")
            done += len(body)
            if self._bar:
                self._bar.advance(done, self._stats())
        connection.close()


def _request(connection: HTTPConnection, body: bytes) -> int:
    connection.request("POST", f"{_PATH}?timeout=30s", body, _HEADERS)
    response = connection.getresponse()
    response.read()
    return response.status


def recording() -> list[bytes]:
    """Bodies of posts: events of scripted actions, benign and malicious, that a real kube-apiserver recorded."""
    return gzip.decompress(files("lanner").joinpath("data/demo/posts.jsonl.gz").read_bytes()).splitlines()


def main() -> int:
    """Run the demonstration; the exit status."""
    console = Console()
    settings = Settings(priority=Priority.NOTICE)
    rules = compile_settings(settings, console)
    console.note(f"{counted(len(rules.rules), 'rule')} of the default rule set, from NOTICE up")
    started = time.perf_counter()
    with screen_for(console) as screen, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bodies = recording()
        bar = ProgressBar(sum(map(len, bodies)), screen, console) if screen else None
        output = SharedOutput(shared_stdout(screen), for_stdout(alert_format(settings), console))
        demo = Demo(bodies, lambda: station.snapshot().stats, bar)
        source = SourcePlan(name="demo", made_of=None, rules=rules, open=lambda hooks: demo)
        plan = Plan(sources=(source,), routes=(Route(name="stdout", output=output),))
        station = Station(plan, lambda: plan, versions=versions())
        try:
            ending = runner.run(station.run())
        except SourceError as error:
            Failure(str(error), error.help, ExitCode.FAILED).show()
            return ExitCode.FAILED
    console.tell(summary(ending.stats, time.perf_counter() - started))
    return ExitCode.INTERRUPTED if ending.stopped is SIGINT else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
