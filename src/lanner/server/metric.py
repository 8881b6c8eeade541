"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from lanner.server.snapshot import Snapshot

Labels = dict[str, str]
Sample = tuple[Labels, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: Its name; that of a counter ends with `_total`.
        kind: What kind of metric it is.
        labels: The names of its labels, in words.
        description: What it says, with its unit.
        samples: Its values.
    """

    name: str
    kind: Literal["counter", "gauge"]
    labels: str
    description: str
    samples: Callable[[Snapshot], Iterable[Sample]]


def one(value: Callable[[Snapshot], float]) -> Callable[[Snapshot], Iterable[Sample]]:
    """The values of a metric that has one, without labels."""
    return lambda snapshot: [({}, value(snapshot))]
