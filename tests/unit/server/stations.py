"""Stations whose sources do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lanner.compiler.load import load
from lanner.compiler.ruleset import RuleSet, compile_rules
from lanner.diagnostics import SourceFile
from lanner.engine.alert import Alert
from lanner.outputs.lane import Route
from lanner.server.facts import Ending
from lanner.server.plan import Hooks, Plan, PlanError, SourcePlan
from lanner.server.station import Station
from lanner.sources.base import Delivery, Framing, Handler

TIMEOUT_S = 50
SAYS_WHO = "seen %ka.user.name"


def rules(output: str = SAYS_WHO, name: str = "Seen", tags: Sequence[str] = ()) -> RuleSet:
    """One rule that fires on every event of a user."""
    text = f"- {{rule: {name!r}, desc: d, condition: ka.user.name exists, output: {output!r}, priority: NOTICE,"
    loaded = load([SourceFile("rules.yaml", f"{text} source: k8s_audit, tags: {list(tags)}}}\n")]).rules
    assert loaded
    return compile_rules(loaded)


def event(user: str) -> bytes:
    return b'{"kind":"Event","auditID":"1","stage":"ResponseComplete","verb":"get","user":{"username":"%s"}}' % (
        user.encode()
    )


@dataclass(eq=False)
class Kept:
    """An output that keeps alerts."""

    max_batch: ClassVar[int] = 100
    alerts: list[Alert] = field(default_factory=list)
    reopened: int = 0
    is_closed: bool = False
    place: str = ""

    def write(self, alerts: Sequence[Alert]) -> None:
        self.alerts += alerts

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def reopen(self) -> None:
        self.reopened += 1

    @property
    def messages(self) -> list[str]:
        """What alerts of events say."""
        return [alert.message for alert in self.alerts if alert.source != "internal"]

    @property
    def internal(self) -> list[str]:
        """What alerts about the program say."""
        return [alert.message for alert in self.alerts if alert.source == "internal"]


@dataclass(eq=False)
class Feed:
    """A source: it delivers texts, ends with None, and fails with an exception.

    Attributes:
        name: Its name in plans.
        opened: How often it was opened.
        fails_at_start: What it fails with before it takes events, each time that it is opened.
    """

    name: str = "feed"
    opened: int = 0
    is_running: bool = False
    fails_at_start: list[Exception] = field(default_factory=list)
    todo: asyncio.Queue[str | Exception | None] = field(default_factory=asyncio.Queue)

    def plan(self, found: RuleSet | None = None, made_of: Any = 1, warning: str = "") -> SourcePlan:
        return SourcePlan(
            name=self.name,
            made_of=made_of,
            rules=found or rules(),
            open=lambda hooks: _Opened(self, hooks),
            warning=warning,
        )

    async def give(self, *items: str | Exception | None) -> None:
        for item in items:
            await self.todo.put(item)
        await self.todo.join()


@dataclass
class _Opened:
    feed: Feed
    hooks: Hooks

    async def run(self, handle: Handler) -> None:
        feed = self.feed
        feed.opened += 1
        if feed.fails_at_start:
            raise feed.fails_at_start.pop(0)
        feed.is_running = True
        self.hooks.context.started(f"feeding from {feed.name}", "")
        try:
            while (item := await feed.todo.get()) is not None:
                try:
                    if isinstance(item, Exception):
                        raise item
                    await handle(Delivery(event(item), Framing.LINES, "test"))
                finally:
                    feed.todo.task_done()
            feed.todo.task_done()
        finally:
            feed.is_running = False


def plan(*sources: SourcePlan, to: Kept | None = None, **more: Any) -> Plan:
    return Plan(sources=sources, routes=(Route(name="kept", output=to or Kept()),), **more)


def never() -> Plan:
    raise PlanError("nothing is to be read again")


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.002)


def run(
    first: Plan,
    then: Callable[[Station], Awaitable[None]],
    again: Callable[[], Plan] = never,
    *,
    stop_after_s: float | None = None,
) -> Ending:
    """Run a station, and beside it what happens to it."""

    async def main() -> Ending:
        station = Station(first, again, versions={"lanner": "1"}, stop_after_s=stop_after_s)
        async with asyncio.timeout(TIMEOUT_S):
            running = asyncio.ensure_future(station.run())
            happening = asyncio.ensure_future(then(station))
            try:
                await asyncio.wait({running, happening}, return_when=asyncio.FIRST_COMPLETED)
                if happening.done():
                    happening.result()  # a failure there is the test's
                ending = await running
                await happening
                return ending
            finally:
                happening.cancel()
                station.stop()
                await asyncio.wait({running})

    return asyncio.run(main())
