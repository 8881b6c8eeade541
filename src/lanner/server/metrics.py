"""What `/metrics` shows: one row a metric, which the exposition, its documentation and their tests all read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from lanner.rules.priority import Priority
from lanner.server.internal import INTERNAL
from lanner.server.metric import Metric, Sample, one
from lanner.server.metrics_falco import FALCO
from lanner.server.metrics_sources import SOURCES
from lanner.server.metrics_store import STORE
from lanner.server.metrics_vigil import VIGIL
from lanner.server.snapshot import LATENCIES_S, Snapshot

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


def _internal(snapshot: Snapshot) -> Iterator[Sample]:
    of_events = {name: number for name, number in snapshot.stats.by_rule.items() if name not in snapshot.rules}
    for name, number in sorted({**of_events, **snapshot.internal}.items()):
        if number and name.startswith(INTERNAL):
            yield {"rule_name": name}, number


def _by_priority(snapshot: Snapshot) -> Iterator[Sample]:
    for priority in Priority:
        yield {"priority": priority.value}, snapshot.stats.by_priority.get(priority, 0)


def _of_outputs(key: str) -> Callable[[Snapshot], Iterable[Sample]]:
    return lambda snapshot: [({"output": route.name}, getattr(route, key)) for route in snapshot.routes]


def _dropped(snapshot: Snapshot) -> Iterator[Sample]:
    for route in snapshot.routes:
        for reason, number in sorted(route.dropped.items()):
            yield {"output": route.name, "reason": reason.value}, number


def _reloads(snapshot: Snapshot) -> Iterator[Sample]:
    yield {"result": "done"}, snapshot.reloads.done
    yield {"result": "refused"}, snapshot.reloads.refused


METRICS: tuple[Metric, ...] = (
    *FALCO,
    Metric("lanner_internal_alerts_total", "counter", "rule_name", "Alerts about the program itself.", _internal),
    Metric("lanner_alerts_total", "counter", "priority", "Alerts by priority.", _by_priority),
    Metric("lanner_events_total", "counter", "", "Events evaluated.", one(lambda snapshot: snapshot.stats.events)),
    Metric("lanner_bytes_total", "counter", "", "Bytes received.", one(lambda snapshot: snapshot.stats.bytes)),
    Metric(
        "lanner_malformed_total",
        "counter",
        "",
        "Documents that were set aside, or of which a part could not be read.",
        one(lambda snapshot: snapshot.stats.malformed),
    ),
    Metric(
        "lanner_truncated_total",
        "counter",
        "",
        "Events that were evaluated without members beyond a limit.",
        one(lambda snapshot: snapshot.stats.truncated),
    ),
    Metric(
        "lanner_missing_audit_id_total",
        "counter",
        "",
        "Events without `auditID`.",
        one(lambda snapshot: snapshot.stats.missing_audit_id),
    ),
    Metric(
        "lanner_dropped_events_total",
        "counter",
        "reason",
        "Events that were received and not evaluated.",
        lambda snapshot: [({"reason": why}, number) for why, number in sorted(snapshot.stats.dropped.items())],
    ),
    *SOURCES,
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
    Metric("lanner_rules", "gauge", "", "Rules in use.", one(lambda snapshot: len(snapshot.rules))),
    Metric("lanner_reloads_total", "counter", "result", "Readings of the configuration since the start.", _reloads),
    Metric(
        "lanner_configuration_current",
        "gauge",
        "",
        "1 if the last reading of the configuration was taken over, 0 if it had errors and that of before is in use.",
        one(lambda snapshot: float(snapshot.reloads.is_current)),
    ),
    Metric(
        "lanner_unsafe_settings",
        "gauge",
        "",
        "What is unsafe about the set-up, such as an address that others reach and nothing asks who posts.",
        one(lambda snapshot: len(snapshot.warnings)),
    ),
    Metric("lanner_workers", "gauge", "", "Processes that evaluate.", one(lambda snapshot: snapshot.workers)),
    Metric(
        "lanner_worker_restarts_total",
        "counter",
        "",
        "Workers that were started in place of others.",
        one(lambda snapshot: snapshot.worker_restarts),
    ),
    *STORE,
    *VIGIL,
)
