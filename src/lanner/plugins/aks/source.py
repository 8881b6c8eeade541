"""An event hub as a source: each partition's messages in order, and a checkpoint once they were handled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from azure.eventhub import EventData
from azure.eventhub.aio import PartitionContext

from lanner.plugins.aks.clients import Clients, connected
from lanner.plugins.aks.options import Options, first_position
from lanner.sources.base import MIB, Handler, finish
from lanner.sources.batches import Convert, Message, Piece, Struggles, cut, hand_over
from lanner.sources.plugin import Context, Start, Trouble
from lanner.sources.retry import pauses

AT_ONCE = 64
"""Messages, of a mebibyte at most each, that are taken from all partitions at a time.

As many wait behind them, and as many are on their way: the client holds no more than three times as many.
"""

IN_HAND_BYTES = 64 * MIB
"""Bytes of messages that all partitions together may be evaluating; others wait for their turn."""

_MAX_SAID = 300

Sleep = Callable[[float], Awaitable[object]]


@dataclass(slots=True)
class RateLimit:
    """So many records a second, after a burst. Who takes more than there are waits until they have come in."""

    per_second: float
    burst: int
    sleep: Sleep = asyncio.sleep
    clock: Callable[[], float] = monotonic
    on_held: Callable[[], None] = lambda: None
    _left: float = field(init=False)
    _at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at_s = float(self.burst), self.clock()

    async def take(self, records: int) -> None:
        """Wait until so many records may be read."""
        if not self.per_second:
            return
        now = self.clock()
        self._left = min(self._left + (now - self._at_s) * self.per_second, self.burst) - records
        self._at_s = now
        if self._left < 0:
            self.on_held()
            await self.sleep(-self._left / self.per_second)


class Budget:
    """Bytes that may be in hand at a time. Who asks for more than there are ever gets them when it is alone."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Wait for so many bytes, and give them back at the end."""
        size = min(size, self._size)
        async with self._changed:
            await self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            async with self._changed:
                self._left += size
                self._changed.notify_all()


