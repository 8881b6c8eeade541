"""The page of the metrics, from the table that `/metrics` shows and from a snapshot as it is raised."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from docs.markup import code, page, paragraph, table

from lanner.engine.stats import Stats
from lanner.outputs.lane import DropReason
from lanner.rules.priority import Priority
from lanner.server.metric import Metric
from lanner.server.metrics import LATENCY, LATENCY_DESCRIPTION, METRICS
from lanner.server.office import snapshot_fields
from lanner.server.plan import Files, SnapshotPlan
from lanner.server.snapshot import LATENCIES_S, RuleLabels, Snapshot, Status
from lanner.sources.auth import DENIALS, Denial
from lanner.sources.receiver import ANSWERS, FORBIDDEN, UNAUTHORIZED, Refusal
from lanner.vigil.concern import KINDS

_Kind = TypeVar("_Kind", bound=StrEnum)

_FALCO = "falcosecurity_"
_COLUMNS = ("metric", "kind", "labels", "meaning")

_STATES: Mapping[Status, str] = {
    Status.STARTING: "It has not taken events yet.",
    Status.RUNNING: "It takes events.",
    Status.WAITING: "It failed, and is started again after a pause.",
    Status.ENDED: "There are no more events, as at the end of standard input.",
}
_DROPS: Mapping[DropReason, str] = {
    DropReason.QUEUE_FULL: "It could not be stored, and memory had no room for it; a source that can sends it again.",
    DropReason.REFUSED: "The other end does not take this alert, and never will; it is a dead letter now.",
    DropReason.EXPIRED: "The output has failed for `store.give_up_after`; it is a dead letter now.",
    DropReason.GONE: "Nobody reads standard output any more.",
    DropReason.CLOSED: "The end came before it was delivered, and alerts are kept in memory alone.",
}
_REFUSALS: Mapping[Refusal, str] = {
    Refusal.NOT_FOUND: "another path than the endpoint",
    Refusal.METHOD: "another method than POST",
    Refusal.CONTENT_TYPE: "the body is not declared as JSON",
    Refusal.ORIGIN: "it has the header `Origin`: a page in a browser sends it",
    Refusal.ENCODING: "the body is compressed in another way than gzip",
    Refusal.TOO_LARGE: "the body is larger than 256 MiB",
    Refusal.BUSY: "too many bytes of bodies are held",
    Refusal.SLOW: "the body took more than 60 seconds",
    Refusal.DAMAGED: "the body is not gzip though it says so",
    Refusal.REJECTED: "the body is not JSON",
    Refusal.NOT_STORED: "alerts cannot be stored: the disk is full, the database is away, or the store is full",
    Refusal.TLS: "TLS was not agreed on; what the client certificate is to blame for is counted by itself, as below",
    Refusal.FAILED: "the evaluation failed",
    Refusal.DISCONNECTED: "the sender was gone before the body was complete",
}
_FIELDS: Mapping[str, str] = {
    "evt.hostname": "The host's name as alerts show it.",
    "evt.source": "Always `k8s_audit`.",
    "evt.time": "When it was written, in nanoseconds since the epoch.",
    "falco.cpu_usage_perc": "Processor time of all processes beside the time of the run; 100 is one processor.",
    "falco.duration_sec": "How long the run has lasted.",
    "falco.evts_rate_sec": "Events a second since the last snapshot; not in the first one.",
    "falco.host_num_cpus": "The host's processors.",
    "falco.kernel_release": "The host's kernel.",
    "falco.memory_rss": "Resident memory in bytes, if `convert_memory_to_mb` is `false`.",
    "falco.memory_rss_mb": "Resident memory of all processes, in megabytes.",
    "falco.num_evts": "Events evaluated since the start.",
    "falco.num_evts_prev": "The same of the last snapshot.",
    "falco.outputs_queue_num_drops": "Alerts that an output should have got and never will.",
    "falco.reload_ts": "When the configuration in use was read, in nanoseconds since the epoch.",
    "falco.rules.RULE": "Alerts of that rule; rules without one only with `include_empty_values`.",
    "falco.rules.matches_total": "Alerts of all rules.",
    "falco.sha256_config_file.FILE": "SHA-256 of that configuration file.",
    "falco.sha256_rules_file.FILE": "SHA-256 of that rule file.",
    "falco.start_ts": "When the run began, in nanoseconds since the epoch.",
    "falco.version": "The version of Falco that Lanner counts as.",
    "scap.engine_name": "Always `source_plugin`.",
}


def metrics() -> str:
    """The text of the page."""
    intro = (
        "What `/metrics` shows, with `webserver.prometheus_metrics_enabled`. Names that begin with `falcosecurity_` "
        "are Falco's, and mean what they mean there; metrics about system calls are left out. "
        "[Operations](../guide/operations.md) says which to watch. With `--workers` the values are the sums of all "
        "processes, a second or two old."
    )
    falcos = [metric for metric in METRICS if metric.name.startswith(_FALCO)]
    own = [metric for metric in METRICS if metric not in falcos]
    latency = (code(LATENCY), "histogram", code("source"), LATENCY_DESCRIPTION)
    classes = ", ".join(f"{bound:g}" for bound in LATENCIES_S)
    return page(
        "Metrics",
        intro,
        f"## With Falco's names\n\n{table(_COLUMNS, map(_row, falcos))}",
        f"## Of Lanner's own\n\n{table(_COLUMNS, [*map(_row, own), latency])}",
        paragraph(
            f"The classes of the histogram end at {classes} seconds. Its three names end with `_bucket`, `_sum` and "
            "`_count`."
        ),
        _labels(),
        _snapshots(),
    )


def _row(metric: Metric) -> tuple[str, str, str, str]:
    labels = ", ".join(code(label) for label in metric.labels.split(", ") if label)
    return code(metric.name), metric.kind, labels, metric.description


def _labels() -> str:
    priorities = ", ".join(code(priority.value) for priority in Priority)
    texts = paragraph(
        "`source` of metrics that begin with `lanner_source_` is the name of a source: of a plugin, of an entry of "
        "`sources`, or `webhook`, `webserver`, `stdin`, or the file that was named. `output` is `stdout`, `file`, "
        "`program`, `http`, `syslog`, or the name of an entry of `notify_outputs`. `result` of `lanner_reloads_total` "
        "is `done` or `refused`. `subject` of `lanner_blind` is the name of a source or the address of an API server; "
        "`server` is such an address. "
        f"`priority` of `lanner_alerts_total` is one of {priorities}."
    )
    refusals = [(code(why), str(ANSWERS[why].status) if why in ANSWERS else "", _REFUSALS[why]) for why in Refusal]
    refusals += [(code(why), _status(why), DENIALS[why]) for why in Denial]
    return "\n".join(
        [
            "## Values of labels\n",
            texts,
            "`state` of `lanner_source_state`:\n",
            _values(_STATES, Status),
            "`reason` of `lanner_source_refused_total`, with the status of the answer:\n",
            table(("value", "status", "when"), refusals),
            "`reason` of `lanner_output_dropped_total`:\n",
            _values(_DROPS, DropReason),
            "`check` of `lanner_blind`, with the alert that tells of it:\n",
            table(("value", "alert"), ((code(kind.name), code(kind.rule)) for kind in KINDS.values())),
        ]
    )


def _status(why: Denial) -> str:
    if why is Denial.UNTRUSTED:
        return ""
    return str((FORBIDDEN if why.is_known else UNAUTHORIZED).status)


def _values(meanings: Mapping[_Kind, str], kind: type[_Kind]) -> str:
    return table(("value", "meaning"), ((code(value), meanings[value]) for value in kind))


def _snapshots() -> str:
    intro = paragraph(
        "With `metrics.enabled`, the same is written at intervals: with `output_rule` as an alert of the rule "
        "`Falco internal: metrics snapshot`, with `output_file` as a line of JSON with the members `sample`, which "
        "counts, and `output_fields`. These are the fields of Falco's that make sense without system calls. In names "
        "of rules and files, what is no letter, digit or `:` is `_`."
    )
    return f"## Snapshots\n\n{intro}\n{table(('field', 'meaning'), _fields())}"


def _fields() -> Iterable[tuple[str, str]]:
    return ((code(name), _FIELDS[name]) for name in sorted(_names()))


def _names() -> Iterable[str]:
    """The fields that a snapshot has, with names that stand for any rule and any file."""
    snapshot = Snapshot(
        started_ns=time.time_ns(),
        stats=Stats.for_rules(["RULE"]),
        sources={},
        rules={"RULE": RuleLabels(Priority.NOTICE, "k8s_audit", ())},
        files=Files(config={"FILE": "0"}, rules={"FILE": "0"}),
    )
    now = time.monotonic()
    plans = [SnapshotPlan(interval_s=1, has_zeros=True, in_megabytes=flag) for flag in (True, False)]
    return {name for plan in plans for name in snapshot_fields(snapshot, plan, (0, now - 1), now)}
