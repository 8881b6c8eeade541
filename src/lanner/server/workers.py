"""Several processes that share webhooks' ports, one that does what is not detection, and one that looks after them.

The parent forks workers once everything is loaded, so that they share its memory. Each listens by itself, and the
kernel spreads connections among them. The parent evaluates nothing and has no threads: it waits for signals and for
what the others say. When the configuration is read again, it starts other workers, and lets those of before end once
the new ones listen: what they have received is evaluated and acknowledged by them.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from lanner.engine.alert import Alert
from lanner.server.account import Account, cpu_of
from lanner.server.chores import Chore, taken_over
from lanner.server.desk import Changed, Desktop, ReaderGone, keep_desk
from lanner.server.deskprocess import DeskProcess
from lanner.server.facts import (
    Ending,
    check_store,
    in_memory,
    labels,
    rss_bytes,
    say_started,
    undelivered_of,
    warnings_of,
    words_of,
)
from lanner.server.generation import MAX_DEATHS, Death, Generation, Slot, Watcher, start_process
from lanner.server.internal import reload_refused, unsafe, worker_lost
from lanner.server.plan import Plan
from lanner.server.reservations import Reservations
from lanner.server.snapshot import Reloads, Snapshot, SourceCounts
from lanner.server.station import STOP_SIGNALS
from lanner.server.systemd import notify, notify_reloading, watchdog_s
from lanner.server.worker import PARENTS_SIGNALS, Job, Listening, Report
from lanner.store.place import Place, held
from lanner.store.store import begin_outputs
from lanner.vigil.beacon import Beacon

_LOG = logging.getLogger(__name__)

SNAPSHOT_S = 1.0
"""How often the desk is told what the run has done."""

WATCH_S = 0.2
"""How often somebody who watches is shown it."""

__all__ = ["MAX_DEATHS", "run_workers"]


def run_workers(
    plan: Plan,
    read_again: Callable[[], Plan],
    count: int,
    *,
    versions: Mapping[str, object],
    watch: Callable[[Snapshot], None] | None = None,
) -> Ending:
    """Run workers until SIGINT or SIGTERM comes, which are taken over while it runs, and SIGHUP and SIGUSR1 with them.

    What was received is evaluated and written before this returns. To be called in a process without other threads.

    Args:
        plan: What to do; all its sources are webhooks.
        read_again: Makes another plan. It raises `PlanError` for one that cannot be used.
        count: How many workers there are.
        versions: What `/versions` tells.
        watch: Shown what the run is like, several times a second.

    Raises:
        SourceError: An address is not to be had.
        StoreError: The place for alerts cannot be used.
        OSError: The system has no room for so many processes.
        BrokenPipeError: All places that alerts went to are gone.
    """
    gc.collect()
    gc.freeze()  # a collection in a worker would write to every page that it shares
    try:
        with Supervisor(plan, read_again, count, versions) as supervisor:
            return supervisor.run(watch)
    finally:
        gc.unfreeze()


class Supervisor:
    """The parent."""

    def __init__(self, plan: Plan, read_again: Callable[[], Plan], count: int, versions: Mapping[str, object]) -> None:
        self._plan = plan
        self._read_again = read_again
        self._count = count
        self._versions = versions
        self._resources = ExitStack()
        self._addresses = Reservations(self._resources)
        self._past = Account()
        self._internal: Counter[str] = Counter()
        self._reloads = Reloads()
        self._started_ns = time.time_ns()
        self._stopped: signal.Signals | None = None
        self._is_stopping = False
        self._has_reader = True
        self._restarted = 0
        self._is_given_up = False
        self._wants_reload = False
        self._current: Generation | None = None
        self._next: Generation | None = None
        self._starting: Generation | None = None
        self._leaving: list[Generation] = []
        self._desk = DeskProcess(self._open_desk, lambda report: self._past.add(report, is_over=True))
        self._beacon = Beacon()
        self._said: set[str] = set()
        self._place: Place | None = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._resources.callback(os.close, self._wake)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *raised: object) -> None:
        for generation in self._generations():
            generation.close()
        self._desk.kill()
        self._resources.close()

    def run(self, watch: Callable[[Snapshot], None] | None = None) -> Ending:
        """As `run_workers`."""
        store = self._plan.store
        self._place = self._resources.enter_context(held(store.place, may_fall_back=store.may_fall_back))
        with taken_over(PARENTS_SIGNALS) as signals:
            self._current = self._begin(self._plan)
            self._addresses.of_web(self._plan)
            self._desk.start()
            self._warn(warnings_of(self._plan))
            if self._place.problem:
                _LOG.warning("%s", in_memory(self._place))
                self._raise(unsafe("store", in_memory(self._place)))
            chores = [Chore(SNAPSHOT_S, lambda: self._desk.tell(self.snapshot()))]
            if watch is not None:
                chores.append(Chore(WATCH_S, lambda: watch(self.snapshot())))
            if (sign_s := watchdog_s()) is not None:
                chores.append(Chore(sign_s, lambda: notify("WATCHDOG=1")))
            while self._generations():
                self._wait(signals, min(chore.every_s for chore in chores))
                for chore in chores:
                    chore.tick()
            self._desk.end()
        if not self._has_reader:
            raise BrokenPipeError
        found = self.snapshot()
        return Ending(found.stats, self._stopped, undelivered_of(found), self._restarted, self._is_given_up)

    def snapshot(self) -> Snapshot:
        """What all processes have done so far."""
        sum_ = Account()
        past = self._past
        sum_.add(
            Report(past.stats, past.sources, tuple(past.routes.values()), 0, past.internal, store=past.store),
            is_over=True,
        )
        rss = rss_bytes()
        slots = [slot for generation in self._generations() for slot in generation.slots]
        for report in (*(slot.report for slot in slots), self._desk.report):
            if report:
                sum_.add(report, is_over=False)
                rss += report.rss_bytes
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return Snapshot(
            started_ns=self._started_ns,
            stats=sum_.stats,
            sources={source.name: sum_.sources.get(source.name, SourceCounts()) for source in self._plan.sources},
            routes=tuple(sum_.routes.values()),
            reloads=self._reloads,
            store=sum_.store,
            internal=dict(self._internal + sum_.internal),
            is_stopping=self._is_stopping,
            workers=self._count,
            worker_restarts=self._restarted + sum(generation.restarted for generation in self._generations()),
            cpu_s=sum(each.ru_utime + each.ru_stime for each in used) + sum(map(cpu_of, slots)),
            rss_bytes=rss,
            sight=self._desk.sight,
        )

    @property
    def _held_place(self) -> Place:
        assert self._place is not None  # noqa: S101 - INVARIANT: it is held before any process starts
        return self._place

    # What happens

    def _generations(self) -> list[Generation]:
        found = [each for each in (self._current, self._next, *self._leaving) if each]
        over = [generation for generation in found if generation.is_over]
        for generation in over:
            self._forget(generation)
        return [generation for generation in found if generation not in over]

    def _forget(self, generation: Generation) -> None:
        generation.close()
        self._restarted += generation.restarted
        if generation is self._current:
            self._current, self._is_given_up = None, generation.is_given_up
        elif generation is self._next:
            self._next = None
        else:
            self._leaving.remove(generation)

    def _wait(self, signals: int, at_most_s: float) -> None:
        """Wait for what comes next, and deal with it."""
        generations = self._generations()
        senders = {sender: generation for generation in generations for sender in generation.connections}
        dues = [due for generation in generations if (due := generation.due_s()) is not None]
        desk = [connection] if (connection := self._desk.connection) else []
        for found in wait([signals, *desk, *senders], min([at_most_s, *dues])):
            if not isinstance(found, Connection):
                self._obey(signal.Signals(os.read(signals, 1)[0]))
            elif found in senders:
                generation = senders[found]
                if (slot := generation.connections.get(found)) is not None:
                    generation.receive(slot, found)
            elif found is self._desk.connection:
                self._deal_with(self._desk.hear())
        for generation in self._generations():
            generation.tick()
        self._desk.tick()

    def _obey(self, number: signal.Signals) -> None:
        if number in STOP_SIGNALS:
            self._stopped = self._stopped or number
            self._stop()
        elif number is signal.SIGHUP:
            self._reload()
        elif number is signal.SIGUSR1:
            self._desk.reopen()

    def _stop(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            notify("STOPPING=1")
        for generation in (self._current, self._next, *self._leaving):
            if generation:
                generation.stop()

    # Workers

    def _begin(self, plan: Plan) -> Generation:
        begin_outputs(self._held_place, [route.name for route in plan.routes])  # before anything is stored for them
        generation = Generation(
            Job(plan, self._addresses.of_sources(plan), self._beacon, self._held_place, self._wake),
            [Slot(number) for number in range(self._count)],
            Watcher(
                on_ready=lambda: self._ready(generation),
                on_listening=self._say_listening,
                on_report=lambda report: self._past.add(report, is_over=True),
                on_death=lambda death: self._died(generation, death),
                on_unstored=self._desk.tell,
            ),
            release=self._release,
        )
        self._starting = generation
        try:
            generation.start()
        except OSError:
            generation.close()
            raise
        finally:
            self._starting = None
        return generation

    def _release(self) -> None:
        """Let go, in a process that was forked, of what is the parent's alone."""
        for generation in (self._current, self._next, self._starting, *self._leaving):
            if generation:
                generation.let_go()
        self._desk.let_go()

    def _ready(self, generation: Generation) -> None:
        if generation is self._next:
            self._take_over()
        notify(f"READY=1\nSTATUS=detecting with {len(labels(self._plan))} rules in {self._count} processes")

    def _say_listening(self, what: Listening) -> None:
        if what.text not in self._said:
            self._said.add(what.text)
            say_started(what.name, what.text, what.url)

    def _died(self, generation: Generation, death: Death) -> None:
        if generation is self._next and not self._is_stopping:
            generation.stop()
            self._leaving.append(generation)
            self._next = None
            self._refuse(f"a worker with the new configuration ended: {death.reason}", None)
            self._reload_if_wanted()
            return
        then = "" if death.pause_s is None else f", another starts in {death.pause_s:g} s"
        text = f"a worker was lost: {death.reason}{then}"
        _LOG.error("%s", text, extra={"fields": {"reason": death.reason, "pause_s": death.pause_s}})
        if not self._is_stopping:
            self._raise(worker_lost(death.reason, death.pause_s))

    def _lose_reader(self) -> None:
        self._has_reader = False
        self._stop()

    # Another reading of the configuration

    def _reload(self) -> None:
        if self._next or self._is_stopping:
            self._wants_reload = not self._is_stopping
            return
        notify_reloading()
        try:
            plan = self._read_again()
            check_store(self._plan, plan)
            self._addresses.of_web(plan)
            self._next = self._begin(plan)
        except OSError as error:
            self._refuse(f"no room for other workers: {(error.strerror or str(error)).lower()}", None)
        except Exception as error:  # whatever it is, it must not end the workers
            self._refuse(words_of(error), getattr(error, "help", None))

    def _take_over(self) -> None:
        """The workers with the new plan listen: those of before may end."""
        assert self._next is not None  # noqa: S101 - INVARIANT: only the next generation takes over
        before, self._current, self._next = self._current, self._next, None
        old, self._plan = self._plan, self._current.job.plan
        if before:
            before.stop()
            self._leaving.append(before)
        self._reloads.take_over()
        self._deal_with(self._desk.exchange())
        number = len(labels(self._plan))
        text = f"configuration and rules were read again: {number} rules"
        _LOG.info("%s", text, extra={"fields": {"rules": number}})
        self._warn(tuple(text for text in warnings_of(self._plan) if text not in warnings_of(old)))
        self._reload_if_wanted()

    def _reload_if_wanted(self) -> None:
        """Do what was asked for while another reading was going on."""
        if self._wants_reload:
            self._wants_reload = False
            self._reload()

    def _refuse(self, reason: str, help_text: str | None) -> None:
        self._reloads.refuse()
        text = f"not taken over: {reason}; detection goes on as before"
        _LOG.error("%s", text, extra={"fields": {"reason": reason, "help": help_text}})
        self._raise(reload_refused(reason, help_text))
        notify("READY=1")

    # The desk

    def _open_desk(self) -> tuple[ForkProcess, Connection]:
        shared = Desktop(self._held_place, self._wake, self._addresses.of_web(self._plan), self._beacon)
        arguments = (self._plan, self.snapshot(), self._versions, shared)
        return start_process(keep_desk, arguments, self._release, name="desk")

    def _deal_with(self, note: Changed | ReaderGone | None) -> None:
        match note:
            case Changed():
                self._reload()
            case ReaderGone():
                self._lose_reader()

    def _raise(self, alert: Alert) -> None:
        self._internal[alert.rule] += 1
        self._desk.tell(alert)

    def _warn(self, texts: tuple[str, ...]) -> None:
        for text in texts:
            _LOG.warning("%s", text)
            self._raise(unsafe("webhook", text))
