"""A run in one process: sources through engines to outputs, with another reading of the configuration in between."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lanner.engine.alert import Alert, Finding
from lanner.engine.stats import Stats
from lanner.server.endpoints import endpoints
from lanner.server.facts import (
    Ending,
    check_store,
    cpu_s,
    in_memory,
    labels,
    rss_bytes,
    say_started,
    undelivered_of,
    warnings_of,
    words_of,
)
from lanner.server.internal import not_stored, reload_refused, unsafe
from lanner.server.keeper import Deliverer, Keeper
from lanner.server.office import VIGIL_MEMORY, Office
from lanner.server.plan import Hooks, Plan, SourcePlan
from lanner.server.reservations import see_addresses
from lanner.server.runner import Runner, Surroundings
from lanner.server.snapshot import Reloads, Snapshot, Status
from lanner.server.systemd import notify, notify_reloading, watchdog_s
from lanner.sources.base import SourceError
from lanner.sources.plugin import Context
from lanner.sources.receiver import ASGIApp, WebhookStats
from lanner.store.errors import StoreError
from lanner.store.place import Place, held
from lanner.store.writer import WriterStats
from lanner.vigil.beacon import Beacon

_LOG = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a process shares with others, which obey one parent; it leaves signals to that, and delivery to the desk.

    Attributes:
        addresses: Host and port of webhooks, by name.
        place: Where alerts are stored.
        pass_on: Takes alerts that are not; called from any thread.
        wake: Told that some were; called from any thread.
    """

    addresses: Mapping[str, tuple[str, int]]
    place: Place
    pass_on: Callable[[Sequence[Finding]], None]
    wake: Callable[[], None]


