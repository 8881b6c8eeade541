"""The metrics of what may be missed: one row a metric."""

from __future__ import annotations

from collections.abc import Iterator

from lanner.server.metric import Metric, Sample
from lanner.server.snapshot import Snapshot


def _blind(snapshot: Snapshot) -> Iterator[Sample]:
    for kind, subject in snapshot.sight.standing:
        yield {"check": kind, "subject": subject}, 1


def _silence(snapshot: Snapshot) -> Iterator[Sample]:
    sight = snapshot.sight
    for name, source in sight.sources.items():
        yield {"source": name}, sight.clock - source.hush.since


def _limits(snapshot: Snapshot) -> Iterator[Sample]:
    for name, source in snapshot.sight.sources.items():
        yield {"source": name}, source.limit_s


def _scrapes(snapshot: Snapshot) -> Iterator[Sample]:
    for url, server in snapshot.sight.servers.items():
        yield {"server": url, "result": "answered"}, server.answers
        yield {"server": url, "result": "failed"}, server.failures


def _recorded(snapshot: Snapshot) -> Iterator[Sample]:
    for url, server in snapshot.sight.servers.items():
        yield {"server": url}, server.counted.events


def _lost(snapshot: Snapshot) -> Iterator[Sample]:
    for url, server in snapshot.sight.servers.items():
        for plugin, number in sorted(server.counted.errors.items()):
            yield {"server": url, "plugin": plugin}, number


def _rejected(snapshot: Snapshot) -> Iterator[Sample]:
    for url, server in snapshot.sight.servers.items():
        yield {"server": url}, server.counted.rejected


def _canaries(snapshot: Snapshot) -> Iterator[Sample]:
    for url, canary in snapshot.sight.canaries.items():
        yield {"server": url, "result": "returned"}, canary.returned
        yield {"server": url, "result": "missing"}, canary.missed
        yield {"server": url, "result": "not_sent"}, canary.failed


def _round_trips(snapshot: Snapshot) -> Iterator[Sample]:
    for url, canary in snapshot.sight.canaries.items():
        if canary.round_trip_s is not None:
            yield {"server": url}, canary.round_trip_s


VIGIL: tuple[Metric, ...] = (
    Metric(
        "lanner_blind",
        "gauge",
        "check, subject",
        "1 for each check that says now that something may be missed; none: all is well.",
        _blind,
    ),
    Metric(
        "lanner_source_silence_seconds",
        "gauge",
        "source",
        "For how long it was watched that no event came.",
        _silence,
    ),
    Metric(
        "lanner_source_silence_limit_seconds",
        "gauge",
        "source",
        "How long that may be, by what is usual for the source or by configuration; 0: any time.",
        _limits,
    ),
    Metric(
        "lanner_apiserver_scrapes_total",
        "counter",
        "server, result",
        "How often an API server was asked for its metrics.",
        _scrapes,
    ),
    Metric(
        "lanner_apiserver_events_total",
        "counter",
        "server",
        "Audit events that an API server has recorded since it is watched, by its own count.",
        _recorded,
    ),
    Metric(
        "lanner_apiserver_lost_events_total",
        "counter",
        "server, plugin",
        "Events that it has lost since, by its own count and by the plugin of its audit backend.",
        _lost,
    ),
    Metric(
        "lanner_apiserver_rejected_requests_total",
        "counter",
        "server",
        "Requests that it has rejected since because it could not record them.",
        _rejected,
    ),
    Metric(
        "lanner_canaries_total",
        "counter",
        "server, result",
        "Canaries that came back in time, that did not, and that could not be sent.",
        _canaries,
    ),
    Metric(
        "lanner_canary_round_trip_seconds",
        "gauge",
        "server",
        "From the request of the last canary that came back to the end of its event's evaluation.",
        _round_trips,
    ),
)
