"""What several processes have done, as one sum."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

from lanner.engine.stats import Stats
from lanner.outputs.route import RouteStats
from lanner.server.generation import Slot
from lanner.server.snapshot import SourceCounts, Status
from lanner.server.worker import Report, Stage
from lanner.store.writer import WriterStats


class Account:
    """What processes have done that are no more."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.sources: dict[str, SourceCounts] = {}
        self.routes: dict[str, RouteStats] = {}
        self.internal: Counter[str] = Counter()
        self.store = WriterStats()

    def add(self, report: Report, *, is_over: bool) -> None:
        """Count what a process has done; one that is over holds nothing and runs nothing any more."""
        self.stats.add(report.stats)
        self.internal.update(report.internal)
        self.store.merge(replace(report.store, is_well=True) if is_over else report.store)
        for name, counts in report.sources.items():
            still = replace(counts, status=Status.STARTING, in_flight_bytes=0, connections=0) if is_over else counts
            if name not in self.sources:
                self.sources[name] = SourceCounts()
            self.sources[name].merge(still)
        for route in report.routes:
            still_there = route.as_left() if is_over else route
            before = self.routes.get(route.name)
            self.routes[route.name] = before + still_there if before else still_there


def cpu_of(slot: Slot) -> float:
    """Processor time of a worker so far, in seconds."""
    if slot.process is None or slot.process.pid is None or slot.stage is Stage.STARTED:
        return 0.0
    try:
        with open(f"/proc/{slot.process.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
