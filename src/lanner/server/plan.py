"""What `lanner run` is to do: made anew from the configuration each time that is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lanner.compiler.ruleset import RuleSet
from lanner.outputs.lane import GIVE_UP_AFTER_S
from lanner.outputs.route import Route
from lanner.outputs.window import QueueLimits
from lanner.sources.base import Source
from lanner.sources.plugin import Context, Finding, Start
from lanner.sources.receiver import ASGIApp, WebhookStats
from lanner.sources.webhook import WebhookOptions
from lanner.store.place import Place
from lanner.store.writer import Bounds
from lanner.vigil.plan import VigilPlan


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a source is given when it is opened.

    Attributes:
        context: What every source is given.
        extra: Applications for other paths of a webhook.
        stats: Where a webhook counts.
        at: Host and port that a webhook shares with other processes; None: it listens alone, where it is to.
    """

    context: Context
    extra: Mapping[str, ASGIApp] = field(default_factory=dict)
    stats: WebhookStats = field(default_factory=WebhookStats)
    at: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """A source of events, and the rules for them.

    Attributes:
        name: What messages and metrics call it; no two have the same.
        made_of: What it was made from; one that was made from the same goes on when the configuration is read again.
        rules: Evaluate its events.
        open: Makes the source; a source that failed is made anew.
        start: Where it begins the first time, if it can choose; when it is made anew it goes on where it was.
        webhook: How it listens, if it is a webhook: several processes can share its port.
        warning: What is unsafe about it, in words for people; it is said, and raised as an alert.
        check: Tests whether it would get events; None: there is nothing to test.
    """

    name: str
    made_of: Any
    rules: RuleSet
    open: Callable[[Hooks], Source]
    start: Start = Start.KEPT
    webhook: WebhookOptions | None = None
    warning: str = ""
    check: Callable[[], Awaitable[Sequence[Finding]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPlan:
    """What is served for those who look after the program.

    Attributes:
        listening: Where, on a port of its own; None: at the webhook of the first source.
        health_path: Where it says whether it is alive.
        has_metrics: Whether there are `/metrics`.
        token_file: File of bearer tokens, one of which is asked for where more is told than health; empty: none is.
        warning: What is unsafe about it; empty: nothing.
    """

    listening: WebhookOptions | None
    health_path: str = "/healthz"
    has_metrics: bool = False
    token_file: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPlan:
    """Metrics that are written at intervals, as Falco's `metrics` says.

    Attributes:
        interval_s: Seconds between two.
        as_alert: Whether they are raised as an alert of Falco's internal rule.
        file: File that gets a line of JSON for each; empty: none.
        has_rules: Whether alerts by rule are among them.
        has_resources: Whether processor and memory are.
        in_megabytes: Whether memory is in megabytes instead of bytes.
        has_zeros: Whether counters that are 0 are among them.
    """

    interval_s: float
    as_alert: bool = False
    file: str = ""
    has_rules: bool = True
    has_resources: bool = True
    in_megabytes: bool = True
    has_zeros: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlan:
    """Where alerts are kept.

    Attributes:
        place: Where; None: in memory, until the run ends.
        may_fall_back: Whether memory does where the place cannot be written.
        bounds: How much is kept.
        give_up_after_s: How long an output that fails is tried with an alert.
        limits: How many alerts are in memory too, for outputs that keep up.
    """

    place: Place | None = None
    may_fall_back: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    give_up_after_s: float = GIVE_UP_AFTER_S
    limits: QueueLimits = field(default_factory=QueueLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that a plan was made from.

    Attributes:
        config: Configuration files, with the SHA-256 of what each held.
        rules: Rule files, likewise.
        watched: Files and folders whose changes ask for another reading; none: they are not looked at.
        seen: The SHA-256 of each file in those, of before they were read.
    """

    config: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run needs.

    Attributes:
        sources: At least one.
        routes: Where alerts go.
        web: What is served; None: nothing.
        snapshots: Metrics at intervals; None: none.
        store: Where alerts are kept.
        vigil: What is watched for being blind; None: nothing.
        files: What all this was made from.
    """

    sources: tuple[SourcePlan, ...]
    routes: tuple[Route, ...]
    web: WebPlan | None = None
    snapshots: SnapshotPlan | None = None
    store: StorePlan = field(default_factory=StorePlan)
    vigil: VigilPlan | None = None
    files: Files = field(default_factory=Files)


class PlanError(Exception):
    """A configuration, or rules, that cannot be used; what is wrong in detail has been said already.

    Attributes:
        message: What is wrong, in a line.
        help: What to do about it.
    """

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
