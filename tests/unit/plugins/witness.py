"""Who is handed deliveries and told of troubles in tests of sources."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lanner.sources.base import Delivery, Limits, RejectedDelivery, Source
from lanner.sources.plugin import Checkpoint, Context, MemoryCheckpoint, Start, Trouble

TIMEOUT_S = 20


@dataclass
class Witness:
    """Keeps what a source delivers and tells."""

    checkpoint: Checkpoint = field(default_factory=MemoryCheckpoint)
    limits: Limits = field(default_factory=Limits)
    start: Start = Start.KEPT
    deliveries: list[Delivery] = field(default_factory=list)
    told: list[tuple[Trouble, str, int]] = field(default_factory=list)
    started: list[tuple[str, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def context(self) -> Context:
        return Context(
            name="test",
            limits=self.limits,
            checkpoint=self.checkpoint,
            start=self.start,
            started=self._started,
            tell=self._tell,
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of deliveries that are whole."""
        whole = b"\n".join(bytes(each.payload) for each in self.deliveries if not each.truncated)
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events, from their audit IDs."""
        return [int(event["auditID"][:8], 16) for event in self.events]

    def texts(self, trouble: Trouble) -> list[str]:
        return [text for kind, text, _ in self.told if kind is trouble]

    def count(self, trouble: Trouble) -> int:
        return sum(times for kind, _, times in self.told if kind is trouble)

    async def handle(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.changed.set()
        if delivery.framing == "body" and not delivery.truncated:
            try:
                json.loads(bytes(delivery.payload))
            except ValueError:
                raise RejectedDelivery("the body is not JSON") from None

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.changed.clear()
            await self.changed.wait()

    def watch(self, source: Source, holds: Callable[[], bool]) -> None:
        """Run the source until something holds, and end it."""
        asyncio.run(self._watch(source, holds))

    async def _watch(self, source: Source, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            running = asyncio.create_task(source.run(self.handle))
            waiting = asyncio.create_task(self.until(holds))
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if running.done():
                await running
                return
            running.cancel()
            await asyncio.wait({running})
            if not running.cancelled():
                running.result()

    def _started(self, text: str, url: str) -> None:
        self.started.append((text, url))
        self.changed.set()

    def _tell(self, trouble: Trouble, text: str, times: int = 1) -> None:
        self.told.append((trouble, text, times))
        self.changed.set()
