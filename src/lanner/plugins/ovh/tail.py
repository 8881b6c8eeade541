"""The tail of a stream to deliveries: it connects, and again; what is lost meanwhile is told, since nobody has it.

```text
socket → Connection → Intake → content_of → deliveries → handler
```

When the handler is slow, the intake fills; then the socket is not read, and the platform has to wait.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from lanner.plugins.ovh.address import Address
from lanner.plugins.ovh.connection import OPEN_TIMEOUT_S, Connection, Lost, connected
from lanner.plugins.ovh.envelope import content_of
from lanner.plugins.ovh.intake import BOUND_BYTES, Intake, Message
from lanner.plugins.texts import Standing, Tells, hand_on
from lanner.sources.base import Handler, Limits, finish, reason_of
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import pauses

_ESCAPES = 4
"""How much longer an event may get by the escapes of two envelopes: a quote in it is four characters."""

_TELLS: Tells = {
    Standing.CUT: (Trouble.DAMAGED, "an event is damaged or cut off; it is evaluated as far as it goes"),
    Standing.OTHER: (Trouble.IGNORED, "the stream has logs that are no audit events"),
    Standing.BROKEN: (Trouble.DAMAGED, "a message is not of the form that the platform sends, and is set aside"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds."""

    quiet: float
    """Without a message for so long, the platform is asked; for as long again, and the connection counts as dead."""
    open_timeout: float = OPEN_TIMEOUT_S
    first_pause: float = 1.0
    last_pause: float = 60.0
    drain: float = 5.0
    """How long what was received may take to be handled when the source is to end."""
    keep: float = 10.0
    """How often at most it is kept until when the tail was read."""


class TailSource:
    """Reads the tail of a stream.

    Args:
        address: Where.
        limits: Bounds.
        context: Told of gaps. Its checkpoint keeps until when the tail was read, so that it can tell of those between
            two runs.
        timing: Durations.
        bound: How many bytes wait for the handler at most.
    """

    def __init__(
        self, address: Address, limits: Limits, context: Context, timing: Timing, *, bound: int = BOUND_BYTES
    ) -> None:
        self._address = address
        self._limits = limits
        self._context = context
        self._timing = timing
        self._bound = bound
        self._max_size = min(limits.max_event_size * _ESCAPES, limits.max_batch_size)
        self._seen_at_s = time.time()
        self._away = ""
        self._in_hand = 0
        self._kept_at_s = 0.0

    async def run(self, handle: Handler) -> None:
        """Deliver until cancelled; what was received by then is handled first.

        Raises:
            SourceError: The platform refuses the address.
        """
        await self._recall()
        intake = Intake(self._bound)
        receiving = asyncio.create_task(self._receive(intake))
        delivering = asyncio.create_task(self._deliver(intake, handle))
        try:
            await asyncio.wait({receiving, delivering}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            receiving.cancel()
            await finish(self._end(intake, receiving, delivering))
        await receiving

    async def _end(self, intake: Intake, receiving: asyncio.Task[None], delivering: asyncio.Task[None]) -> None:
        """Let what was received be handled, as far as there is time."""
        await asyncio.wait({receiving})
        await intake.close()
        await asyncio.wait({delivering}, timeout=self._timing.drain)
        if not delivering.done():
            left = len(intake) + self._in_hand
            self._context.tell(Trouble.GAP, f"{left:,} messages were received and not handled when it had to end", left)
            delivering.cancel()
            await asyncio.wait({delivering})
        if not delivering.cancelled():
            delivering.result()
            await self._keep(self._seen_at_s, is_last=True)

    async def _receive(self, intake: Intake) -> None:
        """Read the tail, over one connection after the other."""
        timing = self._timing
        waits = pauses(timing.first_pause, timing.last_pause)
        while True:
            try:
                async with connected(
                    self._address, max_size=self._max_size, quiet_s=timing.quiet, open_timeout_s=timing.open_timeout
                ) as connection:
                    self._begin()
                    await self._keep_if_idle(intake)
                    while True:
                        await self._next(connection, intake)
                        waits = pauses(timing.first_pause, timing.last_pause)
            except Lost as error:
                self._away = self._away or str(error)
                pause_s = next(waits)
                self._context.tell(Trouble.RETRY, f"{error}; it is tried again in {pause_s:.1f} s")
            await asyncio.sleep(pause_s)

    async def _next(self, connection: Connection, intake: Intake) -> None:
        frame = await connection.receive()
        self._seen_at_s = time.time()
        if frame is not None:
            await intake.put(Message(self._seen_at_s, frame))
        else:
            await self._keep_if_idle(intake)

    def _begin(self) -> None:
        """Say that the tail is read, and what was missed before."""
        now_s = time.time()
        if self._away:
            text = (
                f"the tail was not read for {max(now_s - self._seen_at_s, 0):.1f} s, from {_utc(self._seen_at_s)} to "
                f"{_utc(now_s)}: {self._away}; the platform cannot give again what happened meanwhile"
            )
            self._context.tell(Trouble.GAP, text)
        self._away = ""
        self._seen_at_s = now_s
        self._context.started(f"reading the tail of a stream on {self._address.host}", self._address.shown)

    async def _deliver(self, intake: Intake, handle: Handler) -> None:
        """Hand on what was received, several messages at a time."""
        while messages := await intake.take(self._limits.block_size):
            self._in_hand = len(messages)
            contents = [content_of(message.frame) for message in messages]
            await hand_on(contents, handle, self._context, limits=self._limits, origin=self._address.host, tells=_TELLS)
            self._in_hand = 0
            await self._keep(messages[-1].at_s)

    async def _recall(self) -> None:
        """Find out until when the tail was read before this run."""
        kept = await self._context.checkpoint.load()
        with suppress(ValueError):
            if kept is not None:
                self._seen_at_s, self._away = float(kept), "no run was reading it"

    async def _keep_if_idle(self, intake: Intake) -> None:
        """Keep that the tail is being read now, if all that came is handled."""
        if not self._in_hand and not len(intake):
            await self._keep(self._seen_at_s)

    async def _keep(self, at_s: float, *, is_last: bool = False) -> None:
        """Keep until when the tail was read, and what came handled; not too often."""
        if at_s < self._kept_at_s + self._timing.keep and not is_last:
            return
        self._kept_at_s = at_s
        try:
            await self._context.checkpoint.save(f"{at_s:.3f}")
        except Exception as error:  # it only makes a later gap look longer
            self._context.tell(Trouble.RETRY, f"it cannot be kept until when the tail was read: {reason_of(error)}")


async def probe(address: Address) -> str:
    """Why a tail cannot be read; empty: it can.

    Raises:
        SourceError: The platform refuses the address.
    """
    try:
        async with connected(address, max_size=Limits().max_event_size, quiet_s=OPEN_TIMEOUT_S) as connection:
            await connection.answered(OPEN_TIMEOUT_S)
    except Lost as error:
        return str(error)
    return ""


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