class Station:
    """Runs what a plan says, until all sources have ended, a signal comes, or nobody takes alerts any more."""

    def __init__(
        self,
        plan: Plan,
        read_again: Callable[[], Plan],
        *,
        versions: Mapping[str, object],
        stop_after_s: float | None = None,
        shared: Shared | None = None,
        on_started: Callable[[str, str, str], None] | None = None,
        beacon: Beacon | None = None,
    ) -> None:
        """Prepare a run; `run` starts it.

        Args:
            plan: What to do.
            read_again: Makes another plan; called in a thread. It raises `PlanError` for one that cannot be used.
            versions: What `/versions` tells.
            stop_after_s: End after so many seconds.
            shared: What this process shares with others; None: it is alone.
            on_started: Told the name of a source that takes events, where it does in words for people, and the address;
                None: that is said.
            beacon: Where sources say that a canary came back; None: one of this process alone.
        """
        self._plan = plan
        self._read_again = read_again
        self._stop_after_s = stop_after_s
        self._shared = shared
        self._on_started = on_started or say_started
        self._versions = versions
        self._keeping: Keeper | None = None
        self._deliverer: Deliverer | None = None
        self._lock = asyncio.Lock()
        self._sources: dict[str, Runner] = {}
        self._past = Stats()
        self._internal: Counter[str] = Counter()
        self._reloads = Reloads()
        self._started_ns = time.time_ns()
        self._wanted = asyncio.Event()
        self._over = asyncio.Event()
        self._stopped: signal.Signals | None = None
        self._is_gone = False
        self._error: BaseException | None = None
        self._is_ready = False
        self._beacon = beacon or Beacon()
        self._office = Office(self.snapshot, self._raise, versions, self.reload, beacon=self._beacon)

    def reload(self) -> None:
        """Have the configuration read again, as after SIGHUP."""
        self._wanted.set()

    def stop(self, number: signal.Signals | None = None) -> None:
        """Have the run end: what was received is evaluated, and outputs get what waits."""
        self._stopped = self._stopped or number
        self._over.set()

    async def run(self) -> Ending:
        """Run.

        Raises:
            SourceError: The only source cannot start, or the address for health and metrics is not to be had.
            StoreError: The place for alerts cannot be used.
            BrokenPipeError: All places that alerts went to are gone.
        """
        if self._shared:
            return await self._run(self._shared.place)
        store = self._plan.store
        with held(store.place, may_fall_back=store.may_fall_back) as place:
            return await self._run(place)

    async def _run(self, place: Place) -> Ending:
        loop = asyncio.get_running_loop()
        self._open(place)
        handlers = self._handlers()
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        timer = loop.call_later(self._stop_after_s, self.stop) if self._stop_after_s is not None else None
        helpers = [loop.create_task(self._reload_forever()), loop.create_task(self._watchdog())]
        try:
            await self._start(place)
            await self._over.wait()
        finally:
            if self._shared is None:
                notify("STOPPING=1")
            for helper in helpers:
                helper.cancel()
            await self._end()
            for number in handlers:
                loop.remove_signal_handler(number)
            if timer:
                timer.cancel()
        if self._error:
            raise self._error
        if self._is_gone:
            raise BrokenPipeError
        return self._ending()

    def look(self) -> Snapshot:
        """What the run has done so far, with what may be missed."""
        return self._office.look()

    def snapshot(self) -> Snapshot:
        """What the run has done so far."""
        stats = Stats()
        stats.add(self._past)
        sources = {}
        for name, runner in self._sources.items():
            stats.add(runner.pipeline.engine.stats)
            sources[name] = runner.look()
        return Snapshot(
            started_ns=self._started_ns,
            stats=stats,
            sources=sources,
            routes=self._deliverer.stats() if self._deliverer else (),
            store=replace(self._keeping.stats) if self._keeping else WriterStats(),
            rules=labels(self._plan),
            reloads=self._reloads,
            files=self._plan.files,
            internal=dict(self._internal),
            warnings=warnings_of(self._plan),
            is_stopping=self._over.is_set(),
            cpu_s=cpu_s(),
            rss_bytes=rss_bytes(),
        )

    def _handlers(self) -> Mapping[signal.Signals, Callable[[], None]]:
        if self._shared is not None:
            return {}
        return {
            signal.SIGINT: lambda: self.stop(signal.SIGINT),
            signal.SIGTERM: lambda: self.stop(signal.SIGTERM),
            signal.SIGHUP: self.reload,
            signal.SIGUSR1: self._reopen,
        }

    # Starting and ending

    def _open(self, place: Place) -> None:
        """Open the store, and connect the outputs if this process delivers."""
        loop, is_alone = asyncio.get_running_loop(), self._shared is None
        self._keeping = Keeper(
            place,
            self._plan,
            pass_on=self._shared.pass_on if self._shared else self._pass_on,
            on_trouble=lambda reason: loop.call_soon_threadsafe(self._raise, not_stored(reason)),
            tidies=is_alone,
        )
        if self._shared:
            self._keeping.store.on_done = self._shared.wake
            return
        limits = None if place.path is None else self._plan.store.limits
        try:
            self._deliverer = Deliverer(
                self._keeping.store,
                place,
                self._plan,
                limits=limits,
                on_gone=lambda: loop.call_soon_threadsafe(self._gone),
            )
        except StoreError:
            self._keeping.close()
            raise

    @property
    def _keeper(self) -> Keeper:
        assert self._keeping is not None  # noqa: S101 - INVARIANT: it is opened before anything else begins
        return self._keeping

    def _pass_on(self, findings: Sequence[Finding]) -> None:
        if self._deliverer:
            self._deliverer.pass_on(findings)

    def _reopen(self) -> None:
        if self._deliverer:
            self._deliverer.reopen()

    async def _start(self, place: Place) -> None:
        if self._shared is None:
            self._office.remember(self._keeper.checkpoint(VIGIL_MEMORY))
        await self._office.adopt(self._plan)
        for source in self._plan.sources:
            self._begin(source)
        if self._shared is None:
            self._warn(warnings_of(self._plan))
            if place.problem:
                _LOG.warning("%s", in_memory(place))
                self._raise(unsafe("store", in_memory(place)))

    async def _end(self) -> None:
        await asyncio.gather(*(runner.leave() for runner in self._sources.values()))
        await self._office.close()
        if self._deliverer:
            await asyncio.to_thread(self._deliverer.close)
        await asyncio.to_thread(self._keeper.close)

    def _ending(self) -> Ending:
        found = self.snapshot()
        return Ending(found.stats, self._stopped, undelivered_of(found))

    # Sources

    def _begin(self, plan: SourcePlan) -> None:
        around = Surroundings(
            keeper=self._keeper,
            lock=self._lock,
            beacon=self._beacon,
            raise_alert=self._raise,
            on_started=self._started,
            on_ended=self._stop_if_all_ended,
            is_fatal=self._is_fatal,
            hooks=partial(self._hooks, plan),
        )
        runner = Runner(plan, around, self._sources.get(plan.name))
        self._sources[plan.name] = runner
        runner.begin()

    def _stop_if_all_ended(self) -> None:
        if all(each.counts.status is Status.ENDED for each in self._sources.values()):
            self.stop()

    def _is_fatal(self, runner: Runner, error: Exception) -> bool:
        """Whether the run ends with this: its only source could not even start, so that there is nothing to do."""
        if isinstance(error, SourceError) and len(self._sources) == 1 and not runner.has_run and not self._is_ready:
            self._error = error
            self.stop()
        return self._error is error

    def _started(self, name: str, text: str, url: str) -> None:
        self._on_started(name, text, url)
        self._tell_ready()

    def _hooks(self, plan: SourcePlan, context: Context, stats: WebhookStats) -> Hooks:
        at = self._shared.addresses[plan.name] if self._shared else None
        return Hooks(context, self._extra(plan), stats, at)

    def _extra(self, plan: SourcePlan) -> Mapping[str, ASGIApp]:
        """Health and metrics, when they are served at the first source's port."""
        web = self._plan.web
        if web is None or web.listening is not None or plan.name != self._plan.sources[0].name:
            return {}
        return endpoints(web, self._office.look, self._versions)

    def _tell_ready(self) -> None:
        self._is_ready = self._is_ready or self.snapshot().is_ready
        if self._shared is None and self._is_ready:
            notify(f"READY=1\nSTATUS=detecting with {len(labels(self._plan))} rules")

    async def _watchdog(self) -> None:
        every_s = watchdog_s() if self._shared is None else None
        while every_s is not None:
            notify("WATCHDOG=1")
            await asyncio.sleep(every_s)

    # Another reading of the configuration

    async def _reload_forever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            notify_reloading()
            try:
                plan = await asyncio.to_thread(self._read_again)
                await self._adopt(plan)
            except Exception as error:  # whatever it is, it must neither end the run nor be the last reading
                self._refuse(words_of(error), getattr(error, "help", None))
            else:
                self._reloads.take_over()
                number = len(labels(plan))
                text = f"configuration and rules were read again: {number} rules"
                _LOG.info("%s", text, extra={"fields": {"rules": number}})
            self._tell_ready()

    def _refuse(self, reason: str, help_text: str | None) -> None:
        self._reloads.refuse()
        text = f"not taken over: {reason}; detection goes on as before"
        _LOG.error("%s", text, extra={"fields": {"reason": reason, "help": help_text}})
        self._raise(reload_refused(reason, help_text))

    async def _adopt(self, plan: Plan) -> None:
        """Go on with another plan. Sources that are as before go on, without a gap; their engines are exchanged.

        Raises:
            SourceError: An address is not to be had; nothing has changed.
            PlanError: What cannot change while it runs has changed.
            StoreError: The store does not answer.
        """
        check_store(self._plan, plan)
        running = [runner.plan.webhook for runner in self._sources.values() if runner.plan.webhook]
        see_addresses(plan, running)
        await self._office.adopt(plan)
        wanted = {source.name: source for source in plan.sources}
        old, self._plan = self._plan, plan
        if self._deliverer:
            await self._deliverer.adopt(plan.routes)
        async with self._lock:
            for name, runner in self._sources.items():
                if (source := wanted.get(name)) is not None:
                    self._past.add(runner.exchange_rules(source))
        for name, runner in [*self._sources.items()]:
            if name not in wanted or wanted[name].made_of != runner.plan.made_of:
                await runner.leave()
                self._past.add(runner.pipeline.engine.take_stats())
                if name not in wanted:
                    del self._sources[name]
            else:
                runner.plan = wanted.pop(name)
        for source in wanted.values():
            self._begin(source)
        self._warn(tuple(warning for warning in warnings_of(plan) if warning not in warnings_of(old)))
        self._stop_if_all_ended()

    # Alerts

    def _raise(self, alert: Alert) -> None:
        """Raise an alert about the program itself."""
        self._internal[alert.rule] += 1
        self._keeper.raise_alert(alert)

    def _warn(self, texts: tuple[str, ...]) -> None:
        for text in texts:
            _LOG.warning("%s", text)
            self._raise(unsafe("webhook", text))

    def _gone(self) -> None:
        self._is_gone = True
        self.stop()
