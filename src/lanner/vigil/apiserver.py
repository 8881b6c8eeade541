"""API servers that lose events, record none, or record them and nothing arrives here; judged by their metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lanner.vigil.concern import Concern, Fields
from lanner.vigil.hush import Hush, limit_after, listen
from lanner.vigil.plan import MetricsPlan, SilencePlan
from lanner.vigil.scrape import Scrape, Totals
from lanner.vigil.words import counted, span

EPISODE_S = 600.0
"""Losses that follow each other so closely are one; after so long without another it is over."""

UNWATCHED_S = 180.0
"""How long an API server may give no metrics before an alert says so; it may be starting again."""

IDLE_SCRAPES = 3
"""How often in a row a policy may have decided on nothing: each question for metrics is a request to decide on."""

MAX_PROCESSES = 32
"""Processes of one address that are told apart: those behind a balancer, and those that were started again."""

NOTHING = Totals()

LOSSES: Mapping[str, str] = {
    "webhook": (
        "the webhook gave up after its tries, or could not encode them: one server-side apply in YAML, under a policy "
        "that records bodies of patches, loses the whole batch around it, and whoever may patch anything can do that; "
        "record `patch` at Metadata (`lanner policy check` shows where it is not), and see the API server's log"
    ),
    "buffered": (
        "its buffer was full; see what keeps posts from being answered, or raise `--audit-webhook-batch-buffer-size`"
    ),
    "truncate": "they were too large; see `--audit-webhook-truncate-max-event-size`",
    "log": (
        "its log could not take them, for the disk is full or they could not be encoded, as the body of a server-side "
        "apply in YAML; the webhook may have had them"
    ),
}
"""Why events are lost, and what to do, by the plugin of the backend that lost them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Something that happened once, or several times shortly after each other.

    Attributes:
        since: When it began.
        last: When it happened last.
        by: How much, by name.
    """

    since: float
    last: float
    by: Mapping[str, int]

    @property
    def total(self) -> int:
        """How much in all."""
        return sum(self.by.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is known of an API server, or of those behind one address.

    Attributes:
        hush: Of the events that it records.
        limit_s: How long it may record none.
        first_s: When it was first asked, in seconds since the epoch: processes that started later are counted in full.
        processes: What each of its processes had counted last, by when it started.
        counted: What it has counted since it is watched.
        answers: How often it answered.
        failures: How often it did not.
        failing: Why it does not answer now, and what to do; empty: it does.
        fails_since: Since when it does not.
        idle: How often in a row its policy had decided on nothing.
        silent: What its processes had recorded when they were first asked after the last event arrived, from wherever.
        rising_since: Since when they have recorded more than that.
        lost: Events lost lately.
        rejected: Requests rejected lately.
        started: Processes that were started lately, in place of others or beside them.
    """

    hush: Hush
    limit_s: float
    first_s: float
    processes: Mapping[float, Totals] = field(default_factory=dict)
    counted: Totals = NOTHING
    answers: int = 0
    failures: int = 0
    failing: tuple[str, str] | None = None
    fails_since: float | None = None
    idle: int = 0
    silent: Mapping[float, int] = field(default_factory=dict)
    rising_since: float | None = None
    lost: Episode | None = None
    rejected: Episode | None = None
    started: Episode | None = None

    @staticmethod
    def start(now: float, now_s: float) -> Server:
        """What is known before the first answer; `now_s` are seconds since the epoch."""
        return Server(hush=Hush.start(0, now), limit_s=0.0, first_s=now_s)


def answered(server: Server, scrape: Scrape, now: float, silence: SilencePlan) -> Server:
    """Take an answer."""
    totals = scrape.totals
    before = _before(server, scrape)
    rise = _rise(before, totals)
    sum_ = _sum(server.counted, rise)
    is_known = scrape.started_s in server.processes
    is_new = bool(server.processes) and not is_known and scrape.started_s > server.first_s
    hush = listen(server.hush, sum_.events, now, server.limit_s)
    processes = {**server.processes, scrape.started_s: totals}
    for oldest in sorted(processes)[: max(0, len(processes) - MAX_PROCESSES)]:
        del processes[oldest]
    is_idle = totals.levels == 0 or (is_known and rise.levels == 0)
    silent = {scrape.started_s: totals.events, **{key: n for key, n in server.silent.items() if key in processes}}
    is_rising = totals.events > silent[scrape.started_s]
    return replace(
        server,
        hush=hush,
        limit_s=limit_after(server.limit_s, hush, silence, now, is_heard=rise.events > 0),
        processes=processes,
        counted=sum_,
        answers=server.answers + 1,
        failing=None,
        fails_since=None,
        idle=server.idle + 1 if is_idle else 0,
        silent=silent,
        rising_since=now if server.rising_since is None and is_rising else server.rising_since,
        lost=_happened(server.lost, rise.errors, now),
        rejected=_happened(server.rejected, {"": rise.rejected} if rise.rejected else {}, now),
        started=_happened(server.started, {"": 1} if is_new else {}, now),
    )


def unanswered(server: Server, reason: str, help: str, now: float) -> Server:
    """Take that there was no answer."""
    since = now if server.fails_since is None else server.fails_since
    return replace(server, failing=(reason, help), fails_since=since, failures=server.failures + 1)


def pass_time(server: Server, now: float, *, has_heard: bool) -> Server:
    """Take that time has passed, and whether events arrived meanwhile, from wherever."""
    return replace(
        server,
        silent={} if has_heard else server.silent,
        rising_since=None if has_heard else server.rising_since,
        lost=_lasting(server.lost, now),
        rejected=_lasting(server.rejected, now),
        started=_lasting(server.started, now),
    )


