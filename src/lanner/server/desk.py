"""The process that does, beside workers, what is not detection: health, metrics, changed files, alerts of the parent's.

The parent itself has no threads, because it forks; this one may have.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TypeAlias

import uvloop

from lanner.engine.alert import Alert
from lanner.engine.stats import Stats
from lanner.outputs.fanout import Fanout
from lanner.outputs.notices import tell
from lanner.server.office import Office, Reserved
from lanner.server.plan import Plan
from lanner.server.snapshot import Snapshot
from lanner.server.station import labels, rss_bytes, warnings_of
from lanner.server.worker import REPORT_S, Report, leave_signals
from lanner.sources.base import SourceError
from lanner.vigil.beacon import Beacon


@dataclass(frozen=True, slots=True)
class Changed:
    """The files of the plan have changed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The desk has begun; `problem` says what it cannot do."""

    problem: str = ""


Note: TypeAlias = Changed | Opened | Report
"""What the desk tells its parent."""


def keep_desk(  # noqa: PLR0917 - the parent gives what a process is to do in order
    plan: Plan,
    first: Snapshot,
    versions: Mapping[str, object],
    reserved: Reserved,
    beacon: Beacon,
    parent: Connection,
) -> None:
    """Be the desk, until the parent says so by None, or was killed.

    Args:
        plan: What is served and reported, and where alerts go.
        first: What the run has done so far; the parent sends what it has done since, and alerts.
        versions: What `/versions` tells.
        reserved: Addresses that the parent keeps, by those that were asked for.
        beacon: Where workers say that a canary came back.
        parent: Two-way.
    """
    leave_signals()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Desk(plan, first, parent).run(versions, reserved, beacon))


class _Desk:
    def __init__(self, plan: Plan, first: Snapshot, parent: Connection) -> None:
        self._plan = plan
        self._parent = parent
        self._labels = labels(plan)
        self._warnings = warnings_of(plan)
        self._snapshot = self._completed(first)
        self._fanout = Fanout(plan.routes, report=tell)
        self._closed = asyncio.Event()
        self._internal: Counter[str] = Counter()
        self._office: Office | None = None

    async def run(self, versions: Mapping[str, object], reserved: Reserved, beacon: Beacon) -> None:
        loop = asyncio.get_running_loop()
        office = Office(
            lambda: self._snapshot,
            self._raise_own,
            versions,
            on_change=lambda: self._tell(Changed()),
            reserved=reserved,
            beacon=beacon,
        )
        self._office = office
        problem = ""
        try:
            await office.adopt(self._plan)
        except SourceError as error:
            problem = str(error)
        self._tell(Opened(problem))
        loop.add_reader(self._parent.fileno(), self._receive)
        reporting = loop.create_task(self._report_forever())
        await self._closed.wait()
        reporting.cancel()
        await office.close()
        await asyncio.to_thread(self._fanout.close)
        self._report()

    def _receive(self) -> None:
        try:
            message: Snapshot | Alert | None = self._parent.recv()
        except (EOFError, OSError):
            message = None
        if message is None:
            asyncio.get_running_loop().remove_reader(self._parent.fileno())
            self._closed.set()
        elif isinstance(message, Alert):
            self._raise(message)
        else:
            self._snapshot = self._completed(message)

    def _completed(self, snapshot: Snapshot) -> Snapshot:
        """A snapshot with what the desk knows by itself, so that it is not sent each time."""
        return replace(snapshot, rules=self._labels, files=self._plan.files, warnings=self._warnings)

    def _raise(self, alert: Alert) -> None:
        self._fanout.write([alert])

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
        self._tell(Report(Stats(), {}, tuple(self._fanout.stats()), rss_bytes(), dict(self._internal), sight))

    def _tell(self, note: Note) -> None:
        with suppress(OSError):  # nobody hears it
            self._parent.send(note)
