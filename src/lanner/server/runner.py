"""One source of a run: opened, watched, and opened again after a pause when it failed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from lanner.engine.alert import Alert
from lanner.engine.engine import Engine
from lanner.engine.stats import Stats
from lanner.server.facts import words_of
from lanner.server.internal import source_failed
from lanner.server.keeper import Keeper
from lanner.server.pipeline import Pipeline
from lanner.server.plan import Hooks, SourcePlan
from lanner.server.snapshot import SourceCounts, Status
from lanner.server.troubles import Troubles
from lanner.sources.plugin import Checkpoint, Context, Start, Trouble
from lanner.sources.receiver import WebhookStats
from lanner.vigil.beacon import Beacon

_LOG = logging.getLogger(__name__)

MIN_PAUSE_S = 0.5
MAX_PAUSE_S = 60.0
"""How long a source that failed rests: the first time, and at most; each time is twice as long as the last."""

LONG_LIFE_S = 60.0
"""A source that has run so long did not fail from how it was started: its next pause is the shortest again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a source has of the run that it belongs to.

    Attributes:
        keeper: Stores its alerts.
        lock: Held while something is evaluated.
        beacon: Sees canaries that come back by it.
        raise_alert: Takes alerts about the program.
        on_started: Told its name once it takes events, where it does in words for people, and the address.
        on_ended: Told that there will be no more of it.
        is_fatal: Whether the run ends with a failure.
        hooks: What it is opened with, of a context and counters.
    """

    keeper: Keeper
    lock: asyncio.Lock
    beacon: Beacon
    raise_alert: Callable[[Alert], None]
    on_started: Callable[[str, str, str], None]
    on_ended: Callable[[], None]
    is_fatal: Callable[[Runner, Exception], bool]
    hooks: Callable[[Context, WebhookStats], Hooks]


class Runner:
    """Runs a source.

    Attributes:
        plan: What it is made of.
        pipeline: What its deliveries go through.
        has_run: Whether it has ever taken events.
    """

    def __init__(self, plan: SourcePlan, around: Surroundings, before: Runner | None) -> None:
        """Prepare a source; `begin` runs it.

        Args:
            plan: What it is made of.
            around: What it has of the run.
            before: The one of the same name that it takes the place of: counters and checkpoint go on.
        """
        self.plan = plan
        self.has_run = False
        self._around = around
        counts = before.counts if before else SourceCounts()
        counts.status = Status.STARTING
        self.pipeline = Pipeline(_engine(plan), around.keeper, around.lock, counts=counts)
        self._stats: WebhookStats = before._stats if before else WebhookStats()
        self._troubles: Troubles = (
            before._troubles if before else Troubles(plan.name, counts.troubles, around.raise_alert)
        )
        self._checkpoint: Checkpoint = before._checkpoint if before else around.keeper.checkpoint(plan.name)
        self._start = Start.KEPT if before else plan.start
        self._task: asyncio.Task[None] | None = None

    @property
    def counts(self) -> SourceCounts:
        """What came of it."""
        return self.pipeline.counts

    def look(self) -> SourceCounts:
        """The same, with what the webhook has counted by now."""
        counts, stats = self.counts, self._stats
        counts.refused = stats.refused.copy()  # type: ignore[assignment]  # its keys are texts
        counts.why_stuck = self._troubles.last(Trouble.STUCK)
        counts.in_flight_bytes = stats.in_flight_bytes
        counts.connections = stats.connections.open
        counts.closed = stats.connections.closed.copy()  # type: ignore[assignment]  # as above
        return counts

    def begin(self) -> None:
        """Run it until it ends; when it fails, start it again after a pause."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def leave(self) -> None:
        """End it; what it has received is evaluated first."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._troubles.flush()

    def exchange_rules(self, plan: SourcePlan) -> Stats:
        """Go on with the rules of another plan; what was counted with those of before."""
        stats = self.pipeline.engine.take_stats()
        self.pipeline.engine = _engine(plan)
        return stats

    async def _run(self) -> None:
        counts, pause_s = self.counts, 0.0
        handle = self._around.beacon.watched(self.pipeline.handle)
        while True:
            began = time.monotonic()
            try:
                await self.plan.open(self._hooks()).run(handle)
            except Exception as error:  # a source may be anybody's: what it failed from must not end the others
                if self._around.is_fatal(self, error):
                    return
                lived_s = time.monotonic() - began
                pause_s = MIN_PAUSE_S if lived_s >= LONG_LIFE_S else min(MAX_PAUSE_S, pause_s * 2) or MIN_PAUSE_S
                self._say_failed(error, pause_s)
            else:
                counts.status = Status.ENDED
                self._around.on_ended()
                return
            counts.status = Status.WAITING
            await asyncio.sleep(pause_s)
            counts.restarts += 1

    def _say_failed(self, error: Exception, pause_s: float) -> None:
        name, reason = self.plan.name, words_of(error)
        fields = {"source": name, "reason": reason, "pause_s": pause_s, "help": getattr(error, "help", None)}
        _LOG.error("%s", f"source `{name}`: {reason}; it starts again in {pause_s:g} s", extra={"fields": fields})
        self._around.raise_alert(source_failed(name, reason, pause_s))

    def _hooks(self) -> Hooks:
        def started(text: str, url: str) -> None:
            self.has_run, self._start = True, Start.KEPT
            self.counts.status = Status.RUNNING
            self._around.on_started(self.plan.name, text, url)

        context = Context(
            name=self.plan.name,
            checkpoint=self._checkpoint,
            start=self._start,
            started=started,
            tell=self._troubles.tell,
        )
        return self._around.hooks(context, self._stats)


def _engine(plan: SourcePlan) -> Engine:
    return Engine(plan.rules, identifies=True)
