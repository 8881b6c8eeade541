"""A source that is opened by its plugin, runs for a while against a peer over real sockets, and what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lanner.sources.base import Delivery, Handler, Limits
from lanner.sources.plugin import Context, Plugin, Start

TIMEOUT_S = 60


@dataclass
class Run:
    """All that a source said and delivered."""

    deliveries: list[Delivery] = field(default_factory=list)
    troubles: list[tuple[str, str, int]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    start: Start = Start.KEPT

    def context(self, limits: Limits | None = None) -> Context:
        return Context(
            name="test",
            limits=limits or Limits(),
            start=self.start,
            started=lambda text, _: self.started.append(text),
            tell=lambda trouble, text, times=1: self.troubles.append((trouble.value, text, times)),
        )

    async def handle(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    @property
    def events(self) -> list[str]:
        """The IDs of the events that were delivered, in order."""
        return [json.loads(line)["auditID"] for each in self.deliveries for line in bytes(each.payload).splitlines()]

    def told(self, trouble: str) -> list[str]:
        return [text for kind, text, _ in self.troubles if kind == trouble]


async def run_until(
    plugin: Plugin,
    place: str,
    given: Any,
    *,
    done: Callable[[], bool],
    run: Run,
    handle: Handler | None = None,
    limits: Limits | None = None,
) -> None:
    """Run a source until something holds, then end it as a run does."""
    task = asyncio.ensure_future(plugin.open(place, given, run.context(limits)).run(handle or run.handle))
    try:
        await until(lambda: done() or task.done())
    finally:
        await end(task)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():
            await asyncio.sleep(0.01)


async def end(task: asyncio.Future[None]) -> None:
    """Cancel a run and wait for it; another failure is raised."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
