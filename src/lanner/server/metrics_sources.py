"""The metrics of sources: one row a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lanner.server.metric import Metric, Sample
from lanner.server.snapshot import Snapshot, Status
from lanner.sources.plugin import Trouble


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


SOURCES: tuple[Metric, ...] = (
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
)
