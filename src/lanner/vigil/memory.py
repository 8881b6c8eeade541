"""What is worth remembering over a restart, as a text: what is usual, and what API servers had counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from lanner.vigil.apiserver import Server
from lanner.vigil.hush import DAY_S, DAYS, Hush
from lanner.vigil.scrape import Totals
from lanner.vigil.sight import Sight
from lanner.vigil.sources import Source

MAX_CHARS = 60_000
"""A checkpoint takes 64 KiB."""

_MAX_SUBJECTS = 500


@dataclass(frozen=True, slots=True)
class _Habit:
    """The longest gap of each day, oldest first, and for how many seconds it was watched."""

    gaps: tuple[float, ...]
    age_s: float


@dataclass(frozen=True, slots=True)
class _Counted:
    habit: _Habit
    first_s: float
    processes: tuple[tuple[float, Totals], ...] = ()


@dataclass(frozen=True, slots=True)
class _Memory:
    saved_s: float
    sources: Mapping[str, _Habit] = field(default_factory=dict)
    servers: Mapping[str, _Counted] = field(default_factory=dict)


def remembered(sight: Sight, now_s: float) -> str:
    """What to keep of what a watch knows.

    Args:
        sight: What it knows.
        now_s: Seconds since the epoch.
    """
    sources = {name: _habit(each.hush, sight.clock) for name, each in [*sight.sources.items()][:_MAX_SUBJECTS]}
    servers = {
        url: _Counted(_habit(each.hush, sight.clock), each.first_s, (*each.processes.items(),))
        for url, each in [*sight.servers.items()][:_MAX_SUBJECTS]
    }
    for kept in (_Memory(now_s, sources, servers), _Memory(now_s, sources)):
        text = msgspec.json.encode(kept).decode()
        if len(text) <= MAX_CHARS:
            return text
    return ""


def recalled(text: str | None, now_s: float) -> Sight:
    """What a watch begins with; nothing, where nothing was kept, or what was kept cannot be read.

    Losses that an API server counted while nobody watched are told of with its first answer.
    """
    if not text:
        return Sight()
    try:
        memory = msgspec.json.decode(text, type=_Memory)
    except msgspec.DecodeError:
        return Sight()
    away_s = max(0.0, now_s - memory.saved_s)
    sources = {
        name: Source(hush=_hush(habit, away_s), limit_s=0.0, refused={}, refused_since={})
        for name, habit in memory.sources.items()
    }
    servers = {
        url: Server(hush=_hush(each.habit, away_s), limit_s=0.0, first_s=each.first_s, processes=dict(each.processes))
        for url, each in memory.servers.items()
    }
    return Sight(sources=sources, servers=servers)


def _habit(hush: Hush, clock: float) -> _Habit:
    return _Habit(hush.gaps, clock - hush.began)


def _hush(habit: _Habit, away_s: float) -> Hush:
    """What was usual, without the days that have passed since."""
    days = int(away_s // DAY_S)
    gaps = (*habit.gaps, *(0.0,) * days)[-DAYS:] if days < DAYS else ()
    return Hush(began=-habit.age_s, since=0.0, day=0.0, gaps=gaps if any(gaps) else ())
