"""A progress bar on a terminal for work over files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rich.filesize import decimal
from rich.text import Text

from lanner.cli.messages import Console
from lanner.cli.status import Part, Rate, StatusLine, duration, found_parts, rate_text
from lanner.engine.stats import Stats
from lanner.outputs.screen import Screen

_DELAY_S = 0.5
_INTERVAL_S = 0.1


class ProgressBar:
    """A status with bytes, rates, alerts and the time left; it appears when the work takes longer than a moment.

    It draws only when told of progress, never from a thread.
    """

    def __init__(
        self,
        total: int | None,
        screen: Screen,
        console: Console,
        *,
        has_alerts: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin the work.

        Args:
            total: Bytes to do; None: nobody knows.
            screen: Where the bar is.
            console: Whether it has colour.
            has_alerts: The work raises alerts.
            clock: Seconds that never go back.
        """
        self._total = total
        self._line = StatusLine(screen, console)
        self._has_alerts = has_alerts
        self._clock = clock
        self._started = clock()
        self._next = self._started + _DELAY_S
        self._bytes = Rate()
        self._events = Rate()

    def advance(self, done: int, stats: Stats) -> None:
        """Show how far the work is.

        Args:
            done: Bytes of the files read so far.
            stats: What was found so far.
        """
        now = self._clock()
        if now >= self._next:
            self._next = now + _INTERVAL_S
            self._line.draw([*self._parts(done, stats, now)])

    def _parts(self, done: int, stats: Stats, now: float) -> Iterator[Part]:
        if self._total:
            yield Part(self._line.bar(done, self._total), 20)
            yield Part(Text(f"{min(100 * done // self._total, 100)}%", "bold"), 0, is_close=True)
        yield Part(Text(f"{decimal(done)}, {decimal(int(self._bytes.per_second(done, now)))}/s"), 21)
        yield Part(Text(rate_text(self._events.per_second(stats.events, now), "events")), 4)
        if self._has_alerts:
            yield from found_parts(stats)
        if self._total and done:
            left_s = (now - self._started) * max(self._total - done, 0) / done
            yield Part(Text(f"{duration(left_s)} left", "dim"), 3)
