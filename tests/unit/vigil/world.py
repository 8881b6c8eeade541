"""A cluster and Lanner, over real sockets, in which time passes when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lanner.server.office import heard
from lanner.server.plan import Hooks, SourcePlan
from lanner.server.station import Station
from lanner.sources.webhook import WebhookOptions, WebhookSource
from lanner.vigil.beacon import Beacon
from lanner.vigil.concern import KINDS, OVER, Notice
from lanner.vigil.kube import Access
from lanner.vigil.plan import MetricsPlan, VigilPlan
from lanner.vigil.sources import Heard
from lanner.vigil.watch import Watch

from ..server.stations import TIMEOUT_S, never, plan, rules
from .fake import EPOCH_S, TOKEN, FakeApiServer

STEP_S = 5.0


@dataclass(eq=False)
class World:
    """The two, and what Lanner says.

    Attributes:
        plan: What is watched; the test may exchange it.
    """

    cluster: FakeApiServer
    station: Station
    plan: VigilPlan
    watch: Watch
    said: list[Notice] = field(default_factory=list)

    async def passes(self, seconds: float, chatter: int = 1) -> list[str]:
        """Let time pass, with requests in the cluster every five seconds; the rules of what is said meanwhile."""
        before = len(self.said)
        for _ in range(int(seconds / STEP_S)):
            self.cluster.happens(chatter)
            await self.cluster.passes(STEP_S)
            self.watch.tick(self.plan, STEP_S)
            await self.watch.asked()
        for notice in self.said[before:]:
            kind = next((kind for kind in KINDS.values() if kind.rule == notice.rule), None)
            assert notice.rule == OVER or (kind and {*notice.fields} == {"subject", "blind_s", *kind.fields}), notice
        return [notice.rule for notice in self.said[before:]]


@asynccontextmanager
async def world(folder: Path, cluster: FakeApiServer) -> AsyncIterator[World]:
    """A cluster whose API server posts to a Lanner that watches it."""
    found: asyncio.Queue[str] = asyncio.Queue()

    def opened(hooks: Hooks) -> WebhookSource:
        options = WebhookOptions(host="127.0.0.1", port=0, path="/k8s-audit")
        return WebhookSource(
            options, stats=hooks.stats, on_started=lambda host, port: hooks.context.started("", f"{port}")
        )

    source = SourcePlan(name="webhook", made_of=1, rules=rules(), open=opened)
    beacon = Beacon(lambda: cluster.now)
    station = Station(
        plan(source), never, versions={}, beacon=beacon, on_started=lambda name, text, url: found.put_nowait(url)
    )
    running = asyncio.ensure_future(station.run())
    try:
        async with cluster.serving(folder):
            cluster.webhook = f"http://127.0.0.1:{await found.get()}/k8s-audit"
            (folder / "token").write_text(f"{TOKEN}\n")
            access = Access(
                urls=(cluster.url,),
                ca_file=cluster.ca_file,
                token_file=str(folder / "token"),
                server_name="kubernetes.default.svc",
            )
            said: list[Notice] = []

            def of_station() -> dict[str, Heard]:
                """Without times: those of the cluster are the test's, those of the station are the machine's."""
                return {name: replace(each, lag_s=None) for name, each in heard(station.snapshot()).items()}

            watch = Watch(of_station, said.append, beacon=beacon, now_s=lambda: EPOCH_S + cluster.now)
            watched = VigilPlan(access=access, metrics=MetricsPlan(interval_s=30, arrival_s=180))
            yield World(cluster, station, watched, watch, said)
    finally:
        station.stop()
        await asyncio.wait([running])


def run(folder: Path, then: Callable[[World], Awaitable[None]], cluster: FakeApiServer | None = None) -> None:
    """Run a world, and what happens in it."""

    async def main() -> None:
        async with asyncio.timeout(TIMEOUT_S), world(folder, cluster or FakeApiServer()) as made:
            await then(made)

    asyncio.run(main())
