"""Alerts to any number of outputs, none of which can hold up detection or another output."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from lanner.engine.alert import Alert
from lanner.outputs.lane import Lane, Route, RouteStats
from lanner.outputs.queue import size_of


class Fanout:
    """Hands alerts to the queues of routes; each route's own thread delivers from there, and repeats what fails.

    It is an output itself. That it has taken an alert does not mean that the alert has arrived.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        report: Callable[[str], None],
        close_timeout_s: float = 5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect the routes; threads begin with the first alert.

        Args:
            routes: The outputs; no two of them are the same object.
            report: Told what goes wrong, at most once a minute for each output and kind; called from any thread.
            close_timeout_s: How long `close` may take, for all routes together.
            clock: Seconds that never go back.
        """
        self._report = report
        self._close_timeout_s = close_timeout_s
        self._clock = clock
        self._leaving: list[Lane] = []
        self._left: dict[str, RouteStats] = {}
        self._accounts = threading.Lock()
        self._lanes = [self._lane(route) for route in routes]

    def adopt(self, routes: Sequence[Route]) -> None:
        """Go on with other routes, as after the configuration was read again.

        A route that is as one of before goes on with its queue and its connections. The others deliver what they have
        in the background, for as long as `close` may take.
        """
        old = {lane.route.name: lane for lane in self._lanes}
        kept = {route.name for route in routes if route.name in old and old[route.name].route.is_as(route)}
        leaving = [lane for lane in self._lanes if lane.route.name not in kept]
        self._lanes = [old[route.name] if route.name in kept else self._lane(route) for route in routes]
        if leaving:
            self._leaving += leaving
            deadline = self._clock() + self._close_timeout_s
            for lane in leaving:
                lane.ask_to_close(deadline)
            threading.Thread(target=self._close_all, args=(leaving,), name="outputs that leave", daemon=True).start()

    def write(self, alerts: Sequence[Alert]) -> None:
        """Put the alerts into the queues; one that finds its queue full is dropped and counted."""
        if alerts and self._lanes:
            sized = [(alert, size_of(alert)) for alert in alerts]
            for lane in self._lanes:
                lane.offer(sized)

    def flush(self) -> None:
        """Nothing waits here: the queues have everything."""

    def settle(self, patience_s: float) -> bool:
        """Wait for the routes that are awaited, until they have dealt with what they took, or time is up.

        Returns:
            False when one of them fails: what it has taken is only in memory.
        """
        settled = [lane.settle(patience_s) for lane in self._lanes if lane.route.is_awaited]
        return all(settled)

    def wait_for_room(self, patience_s: float) -> None:
        """Wait for outputs that are slower than whoever writes, each until it has room, fails, or time is up.

        For work that can wait, as reading a file can; detection on what comes by itself must not.
        """
        for lane in self._lanes:
            lane.wait_for_room(patience_s)

    @property
    def is_gone(self) -> bool:
        """Whether there are routes, and the places of all of them are gone for good."""
        return bool(self._lanes) and all(lane.is_gone for lane in self._lanes)

    def reopen(self) -> None:
        """Let all outputs begin anew, as after SIGUSR1."""
        for lane in self._lanes:
            lane.route.output.reopen()

    def close(self) -> None:
        """Deliver what waits, and close the outputs; what is not delivered in time is dropped and counted."""
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
            for stats in (*(lane.stats() for lane in (*self._lanes, *self._leaving)), *self._left.values()):
                found[stats.name] = found[stats.name] + stats if stats.name in found else stats
        return [*found.values()]

    def _lane(self, route: Route) -> Lane:
        return Lane(route, report=self._report, clock=self._clock)

    def _close_all(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            lane.close()
            with self._accounts:
                if lane in self._leaving:
                    stats = lane.stats()
                    before = self._left.get(stats.name)
                    self._left[stats.name] = before + stats if before else stats
                    self._leaving.remove(lane)
