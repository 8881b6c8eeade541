"""One of several processes that share a webhook's port: its own engine, event loop and listening socket.

It obeys nothing but two latches: at the gate it waits for the others, and the lifeline ends it, be it that the parent
lets go of it or that the parent was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import Connection
from typing import TypeAlias

import uvloop

from lanner.engine.engine import Engine
from lanner.engine.stats import Stats
from lanner.outputs.base import Output
from lanner.server.serve import STOP_SIGNALS, serve
from lanner.sources.base import Handler, Source, SourceError
from lanner.sources.webhook import WebhookOptions, WebhookSource


@dataclass(frozen=True, slots=True)
class Job:
    """What each worker does.

    Attributes:
        options: Where and how to listen.
        engine: Evaluates; each worker has its copy.
        output: Takes the alerts; whatever it writes to takes them from several processes.
        report: Told, in the worker, when the output cannot take alerts.
    """

    options: WebhookOptions
    engine: Engine
    output: Output
    report: Callable[[OSError], None]


class Stage(IntEnum):
    """How far a worker has come."""

    STARTED = 0
    READY = 1
    LISTENING = 2


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word of a worker that ended in order."""

    stats: Stats
    has_reader: bool


@dataclass(frozen=True, slots=True)
class Unable:
    """The last word of a worker that cannot go on."""

    reason: str


class Latch:
    """Tells other processes, by a pipe, that this one lets go or has ended, in whatever way."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        self.is_held = True

    def let_go(self) -> None:
        """Let go, once; a forked process does it for its own copy, or it would hold the latch against its parent."""
        if self.is_held:
            os.close(self._writer)
            self.is_held = False

    def wait(self) -> None:
        """Wait until nobody holds the latch."""
        os.read(self.reader, 1)

    def close(self) -> None:
        """Let go, and hear no more of others."""
        self.let_go()
        os.close(self.reader)


Message: TypeAlias = Stage | Ended | Unable
"""What a worker tells its parent; after `Ended` or `Unable` nothing follows."""


def work(job: Job, parent: Connection, gate: Latch, lifeline: Latch) -> None:
    """Be a worker, until the lifeline is let go of: then what was received is evaluated, written and acknowledged.

    Args:
        job: What to do.
        parent: Takes messages.
        gate: Connections are accepted once it is let go of.
        lifeline: Keeps the worker going.
    """
    signal.set_wakeup_fd(-1)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    gate.let_go()
    lifeline.let_go()
    with suppress(BrokenPipeError):  # nobody hears it: the parent was killed
        parent.send(Stage.READY)
        gate.wait()
        parent.send(_serve(job, parent, lifeline))


def _serve(job: Job, parent: Connection, lifeline: Latch) -> Ended | Unable:
    def on_started(host: str, port: int) -> None:
        with suppress(BrokenPipeError):
            parent.send(Stage.LISTENING)

    source = _Led(WebhookSource(job.options, is_shared=True, on_started=on_started), lifeline)
    has_reader = True
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(source, job.engine, [job.output], report=job.report, signals=()))
    except SourceError as error:
        return Unable(str(error))
    except BrokenPipeError:
        has_reader = False
    return Ended(job.engine.stats, has_reader)


@dataclass(frozen=True, slots=True)
class _Led:
    """A source that is cancelled when a latch is let go of."""

    source: Source
    lifeline: Latch

    async def run(self, handle: Handler) -> None:
        loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(self.source.run(handle))

        def stop() -> None:
            loop.remove_reader(self.lifeline.reader)
            running.cancel()

        loop.add_reader(self.lifeline.reader, stop)
        try:
            await running
        finally:
            loop.remove_reader(self.lifeline.reader)
