"""For how long was nothing heard, and is that longer than usual?

What is usual is learned from the gaps between events: the longest gap of each of the last eight days is kept, so that a
quiet night or weekend teaches what is normal, and is forgotten when it no longer is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lanner.vigil.plan import SilencePlan

FACTOR = 3.0
"""How many times as long as the longest gap lately a silence has to be."""

DAY_S = 86_400.0
DAYS = 8
"""How many days are remembered: a week, and the day that is not over."""

FIRST_DAY_S = 3600.0
"""Before a day and its night were heard, no silence shorter than this is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hush:
    """What was heard of something that is counted.

    Attributes:
        began: When it was first listened to.
        since: When something was heard last; before that, when it was first listened to.
        day: When the day began that the last gap is of.
        count: How much was heard.
        gaps: The longest gap of each day, oldest first; none: nothing was ever heard.
    """

    began: float
    since: float
    day: float
    count: int = 0
    gaps: tuple[float, ...] = ()

    @staticmethod
    def start(count: int, now: float) -> Hush:
        """What is known before anything was heard."""
        return Hush(began=now, since=now, day=now, count=count)


def listen(hush: Hush, count: int, now: float, limit_s: float) -> Hush:
    """Take how much was heard by now.

    A gap longer than its limit teaches only as much as the limit: who makes a cluster silent for a day does not make
    the next day pass for usual, and a false alarm does not come again every night.
    """
    if now - hush.day >= DAY_S:
        hush = replace(hush, day=now, gaps=(*hush.gaps, 0.0)[-DAYS:] if hush.gaps else ())
    if count <= hush.count:
        return replace(hush, count=count)  # a process that was lost took what it counted with it: nothing was heard
    gap = min(now - hush.since, limit_s)
    *before, today = hush.gaps or (0.0,)
    return replace(hush, count=count, since=now, gaps=(*before, max(today, gap)))


def limit_after(before_s: float, hush: Hush, plan: SilencePlan, now: float, *, is_heard: bool) -> float:
    """How long a silence may last, after it was `before_s`: it grows at any time, and shrinks with an event alone."""
    limit_s = limit_of(hush, plan, now)
    return limit_s if is_heard else max(limit_s, min(before_s, plan.at_most_s))


def limit_of(hush: Hush, plan: SilencePlan, now: float) -> float:
    """How long a silence may last, in seconds."""
    if not hush.gaps:
        return plan.at_least_s
    floor = plan.at_least_s if now - hush.began >= DAY_S else max(plan.at_least_s, FIRST_DAY_S)
    return min(max(floor, FACTOR * max(hush.gaps)), max(plan.at_most_s, plan.at_least_s))
