"""What messages, metrics and the end of a run tell of plans, snapshots and processes."""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from lanner.engine.stats import Stats
from lanner.server.plan import Plan, PlanError
from lanner.server.snapshot import RuleLabels, Snapshot
from lanner.sources.base import SourceError, reason_of
from lanner.store.errors import StoreError
from lanner.store.place import Place

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes:
        stats: What was counted.
        stopped: The signal that asked to end, or None.
        undelivered: Alerts that outputs did not get, by name of the output.
        restarted: How many workers were started in place of others.
        is_given_up: Whether workers died again and again.
    """

    stats: Stats
    stopped: signal.Signals | None = None
    undelivered: Mapping[str, int] = field(default_factory=dict)
    restarted: int = 0
    is_given_up: bool = False


def say_started(name: str, text: str, url: str) -> None:
    """Say that a source takes events."""
    _LOG.info("%s", text, extra={"fields": {"source": name, "url": url or None}})


def labels(plan: Plan) -> dict[str, RuleLabels]:
    """What metrics say of the rules of a plan, by name."""
    return {
        rule.name: RuleLabels(rule.priority, rule.source, tuple(rule.tags))
        for source in plan.sources
        for rule in source.rules.rules
    }


def warnings_of(plan: Plan) -> tuple[str, ...]:
    """What is unsafe about a plan."""
    found = [source.warning for source in plan.sources] + [plan.web.warning if plan.web else ""]
    return tuple(text for text in found if text)


def in_memory(place: Place) -> str:
    """What is unsafe about a place in memory."""
    return f"alerts are kept in memory, and lost when Lanner ends: {place.problem}"


def undelivered_of(found: Snapshot) -> dict[str, int]:
    """Alerts that outputs did not get, by name of the output."""
    numbers = {route.name: sum(route.dropped.values()) + route.waiting for route in found.routes}
    return {name: number for name, number in numbers.items() if number}


def check_store(before: Plan, after: Plan) -> None:
    """See that another plan keeps alerts as the one before.

    Raises:
        PlanError: It does not.
    """
    if before.store != after.store:
        raise PlanError("`store` cannot change while Lanner runs", "start Lanner again")


def words_of(error: Exception) -> str:
    """What is wrong, as messages say it."""
    return str(error) if isinstance(error, (PlanError, SourceError, StoreError)) else reason_of(error)


def cpu_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def rss_bytes() -> int:
    """Resident memory of this process."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
