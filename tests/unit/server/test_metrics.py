import math
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lanner.engine.engine import Engine
from lanner.engine.stats import Stats
from lanner.outputs.lane import DropReason, RouteStats
from lanner.rules.priority import Priority
from lanner.server.metric import Metric
from lanner.server.metrics import LATENCY, METRICS, metrics_text
from lanner.server.plan import Files
from lanner.server.snapshot import LATENCIES_S, Histogram, Reloads, RuleLabels, Snapshot, SourceCounts, Status
from lanner.sources.plugin import Trouble
from lanner.store.writer import WriterStats

from ..vigil import seen
from .stations import event, rules

Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def series(snapshot: Snapshot) -> Series:
    """What Prometheus' own parser reads: values by name and labels, of which no two are the same."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(metrics_text(snapshot).decode()):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, "a series is there twice"
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def labelled(found: Series, name: str) -> list[dict[str, str]]:
    return [dict(labels) for series_name, labels in found if series_name == name]


def latency() -> Histogram:
    found = Histogram()
    for seconds in (0.0001, 0.003, 0.003, 100.0):
        found.add(seconds)
    return found


def rich() -> Snapshot:
    """A run in which everything has happened, each thing another number of times."""
    stats = Stats(
        events=101,
        bytes=102,
        malformed=103,
        truncated=104,
        missing_audit_id=105,
        dropped=Counter(size=106),
        by_rule={"Seen": 107, "Never": 0, "Lanner internal: event truncated": 108},
        by_priority=Counter({Priority.NOTICE: 109}),
    )
    counts = SourceCounts(
        status=Status.WAITING,
        deliveries=110,
        events=111,
        restarts=112,
        refused=Counter(busy=113),
        troubles=Counter(gap=127),
        connections=128,
        closed=Counter(crowded=129),
        in_flight_bytes=114,
        lag_s=115.5,
        last_at_s=116.5,
        latency=latency(),
    )
    route = RouteStats(
        name="http",
        delivered=117,
        filtered=118,
        held_back=119,
        dropped={DropReason.QUEUE_FULL: 120, DropReason.REFUSED: 1},
        waiting=121,
        waiting_bytes=122,
        failures=123,
    )
    return Snapshot(
        started_ns=time.time_ns() - 10**12,
        stats=stats,
        sources={"webhook": counts},
        routes=(route,),
        rules={name: RuleLabels(Priority.NOTICE, "k8s_audit", ("k8s", "T1078.004")) for name in ("Seen", "Never")},
        reloads=Reloads(done=124, refused=125, last_ns=126, is_current=False),
        files=Files(config={"/etc/lanner.yaml": "aa"}, rules={"/etc/rules.yaml": "bb"}),
        internal={"Lanner internal: source failed": 127},
        warnings=("unsafe", "very unsafe"),
        workers=128,
        worker_restarts=129,
        cpu_s=500.0,
        rss_bytes=131,
        sight=seen.SIGHT,
        store=WriterStats(
            stored=132, repeated=133, refused=134, commits=135, failures=136, is_well=False, used_bytes=137
        ),
    )


VALUES: dict[str, Mapping[tuple[tuple[str, str], ...], float] | float] = {
    "falcosecurity_falco_sha256_rules_files_info": {(("file_name", "rules.yaml"), ("sha256", "bb")): 1},
    "falcosecurity_falco_sha256_config_files_info": {(("file_name", "lanner.yaml"), ("sha256", "aa")): 1},
    "falcosecurity_scap_engine_name_info": {(("engine_name", "source_plugin"), ("evt_source", "k8s_audit")): 1},
    "falcosecurity_falco_reload_timestamp_nanoseconds": 126,
    "falcosecurity_falco_memory_rss_bytes": 131,
    "falcosecurity_falco_outputs_queue_num_drops_total": 121,
    "falcosecurity_falco_rules_matches_total": {
        (
            ("priority", "5"),
            ("rule_name", "Seen"),
            ("source", "k8s_audit"),
            ("tag_T1078_004", "true"),
            ("tag_k8s", "true"),
        ): 107
    },
    "lanner_internal_alerts_total": {
        (("rule_name", "Lanner internal: event truncated"),): 108,
        (("rule_name", "Lanner internal: source failed"),): 127,
    },
    "lanner_alerts_total": {(("priority", each.value),): 109 if each is Priority.NOTICE else 0 for each in Priority},
    "lanner_events_total": 101,
    "lanner_bytes_total": 102,
    "lanner_malformed_total": 103,
    "lanner_truncated_total": 104,
    "lanner_missing_audit_id_total": 105,
    "lanner_dropped_events_total": {(("reason", "size"),): 106},
    "lanner_source_events_total": {(("source", "webhook"),): 111},
    "lanner_source_deliveries_total": {(("source", "webhook"),): 110},
    "lanner_source_refused_total": {(("reason", "busy"), ("source", "webhook")): 113},
    "lanner_source_troubles_total": {
        (("kind", each.value), ("source", "webhook")): 127 if each is Trouble.GAP else 0 for each in Trouble
    },
    "lanner_source_in_flight_bytes": {(("source", "webhook"),): 114},
    "lanner_source_connections": {(("source", "webhook"),): 128},
    "lanner_source_connections_closed_total": {(("reason", "crowded"), ("source", "webhook")): 129},
    "lanner_source_lag_seconds": {(("source", "webhook"),): 115.5},
    "lanner_source_last_event_timestamp_seconds": {(("source", "webhook"),): 116.5},
    "lanner_source_state": {
        (("source", "webhook"), ("state", each.value)): float(each is Status.WAITING) for each in Status
    },
    "lanner_source_restarts_total": {(("source", "webhook"),): 112},
    "lanner_output_delivered_total": {(("output", "http"),): 117},
    "lanner_output_filtered_total": {(("output", "http"),): 118},
    "lanner_output_held_back_total": {(("output", "http"),): 119},
    "lanner_output_dropped_total": {
        (("output", "http"), ("reason", "queue_full")): 120,
        (("output", "http"), ("reason", "refused")): 1,
    },
    "lanner_output_failures_total": {(("output", "http"),): 123},
    "lanner_output_queue_alerts": {(("output", "http"),): 121},
    "lanner_output_queue_bytes": {(("output", "http"),): 122},
    "lanner_store_alerts_total": {
        (("result", "stored"),): 132,
        (("result", "repeated"),): 133,
        (("result", "refused"),): 134,
    },
    "lanner_store_up": 0,
    "lanner_store_failures_total": 136,
    "lanner_store_commits_total": 135,
    "lanner_store_used_bytes": 137,
    "lanner_rules": 2,
    "lanner_reloads_total": {(("result", "done"),): 124, (("result", "refused"),): 125},
    "lanner_configuration_current": 0,
    "lanner_unsafe_settings": 2,
    "lanner_workers": 128,
    "lanner_worker_restarts_total": 129,
    **seen.VALUES,
}
"""What rows of the table show of the rich run, by labels; a number alone has none."""

OF_THE_HOST = {
    "falcosecurity_falco_version_info",
    "falcosecurity_falco_kernel_release_info",
    "falcosecurity_evt_hostname_info",
    "falcosecurity_falco_start_timestamp_nanoseconds",
    "falcosecurity_falco_duration_seconds_total",
    "falcosecurity_falco_host_boot_timestamp_nanoseconds",
    "falcosecurity_falco_host_num_cpus_total",
    "falcosecurity_falco_cpu_usage_ratio",
}
"""Rows whose values are not those of the rich run alone."""


def test_every_row_of_the_table_is_tested_here() -> None:
    assert {metric.name for metric in METRICS} == VALUES.keys() | OF_THE_HOST


@pytest.mark.parametrize("name", VALUES)
def test_a_row_shows_its_values_and_nothing_else(name: str) -> None:
    expected = VALUES[name]
    by_labels = expected if isinstance(expected, Mapping) else {(): expected}
    found = {tuple(sorted(labels)): value for (each, labels), value in series(rich()).items() if each == name}
    assert found == by_labels


@pytest.mark.parametrize("name", sorted(OF_THE_HOST))
def test_a_row_about_the_host_has_one_value_that_can_be(name: str) -> None:
    (value,) = (value for (each, _), value in series(rich()).items() if each == name)
    assert value > 0
    assert math.isfinite(value)


def test_times_and_usage_fit_each_other() -> None:
    found = series(rich())
    lasted = found[key("falcosecurity_falco_duration_seconds_total")]
    assert lasted == pytest.approx(1000, abs=50)
    assert found[key("falcosecurity_falco_cpu_usage_ratio")] == pytest.approx(500 / lasted, rel=0.05)
    assert found[key("falcosecurity_falco_start_timestamp_nanoseconds")] == pytest.approx(
        (time.time() - lasted) * 1e9, abs=50e9
    )


def test_nothing_is_exposed_that_has_no_row() -> None:
    text = metrics_text(rich()).decode()
    kinds = {metric.name: metric.kind for metric in METRICS} | {LATENCY: "histogram"}
    assert dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", text)) == kinds
    descriptions = dict(re.findall(r"(?m)^# HELP (\S+) (.+)$", text))
    assert all(descriptions[metric.name] == metric.description for metric in METRICS)


def test_each_row_has_the_labels_that_it_names() -> None:
    found = series(rich())

    def names_of(metric: Metric) -> set[str]:
        return {name for name in metric.labels.split(", ") if name and "…" not in name}

    for metric in METRICS:
        for labels in labelled(found, metric.name):
            extra = {name for name in labels if not name.startswith("tag_")}
            assert extra == names_of(metric), metric.name


def test_the_histogram_is_cumulative() -> None:
    found = series(rich())
    assert found[key(f"{LATENCY}_count", source="webhook")] == 4
    assert found[key(f"{LATENCY}_sum", source="webhook")] == pytest.approx(100.0061)
    buckets = [found[key(f"{LATENCY}_bucket", source="webhook", le=str(bound))] for bound in LATENCIES_S]
    assert buckets == [1, 1, 1, *[3] * (len(LATENCIES_S) - 3)]
    assert found[key(f"{LATENCY}_bucket", source="webhook", le="+Inf")] == 4


def test_a_run_that_has_done_nothing_can_be_read() -> None:
    found = series(Snapshot(started_ns=time.time_ns(), stats=Stats(), sources={"webhook": SourceCounts()}))
    assert found[key("lanner_events_total")] == 0
    assert labelled(found, "lanner_source_lag_seconds") == [], "there is no lag before the first event"


HOSTILE = ['"} 1\nlanner_up 2\n', "back\\slash\\", 'quote"', "line\nbreak", "é ☃ \U0001f980", "{}=,", "\r\x00\x1b[31m"]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_that_hold_anything_come_out_as_they_are(text: str) -> None:
    names: dict[str, Any] = {
        "stats": Stats(by_rule={text: 1}),
        "sources": {text: SourceCounts(latency=latency())},
        "routes": (replace(rich().routes[0], name=text),),
        "rules": {text: RuleLabels(Priority.NOTICE, "k8s_audit", (text, f"{text}!"))},
        "files": Files(rules={f"/etc/{text}": "aa"}),
    }
    found = series(replace(rich(), **names))
    (rule,) = labelled(found, "falcosecurity_falco_rules_matches_total")
    assert rule["rule_name"] == text
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", label) for label in rule)
    assert labelled(found, "lanner_source_events_total") == [{"source": text}]
    assert labelled(found, "lanner_output_delivered_total") == [{"output": text}]
    assert labelled(found, "falcosecurity_falco_sha256_rules_files_info") == [{"file_name": text, "sha256": "aa"}]
    assert {name for name, _ in found} <= {name for name, _ in series(rich())}


def test_a_file_name_that_is_no_text_can_be_shown() -> None:
    found = series(replace(rich(), files=Files(rules={"/etc/\udcff.yaml": "aa"})))
    assert labelled(found, "falcosecurity_falco_sha256_rules_files_info") == [{"file_name": "?.yaml", "sha256": "aa"}]


def test_files_of_the_same_name_that_hold_the_same_are_one_series() -> None:
    found = series(replace(rich(), files=Files(rules={"/a/r.yaml": "aa", "/b/r.yaml": "aa", "/c/r.yaml": "bb"})))
    files = labelled(found, "falcosecurity_falco_sha256_rules_files_info")
    assert files == [{"file_name": "r.yaml", "sha256": "aa"}, {"file_name": "r.yaml", "sha256": "bb"}]


def test_what_events_hold_makes_no_series() -> None:
    used = Engine(rules())

    def names(*users: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        for user in users:
            used.process(event(user) + b"\nnonsense " + user.encode())
        labels = {rule.name: RuleLabels(rule.priority, rule.source, ()) for rule in used.rules.rules}
        return {*series(Snapshot(started_ns=1, stats=used.stats, sources={}, rules=labels))}

    first = names("alice")
    assert first == names("bob", "Lanner internal: mine", "x" * 5000)
    assert used.stats.alerts >= 4
