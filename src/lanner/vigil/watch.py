"""Watches, tick by tick: what was seen goes into the state, and what is wrong into alerts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from lanner.vigil.concern import Notice, settle
from lanner.vigil.plan import VigilPlan
from lanner.vigil.sight import Sight
from lanner.vigil.sources import Heard, hear, is_watched, source_concerns

TICK_S = 1.0
"""How often it is looked."""

MAX_TICK_S = 5.0
"""More does not pass between two looks. A process that was stopped, or a machine that slept, has not seen a silence."""


class Watch:
    """Looks after one run.

    Attributes:
        sight: What it knows.
    """

    def __init__(
        self,
        heard: Callable[[], Mapping[str, Heard]],
        tell: Callable[[Notice], None],
        sight: Sight | None = None,
    ) -> None:
        """Prepare to watch.

        Args:
            heard: What came of each source so far.
            tell: Takes alerts.
            sight: What another watch knew, which this one goes on with.
        """
        self.sight = sight or Sight()
        self._heard = heard
        self._tell = tell

    async def run(self, plan: VigilPlan) -> None:
        """Watch until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self.tick(plan, now - last)
            last = now

    def tick(self, plan: VigilPlan, passed_s: float) -> None:
        """Look once.

        Args:
            plan: What to watch.
            passed_s: Seconds since the last time.
        """
        now = self.sight.clock + min(passed_s, MAX_TICK_S)
        heard = {name: each for name, each in self._heard().items() if not each.is_over}
        known = self.sight.sources
        sources = {name: hear(known.get(name), name, each, now, plan) for name, each in heard.items()}
        concerns = [found for name, each in sources.items() for found in source_concerns(name, each, now, plan)]
        before = {key: each for key, each in self.sight.standing.items() if is_watched(key, sources, plan)}
        standing, notices = settle(before, concerns, now)
        self.sight = replace(self.sight, clock=now, sources=sources, standing=standing)
        for notice in notices:
            self._tell(notice)
