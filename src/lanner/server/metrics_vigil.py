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
)
