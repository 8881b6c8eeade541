"""What a person sees of a run in a terminal, beside alerts and messages: a status that keeps up with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from rich.text import Text

from lanner.cli.messages import Console, counted
from lanner.cli.screens import Figures
from lanner.cli.status import Part, Rate, StatusLine, duration, found_parts, rate_text
from lanner.outputs.screen import Screen

INTERVAL_S = 0.2
"""How often the status is drawn anew: as often as eyes can follow, whatever the rate of alerts."""

_QUIET_S = 5.0
"""After so long without events it says since when there are none."""


class View:
    """Draws what a run is like."""

    def __init__(self, screen: Screen, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing drawn.

        Args:
            screen: Where the status is.
            console: Whether it has colour.
            clock: Seconds that never go back.
        """
        self._line = StatusLine(screen, console)
        self._clock = clock
        self._started = self._last_event = clock()
        self._events = 0
        self._rate = Rate()

    def draw(self, figures: Figures) -> None:
        """Show what a run is like now."""
        now = self._clock()
        if figures.stats.events != self._events:
            self._events, self._last_event = figures.stats.events, now
        self._line.draw([*self._parts(figures, now)])

    async def follow(self, figures: Callable[[], Figures]) -> None:
        """Draw at intervals, until cancelled."""
        while True:
            self.draw(figures())
            await asyncio.sleep(INTERVAL_S)

    def _parts(self, figures: Figures, now: float) -> Iterator[Part]:
        stats, quiet_s = figures.stats, now - self._last_event
        rate = rate_text(self._rate.per_second(stats.events, now), "events")
        yield Part(self._line.light(is_well=figures.is_well), 0)
        yield Part(Text(figures.state, "" if figures.is_well else "red"), 20 if figures.is_well else 1, is_close=True)
        if not stats.events:
            yield Part(Text("no events yet", "dim"), 2)
        elif quiet_s >= _QUIET_S:
            yield Part(Text(f"no events for {duration(quiet_s)}", "yellow"), 2)
        else:
            yield Part(Text(rate, "bold"), 2)
        yield from found_parts(stats, figures.lost)
        yield Part(Text(counted(stats.events, "event") if stats.events else "", "dim"), 22)
        yield Part(Text(duration(now - self._started), "dim"), 21)