def server_concerns(url: str, server: Server, now: float, plan: MetricsPlan) -> Iterator[Concern]:
    """What is wrong with an API server."""
    if server.lost:
        yield _lost(url, server.lost, now)
    if server.rejected:
        yield _rejected(url, server.rejected, now)
    if server.started:
        yield _started(url, server.started, now)
    if server.rising_since is not None and now - server.rising_since >= plan.arrival_s:
        yield _unheard(url, now - server.rising_since)
    if server.fails_since is not None:
        if server.failing and now - server.fails_since >= UNWATCHED_S:
            yield _unwatched(url, server.failing, now - server.fails_since)
    elif server.idle >= IDLE_SCRAPES:
        yield _idle(url, now - server.hush.since)
    elif server.answers and now - server.hush.since > server.limit_s:
        yield _unrecorded(url, server, now - server.hush.since)


def _before(server: Server, scrape: Scrape) -> Totals:
    """What the process had counted when it was last asked.

    One that is new to us and has run for longer than it is watched begins with what it says; one that started since, or
    counts from the beginning again without saying so, begins with nothing.
    """
    known = server.processes.get(scrape.started_s)
    if known is not None:
        is_anew = scrape.totals.events < known.events or scrape.totals.levels < known.levels
        return NOTHING if is_anew else known
    return NOTHING if scrape.started_s > server.first_s else scrape.totals


def _rise(before: Totals, after: Totals) -> Totals:
    errors = {name: number - before.errors.get(name, 0) for name, number in after.errors.items()}
    return Totals(
        events=max(0, after.events - before.events),
        errors={name: number for name, number in errors.items() if number > 0},
        rejected=max(0, after.rejected - before.rejected),
        levels=max(0, after.levels - before.levels),
        unrecorded=max(0, after.unrecorded - before.unrecorded),
    )


def _sum(one: Totals, other: Totals) -> Totals:
    return Totals(
        events=one.events + other.events,
        errors=_added(one.errors, other.errors),
        rejected=one.rejected + other.rejected,
        levels=one.levels + other.levels,
        unrecorded=one.unrecorded + other.unrecorded,
    )


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _happened(episode: Episode | None, by: Mapping[str, int], now: float) -> Episode | None:
    if not by:
        return episode
    return replace(episode, last=now, by=_added(episode.by, by)) if episode else Episode(since=now, last=now, by=by)


def _lasting(episode: Episode | None, now: float) -> Episode | None:
    return episode if episode and now - episode.last < EPISODE_S else None


def _lost(url: str, lost: Episode, now: float) -> Concern:
    by = sorted(lost.by.items(), key=lambda each: -each[1])
    why = "; ".join(f"{name}: {LOSSES.get(name, 'see the API server log')}" for name, _ in by)
    message = (
        f"the API server {url} lost {counted(lost.total, 'event')} ({', '.join(f'{name} {n}' for name, n in by)}); "
        f"what was done in them is not detected; {why}"
    )
    fields: Fields = {"lost": lost.total, "by": [f"{name}={number}" for name, number in by]}
    return Concern("lost", url, message, fields, for_s=now - lost.since, weight=lost.total)


def _rejected(url: str, rejected: Episode, now: float) -> Concern:
    message = (
        f"the API server {url} rejected {counted(rejected.total, 'request')} because it could not record them: it "
        "works in a blocking mode, and the cluster suffers; see its log for what the audit backend says"
    )
    return Concern("rejected", url, message, {"rejected": rejected.total}, now - rejected.since, rejected.total)


def _started(url: str, started: Episode, now: float) -> Concern:
    often = "" if started.total == 1 else f", {started.total} times"
    message = (
        f"the API server {url} was started again{often}; what the process before had in its buffer when it ended may "
        "be lost, and no metric counts it: up to 30 seconds of events, after an end in order none; see why it ended"
    )
    return Concern("started", url, message, {"starts": started.total}, now - started.since, started.total)


def _unheard(url: str, for_s: float) -> Concern:
    message = (
        f"the API server {url} has recorded events for {span(for_s)}, and none arrives; what is done in the cluster is "
        "not detected; see its `--audit-webhook-config-file`, its log for errors of the webhook, and the way to Lanner"
    )
    return Concern("unheard", url, message, {}, for_s)


def _idle(url: str, for_s: float) -> Concern:
    message = (
        f"the API server {url} audits no request: it has no policy, or no backend; nothing in the cluster is detected; "
        "see its `--audit-policy-file` and `--audit-webhook-config-file`"
    )
    return Concern("unrecorded", url, message, {"unrecorded": 0}, for_s)


def _unrecorded(url: str, server: Server, for_s: float) -> Concern:
    message = (
        f"the API server {url} has recorded nothing for {span(for_s)}, longer than is usual, though it answers; "
        "see whether its audit policy was replaced by one that records little (`lanner policy check`)"
    )
    return Concern("unrecorded", url, message, {"unrecorded": server.counted.unrecorded}, for_s)


def _unwatched(url: str, failing: tuple[str, str], for_s: float) -> Concern:
    reason, help_text = failing
    message = (
        f"the API server {url} gives no metrics for {span(for_s)}: {reason}; events that it loses are not noticed; "
        f"{help_text}"
    )
    return Concern("unwatched", url, message, {"reason": reason, "help": help_text}, for_s)
