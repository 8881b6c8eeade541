"""What is wrong for as long as it is: said once when it begins, again when it has grown, and once when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lanner.rules.priority import Priority
from lanner.vigil.words import span

Fields: TypeAlias = "dict[str, str | int | list[str] | None]"
Key: TypeAlias = "tuple[str, str]"
"""The name of a kind, and what it is about."""

AGAIN_S = 600.0
"""How long at least between two alerts about the same that grows; what comes meanwhile is told by the second one."""

SILENT = "Lanner internal: source silent"
STUCK = "Lanner internal: source stuck"
LATE = "Lanner internal: events late"
CLOCKS = "Lanner internal: clocks differ"
LOST = "Lanner internal: events lost by the API server"
REJECTED = "Lanner internal: requests rejected by auditing"
UNHEARD = "Lanner internal: recorded events do not arrive"
MISSING = "Lanner internal: recorded events are missing"
UNRECORDED = "Lanner internal: no events recorded"
STARTED = "Lanner internal: API server started again"
UNWATCHED = "Lanner internal: API server not watched"
CANARY = "Lanner internal: canary missing"
MUTE = "Lanner internal: canary not sent"
OVER = "Lanner internal: seeing again"
"""The rule names of alerts; the last one says that one of the others is over."""


About: TypeAlias = Literal["source", "server", "servers", "canary"]
_P = Priority
_WHY = ("reason", "help")
_COUNT = ("unrecorded",)
_SIDES = ("recorded", "arrived")


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be wrong.

    Attributes:
        name: Its name in metrics.
        rule: The rule name of its alert.
        priority: How much it matters.
        about: What has it.
        over: What is said when it is over, about `{subject}`; empty: nothing, for it happened and does not last.
        fields: The names of what else its alert holds.
    """

    name: str
    rule: str
    priority: Priority
    about: About
    over: str
    fields: tuple[str, ...]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("silent", SILENT, _P.ERROR, "source", "events of source {subject} come again", ("limit_s", "refused")),
        Kind("stuck", STUCK, _P.ERROR, "source", "source {subject} gets on again", ("reason",)),
        Kind("late", LATE, _P.WARNING, "source", "events of source {subject} come in time again", ("lag_s",)),
        Kind("clocks", CLOCKS, _P.WARNING, "source", "the clock behind source {subject} is right again", ("ahead_s",)),
        Kind("lost", LOST, _P.CRITICAL, "server", "the API server {subject} loses no more events", ("lost", "by")),
        Kind("rejected", REJECTED, _P.ERROR, "server", "the API server {subject} rejects no more", ("rejected",)),
        Kind("unheard", UNHEARD, _P.CRITICAL, "server", "events arrive again, which {subject} records", ()),
        Kind("missing", MISSING, _P.CRITICAL, "servers", "what the {subject} record arrives again", _SIDES),
        Kind("unrecorded", UNRECORDED, _P.CRITICAL, "server", "the API server {subject} records again", _COUNT),
        Kind("started", STARTED, _P.NOTICE, "server", "", ("starts",)),
        Kind("unwatched", UNWATCHED, _P.ERROR, "server", "the API server {subject} is watched again", _WHY),
        Kind(
            "canary", CANARY, _P.CRITICAL, "canary", "the canary that was sent to {subject} came back", ("last_back_s",)
        ),
        Kind("mute", MUTE, _P.ERROR, "canary", "canaries can be sent to {subject} again", _WHY),
    )
}
"""Each by its name."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something is wrong now.

    Attributes:
        kind: The name of its kind.
        subject: What it is about: a source, an API server. It comes from configuration, never from events.
        message: What is so, what was probably lost, and what to do.
        fields: The same for programs.
        for_s: For how long it has been so.
        weight: How much was lost; it is told of again when that has grown.
    """

    kind: str
    subject: str
    message: str
    fields: Fields = field(default_factory=dict)
    for_s: float = 0.0
    weight: int = 0

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Standing:
    """A concern that was told of.

    Attributes:
        concern: As it is now.
        since: When it began.
        told_at: When it was told of last.
        told: Its weight then.
    """

    concern: Concern
    since: float
    told_at: float
    told: int


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert to raise."""

    rule: str
    priority: Priority
    message: str
    fields: Fields


def settle(
    before: Mapping[Key, Standing], concerns: Iterable[Concern], now: float
) -> tuple[dict[Key, Standing], list[Notice]]:
    """What stands now, and what is to be said about it.

    Args:
        before: What stood so far.
        concerns: What is wrong now.
        now: Seconds of the clock that runs while somebody watches.
    """
    after: dict[Key, Standing] = {}
    notices = []
    for concern in concerns:
        known = before.get(concern.key)
        if known is None or (concern.weight > known.told and now - known.told_at >= AGAIN_S):
            since = now - concern.for_s if known is None else known.since
            after[concern.key] = Standing(concern, since, now, concern.weight)
            notices.append(_begins(concern))
        else:
            after[concern.key] = Standing(concern, known.since, known.told_at, known.told)
    notices += [_ends(known, now) for key, known in before.items() if key not in after and KINDS[key[0]].over]
    return after, notices


def _begins(concern: Concern) -> Notice:
    kind = KINDS[concern.kind]
    fields: Fields = {"subject": concern.subject, "blind_s": round(concern.for_s), **concern.fields}
    return Notice(kind.rule, kind.priority, concern.message, fields)


def _ends(known: Standing, now: float) -> Notice:
    kind, lasted = KINDS[known.concern.kind], now - known.since
    message = f"{kind.over.format(subject=known.concern.subject)}, after {span(lasted)}"
    fields: Fields = {"subject": known.concern.subject, "blind_s": round(lasted), "was": kind.rule}
    return Notice(OVER, Priority.NOTICE, message, fields)
