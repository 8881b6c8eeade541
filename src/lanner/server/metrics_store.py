"""The metrics of the store: one row a metric."""

from __future__ import annotations

from collections.abc import Iterator

from lanner.server.metric import Metric, Sample
from lanner.server.snapshot import Snapshot


def _alerts(snapshot: Snapshot) -> Iterator[Sample]:
    store = snapshot.store
    yield {"result": "stored"}, store.stored
    yield {"result": "repeated"}, store.repeated
    yield {"result": "refused"}, store.refused


STORE: tuple[Metric, ...] = (
    Metric(
        "lanner_store_alerts_total",
        "counter",
        "result",
        "Alerts that were to be stored: `stored`; `repeated`, because they were there already; `refused`, because they "
        "could not be.",
        _alerts,
    ),
    Metric(
        "lanner_store_up",
        "gauge",
        "",
        "1 if what was to be stored last was, 0 if not: then nothing is acknowledged.",
        lambda snapshot: [({}, float(snapshot.store.is_well))],
    ),
    Metric(
        "lanner_store_failures_total",
        "counter",
        "",
        "Transactions that failed.",
        lambda snapshot: [({}, snapshot.store.failures)],
    ),
    Metric(
        "lanner_store_commits_total",
        "counter",
        "",
        "Transactions that were written.",
        lambda snapshot: [({}, snapshot.store.commits)],
    ),
    Metric(
        "lanner_store_used_bytes",
        "gauge",
        "",
        "What stored alerts take, about, as of the last one; `store.max_size` is the most.",
        lambda snapshot: [({}, snapshot.store.used_bytes)],
    ),
)
