"""Sources that fall silent, that come late, or whose clock is not ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lanner.vigil.concern import Concern, Key
from lanner.vigil.hush import Hush, limit_after, listen
from lanner.vigil.plan import SilencePlan, VigilPlan
from lanner.vigil.words import span

HOLD_S = 60.0
"""How long newest events must be late, or early, before it is told: one batch that was sent again is late once."""

STUCK_S = 180.0
"""Who is stuck says so each minute; who has not for so long is not stuck any more."""

AHEAD_S = 60.0
"""How far the clock behind a source may be ahead of ours."""

_MAX_REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a source so far.

    Attributes:
        events: How many were evaluated.
        lag_s: How much later than its own time the newest one was; None before the first.
        refused: Deliveries that were not acknowledged, by reason.
        is_over: Whether there will be no more.
        stuck: How often it said that it gets no further.
        why_stuck: What it said last.
    """

    events: int = 0
    lag_s: float | None = None
    refused: Mapping[str, int]
    is_over: bool = False
    stuck: int = 0
    why_stuck: str = ""


@dataclass(frozen=True, slots=True)
class Lapse:
    """Something is not as it should be, since some time; `is_sure` once events have shown it for long enough."""

    since: float
    is_sure: bool = False


@dataclass(frozen=True, slots=True)
class Stuck:
    """A source gets no further: since when that is known, when it said so last and how often, and why."""

    since: float
    last: float
    times: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of a source.

    Attributes:
        hush: Of its events.
        limit_s: How long it may be silent.
        lag_s: Of its newest event; None before the first.
        late: Its events come late; None: they do not.
        ahead: They are of the future; None: they are not.
        refused: Refused deliveries, by reason, until its last event.
        refused_since: Likewise since then.
        stuck: It gets no further; None: it does.
        stuck_told: How often it has ever said so.
    """

    hush: Hush
    limit_s: float
    lag_s: float | None = None
    late: Lapse | None = None
    ahead: Lapse | None = None
    refused: Mapping[str, int]
    refused_since: Mapping[str, int]
    stuck: Stuck | None = None
    stuck_told: int = 0


def hear(source: Source | None, name: str, heard: Heard, now: float, plan: VigilPlan) -> Source:
    """Take what came of a source by now."""
    if source is None:
        hush = Hush.start(heard.events, now)
        limit_s = _limit(name, hush, plan, now)
        return Source(hush=hush, limit_s=limit_s, refused=heard.refused, refused_since={}, stuck_told=heard.stuck)
    hush = listen(source.hush, heard.events, now, source.limit_s)
    is_new = hush.count > source.hush.count
    refused = heard.refused if is_new else source.refused
    since = {why: number - refused.get(why, 0) for why, number in heard.refused.items() if number > refused.get(why, 0)}
    lag = heard.lag_s
    late, ahead = source.late, source.ahead
    if is_new and lag is not None:
        late = _lapse(late, now, holds=0 < plan.late_s < lag)
        ahead = _lapse(ahead, now, holds=lag < -AHEAD_S)
    return replace(
        source,
        hush=hush,
        limit_s=_limit(name, hush, plan, now, before_s=None if is_new else source.limit_s),
        lag_s=lag,
        late=late,
        ahead=ahead,
        refused=refused,
        refused_since=since,
        stuck=_stuck(source, heard, now),
        stuck_told=heard.stuck,
    )


def source_concerns(name: str, source: Source, now: float, plan: VigilPlan) -> Iterator[Concern]:
    """What is wrong with a source."""
    silent_s = now - source.hush.since
    if plan.silence and 0 < source.limit_s < silent_s:
        yield _silent(name, source, silent_s)
    if source.stuck:
        yield _is_stuck(name, source.stuck, now)
    if source.late and source.late.is_sure:
        yield _late(name, source, now - source.late.since)
    if source.ahead and source.ahead.is_sure:
        yield _ahead(name, source, now - source.ahead.since)


def is_watched(key: Key, sources: Mapping[str, Source], plan: VigilPlan) -> bool:
    """Whether a concern is still looked for; one that is not looked for any more did not end."""
    kind, name = key
    source = sources.get(name)
    if source is None or (kind == "silent" and not (plan.silence and source.limit_s > 0)):
        return False
    return kind != "late" or plan.late_s > 0


def _limit(name: str, hush: Hush, plan: VigilPlan, now: float, *, before_s: float | None = None) -> float:
    """How long a source may be silent; `before_s` is how long it might be, in the same silence."""
    silence = plan.silence or SilencePlan()
    fixed = silence.fixed_s.get(name)
    if fixed is not None:
        return fixed
    return limit_after(before_s or 0.0, hush, silence, now, is_heard=before_s is None)


def _lapse(before: Lapse | None, now: float, *, holds: bool) -> Lapse | None:
    """What is so as of an event of now. Between events nothing is: an old file, read at once, is not late for ever."""
    if not holds:
        return None
    return Lapse(now) if before is None else Lapse(before.since, before.is_sure or now - before.since >= HOLD_S)


def _stuck(source: Source, heard: Heard, now: float) -> Stuck | None:
    before = source.stuck
    if heard.stuck > source.stuck_told:
        return Stuck(before.since if before else now, now, (before.times if before else 0) + 1, heard.why_stuck)
    return before if before and now - before.last < STUCK_S else None


def _is_stuck(name: str, stuck: Stuck, now: float) -> Concern:
    message = f"source {name}: {stuck.why}; it is tried again, and what comes after it waits"
    return Concern("stuck", name, message, {"reason": stuck.why}, now - stuck.since, weight=stuck.times)


def _silent(name: str, source: Source, silent_s: float) -> Concern:
    what = f"no event for {span(silent_s)}, longer than is usual"
    if not source.hush.gaps:
        what = f"not one event in the {span(silent_s)} since the start"
    message = (
        f"source {name}: {what}{_refusals(source.refused_since)}; what happened since is not detected; see whether the "
        "API server has its webhook and its policy, reaches Lanner, and logs errors of its audit backend"
    )
    return Concern(
        "silent",
        name,
        message,
        {"limit_s": round(source.limit_s), "refused": sum(source.refused_since.values())},
        for_s=silent_s,
    )


def _refusals(refused: Mapping[str, int]) -> str:
    if not refused:
        return ""
    most = sorted(refused.items(), key=lambda each: (-each[1], each[0]))[:_MAX_REASONS]
    return f"; meanwhile {sum(refused.values())} deliveries were refused ({', '.join(why for why, _ in most)})"


def _late(name: str, source: Source, for_s: float) -> Concern:
    lag_s = source.lag_s or 0.0
    message = (
        f"events of source {name} are evaluated {span(lag_s)} after they happened; alerts come as late, and what a "
        "full buffer on the way drops never comes; see `lanner_source_refused_total`, the load of this machine, and "
        "what stands between the API server and Lanner"
    )
    return Concern("late", name, message, {"lag_s": round(lag_s)}, for_s=for_s)


def _ahead(name: str, source: Source, for_s: float) -> Concern:
    ahead_s = -(source.lag_s or 0.0)
    message = (
        f"events of source {name} are {span(ahead_s)} ahead of this machine's clock: times of alerts are wrong, and "
        "events that are late pass for punctual; see which of the two clocks is wrong, and its NTP"
    )
    return Concern("clocks", name, message, {"ahead_s": round(ahead_s)}, for_s=for_s)
