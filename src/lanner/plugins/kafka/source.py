"""The consumer group as a source: messages to deliveries, and what came of them back to the group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lanner.plugins.kafka.consumer import Member, Partition
from lanner.sources.base import Handler, finish
from lanner.sources.batches import Convert, Message, Progress, Struggles, cut, hand_over
from lanner.sources.plugin import Context

T = TypeVar("T")

AT_ONCE = 4
"""Partitions whose messages are unpacked and evaluated at a time: each may hold a message that unpacks to a batch."""


class KafkaSource:
    """Reads topics as a member of a consumer group.

    Each round takes the messages that are there, hands each partition's to the handler, and commits what was handled.
    Nothing is taken meanwhile, so that partitions change hands between rounds only, with nothing in hand.
    """

    def __init__(self, member: Member, convert: Convert, context: Context) -> None:
        self._member = member
        self._convert = convert
        self._context = context
        self._struggles = Struggles(context)

    async def run(self, handle: Handler) -> None:
        """Deliver until cancelled.

        Raises:
            SourceError: The client cannot be made, or cannot go on.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="kafka") as thread:
            await _call(thread, self._member.open)
            try:
                while True:
                    batch = await _call(thread, self._member.take)
                    if batch:
                        await finish(self._hand_over(thread, batch, handle))
            finally:
                await _call(thread, self._member.close)

    async def _hand_over(
        self, thread: ThreadPoolExecutor, batch: Mapping[Partition, Sequence[Message]], handle: Handler
    ) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def deliver(partition: Partition, messages: Sequence[Message]) -> Progress:
            async with turns:
                pieces = cut(str(partition), messages, self._convert, self._context.limits)
                return await hand_over(
                    str(partition), pieces, self._convert, handle, self._context, struggles=self._struggles
                )

        found = await asyncio.gather(*(deliver(*each) for each in batch.items()))
        progress = dict(zip(batch, found, strict=True))
        handled = {partition: each.handled for partition, each in progress.items() if each.handled is not None}
        failed = {partition: each.failed for partition, each in progress.items() if each.failed is not None}
        await _call(thread, lambda: self._member.settle(handled, failed))


async def _call(thread: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    """Call a function in the source's own thread, to its end even when cancelled."""

    async def call() -> Any:
        return await asyncio.get_running_loop().run_in_executor(thread, function)

    return await finish(call())
