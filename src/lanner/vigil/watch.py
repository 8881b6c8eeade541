"""Watches, tick by tick: what was seen goes into the state, what is wrong into alerts. Clocks and sockets are here."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace

from lanner.sources.base import reason_of
from lanner.sources.plugin import Checkpoint
from lanner.vigil.apiserver import Server, answered, pass_time, server_concerns, unanswered
from lanner.vigil.balance import Balance, balance_concerns, reckon, record
from lanner.vigil.beacon import MARKER_BYTES, Beacon
from lanner.vigil.canary import AGAIN_S, Canary, came_back, canary_concerns, send, wait, was_not_sent, was_sent
from lanner.vigil.concern import KINDS, Concern, Key, Notice, settle
from lanner.vigil.kube import Unanswered
from lanner.vigil.memory import recalled, remembered
from lanner.vigil.plan import CanaryPlan, MetricsPlan, SilencePlan, VigilPlan
from lanner.vigil.scrape import scrape
from lanner.vigil.sight import Sight
from lanner.vigil.sources import Heard, hear, is_watched, source_concerns

_LOG = logging.getLogger(__name__)

TICK_S = 1.0
"""How often it is looked."""

MEMORY_S = 600.0
"""How often what is usual is kept."""

MAX_TICK_S = 5.0
"""More does not pass between two looks. A process that was stopped, or a machine that slept, has not seen a silence."""


class Watch:
    """Looks after one run.

    Attributes:
        sight: What it knows.
        checkpoint: Where what is usual is kept over restarts; None: nowhere.
    """

    def __init__(
        self,
        heard: Callable[[], Mapping[str, Heard]],
        tell: Callable[[Notice], None],
        sight: Sight | None = None,
        *,
        beacon: Beacon | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to watch.

        Args:
            heard: What came of each source so far.
            tell: Takes alerts.
            sight: What another watch knew, which this one goes on with.
            beacon: Sees canaries that come back.
            now_s: Seconds since the epoch.
        """
        self.sight = sight or Sight()
        self.checkpoint: Checkpoint | None = None
        self._heard = heard
        self._tell = tell
        self._beacon = beacon or Beacon()
        self._has_sight = sight is not None and bool(sight.clock)
        self._now_s = now_s
        self._due: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def run(self, plan: VigilPlan) -> None:
        """Watch until cancelled."""
        self._due = {}
        await self._recall()
        last = time.monotonic()
        try:
            while True:
                await asyncio.sleep(TICK_S)
                now = time.monotonic()
                try:
                    self.tick(plan, now - last)
                except Exception as error:  # whatever it is: who watches must not stop watching without a word
                    _LOG.error("the vigil failed, and goes on: %s", reason_of(error))
                last = now
                self._ask("memory", MEMORY_S, self.remember())
        finally:
            for asking in self._asking.values():
                asking.cancel()
            await self.remember()

    def tick(self, plan: VigilPlan, passed_s: float) -> None:
        """Look once; what has to be asked for is asked in tasks of the running loop.

        Args:
            plan: What to watch.
            passed_s: Seconds since the last time.
        """
        now = self.sight.clock + min(passed_s, MAX_TICK_S)
        self._look(plan, now)
        concerns = [*self._concerns(plan, now)]
        before = {key: each for key, each in self.sight.standing.items() if self._is_watched(key, plan)}
        standing, notices = settle(before, concerns, now)
        self.sight = replace(self.sight, standing=standing)
        for notice in notices:
            self._tell(notice)
        if plan.metrics:
            for url in plan.access.urls:
                self._ask(f"metrics {url}", plan.metrics.interval_s, self._scrape(plan, url))
        if plan.canary:
            every_s = plan.canary.interval_s / len(plan.access.urls)
            self._ask("canary", every_s, self._send(plan, plan.canary))

    async def remember(self) -> None:
        """Keep what is usual."""
        if self.checkpoint:
            try:
                await self.checkpoint.save(remembered(self.sight, self._now_s()))
            except Exception as error:  # a store may be full: what is usual is learned anew then
                _LOG.warning("what is usual for sources was not kept: %s", reason_of(error))

    async def _recall(self) -> None:
        """Begin with what was kept, once, unless another watch handed on what it knew."""
        if self.checkpoint and not self._has_sight:
            self._has_sight = True
            try:
                self.sight = recalled(await self.checkpoint.load(), self._now_s())
            except Exception as error:  # as above
                _LOG.warning("what is usual for sources is not known any more: %s", reason_of(error))

    async def asked(self) -> None:
        """Wait until all that was asked for has been answered."""
        await asyncio.gather(*self._asking.values())

    def _look(self, plan: VigilPlan, now: float) -> None:
        """Take what came of the sources by now."""
        heard = {name: each for name, each in self._heard().items() if not each.is_over}
        known = self.sight.sources
        sources = {name: hear(known.get(name), name, each, now, plan) for name, each in heard.items()}
        watched = plan.metrics or MetricsPlan()
        arrived = sum(
            max(0, each.hush.count - known[name].hush.count)
            for name, each in sources.items()
            if name in known and (not watched.sources or name in watched.sources)
        )
        urls = plan.access.urls if plan.metrics else ()
        servers = {
            url: pass_time(each, now, has_heard=arrived > 0) for url, each in self.sight.servers.items() if url in urls
        }
        balance = self._balance(plan)
        if plan.metrics:
            balance = reckon(balance, arrived, now, watched)
        self.sight = replace(self.sight, clock=now, sources=sources, servers=servers, balance=balance)
        self._look_for_canaries(plan, now)

    def _balance(self, plan: VigilPlan) -> Balance:
        """The one so far, if it was drawn up of what is watched now."""
        of = (plan.access.urls, plan.metrics.sources) if plan.metrics else ()
        return self.sight.balance if self.sight.balance.of == of else Balance(of)

    def _look_for_canaries(self, plan: VigilPlan, now: float) -> None:
        if plan.canary is None:
            self._beacon.put_out()
            self.sight = replace(self.sight, canaries={}, awaited=None)
            return
        canaries = {url: each for url, each in self.sight.canaries.items() if url in plan.access.urls}
        awaited, seen_at = self.sight.awaited, self._beacon.seen_at()
        if awaited and seen_at is not None and awaited[0] in canaries:
            url, sent_at = awaited
            canaries[url] = came_back(canaries[url], seen_at - sent_at, now, plan.canary)
            awaited = None
        canaries = {url: wait(each, now, plan.canary) for url, each in canaries.items()}
        self.sight = replace(self.sight, canaries=canaries, awaited=awaited)

    def _concerns(self, plan: VigilPlan, now: float) -> list[Concern]:
        of_sources = (source_concerns(name, each, now, plan) for name, each in self.sight.sources.items())
        watched = plan.metrics or MetricsPlan()
        of_servers = (server_concerns(url, each, now, watched) for url, each in self.sight.servers.items())
        of_canaries = (canary_concerns(url, each, now) for url, each in self.sight.canaries.items())
        of_balance = balance_concerns(self.sight.balance)
        return [found for several in (*of_sources, *of_servers, of_balance, *of_canaries) for found in several]

    def _is_watched(self, key: Key, plan: VigilPlan) -> bool:
        """Whether what is wrong is still looked for: what is not looked for any more did not end."""
        match KINDS[key[0]].about:
            case "source":
                return is_watched(key, self.sight.sources, plan)
            case "server":
                return key[1] in self.sight.servers
            case "servers":
                return plan.metrics is not None
            case "canary":
                return key[1] in self.sight.canaries

    # Questions

    def _ask(self, name: str, every_s: float, question: Coroutine[None, None, None]) -> None:
        """Ask in a task, if it is time and the last answer is not still awaited."""
        now, asking = self.sight.clock, self._asking.get(name)
        if now < self._due.get(name, 0.0) or (asking and not asking.done()):
            question.close()
            return
        self._due[name] = now + every_s
        self._asking[name] = asyncio.get_running_loop().create_task(self._answer(question))

    async def _answer(self, question: Coroutine[None, None, None]) -> None:
        try:
            await question
        except Exception as error:  # as in `run`
            _LOG.error("the vigil failed, and goes on: %s", reason_of(error))

    async def _scrape(self, plan: VigilPlan, url: str) -> None:
        try:
            found = await scrape(plan.access, url)
        except Unanswered as error:
            server = self._server(url)
            if server.fails_since is None:
                text = f"the API server {url} is not watched: {error.reason}"
                _LOG.warning("%s", text, extra={"fields": {"server": url, "reason": error.reason, "help": error.help}})
            self._keep(url, unanswered(server, error.reason, error.help, self.sight.clock))
        else:
            self.sight = replace(self.sight, balance=record(self.sight.balance, url, found))
            self._keep(url, answered(self._server(url), found, self.sight.clock, plan.silence or SilencePlan()))

    async def _send(self, plan: VigilPlan, canary: CanaryPlan) -> None:
        """Send a canary to the API server whose turn it is, the one that has not had one for longest."""
        known = self.sight.canaries
        url = min(plan.access.urls, key=lambda each: known[each].turn if each in known else -1.0)
        marker = secrets.token_hex(MARKER_BYTES // 2).encode()
        self.sight = replace(self.sight, awaited=None)
        self._beacon.light(marker)
        now, sent_at = self.sight.clock, self._beacon.now()
        awaited: tuple[str, float] | None = url, sent_at
        try:
            await send(plan.access, url, canary.path, marker)
        except Unanswered as error:
            self._beacon.put_out()
            self._due["canary"] = self.sight.clock + AGAIN_S
            found, awaited = self._canary(url), None
            if found.fails_since is None:
                text = f"no canary can be sent to {url}: {error.reason}"
                _LOG.warning("%s", text, extra={"fields": {"server": url, "reason": error.reason, "help": error.help}})
            found = was_not_sent(found, error.reason, error.help, now)
        else:
            found = was_sent(self._canary(url), now)
        self.sight = replace(self.sight, canaries={**self.sight.canaries, url: found}, awaited=awaited)

    def _canary(self, url: str) -> Canary:
        return self.sight.canaries.get(url) or Canary()

    def _server(self, url: str) -> Server:
        return self.sight.servers.get(url) or Server.start(self.sight.clock, self._now_s())

    def _keep(self, url: str, server: Server) -> None:
        self.sight = replace(self.sight, servers={**self.sight.servers, url: server})
