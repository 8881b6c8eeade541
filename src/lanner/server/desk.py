"""The process that does, beside workers, what is not detection: it delivers, serves health and metrics, watches files.

The parent itself has no threads, because it forks; this one may have.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TypeAlias

import uvloop

from lanner.engine.alert import Alert, Finding
from lanner.engine.stats import Stats
from lanner.server.facts import labels, rss_bytes, warnings_of
from lanner.server.internal import not_stored
from lanner.server.keeper import Deliverer, Keeper
from lanner.server.office import VIGIL_MEMORY, Office, Reserved
from lanner.server.plan import Plan
from lanner.server.snapshot import Snapshot
from lanner.server.worker import REPORT_S, Report, Unstored, leave_signals
from lanner.sources.base import SourceError
from lanner.store.errors import StoreError
from lanner.store.place import Place
from lanner.vigil.beacon import Beacon

_LOG = logging.getLogger(__name__)

_PAUSE_S = 1.0
"""How long to wait for a store that does not answer."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The files of the plan have changed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The desk has begun; `problem` says what it cannot do."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReaderGone:
    """Nobody takes alerts any more."""


@dataclass(frozen=True, slots=True)
class Desktop:
    """What the parent keeps for the desk.

    Attributes:
        place: Where alerts are stored.
        wake: Descriptor of an event: workers have stored alerts.
        reserved: Addresses, by those that were asked for.
        beacon: Where workers say that a canary came back.
    """

    place: Place
    wake: int
    reserved: Reserved
    beacon: Beacon


Note: TypeAlias = Changed | Opened | ReaderGone | Report
"""What the desk tells its parent."""


def keep_desk(
    plan: Plan, first: Snapshot, versions: Mapping[str, object], desktop: Desktop, parent: Connection
) -> None:
    """Be the desk, until the parent says so by None, or was killed.

    Args:
        plan: What is served and reported, and where alerts go.
        first: What the run has done so far; the parent sends what it has done since, and alerts.
        versions: What `/versions` tells.
        desktop: What the parent keeps for it.
        parent: Two-way.
    """
    leave_signals()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Desk(plan, first, desktop, parent).run(versions))


class _Desk:
    def __init__(self, plan: Plan, first: Snapshot, desktop: Desktop, parent: Connection) -> None:
        self._plan = plan
        self._desktop = desktop
        self._parent = parent
        self._labels = labels(plan)
        self._warnings = warnings_of(plan)
        self._snapshot = self._completed(first)
        self._keeper = Keeper(desktop.place, plan, pass_on=self._pass_on, on_trouble=self._tell_trouble)
        self._deliverer: Deliverer | None = None
        self._closed = asyncio.Event()
        self._internal: Counter[str] = Counter()
        self._office: Office | None = None

    async def run(self, versions: Mapping[str, object]) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        office = Office(
            lambda: self._snapshot,
            self._raise_own,
            versions,
            on_change=lambda: self._tell(Changed()),
            reserved=self._desktop.reserved,
            beacon=self._desktop.beacon,
        )
        office.remember(self._keeper.checkpoint(VIGIL_MEMORY))
        self._office = office
        problem = ""
        try:
            await office.adopt(self._plan)
        except SourceError as error:
            problem = str(error)
        self._tell(Opened(problem))
        loop.add_reader(self._parent.fileno(), self._receive)
        loop.add_reader(self._desktop.wake, self._wake)
        loop.add_signal_handler(signal.SIGUSR1, self._reopen)
        helpers = [loop.create_task(self._report_forever()), loop.create_task(self._begin_to_deliver())]
        await self._closed.wait()
        for helper in helpers:
            helper.cancel()
        await asyncio.wait(helpers)
        await office.close()
        if self._deliverer:
            await asyncio.to_thread(self._deliverer.close)
        await asyncio.to_thread(self._keeper.close)
        self._report()

    async def _begin_to_deliver(self) -> None:
        """Connect the outputs, once the store answers."""
        while self._deliverer is None:
            try:
                self._deliverer = Deliverer(
                    self._keeper.store, self._desktop.place, self._plan, limits=None, on_gone=self._tell_gone
                )
            except StoreError as error:
                _LOG.error("alerts are not delivered yet: %s", error)
                await asyncio.sleep(_PAUSE_S)

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # the desk that leaves has heard it
            os.eventfd_read(self._desktop.wake)
        if self._deliverer:
            self._deliverer.wake()

    def _reopen(self) -> None:
        if self._deliverer:
            self._deliverer.reopen()

    def _pass_on(self, findings: Sequence[Finding]) -> None:
        if self._deliverer:
            self._deliverer.pass_on(findings)

    def _tell_trouble(self, reason: str) -> None:
        self._loop.call_soon_threadsafe(self._raise_own, not_stored(reason))

    def _tell_gone(self) -> None:
        self._loop.call_soon_threadsafe(self._tell, ReaderGone())

    def _receive(self) -> None:
        try:
            message: Snapshot | Alert | Unstored | None = self._parent.recv()
        except (EOFError, OSError):
            message = None
        if message is None:
            asyncio.get_running_loop().remove_reader(self._parent.fileno())
            self._closed.set()
        elif isinstance(message, Alert):
            self._raise(message)
        elif isinstance(message, Unstored):
            self._pass_on(message.findings)
        else:
            self._snapshot = self._completed(message)

    def _completed(self, snapshot: Snapshot) -> Snapshot:
        """A snapshot with what the desk knows by itself, so that it is not sent each time."""
        return replace(snapshot, rules=self._labels, files=self._plan.files, warnings=self._warnings)

    def _raise(self, alert: Alert) -> None:
        self._keeper.raise_alert(alert)

    def _raise_own(self, alert: Alert) -> None:
        """Raise an alert of the desk's own; the parent counts those that it sends."""
        self._internal[alert.rule] += 1
        self._raise(alert)

    async def _report_forever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._report()

    def _report(self) -> None:
        sight = self._office.look().sight if self._office else None
        routes = self._deliverer.stats() if self._deliverer else ()
        stats = replace(self._keeper.stats)
        self._tell(Report(Stats(), {}, routes, rss_bytes(), dict(self._internal), sight, stats))

    def _tell(self, note: Note) -> None:
        with suppress(OSError):  # nobody hears it
            self._parent.send(note)
