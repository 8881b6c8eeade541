"""A harmless request whose audit event must come back in time: it tries the whole way from an API server to here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lanner.vigil.concern import Concern
from lanner.vigil.kube import Access, Unanswered, ask
from lanner.vigil.plan import CanaryPlan
from lanner.vigil.words import span

KEY = "lanner-canary"
"""The part of the request's query that the marker is the value of; an API server passes over what it does not know."""

MUTE_S = 180.0
"""How long a canary may be impossible to send before an alert says so."""

AGAIN_S = 30.0
"""After how long one that could not be sent is tried again."""

_HARMLESS = frozenset({200, 404})
"""There is such a thing, or there is none: both are answers to a request that was audited, and refused to nobody."""

_HELP = {
    401: "the API server does not know the token: see `blindness.apiserver.token_file`",
    403: "give the service account a Role with `get` for the path of `blindness.apiserver.canary`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """What is known of the canaries that were sent to an API server.

    Attributes:
        turn: When it was last sent one, or tried to be.
        awaited_since: When the one was sent that is awaited; None: none is.
        missing_since: When the first one was sent of those that are missing; None: the last one came back.
        last_back: When one came back last; None: none ever did.
        round_trip_s: How long that one took.
        returned: How many came back in time.
        missed: How many did not.
        failed: How often none could be sent.
        failing: Why none can be sent now, and what to do.
        fails_since: Since when.
    """

    turn: float = 0.0
    awaited_since: float | None = None
    missing_since: float | None = None
    last_back: float | None = None
    round_trip_s: float | None = None
    returned: int = 0
    missed: int = 0
    failed: int = 0
    failing: tuple[str, str] | None = None
    fails_since: float | None = None


async def send(access: Access, url: str, path: str, marker: bytes) -> None:
    """Send a canary.

    Raises:
        Unanswered: It was not let through, so that its event need not come.
    """
    mark = "&" if "?" in path else "?"
    status = await ask(access, url, f"{path}{mark}{KEY}={marker.decode('ascii')}")
    if status not in _HARMLESS:
        raise Unanswered(f"answers `{path}` with status {status}", _HELP.get(status, "see the API server's log"))


def was_sent(canary: Canary, now: float) -> Canary:
    """One was sent at that time, and is awaited."""
    return replace(canary, turn=now, awaited_since=now, failing=None, fails_since=None)


def was_not_sent(canary: Canary, reason: str, help: str, now: float) -> Canary:
    """None could be sent."""
    since = now if canary.fails_since is None else canary.fails_since
    failing = reason, help
    return replace(canary, turn=now, awaited_since=None, failed=canary.failed + 1, failing=failing, fails_since=since)


def came_back(canary: Canary, round_trip_s: float, now: float, plan: CanaryPlan) -> Canary:
    """The one that is awaited came back, in time or late."""
    in_time = 1 if round_trip_s <= plan.within_s and canary.awaited_since is not None else 0
    return replace(
        canary,
        awaited_since=None,
        missing_since=None,
        last_back=now,
        round_trip_s=round_trip_s,
        returned=canary.returned + in_time,
    )


def wait(canary: Canary, now: float, plan: CanaryPlan) -> Canary:
    """Time has passed, and it has not come back."""
    sent = canary.awaited_since
    if sent is None or now - sent <= plan.within_s:
        return canary
    since = sent if canary.missing_since is None else canary.missing_since
    return replace(canary, awaited_since=None, missing_since=since, missed=canary.missed + 1)


def canary_concerns(url: str, canary: Canary, now: float) -> Iterator[Concern]:
    """What is wrong with the canaries that were sent to an API server."""
    if canary.missing_since is not None:
        yield _missing(url, canary, canary.missing_since, now)
    if canary.failing and canary.fails_since is not None and now - canary.fails_since >= MUTE_S:
        reason, help_text = canary.failing
        message = (
            f"no canary can be sent to {url} for {span(now - canary.fails_since)}: {reason}; whether its events arrive "
            f"is not known; {help_text}"
        )
        yield Concern("mute", url, message, {"reason": reason, "help": help_text}, now - canary.fails_since)


def _missing(url: str, canary: Canary, since: float, now: float) -> Concern:
    if canary.last_back is None:
        lost = "none has ever come back: see whether the audit policy records the request, and whether anything arrives"
    else:
        lost = (
            f"what was done since the last one came back, {span(now - canary.last_back)} ago, may be lost, in part or "
            "all of it: see the API server's log for batches that its webhook dropped, its "
            "`apiserver_audit_error_total`, and whether the audit policy was replaced"
        )
    message = f"the canary that was sent to {url} {span(now - since)} ago has not come back; {lost}"
    last = None if canary.last_back is None else round(now - canary.last_back)
    return Concern("canary", url, message, {"last_back_s": last}, for_s=now - since)