class EventHubSource:
    """Reads an event hub as a member of its consumer group; members share the partitions.

    The client hands over a partition's messages one batch at a time, and takes partitions over from members that ended.
    """

    def __init__(self, options: Options, convert: Convert, context: Context, *, sleep: Sleep = asyncio.sleep) -> None:
        self._options = options
        self._convert = convert
        self._context = context
        self._struggles = Struggles(context)
        self._sleep = sleep
        self._rate = RateLimit(
            options.rate_limit_events_per_second, options.rate_limit_burst, sleep, on_held=self._on_held
        )
        self._budget = Budget(IN_HAND_BYTES)
        self._next: dict[str, int] = {}  # by partition, the sequence number that is expected
        self._at_work: set[asyncio.Task[None]] = set()
        self._is_ending = False

    async def run(self, handle: Handler) -> None:
        """Deliver until cancelled.

        Raises:
            SourceError: The clients cannot be made.
        """
        async with connected(self._options, from_start=self._context.start is Start.FIRST) as clients:

            async def initialize(partition: PartitionContext) -> None:
                await self._begin(clients, partition)

            async def receive(partition: PartitionContext, events: list[EventData]) -> None:
                await self._receive(partition, events, handle)

            share = await self._share(clients)
            try:
                await clients.hub.receive_batch(
                    receive,
                    max_batch_size=share,
                    prefetch=share,
                    starting_position=first_position(self._context.start),
                    on_error=self._on_error,
                    on_partition_initialize=initialize,
                )
            finally:
                self._is_ending = True
                while self._at_work:  # the client waits a second for them, and a handler may take longer
                    await asyncio.wait(self._at_work)

    async def _share(self, clients: Clients) -> int:
        """How many messages are taken from each partition at a time; asks until the event hub says how many it has."""
        for pause_s in pauses():
            try:
                return max(AT_ONCE // len(await clients.hub.get_partition_ids()), 1)
            except Exception as error:  # whatever the client raises: it may pass
                await self._on_error(None, error)
            await self._sleep(pause_s)
        raise AssertionError("pauses have no end")

    async def _begin(self, clients: Clients, partition: PartitionContext) -> None:
        """A partition is read from its checkpoint on: remember what has to come first."""
        number = partition.partition_id
        self._next.pop(number, None)
        self._context.started(f"reading partition {number} of {partition.eventhub_name}", "")
        for each in await clients.checkpoints.list_checkpoints(
            partition.fully_qualified_namespace, partition.eventhub_name, partition.consumer_group
        ):
            if each["partition_id"] == number:
                self._next[number] = int(each["sequence_number"]) + 1

    async def _receive(self, partition: PartitionContext, events: Sequence[EventData], handle: Handler) -> None:
        """Deal with messages; when this is cancelled, what is being handled is finished."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - INVARIANT: a coroutine runs in a task
        self._at_work.add(task)
        try:
            async with self._budget.hold(sum(len(_body(event)) for event in events)):
                await self._deal_with(partition, events, handle)
        finally:
            self._at_work.discard(task)

    async def _deal_with(self, partition: PartitionContext, events: Sequence[EventData], handle: Handler) -> None:
        name = f"{partition.eventhub_name}/{partition.partition_id}"
        by_number = {event.sequence_number or 0: event for event in events}
        self._look_for_gap(name, partition.partition_id, min(by_number))
        messages = [Message(number, _body(event)) for number, event in by_number.items()]
        pieces = await asyncio.to_thread(lambda: [*cut(name, messages, self._convert, self._context.limits)])
        await self._rate.take(sum(piece.records for piece in pieces))
        waits = pauses()
        while pieces and not self._is_ending:
            left = await finish(self._hand_over(name, partition, by_number, pieces, handle))
            if left:
                waits = pauses() if len(left) < len(pieces) else waits
                await self._sleep(next(waits))
            pieces = left

    async def _hand_over(
        self,
        name: str,
        partition: PartitionContext,
        events: dict[int, EventData],
        pieces: Sequence[Piece],
        handle: Handler,
    ) -> list[Piece]:
        """Hand pieces over and keep the checkpoint; what was not handled is given back."""
        progress = await hand_over(name, pieces, self._convert, handle, self._context, struggles=self._struggles)
        if progress.handled is not None:
            self._next[partition.partition_id] = progress.handled
            await self._keep(name, partition, events[max(number for number in events if number < progress.handled)])
        return [*progress.left]

    async def _keep(self, name: str, partition: PartitionContext, event: EventData) -> None:
        """Keep a checkpoint; one that fails is made up for by the next."""
        try:
            await partition.update_checkpoint(event)
        except Exception as error:  # whatever the storage's client raises: the events are handled
            self._context.tell(Trouble.RETRY, f"{name}: the checkpoint is not kept: {said(error)}", 1)

    def _look_for_gap(self, name: str, partition: str, first: int) -> None:
        expected = self._next.get(partition)
        if expected is not None and first > expected:
            missing = first - expected
            self._context.tell(Trouble.GAP, f"{name}: {missing} messages were deleted before they were read", 1)

    def _on_held(self) -> None:
        limit = self._options.rate_limit_events_per_second
        text = f"the limit of {limit:g} records a second holds events back: set `rate_limit_events_per_second` to 0"
        self._context.tell(Trouble.RETRY, text, 1)

    async def _on_error(self, partition: PartitionContext | None, error: Exception) -> None:
        """What keeps a partition, or all of them, from being read; the client tries again by itself."""
        where = f"{partition.eventhub_name}/{partition.partition_id}: " if partition else ""
        self._context.tell(Trouble.RETRY, f"{where}{said(error)}", 1)


def _body(event: EventData) -> bytes:
    body = event.body
    if isinstance(body, bytes):
        return body
    return b"".join(part for part in body if isinstance(part, bytes)) if isinstance(body, Iterable) else b""


def said(error: BaseException) -> str:
    """What an error of Azure's libraries says, in one line."""
    return " ".join(str(error).split())[:_MAX_SAID] or type(error).__name__
