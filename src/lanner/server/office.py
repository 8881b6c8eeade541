"""What goes on beside detection: health and metrics over HTTP, metrics at intervals, changed files, the vigil."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from lanner.engine.alert import Alert
from lanner.events.context import SOURCE, host_name
from lanner.rules.priority import Priority
from lanner.rules.versions import FALCO
from lanner.server.endpoints import by_path, endpoints
from lanner.server.internal import METRICS, internal_alert, noticed
from lanner.server.plan import Plan, SnapshotPlan, WebPlan
from lanner.server.snapshot import Snapshot, Status
from lanner.server.watch import watch
from lanner.sources.listener import bind, serve
from lanner.sources.plugin import Checkpoint, Trouble
from lanner.sources.tls import Tls
from lanner.vigil.beacon import Beacon
from lanner.vigil.concern import Notice
from lanner.vigil.sources import Heard
from lanner.vigil.watch import Watch

_LOG = logging.getLogger(__name__)

Reserved = Mapping[tuple[str, int], tuple[str, int]]
"""Addresses that are listened on in place of those that are asked for."""

VIGIL_MEMORY = ":vigil"
"""The name of the checkpoint of what is usual for sources; no source is called so."""

_MEGABYTE = 1024 * 1024


@dataclass(slots=True)
class Office:
    """Runs beside detection, in its process or in one of its own.

    Attributes:
        snapshot: What the run has done so far.
        raise_alert: Takes an alert about the program.
        versions: What `/versions` tells.
        on_change: Told when the files of the plan have changed.
        reserved: Addresses that another process keeps for this one, by those that are asked for; None: it has none.
        beacon: Where sources say that a canary came back.
    """

    snapshot: Callable[[], Snapshot]
    raise_alert: Callable[[Alert], None]
    versions: Mapping[str, object]
    on_change: Callable[[], None]
    reserved: Reserved | None = None
    beacon: Beacon | None = None
    _tasks: dict[str, tuple[object, asyncio.Task[None]]] = field(default_factory=dict, init=False)
    _web_at: tuple[str, int] | None = field(default=None, init=False)
    _watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        def tell(notice: Notice) -> None:
            self.raise_alert(noticed(notice))

        self._watch = Watch(lambda: heard(self.snapshot()), tell, self.snapshot().sight, beacon=self.beacon)

    def look(self) -> Snapshot:
        """What the run has done so far, with what may be missed."""
        return replace(self.snapshot(), sight=self._watch.sight)

    def remember(self, checkpoint: Checkpoint) -> None:
        """Keep there over restarts what is usual for sources; to be called before the first plan is adopted."""
        self._watch.checkpoint = checkpoint

    async def adopt(self, plan: Plan) -> None:
        """Do what a plan says; what it says as before goes on undisturbed.

        Raises:
            SourceError: The address for health and metrics is not to be had; all goes on as before.
        """
        await self._serve(plan.web if plan.web and plan.web.listening else None)
        self._keep("snapshots", plan.snapshots, self._report)
        self._keep("vigil", plan.vigil, self._watch.run)
        self._keep("watch", plan.files.watched or None, lambda made_of: watch(made_of, self.on_change, plan.files.seen))

    async def close(self) -> None:
        """End all of it."""
        tasks = [task for _, task in self._tasks.values()]
        self._tasks = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keep(self, name: str, made_of: Any, run: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        before = self._tasks.get(name)
        if before and before[0] == made_of:
            return
        if before:
            before[1].cancel()
            del self._tasks[name]
        if made_of is not None:
            self._tasks[name] = made_of, asyncio.get_running_loop().create_task(run(made_of))

    async def _serve(self, web: WebPlan | None) -> None:
        before = self._tasks.get("web")
        if before and before[0] == web:
            return
        if web is None or web.listening is None:
            await self._leave_web()
            return
        at = web.listening
        tls = Tls(at.tls_files, _unusable) if at.tls_files else None
        address = self.reserved[at.host, at.port] if self.reserved else (at.host, at.port)
        if self._web_at == (at.host, at.port):
            await self._leave_web()
        listening = bind(*address, is_shared=self.reserved is not None)
        await self._leave_web()
        self._web_at = at.host, at.port
        host, port = listening.getsockname()[:2]
        started = asyncio.Event()
        app = by_path(endpoints(web, self.look, self.versions))
        serving = serve(app, listening, tls=tls, started=started.set, drain_timeout_s=2)
        self._tasks["web"] = web, asyncio.get_running_loop().create_task(serving)
        await started.wait()
        name = f"[{host}]" if ":" in host else host
        _LOG.info("health at http%s://%s:%s%s", "s" if at.is_tls else "", name, port, web.health_path)

    async def _leave_web(self) -> None:
        _, serving = self._tasks.pop("web", (None, None))
        self._web_at = None
        if serving:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _report(self, plan: SnapshotPlan) -> None:
        """Write metrics at intervals, as Falco does."""
        last: tuple[int, float] | None = None
        sample = 0
        while True:
            await asyncio.sleep(plan.interval_s)
            snapshot, now, sample = self.snapshot(), time.monotonic(), sample + 1
            fields = snapshot_fields(snapshot, plan, last, now)
            last = snapshot.stats.events, now
            if plan.as_alert:
                self.raise_alert(internal_alert(METRICS, Priority.INFORMATIONAL, "Falco metrics snapshot", fields))
            if plan.file:
                line = msgspec.json.encode({"sample": sample, "output_fields": fields}) + b"\n"
                await asyncio.to_thread(_append, plan.file, line)


def heard(snapshot: Snapshot) -> dict[str, Heard]:
    """What came of each source, as the vigil takes it."""
    return {
        name: Heard(
            events=counts.events,
            lag_s=counts.lag_s,
            refused=dict(counts.refused),
            is_over=counts.status is Status.ENDED,
            stuck=counts.troubles[Trouble.STUCK.value],
            why_stuck=counts.why_stuck,
        )
        for name, counts in snapshot.sources.items()
    }


def snapshot_fields(
    snapshot: Snapshot, plan: SnapshotPlan, last: tuple[int, float] | None, now: float
) -> dict[str, Any]:
    """The fields of Falco's metrics, with those values that there are without system calls.

    Args:
        snapshot: What the run has done so far.
        plan: Which fields are wanted.
        last: Events at the time of the last snapshot, and that time on a clock that never goes back.
        now: The time on that clock.

    Source: Falco 0.44, stats_writer.cpp.
    """
    fields: dict[str, Any] = {
        "evt.time": time.time_ns(),
        "evt.hostname": host_name(),
        "evt.source": SOURCE,
        "falco.version": str(FALCO),
        "falco.start_ts": snapshot.started_ns,
        "falco.reload_ts": snapshot.reloads.last_ns,
        "falco.duration_sec": int(snapshot.uptime_s),
        "falco.kernel_release": os.uname().release,
        "falco.host_num_cpus": os.cpu_count() or 1,
        "falco.outputs_queue_num_drops": snapshot.undelivered,
        "falco.num_evts": snapshot.stats.events,
        "falco.num_evts_prev": last[0] if last else 0,
        "scap.engine_name": "source_plugin",
    }
    for which, files in (("rules", snapshot.files.rules), ("config", snapshot.files.config)):
        for path, digest in files.items():
            fields[f"falco.sha256_{which}_file.{_sanitized(os.path.basename(path))}"] = digest
    if last and now > last[1]:
        fields["falco.evts_rate_sec"] = round((snapshot.stats.events - last[0]) / (now - last[1]), 1)
    if plan.has_rules:
        fields["falco.rules.matches_total"] = snapshot.stats.alerts
        for name, number in snapshot.stats.by_rule.items():
            if number or plan.has_zeros:
                fields[f"falco.rules.{_sanitized(name)}"] = number
    if plan.has_resources:
        rss = snapshot.rss_bytes
        usage = 100 * snapshot.cpu_s / max(snapshot.uptime_s, 0.001)
        fields["falco.cpu_usage_perc"] = round(usage, 1)
        fields |= {"falco.memory_rss_mb": round(rss / _MEGABYTE, 1)} if plan.in_megabytes else {"falco.memory_rss": rss}
    return fields


def _unusable(text: str, help_text: str | None) -> None:
    """Say that a certificate was exchanged for one that cannot be used."""
    _LOG.error("%s; that of before stays in use", text, extra={"fields": {"help": help_text}})


def _sanitized(name: str) -> str:
    """A name as part of a metric's name. Source: Falco 0.44, falco_utils.cpp (`sanitize_rule_name`)."""
    return re.sub("_+", "_", re.sub("[^a-zA-Z0-9_:]", "_", name)).removesuffix("_")


def _append(path: str, line: bytes) -> None:
    try:
        with open(path, "ab") as file:
            file.write(line)
    except OSError as error:
        _LOG.error("cannot write metrics to `%s`: %s", path, (error.strerror or str(error)).lower())
