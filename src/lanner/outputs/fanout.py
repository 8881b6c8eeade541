"""Alerts to any number of outputs, none of which can hold up detection or another output."""

from __future__ import annotations

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
        self._lanes = [Lane(route, report=report, clock=clock) for route in routes]
        self._close_timeout_s = close_timeout_s
        self._clock = clock

    def write(self, alerts: Sequence[Alert]) -> None:
        """Put the alerts into the queues; one that finds its queue full is dropped and counted."""
        if alerts and self._lanes:
            sized = [(alert, size_of(alert)) for alert in alerts]
            for lane in self._lanes:
                lane.offer(sized)

    def flush(self) -> None:
        """Nothing waits here: the queues have everything."""

    def reopen(self) -> None:
        """Let all outputs begin anew, as after SIGUSR1."""
        for lane in self._lanes:
            lane.route.output.reopen()

    def close(self) -> None:
        """Deliver what waits, and close the outputs; what is not delivered in time is dropped and counted."""
        deadline = self._clock() + self._close_timeout_s
        for lane in self._lanes:
            lane.ask_to_close(deadline)
        for lane in self._lanes:
            lane.close()

    def stats(self) -> list[RouteStats]:
        """The counters of the routes, in their order."""
        return [lane.stats() for lane in self._lanes]
