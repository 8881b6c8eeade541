"""The consumer group as a source: messages to deliveries, and what came of them back to the group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from lanner.plugins.kafka.consumer import Member, Partition
from lanner.sources.base import Handler, finish
from lanner.sources.batches import Convert, Piece, cut, hand_over
from lanner.sources.plugin import Context

T = TypeVar("T")


class KafkaSource:
    """Reads topics as a member of a consumer group.

    Each round takes the messages that are there, hands each partition's to the handler, and commits what was handled.
    Nothing is taken meanwhile, so that partitions change hands between rounds only, with nothing in hand.
    """

    def __init__(self, member: Member, convert: Convert, context: Context) -> None:
        self._member = member
        self._convert = convert
        self._context = context

    async def run(self, handle: Handler) -> None:
        """Deliver until cancelled.

        Raises:
            SourceError: The client cannot be made, or cannot go on.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="kafka") as thread:
            await _call(thread, self._member.open)
            try:
                while True:
                    batch = await _call(thread, self._take)
                    if batch:
                        await finish(self._hand_over(thread, batch, handle))
            finally:
                await _call(thread, self._member.close)

    def _take(self) -> Mapping[Partition, Sequence[Piece]]:
        limits = self._context.limits
        return {
            partition: [*cut(str(partition), messages, self._convert, limits)]
            for partition, messages in self._member.take().items()
        }

    async def _hand_over(
        self, thread: ThreadPoolExecutor, batch: Mapping[Partition, Sequence[Piece]], handle: Handler
    ) -> None:
        deliver = partial(hand_over, convert=self._convert, handle=handle, context=self._context)
        found = await asyncio.gather(*(deliver(str(partition), pieces) for partition, pieces in batch.items()))
        progress = dict(zip(batch, found, strict=True))
        handled = {partition: each.handled for partition, each in progress.items() if each.handled is not None}
        failed = {partition: each.failed for partition, each in progress.items() if each.failed is not None}
        await _call(thread, lambda: self._member.settle(handled, failed))


async def _call(thread: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    """Call a function in the source's own thread, to its end even when cancelled."""

    async def call() -> Any:
        return await asyncio.get_running_loop().run_in_executor(thread, function)

    return await finish(call())
