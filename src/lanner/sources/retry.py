"""What a source does again: it hands over what was not taken, and asks a place that does not answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator

from lanner.sources.base import Delivery, Handler, RejectedDelivery, finish, reason_of
from lanner.sources.plugin import Context, Trouble

Sleep = Callable[[float], Awaitable[object]]

FIRST_PAUSE_S = 0.5
LAST_PAUSE_S = 30.0

STUCK_AFTER_S = 300.0
"""Who has not got on for so long says that it is stuck."""

STUCK_AGAIN_S = 60.0
"""How often that is said while it lasts."""

Clock = Callable[[], float]
"""Seconds, from any start."""


class Patience:
    """How long something has failed, again and again: after minutes it is told as stuck.

    Args:
        context: Told.
        clock: The time.
    """

    def __init__(self, context: Context, clock: Clock = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._since_s: float | None = None
        self._tell_at_s = 0.0

    def failed(self, text: str) -> None:
        """It failed once more, and why."""
        now_s = self._clock()
        if self._since_s is None:
            self._since_s, self._tell_at_s = now_s, now_s + STUCK_AFTER_S
        if now_s >= self._tell_at_s:
            self._tell_at_s = now_s + STUCK_AGAIN_S
            self._context.tell(Trouble.STUCK, f"for {(now_s - self._since_s) / 60:.0f} minutes: {text}", 1)

    def passed(self) -> None:
        """It has not failed."""
        self._since_s = None


def pauses(first_s: float = FIRST_PAUSE_S, last_s: float = LAST_PAUSE_S) -> Iterator[float]:
    """Pauses that double up to the last one, each shortened by up to a half, so that many do not ask at once."""
    pause_s = first_s
    while True:
        yield pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it
        pause_s = min(pause_s * 2, last_s)


async def insist(
    handle: Handler,
    delivery: Delivery,
    context: Context,
    sleep: Sleep = asyncio.sleep,
    on_settled: Callable[[], None] = lambda: None,
    *,
    clock: Clock = time.monotonic,
) -> bool:
    """Hand a delivery over until it is taken; what the handler is busy with is finished even when cancelled.

    Args:
        handle: Takes it.
        delivery: What to hand over.
        context: Whom to tell of failures.
        sleep: How to pause.
        on_settled: Told once it was taken, or set aside, also where a cancellation follows: what moves a position.
        clock: The time; after minutes of failures it is told that the source is stuck.

    Returns:
        Whether it was taken; False: no retry can make it readable, which is told.
    """

    async def once() -> bool:
        try:
            await handle(delivery)
        except RejectedDelivery as error:
            context.tell(Trouble.DAMAGED, f"events from `{delivery.origin}` are set aside: {error}")
            on_settled()
            return False
        on_settled()
        return True

    patience = Patience(context, clock)
    for pause_s in pauses():
        try:
            return await finish(once())
        except Exception as error:  # whatever kept it from being handled may pass
            context.tell(Trouble.RETRY, f"events were not taken: {reason_of(error)}; they are handed over again")
            patience.failed(f"events from `{delivery.origin}` are not taken: {reason_of(error)}")
        await sleep(pause_s)
    raise AssertionError("pauses have no end")
