"""What becomes of alerts in a process: they are stored, and those that are stored are delivered."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Awaitable, Callable, Sequence

from lanner.engine.alert import Alert, Finding
from lanner.outputs.fanout import Fanout
from lanner.outputs.notices import tell
from lanner.outputs.route import Route, RouteStats
from lanner.outputs.window import QueueLimits
from lanner.server.plan import Plan
from lanner.sources.base import NotStored
from lanner.sources.plugin import Checkpoint
from lanner.store.journal import StoreJournal
from lanner.store.place import Place
from lanner.store.store import Store
from lanner.store.writer import WriterStats

_LOG = logging.getLogger(__name__)

_AGAIN_S = 60.0
"""How often it is said that alerts cannot be stored, while that is so."""

_ID_BYTES = 32


class Keeper:
    """Stores alerts. What cannot be stored is passed on to outputs all the same, and not acknowledged.

    Attributes:
        store: Keeps them.
    """

    def __init__(
        self,
        place: Place,
        plan: Plan,
        *,
        pass_on: Callable[[Sequence[Finding]], None],
        on_trouble: Callable[[str], object],
        tidies: bool = True,
    ) -> None:
        """Connect the parts.

        Args:
            place: Where alerts are stored.
            plan: How much is kept.
            pass_on: Takes alerts that are not stored; called from any thread.
            on_trouble: Told now and then why alerts cannot be stored; called from any thread.
            tidies: Whether this process deletes old alerts.
        """
        self.store = Store(place, plan.store.bounds, tidies=tidies)
        self._pass_on = pass_on
        self._on_trouble = on_trouble
        self._said_at = -math.inf
        self._is_well = True

    def put(self, findings: Sequence[Finding]) -> Awaitable[None]:
        """Store alerts, in the order of the calls; once this is awaited they are durable.

        What is awaited raises `NotStored` if they are not; outputs get them as far as memory has room.
        """
        return self._settled(findings, self.store.put(findings))

    def raise_alert(self, alert: Alert) -> None:
        """Store an alert about the program itself, each with an identity of its own; nobody waits for it."""
        self.store.put_soon([Finding.of(alert, os.urandom(_ID_BYTES))], self._not_stored)

    @property
    def stats(self) -> WriterStats:
        """What was stored."""
        return self.store.stats

    def checkpoint(self, name: str) -> Checkpoint:
        """Where a source has come to, by its name."""
        return self.store.checkpoint(name)

    def close(self) -> None:
        """Write what waits, and let go of the store."""
        self.store.close()

    async def _settled(self, findings: Sequence[Finding], stored: Awaitable[None]) -> None:
        try:
            await stored
        except NotStored as error:
            self._not_stored(findings, error)
            raise
        if not self._is_well:
            self._is_well = True
            _LOG.info("alerts are stored again")

    def _not_stored(self, findings: Sequence[Finding], error: NotStored) -> None:
        self._pass_on(findings)
        now = time.monotonic()
        if self._is_well or now - self._said_at >= _AGAIN_S:
            is_first = now - self._said_at >= _AGAIN_S
            self._is_well = False
            if is_first:
                self._said_at = now
                fields = {"reason": error.reason}
                _LOG.error("%s; events are not acknowledged meanwhile", error, extra={"fields": fields})
                self._on_trouble(error.reason)


class Deliverer:
    """Has stored alerts delivered by this process."""

    def __init__(
        self,
        store: Store,
        place: Place,
        plan: Plan,
        *,
        limits: QueueLimits | None,
        on_gone: Callable[[], object],
    ) -> None:
        """Connect the outputs of a plan; those that are new begin with what is stored from now on.

        Args:
            store: Keeps the alerts.
            place: Where it is.
            plan: Where alerts go.
            limits: How many alerts are kept in memory; None: none, because other processes store alerts.
            on_gone: Told, in any thread, that nobody takes alerts any more.

        Raises:
            StoreError: The store cannot be read or written.
        """
        self._store = store
        store.begin([route.name for route in plan.routes])
        self._journal = StoreJournal(store, place, limits)
        self._fanout = Fanout(
            plan.routes, self._journal, report=tell, on_gone=on_gone, give_up_after_s=plan.store.give_up_after_s
        )
        store.on_done = self._fanout.wake
        self._fanout.wake()

    async def adopt(self, routes: Sequence[Route]) -> None:
        """Go on with other routes.

        Raises:
            StoreError: The store cannot be written; nothing has changed.
        """
        await asyncio.to_thread(self._store.begin, [route.name for route in routes])
        self._fanout.adopt(routes)

    def pass_on(self, findings: Sequence[Finding]) -> None:
        """Deliver alerts that are not stored, each once."""
        self._fanout.pass_on(findings)

    def wake(self) -> None:
        """Say that others have stored alerts."""
        self._fanout.wake()

    def reopen(self) -> None:
        """Let all outputs begin anew, as after SIGUSR1."""
        self._fanout.reopen()

    def stats(self) -> tuple[RouteStats, ...]:
        """What became of alerts, by output."""
        return tuple(self._fanout.stats())

    def close(self) -> None:
        """Deliver what waits, for some seconds, and let others deliver."""
        self._store.flush()
        self._fanout.close()
        self._journal.close()
