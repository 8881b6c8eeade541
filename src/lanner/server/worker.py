"""One of several processes that share a webhook's port: its own engines, event loop and listening sockets.

It stores alerts, and the desk delivers them. It obeys nothing but two latches: at the gate it waits for the others, and
the lifeline ends it, be it that the parent lets go of it or that the parent was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import partial
from multiprocessing.connection import Connection
from typing import TypeAlias

import uvloop

from lanner.engine.alert import Finding
from lanner.engine.stats import Stats
from lanner.outputs.route import RouteStats
from lanner.server.plan import Files, Plan
from lanner.server.snapshot import Snapshot, SourceCounts
from lanner.server.station import STOP_SIGNALS, Shared, Station
from lanner.sources.base import SourceError
from lanner.store.errors import StoreError
from lanner.store.place import Place
from lanner.store.writer import WriterStats
from lanner.vigil.beacon import Beacon
from lanner.vigil.sight import Sight

_UNSTORED = 100
"""How many alerts that are not stored go into a message."""

REPORT_S = 1.0
"""How often a worker tells what it has done."""

PARENTS_SIGNALS = (*STOP_SIGNALS, signal.SIGHUP, signal.SIGUSR1)
"""What the parent is sent, and workers are not to take for it."""

Addresses = Mapping[str, tuple[str, int]]
"""Host and port of each webhook, by its name."""


@dataclass(frozen=True, slots=True)
class Job:
    """What each worker does.

    Attributes:
        plan: What there is to do; workers do the sources of it.
        addresses: Where to listen.
        beacon: Where to say that a canary came back.
        place: Where alerts are stored.
        wake: Descriptor of an event that tells the desk of alerts.
    """

    plan: Plan
    addresses: Addresses
    beacon: Beacon
    place: Place
    wake: int


class Stage(IntEnum):
    """How far a worker has come."""

    STARTED = 0
    READY = 1
    LISTENING = 2


@dataclass(frozen=True, slots=True)
class Listening:
    """A source of a worker takes events.

    Attributes:
        name: The source.
        text: Where, in words for people.
        url: The address.
    """

    name: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a process has done since it started; `sight` is what the one that watches knows, None in the others."""

    stats: Stats
    sources: Mapping[str, SourceCounts]
    routes: tuple[RouteStats, ...]
    rss_bytes: int
    internal: Mapping[str, int] = field(default_factory=dict)
    sight: Sight | None = None
    store: WriterStats = field(default_factory=WriterStats)

    @staticmethod
    def of(snapshot: Snapshot) -> Report:
        """What a snapshot says of the process that made it."""
        return Report(
            snapshot.stats,
            snapshot.sources,
            snapshot.routes,
            snapshot.rss_bytes,
            snapshot.internal,
            store=snapshot.store,
        )


@dataclass(frozen=True, slots=True)
class Unstored:
    """Alerts that a worker could not store; outputs get them all the same."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word of a worker that ended in order."""


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


Message: TypeAlias = Stage | Listening | Report | Unstored | Ended | Unable
"""What a worker tells its parent; after `Ended` or `Unable` nothing follows."""


def leave_signals() -> None:
    """Forget what the parent does about signals, and leave them to it."""
    signal.set_wakeup_fd(-1)
    for number in PARENTS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENTS_SIGNALS)


def work(job: Job, parent: Connection, gate: Latch, lifeline: Latch) -> None:
    """Be a worker, until the lifeline is let go of: then what was received is evaluated, stored and acknowledged.

    Args:
        job: What to do.
        parent: Takes messages.
        gate: Connections are accepted once it is let go of.
        lifeline: Keeps the worker going.
    """
    leave_signals()
    gate.let_go()
    lifeline.let_go()
    with suppress(BrokenPipeError):  # nobody hears it: the parent was killed
        parent.send(Stage.READY)
        gate.wait()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            last_word = runner.run(_serve(job, parent, lifeline))
        parent.send(last_word)


async def _serve(job: Job, parent: Connection, lifeline: Latch) -> Ended | Unable:
    loop = asyncio.get_running_loop()
    waiting = {source.name for source in job.plan.sources}

    def on_started(name: str, text: str, url: str) -> None:
        waiting.discard(name)
        with suppress(BrokenPipeError):
            parent.send(Listening(name, text, url))
            if not waiting:
                report()  # before others end in its favour, so that the sources never seem to be away
                parent.send(Stage.LISTENING)

    def pass_on(findings: Sequence[Finding]) -> None:
        for at in range(0, len(findings), _UNSTORED):
            message = Unstored(tuple(findings[at : at + _UNSTORED]))
            loop.call_soon_threadsafe(_send, parent, message)

    plan = replace(job.plan, web=None, snapshots=None, vigil=None, files=Files())
    shared = Shared(job.addresses, job.place, pass_on, partial(_ring, job.wake))
    station = Station(plan, lambda: plan, versions={}, shared=shared, on_started=on_started, beacon=job.beacon)

    def report() -> None:
        with suppress(BrokenPipeError):
            parent.send(Report.of(station.snapshot()))

    async def report_forever() -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            report()

    def end() -> None:
        loop.remove_reader(lifeline.reader)
        station.stop()

    loop.add_reader(lifeline.reader, end)
    reporting = loop.create_task(report_forever())
    try:
        await station.run()
    except (SourceError, StoreError) as error:
        return Unable(str(error))
    finally:
        reporting.cancel()
        report()
    return Ended()


def _send(parent: Connection, message: Message) -> None:
    with suppress(BrokenPipeError):
        parent.send(message)


def _ring(event: int) -> None:
    with suppress(BlockingIOError):  # it rings already
        os.eventfd_write(event, 1)
