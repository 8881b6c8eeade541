"""The metrics that Falco has too, under its names: one row a metric.

Source: Falco 0.44, falco_metrics.cpp; of the units: Falco's documentation of metrics.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from lanner.events.context import SOURCE, host_name
from lanner.server.metric import Labels, Metric, Sample, one
from lanner.server.snapshot import Snapshot


def _info(labels: Callable[[], Labels]) -> Callable[[Snapshot], Iterable[Sample]]:
    return lambda snapshot: [(labels(), 1)]


def _files(which: Literal["rules", "config"]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        found = {(Path(path).name, digest) for path, digest in getattr(snapshot.files, which).items()}
        for name, digest in sorted(found):  # files of two folders may have the same name, and hold the same
            yield {"file_name": name.encode(errors="replace").decode(), "sha256": digest}, 1

    return samples


def _matches(snapshot: Snapshot) -> Iterator[Sample]:
    """Alerts by rule. Rules come from rule files, not from events: what an attacker sends makes no new series."""
    for name, number in snapshot.stats.by_rule.items():
        rule = snapshot.rules.get(name)
        if not number or rule is None:
            continue
        tags = {f"tag_{_label(tag)}": "true" for tag in rule.tags}
        yield {"rule_name": name, "priority": str(rule.priority.level), "source": rule.source, **tags}, number


def _label(text: str) -> str:
    """A text as part of a label's name. Source: Prometheus, data model."""
    return "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in text)


@lru_cache(maxsize=1)
def _boot_ns() -> int:
    """When the host started, in nanoseconds since the epoch."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


FALCO: tuple[Metric, ...] = (
    Metric(
        "falcosecurity_falco_version_info",
        "gauge",
        "version",
        "Version of Lanner; always 1.",
        _info(lambda: {"version": version("lanner")}),
    ),
    Metric(
        "falcosecurity_falco_sha256_rules_files_info",
        "gauge",
        "file_name, sha256",
        "Rule files in use; always 1.",
        _files("rules"),
    ),
    Metric(
        "falcosecurity_falco_sha256_config_files_info",
        "gauge",
        "file_name, sha256",
        "Configuration files in use; always 1.",
        _files("config"),
    ),
    Metric(
        "falcosecurity_scap_engine_name_info",
        "gauge",
        "engine_name, evt_source",
        "Where events come from; always 1.",
        _info(lambda: {"engine_name": "source_plugin", "evt_source": SOURCE}),
    ),
    Metric(
        "falcosecurity_falco_kernel_release_info",
        "gauge",
        "kernel_release",
        "The host's kernel; always 1.",
        _info(lambda: {"kernel_release": os.uname().release}),
    ),
    Metric(
        "falcosecurity_evt_hostname_info",
        "gauge",
        "hostname",
        "The host's name as alerts show it; always 1.",
        _info(lambda: {"hostname": host_name()}),
    ),
    Metric(
        "falcosecurity_falco_start_timestamp_nanoseconds",
        "gauge",
        "",
        "When the run began, in nanoseconds since the epoch.",
        one(lambda snapshot: snapshot.started_ns),
    ),
    Metric(
        "falcosecurity_falco_reload_timestamp_nanoseconds",
        "gauge",
        "",
        "When the configuration in use was read, in nanoseconds since the epoch.",
        one(lambda snapshot: snapshot.reloads.last_ns),
    ),
    Metric(
        "falcosecurity_falco_duration_seconds_total",
        "counter",
        "",
        "How long the run has lasted.",
        one(lambda snapshot: snapshot.uptime_s),
    ),
    Metric(
        "falcosecurity_falco_host_boot_timestamp_nanoseconds",
        "gauge",
        "",
        "When the host started, in nanoseconds since the epoch.",
        one(lambda snapshot: _boot_ns()),
    ),
    Metric(
        "falcosecurity_falco_host_num_cpus_total",
        "gauge",
        "",
        "The host's processors.",
        one(lambda snapshot: os.cpu_count() or 1),
    ),
    Metric(
        "falcosecurity_falco_cpu_usage_ratio",
        "gauge",
        "",
        "Processor time of all processes of the run, beside the time that it has lasted; 1 is one processor.",
        one(lambda snapshot: snapshot.cpu_s / max(snapshot.uptime_s, 0.001)),
    ),
    Metric(
        "falcosecurity_falco_memory_rss_bytes",
        "gauge",
        "",
        "Resident memory of all processes of the run.",
        one(lambda snapshot: snapshot.rss_bytes),
    ),
    Metric(
        "falcosecurity_falco_outputs_queue_num_drops_total",
        "counter",
        "",
        "Alerts that an output should have got and never will.",
        one(lambda snapshot: snapshot.undelivered),
    ),
    Metric(
        "falcosecurity_falco_rules_matches_total",
        "counter",
        "rule_name, priority, source, tag_…",
        "Alerts by rule; the priority is a number, 0 the highest. Rules without an alert are left out.",
        _matches,
    ),
)
