"""Alerts to any number of outputs, none of which can hold up detection or another output."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from lanner.engine.alert import Finding
from lanner.outputs.journal import Journal
from lanner.outputs.lane import GIVE_UP_AFTER_S, Lane
from lanner.outputs.route import Route, RouteStats
from lanner.outputs.window import size_of


class Fanout:
    """Has alerts of a journal delivered to outputs, each by a thread of its own, which repeats what fails."""

    def __init__(
        self,
        routes: Sequence[Route],
        journal: Journal,
        *,
        report: Callable[[str], None],
        on_gone: Callable[[], object] = lambda: None,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        close_timeout_s: float = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect the routes; threads begin when they are woken.

        Args:
            routes: The outputs; no two of them are the same object.
            journal: Where alerts are read from.
            report: Told what goes wrong, at most once a minute for each output and kind; called from any thread.
            on_gone: Told, in any thread, that the places of all outputs are gone for good.
            give_up_after_s: How long an output that fails is tried with an alert.
            close_timeout_s: How long `close` may take, for all routes together.
            clock: Seconds that never go back.
        """
        self._journal = journal
        self._report = report
        self._on_gone = on_gone
        self._give_up_after_s = give_up_after_s
        self._close_timeout_s = close_timeout_s
        self._clock = clock
        self._leaving: list[Lane] = []
        self._left: dict[str, RouteStats] = {}
        self._accounts = threading.Lock()
        self._lanes = [self._lane(route) for route in routes]

    def adopt(self, routes: Sequence[Route]) -> None:
        """Go on with other routes, as after the configuration was read again.

        A route that is as one of before goes on with its connections. One that is made anew goes on from where that of
        before ends, which ends what it has begun. One that is no more delivers what it has in the background, for as
        long as `close` may take.
        """
        old = {lane.route.name: lane for lane in self._lanes}
        wanted = {route.name for route in routes}
        kept = {route.name for route in routes if route.name in old and old[route.name].route.is_as(route)}
        leaving = [lane for lane in self._lanes if lane.route.name not in kept]
        self._leaving += leaving
        deadline = self._clock() + self._close_timeout_s
        for lane in leaving:
            lane.ask_to_close(deadline, drains=lane.route.name not in wanted)
        self._lanes = [old[route.name] if route.name in kept else self._lane(route) for route in routes]
        if leaving:
            threading.Thread(target=self._close_all, args=(leaving,), name="outputs that leave", daemon=True).start()
        self.wake()

    def wake(self) -> None:
        """Say that there may be alerts."""
        for lane in self._lanes:
            lane.wake()

    def pass_on(self, findings: Sequence[Finding]) -> None:
        """Deliver alerts that the journal does not have, each of them once; it may get them later."""
        for lane in self._lanes:
            lane.pass_on(findings)

    def wait_for_room(self, findings: Sequence[Finding], patience_s: float) -> None:
        """Wait for outputs that are slower than whoever writes, each until it has room for these, fails, or time is up.

        For work that can wait, as reading a file can; detection on what comes by itself must not.
        """
        size = sum(map(size_of, findings))
        for lane in self._lanes:
            lane.wait_for_room(len(findings), size, patience_s)

    @property
    def is_gone(self) -> bool:
        """Whether there are routes, and the places of all of them are gone for good."""
        return bool(self._lanes) and all(lane.is_gone for lane in self._lanes)

    def reopen(self) -> None:
        """Let all outputs begin anew, as after SIGUSR1."""
        for lane in self._lanes:
            lane.route.output.reopen()

    def close(self) -> None:
        """Deliver what waits, and close the outputs; what is not delivered in time is left to another run, or lost."""
        deadline = self._clock() + self._close_timeout_s
        for lane in self._lanes:
            lane.ask_to_close(deadline)
        self._close_all(self._lanes)
        for lane in [*self._leaving]:
            lane.close()

    def stats(self) -> list[RouteStats]:
        """The counters of the routes, in their order, then those of routes that are no more; one for each name."""
        found: dict[str, RouteStats] = {}
        with self._accounts:
            ended = [lane.stats().as_left() for lane in self._leaving]
            for stats in (*(lane.stats() for lane in self._lanes), *ended, *self._left.values()):
                found[stats.name] = found[stats.name] + stats if stats.name in found else stats
        return [*found.values()]

    def _lane(self, route: Route) -> Lane:
        return Lane(
            route,
            self._journal,
            report=self._report,
            give_up_after_s=self._give_up_after_s,
            on_gone=self._lose,
            clock=self._clock,
        )

    def _lose(self) -> bool:
        """A place is gone; whether there is another one to go on for."""
        if not self.is_gone:
            return True
        self._on_gone()
        return False

    def _close_all(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            lane.close()
            with self._accounts:
                if lane in self._leaving:
                    stats = lane.stats().as_left()
                    before = self._left.get(stats.name)
                    self._left[stats.name] = before + stats if before else stats
                    self._leaving.remove(lane)
