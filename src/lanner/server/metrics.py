"""What `/metrics` shows: one row a metric, which the exposition, its documentation and their tests all read.

Source of the names that begin with `falcosecurity_`: Falco 0.44, falco_metrics.cpp; of their units: Falco's
documentation of metrics. The others are Lanner's own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lanner.events.context import SOURCE, host_name
from lanner.rules.priority import Priority
from lanner.server.internal import INTERNAL
from lanner.server.metric import Labels, Metric, Sample
from lanner.server.metrics_store import STORE
from lanner.server.metrics_vigil import VIGIL
from lanner.server.snapshot import LATENCIES_S, Snapshot, Status
from lanner.sources.plugin import Trouble

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

LATENCY = "lanner_source_handling_seconds"
"""The name of the histogram, which has no row: it has three names and many values."""

LATENCY_DESCRIPTION = "From a delivery's arrival to its acknowledgement, by source, as a histogram."


def metrics_text(snapshot: Snapshot) -> bytes:
    """The metrics in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - only who serves them needs it

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True, eq=False)
class _Collector:
    snapshot: Snapshot

    def collect(self) -> Iterator[Family]:
        from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - as above
        from prometheus_client.core import Metric as Family  # noqa: PLC0415 - as above

        for metric in METRICS:
            family = Family(metric.name.removesuffix("_total"), metric.description, metric.kind)
            if metric.kind == "gauge":
                family.name = metric.name
            for labels, value in metric.samples(self.snapshot):
                family.add_sample(metric.name, labels, value)
            yield family
        latency = HistogramMetricFamily(LATENCY, LATENCY_DESCRIPTION, labels=["source"])
        for name, counts in self.snapshot.sources.items():
            bounds = (*map(str, LATENCIES_S), "+Inf")
            sums = accumulate(counts.latency.numbers)
            latency.add_metric([name], [*zip(bounds, sums, strict=True)], counts.latency.sum_s)
        yield latency


def _one(value: Callable[[Snapshot], float]) -> Callable[[Snapshot], Iterable[Sample]]:
    return lambda snapshot: [({}, value(snapshot))]


def _info(labels: Callable[[], Labels]) -> Callable[[Snapshot], Iterable[Sample]]:
    return lambda snapshot: [(labels(), 1)]


