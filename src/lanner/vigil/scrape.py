"""What an API server's metrics say about its audit events. Source: Kubernetes, apiserver/pkg/audit/metrics.go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lanner.vigil.kube import Access, Unanswered, ask

PATH = "/metrics"
_WANTED = re.compile(rb"^(?:apiserver_audit_\w+_total|process_start_time_seconds)\b.*$", re.MULTILINE)
_MAX_KEPT = 256 * 1024
_MAX_PLUGINS = 16
_MAX_NAME = 64

_HELP = {
    401: "the API server does not know the token: see `blindness.apiserver.token_file`",
    403: "give the service account a ClusterRole with `nonResourceURLs: [/metrics]` and `verbs: [get]`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What one process of an API server has counted since it started.

    Attributes:
        events: Audit events for its backends.
        errors: Events that could not be audited properly, by the plugin of the backend.
        rejected: Requests that were rejected because auditing failed.
        levels: Requests that the policy decided on; each request counts, also that for the metrics.
        unrecorded: Those of them of which it records nothing.
    """

    events: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    levels: int = 0
    unrecorded: int = 0


@dataclass(frozen=True, slots=True)
class Scrape:
    """What was read.

    Attributes:
        started_s: When the process started, in seconds since the epoch; it tells processes apart. 0: it does not say.
        totals: What it has counted.
    """

    started_s: float
    totals: Totals


async def scrape(access: Access, url: str) -> Scrape:
    """Read the metrics of an API server.

    Raises:
        Unanswered: They are not to be had.
    """
    kept = bytearray()
    rest = b""

    def take(piece: bytes) -> None:
        nonlocal rest
        text, newline, after = (rest + piece).rpartition(b"\n")
        rest = after[-_MAX_KEPT:]
        if newline and len(kept) < _MAX_KEPT:
            for found in _WANTED.finditer(text):
                kept.extend(found[0] + b"\n")

    status = await ask(access, url, PATH, take)
    take(b"\n")
    if status != 200:
        raise Unanswered(f"answers `{PATH}` with status {status}", _HELP.get(status, "see the API server's log"))
    return read(bytes(kept[:_MAX_KEPT]))


def read(text: bytes) -> Scrape:
    """Read metrics in Prometheus' text format.

    Raises:
        Unanswered: They are not in it, or not an API server's.
    """
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - only who asks needs it

    found: dict[str, dict[str, int]] = {}
    started_s = 0.0
    try:
        for family in text_string_to_metric_families(text.decode("utf-8", "replace")):
            for sample in family.samples:
                if sample.name == "process_start_time_seconds":
                    started_s = float(sample.value)
                else:
                    label = next(iter(sample.labels.values()), "")[:_MAX_NAME]
                    found.setdefault(sample.name.removeprefix("apiserver_audit_"), {})[label] = int(sample.value)
    except (ValueError, OverflowError, KeyError, IndexError):
        raise Unanswered("its metrics cannot be read", "see whether the address is an API server's") from None
    if "event_total" not in found:
        help_text = "see whether the address is an API server's, and no proxy in between filters metrics"
        raise Unanswered("its metrics lack `apiserver_audit_event_total`", help_text)
    levels = found.get("level_total", {})
    errors = sorted(found.get("error_total", {}).items(), key=lambda each: -each[1])
    return Scrape(
        started_s,
        Totals(
            events=sum(found["event_total"].values()),
            errors=dict(errors[:_MAX_PLUGINS]),
            rejected=sum(found.get("requests_rejected_total", {}).values()),
            levels=sum(levels.values()),
            unrecorded=levels.get("None", 0),
        ),
    )
