"""The audit logs of clusters to deliveries: asked for again and again, each event once, with a place that is kept.

A poll asks for all from a little before the newest event on. CloudWatch shows some events late, behind others, so that
every now and then it looks back: up to where, at the look back before, no event could be late any more. What was seen
before is known by its identity. A checkpoint is, for each
cluster, up to when all was handled; after a restart, a look back hands on events again, whose alerts the store knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from lanner.plugins.eks.entries import content_of
from lanner.plugins.eks.logs import REFUSALS, Entry, Failure, Logs, Page, Place
from lanner.plugins.eks.window import Seen
from lanner.plugins.texts import Standing, Tells, hand_on
from lanner.sources.base import Handler, Limits, SourceError, reason_of
from lanner.sources.plugin import Context, Start, Trouble
from lanner.sources.retry import Patience, pauses
from lanner.sources.several import Several

SLICE_MS = 600_000
"""How much time one poll covers at most. Who is behind reads such parts, and keeps the place after each."""

AHEAD_MS = 300_000
"""How far an API server's clock may be ahead of this one; Amazon refuses requests beyond such a difference."""

_TELLS: Tells = {
    Standing.CUT: (Trouble.DAMAGED, "CloudWatch cut an event, or it is damaged; it is evaluated as far as it goes"),
    Standing.OTHER: (Trouble.IGNORED, "the log has lines that are no audit events"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How polls are made; durations in seconds."""

    interval: float
    """Between polls."""
    shift: float
    """How far before its start the first run begins, and a poll before the newest event, but no more than `late`."""
    late: float
    """How late events are found; twice in this time they are looked for."""
    batch: int
    """How many log events are handed on at a time."""
    page: int | None = None
    """How many log events are asked for at a time at most; None: as many as CloudWatch gives."""
    first_pause: float = 1.0
    last_pause: float = 60.0


class Places:
    """Up to when each cluster's log was handled, in milliseconds since the epoch: the checkpoint of a source."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._times: dict[str, int] = {}
        self._lock = asyncio.Lock()

    async def load(self) -> Mapping[str, int]:
        """What was kept."""
        kept = await self._context.checkpoint.load()
        try:
            self._times = msgspec.json.decode(kept, type=dict[str, int]) if kept else {}
        except msgspec.DecodeError:
            self._context.tell(Trouble.GAP, "what was kept of the place in the log is damaged; it begins anew")
        return dict(self._times)

    async def save(self, cluster: str, at_ms: int) -> None:
        """Keep one."""
        async with self._lock:
            if self._times.get(cluster) == at_ms:
                return
            self._times[cluster] = at_ms
            try:
                await self._context.checkpoint.save(msgspec.json.encode(self._times).decode())
            except Exception as error:  # it is kept at the next poll; until then, a restart reads more than it had to
                self._context.tell(Trouble.RETRY, f"the place in the log cannot be kept: {reason_of(error)}")


class ClusterLog:
    """Reads the audit log of a cluster.

    Args:
        place: Where.
        limits: Bounds of an event.
        context: Told of troubles.
        pace: How polls are made.
        places: Where it is kept how far it has come.
        several: Told whether it can be read, as other logs of the source can.
        clock: The time in seconds since the epoch.
    """

    def __init__(
        self,
        place: Place,
        limits: Limits,
        context: Context,
        pace: Pace,
        *,
        places: Places,
        several: Several,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place = place
        self._limits = limits
        self._context = context
        self._pace = pace
        self._places = places
        self._several = several
        self._clock = clock
        self._seen = Seen()
        self._reached_ms = self._first_ms = self._final_ms = 0
        self._looked_back_at_s = 0.0
        self._has_begun = False
        self._is_kept = False

    async def run(self, handle: Handler, reached_ms: int | None) -> None:
        """Deliver until cancelled.

        Args:
            handle: Takes deliveries.
            reached_ms: Up to when all was handled before; None: it begins `shift` before now.

        Raises:
            SourceError: It cannot be read, and neither can any other log of the source.
        """
        self._is_kept = reached_ms is not None and self._context.start is not Start.FIRST
        if reached_ms is None and not self._first_ms:
            self._first_ms = int((self._clock() - self._pace.shift) * 1000)
        self._reached_ms = self._first_ms if reached_ms is None else reached_ms
        # The last look back of the run before may have been so long ago.
        self._final_ms = self._reached_ms - int((1.5 * self._pace.late + self._pace.interval) * 1000)
        logs: Logs | None = None
        waits = pauses(self._pace.first_pause, self._pace.last_pause)
        patience = Patience(self._context)
        while True:
            try:
                if logs is None:
                    logs = await asyncio.to_thread(self._opened)
                is_behind = await self._poll(logs, handle)
            except Failure as error:
                if not self._has_begun and error.code in REFUSALS:
                    self._several.refused(self._place.group, SourceError(self._place.group, str(error), error.help))
                pause_s = next(waits)
                self._context.tell(Trouble.RETRY, f"{self._place.group}: {error}; it is asked again in {pause_s:.1f} s")
                patience.failed(f"{self._place.group} cannot be read: {error}")
                await asyncio.sleep(pause_s)
                continue
            patience.passed()
            waits = pauses(self._pace.first_pause, self._pace.last_pause)
            if not is_behind:
                await asyncio.sleep(self._pace.interval)

    def _opened(self) -> Logs:
        """The log; where it is to be read from its beginning, or went on without a reader, that is looked for."""
        logs = Logs(self._place)
        if self._is_kept and not logs.has_entry(self._reached_ms):
            at = datetime.fromtimestamp(self._reached_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            text = (
                f"{self._place.group} has no event any more of {at}, up to where it was read, or of before: what came "
                "after it has passed the log group's retention, or the log group was made anew"
            )
            self._context.tell(Trouble.GAP, text)
        self._is_kept = False
        if self._context.start is Start.FIRST:
            self._reached_ms = self._first_ms = self._final_ms = logs.first_ms(int(self._clock() * 1000))
        return logs

    async def _poll(self, logs: Logs, handle: Handler) -> bool:
        """Hand on what is new; whether there is more to be read at once."""
        now_s = self._clock()
        now_ms = int(now_s * 1000)
        is_look_back = now_s - self._looked_back_at_s >= self._pace.late / 2
        little_ms = int(min(self._pace.shift, self._pace.late) * 1000)
        start_ms = max(self._final_ms if is_look_back else self._reached_ms - little_ms, self._first_ms)
        end_ms = max(min(now_ms + AHEAD_MS, self._reached_ms + SLICE_MS), start_ms)
        newest_ms = self._reached_ms
        token = None
        while True:
            page = await asyncio.to_thread(logs.page, start_ms, end_ms, token, self._pace.page)
            self._begin()
            newest_ms = max(newest_ms, await self._hand_on(page, handle))
            token = page.token
            if token is None:
                break
        is_behind = end_ms < now_ms
        self._reached_ms = end_ms if is_behind else min(newest_ms, now_ms)
        if is_look_back:
            self._looked_back_at_s = now_s
        if start_ms <= max(self._final_ms, self._first_ms):
            late_ms = int(self._pace.late * 1000)
            is_old = end_ms < now_ms - AHEAD_MS - late_ms
            self._final_ms = max(self._final_ms, end_ms if is_old else self._reached_ms - late_ms)
            self._seen.forget(self._final_ms - little_ms)
        await self._places.save(self._place.cluster, self._reached_ms)
        return is_behind

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._several.works(self._place.group)
            self._context.started(f"reading {self._place.group} in CloudWatch Logs", "")

    async def _hand_on(self, page: Page, handle: Handler) -> int:
        """Hand on what was not seen before; the time of the newest event of the page."""
        new = self._seen.new(page.entries)
        for start in range(0, len(new), self._pace.batch):
            batch = new[start : start + self._pace.batch]
            await self._deliver(batch, handle)
            self._seen.add(batch)
        return max((entry.at_ms for entry in page.entries), default=0)

    async def _deliver(self, entries: Sequence[Entry], handle: Handler) -> None:
        contents = [content_of(entry.message, self._place.cluster) for entry in entries]
        await hand_on(contents, handle, self._context, limits=self._limits, origin=self._place.group, tells=_TELLS)


class LogsSource:
    """Reads the audit logs of clusters, each at its own pace.

    Args:
        places: The clusters.
        limits: Bounds of an event.
        context: Told of troubles; its checkpoint keeps the places.
        pace: How polls are made.
        clock: The time in seconds since the epoch.
    """

    def __init__(
        self,
        places: Sequence[Place],
        limits: Limits,
        context: Context,
        pace: Pace,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kept = Places(context)
        several = Several(len(places), context)
        self._logs = [
            (place.cluster, ClusterLog(place, limits, context, pace, places=self._kept, several=several, clock=clock))
            for place in places
        ]

    async def run(self, handle: Handler) -> None:
        """Deliver until cancelled; what is being handled by then is finished first.

        Raises:
            SourceError: No cluster's log can be read from the start.
        """
        kept = await self._kept.load()
        try:
            async with asyncio.TaskGroup() as group:
                for cluster, log in self._logs:
                    group.create_task(log.run(handle, kept.get(cluster)))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