def _files(which: Literal["rules", "config"]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        found = {(Path(path).name, digest) for path, digest in getattr(snapshot.files, which).items()}
        for name, digest in sorted(found):  # files of two folders may have the same name, and hold the same
            yield {"file_name": name.encode(errors="replace").decode(), "sha256": digest}, 1

    return samples


def _matches(snapshot: Snapshot) -> Iterator[Sample]:
    """Alerts by rule. Rules come from rule files, not from events: what an attacker sends makes no new series."""
    for name, number in snapshot.stats.by_rule.items():
        rule = snapshot.rules.get(name)
        if not number or rule is None:
            continue
        tags = {f"tag_{_label(tag)}": "true" for tag in rule.tags}
        yield {"rule_name": name, "priority": str(rule.priority.level), "source": rule.source, **tags}, number


def _internal(snapshot: Snapshot) -> Iterator[Sample]:
    of_events = {name: number for name, number in snapshot.stats.by_rule.items() if name not in snapshot.rules}
    for name, number in sorted({**of_events, **snapshot.internal}.items()):
        if number and name.startswith(INTERNAL):
            yield {"rule_name": name}, number


def _by_priority(snapshot: Snapshot) -> Iterator[Sample]:
    for priority in Priority:
        yield {"priority": priority.value}, snapshot.stats.by_priority.get(priority, 0)


def _label(text: str) -> str:
    """A text as part of a label's name. Source: Prometheus, data model."""
    return "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in text)


def _of_sources(key: str) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for name, counts in snapshot.sources.items():
            value = getattr(counts, key)
            if value is not None:
                yield {"source": name}, value

    return samples


def _states(snapshot: Snapshot) -> Iterator[Sample]:
    for name, counts in snapshot.sources.items():
        for status in Status:
            yield {"source": name, "state": status.value}, float(counts.status is status)


def _refused(snapshot: Snapshot) -> Iterator[Sample]:
    for name, counts in snapshot.sources.items():
        for reason, number in sorted(counts.refused.items()):
            yield {"source": name, "reason": reason}, number


def _troubles(snapshot: Snapshot) -> Iterator[Sample]:
    for name, counts in snapshot.sources.items():
        for trouble in Trouble:
            yield {"source": name, "kind": trouble.value}, counts.troubles[trouble.value]


def _closed(snapshot: Snapshot) -> Iterator[Sample]:
    for name, counts in snapshot.sources.items():
        for reason, number in sorted(counts.closed.items()):
            yield {"source": name, "reason": reason}, number


def _of_outputs(key: str) -> Callable[[Snapshot], Iterable[Sample]]:
    return lambda snapshot: [({"output": route.name}, getattr(route, key)) for route in snapshot.routes]


def _dropped(snapshot: Snapshot) -> Iterator[Sample]:
    for route in snapshot.routes:
        for reason, number in sorted(route.dropped.items()):
            yield {"output": route.name, "reason": reason.value}, number


def _reloads(snapshot: Snapshot) -> Iterator[Sample]:
    yield {"result": "done"}, snapshot.reloads.done
    yield {"result": "refused"}, snapshot.reloads.refused


@lru_cache(maxsize=1)
def _boot_ns() -> int:
    """When the host started, in nanoseconds since the epoch."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


METRICS: tuple[Metric, ...] = (
    Metric(
        "falcosecurity_falco_version_info",
        "gauge",
        "version",
        "Version of Lanner; always 1.",
        _info(lambda: {"version": version("lanner")}),
    ),
    Metric(
        "falcosecurity_falco_sha256_rules_files_info",
        "gauge",
        "file_name, sha256",
        "Rule files in use; always 1.",
        _files("rules"),
    ),
    Metric(
        "falcosecurity_falco_sha256_config_files_info",
        "gauge",
        "file_name, sha256",
        "Configuration files in use; always 1.",
        _files("config"),
    ),
    Metric(
        "falcosecurity_scap_engine_name_info",
        "gauge",
        "engine_name, evt_source",
        "Where events come from; always 1.",
        _info(lambda: {"engine_name": "source_plugin", "evt_source": SOURCE}),
    ),
    Metric(
        "falcosecurity_falco_kernel_release_info",
        "gauge",
        "kernel_release",
        "The host's kernel; always 1.",
        _info(lambda: {"kernel_release": os.uname().release}),
    ),
    Metric(
        "falcosecurity_evt_hostname_info",
        "gauge",
        "hostname",
        "The host's name as alerts show it; always 1.",
        _info(lambda: {"hostname": host_name()}),
    ),
    Metric(
        "falcosecurity_falco_start_timestamp_nanoseconds",
        "gauge",
        "",
        "When the run began, in nanoseconds since the epoch.",
        _one(lambda snapshot: snapshot.started_ns),
    ),
    Metric(
        "falcosecurity_falco_reload_timestamp_nanoseconds",
        "gauge",
        "",
        "When the configuration in use was read, in nanoseconds since the epoch.",
        _one(lambda snapshot: snapshot.reloads.last_ns),
    ),
    Metric(
        "falcosecurity_falco_duration_seconds_total",
        "counter",
        "",
        "How long the run has lasted.",
        _one(lambda snapshot: snapshot.uptime_s),
    ),
    Metric(
        "falcosecurity_falco_host_boot_timestamp_nanoseconds",
        "gauge",
        "",
        "When the host started, in nanoseconds since the epoch.",
        _one(lambda snapshot: _boot_ns()),
    ),
    Metric(
        "falcosecurity_falco_host_num_cpus_total",
        "gauge",
        "",
        "The host's processors.",
        _one(lambda snapshot: os.cpu_count() or 1),
    ),
    Metric(
        "falcosecurity_falco_cpu_usage_ratio",
        "gauge",
        "",
        "Processor time of all processes of the run, beside the time that it has lasted; 1 is one processor.",
        _one(lambda snapshot: snapshot.cpu_s / max(snapshot.uptime_s, 0.001)),
    ),
    Metric(
        "falcosecurity_falco_memory_rss_bytes",
        "gauge",
        "",
        "Resident memory of all processes of the run.",
        _one(lambda snapshot: snapshot.rss_bytes),
    ),
    Metric(
        "falcosecurity_falco_outputs_queue_num_drops_total",
        "counter",
        "",
        "Alerts that an output should have got and never will.",
        _one(lambda snapshot: snapshot.undelivered),
    ),
    Metric(
        "falcosecurity_falco_rules_matches_total",
        "counter",
        "rule_name, priority, source, tag_…",
        "Alerts by rule; the priority is a number, 0 the highest. Rules without an alert are left out.",
        _matches,
    ),
    Metric("lanner_internal_alerts_total", "counter", "rule_name", "Alerts about the program itself.", _internal),
    Metric("lanner_alerts_total", "counter", "priority", "Alerts by priority.", _by_priority),
    Metric("lanner_events_total", "counter", "", "Events evaluated.", _one(lambda snapshot: snapshot.stats.events)),
    Metric("lanner_bytes_total", "counter", "", "Bytes received.", _one(lambda snapshot: snapshot.stats.bytes)),
    Metric(
        "lanner_malformed_total",
        "counter",
        "",
        "Documents that were set aside, or of which a part could not be read.",
        _one(lambda snapshot: snapshot.stats.malformed),
    ),
    Metric(
        "lanner_truncated_total",
        "counter",
        "",
        "Events that were evaluated without members beyond a limit.",
        _one(lambda snapshot: snapshot.stats.truncated),
    ),
    Metric(
        "lanner_missing_audit_id_total",
        "counter",
        "",
        "Events without `auditID`.",
        _one(lambda snapshot: snapshot.stats.missing_audit_id),
    ),
    Metric(
        "lanner_dropped_events_total",
        "counter",
        "reason",
        "Events that were received and not evaluated.",
        lambda snapshot: [({"reason": why}, number) for why, number in sorted(snapshot.stats.dropped.items())],
    ),
    Metric("lanner_source_events_total", "counter", "source", "Events by source.", _of_sources("events")),
    Metric(
        "lanner_source_deliveries_total",
        "counter",
        "source",
        "Posts, messages or blocks of lines that were evaluated.",
        _of_sources("deliveries"),
    ),
    Metric(
        "lanner_source_refused_total",
        "counter",
        "source, reason",
        "Posts that were not acknowledged; the API server sends most of them again.",
        _refused,
    ),
    Metric(
        "lanner_source_troubles_total",
        "counter",
        "source, kind",
        "What a source met and went on after. `gap`: events may be missing. `damaged`: what came is no event. `retry`: "
        "its place does not answer, or a delivery could not be dealt with yet. `stuck`: nothing could be taken for "
        "minutes; it is told each minute. `denied`: somebody was refused again and again. `unusable`: a certificate or "
        "file of tokens was exchanged and cannot be used. `ignored`: what came is another kind.",
        _troubles,
    ),
    Metric(
        "lanner_source_in_flight_bytes",
        "gauge",
        "source",
        "Bytes held of posts that are being received or evaluated.",
        _of_sources("in_flight_bytes"),
    ),
    Metric(
        "lanner_source_connections",
        "gauge",
        "source",
        "Connections of a webhook that are open.",
        _of_sources("connections"),
    ),
    Metric(
        "lanner_source_connections_closed_total",
        "counter",
        "source, reason",
        "Connections that a webhook ended or did not take: crowded (one too many), handshake (TLS was not agreed on), "
        "slow (no request in time, or an answer not taken), head (no proper request).",
        _closed,
    ),
    Metric(
        "lanner_source_lag_seconds",
        "gauge",
        "source",
        "How much later than its own time the newest event was evaluated.",
        _of_sources("lag_s"),
    ),
    Metric(
        "lanner_source_last_event_timestamp_seconds",
        "gauge",
        "source",
        "When the last event was evaluated, in seconds since the epoch.",
        _of_sources("last_at_s"),
    ),
    Metric("lanner_source_state", "gauge", "source, state", "1 for the state that the source is in.", _states),
    Metric(
        "lanner_source_restarts_total",
        "counter",
        "source",
        "How often the source was started again after a failure.",
        _of_sources("restarts"),
    ),
    Metric("lanner_output_delivered_total", "counter", "output", "Alerts delivered.", _of_outputs("delivered")),
    Metric(
        "lanner_output_filtered_total",
        "counter",
        "output",
        "Alerts that the output's own filters left out.",
        _of_outputs("filtered"),
    ),
    Metric(
        "lanner_output_held_back_total",
        "counter",
        "output",
        "Alerts over the output's rate limit; summaries tell of them.",
        _of_outputs("held_back"),
    ),
    Metric(
        "lanner_output_dropped_total",
        "counter",
        "output, reason",
        "Alerts given up, as dead letters too.",
        _dropped,
    ),
    Metric("lanner_output_failures_total", "counter", "output", "Attempts that failed.", _of_outputs("failures")),
    Metric("lanner_output_queue_alerts", "gauge", "output", "Alerts that wait, about.", _of_outputs("waiting")),
    Metric("lanner_output_queue_bytes", "gauge", "output", "What those occupy, about.", _of_outputs("waiting_bytes")),
    Metric("lanner_rules", "gauge", "", "Rules in use.", _one(lambda snapshot: len(snapshot.rules))),
    Metric("lanner_reloads_total", "counter", "result", "Readings of the configuration since the start.", _reloads),
    Metric(
        "lanner_configuration_current",
        "gauge",
        "",
        "1 if the last reading of the configuration was taken over, 0 if it had errors and that of before is in use.",
        _one(lambda snapshot: float(snapshot.reloads.is_current)),
    ),
    Metric(
        "lanner_unsafe_settings",
        "gauge",
        "",
        "What is unsafe about the set-up, such as an address that others reach and nothing asks who posts.",
        _one(lambda snapshot: len(snapshot.warnings)),
    ),
    Metric("lanner_workers", "gauge", "", "Processes that evaluate.", _one(lambda snapshot: snapshot.workers)),
    Metric(
        "lanner_worker_restarts_total",
        "counter",
        "",
        "Workers that were started in place of others.",
        _one(lambda snapshot: snapshot.worker_restarts),
    ),
    *STORE,
    *VIGIL,
)
