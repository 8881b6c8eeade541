"""What API servers record beside what arrives: events that are missing for long were cut off somewhere.

How much a process has recorded within a time is known from its answers, at least: what it recorded before its first
answer, or after its last one, does not count. Of what arrived, all counts, also what arrived twice. So nothing is
missing in a cluster where each event arrives in time, however rarely a balancer leads to each process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from lanner.vigil.concern import Concern
from lanner.vigil.plan import MetricsPlan
from lanner.vigil.scrape import Scrape
from lanner.vigil.words import counted, span

SUBJECT = "API servers"
"""What it is about: which of several was cut off cannot be seen."""

STEPS = 60
"""Moments that are compared; three of them pass while an event may be on its way."""

FEWEST_STEPS = 15
"""Before that, what was lost at a start or an end would weigh too much."""

Process = tuple[str, float]
"""An API server's address, and when the process started."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How far all had come at a time.

    Attributes:
        at: When it was.
        arrived: Events that had arrived since the balance began.
        recorded: What processes had counted, those that had answered since the moment before: events, and of these
            how many they had lost.
    """

    at: float
    arrived: int
    recorded: Mapping[Process, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that are missing: how many were recorded at least, how many arrived at most, and within what time."""

    recorded: int
    arrived: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Balance:
    """What was recorded and what arrived, for as long as it is looked back.

    Attributes:
        of: What it was drawn up of: addresses and sources. Of others another one begins.
        arrived: Events that have arrived since it began.
        moments: The oldest first.
        fresh: As `recorded` of a moment, since the last one.
        gap: What is missing; None: not so much that it is told.
    """

    of: tuple[tuple[str, ...], ...] = ()
    arrived: int = 0
    moments: tuple[Moment, ...] = ()
    fresh: Mapping[Process, tuple[int, int]] = field(default_factory=dict)
    gap: Gap | None = None


def reckon(balance: Balance, arrived: int, now: float, plan: MetricsPlan) -> Balance:
    """Take that so many events arrived, and that time has passed."""
    balance = replace(balance, arrived=balance.arrived + arrived)
    step_s = plan.arrival_s / 3
    if balance.moments and now - balance.moments[-1].at < step_s:
        return balance
    kept = [moment for moment in balance.moments if now - moment.at <= STEPS * step_s]
    balance = replace(balance, moments=(*kept, Moment(now, balance.arrived, balance.fresh)), fresh={})
    return replace(balance, gap=_gap(balance, now, plan))


def record(balance: Balance, url: str, scrape: Scrape) -> Balance:
    """Take an API server's answer."""
    totals = scrape.totals
    return replace(
        balance,
        fresh={**balance.fresh, (url, scrape.started_s): (totals.events, sum(totals.errors.values()))},
    )


def balance_concerns(balance: Balance) -> Iterator[Concern]:
    """What is wrong, as far as it can be seen from here."""
    if balance.gap:
        yield _missing(balance.gap)


def _gap(balance: Balance, now: float, plan: MetricsPlan) -> Gap | None:
    """What is missing now. Once it was told, it is over when it is half as much as would be told."""
    if len(balance.moments) < FEWEST_STEPS:
        return None
    first, *others = balance.moments
    recorded = _recorded([moment for moment in others if moment.at <= now - plan.arrival_s])
    arrived = balance.arrived - first.arrived
    share = plan.missing_percent / (200 if balance.gap else 100)
    return Gap(recorded, arrived, now - first.at) if recorded - arrived > recorded * share else None


def _recorded(moments: Sequence[Moment]) -> int:
    """How many events all processes recorded and did not lose between their first and last answers, at least."""
    answers: dict[Process, list[tuple[int, int]]] = {}
    for moment in moments:
        for process, counts in moment.recorded.items():
            answers.setdefault(process, []).append(counts)
    return sum(max(0, _rise([n for n, _ in each]) - _rise([n for _, n in each])) for each in answers.values())


def _rise(counts: Sequence[int]) -> int:
    """A process that counts from the beginning again without saying so has risen by nothing then."""
    return sum(max(0, after - before) for before, after in pairwise(counts))


def _missing(gap: Gap) -> Concern:
    missing = counted(gap.recorded - gap.arrived, "event")
    message = (
        f"within {span(gap.within_s)} the API servers recorded {counted(gap.recorded, 'event')} at least, of which "
        f"{missing} or more did not arrive, and they count no such loss; what was done in these is not detected; see "
        "the webhook of each API server and its log, what stands between, and whether all that "
        "`blindness.apiserver.urls` leads to post to this Lanner"
    )
    return Concern("missing", SUBJECT, message, {"recorded": gap.recorded, "arrived": gap.arrived})
