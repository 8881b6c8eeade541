"""The table of cases: what is measured, and beside what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from benchmarks.jobs import FileJob
from benchmarks.residence import Residence
from benchmarks.samples import Pair
from benchmarks.webhook import Latency
from benchmarks.workshop import SIZES, Skipped, Workshop

Result: TypeAlias = Pair | Latency | Residence


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the report.

    Attributes:
        name: To ask for it by.
        what: What is measured.
        beside: What its ratio is over; empty where there is none.
        measure: How.
    """

    name: str
    what: str
    beside: str
    measure: Callable[[Workshop], Result]


DECODING = "decoding"


def _scan(name: str, what: str, rules: str, recording: str) -> Case:
    """A scan beside decoding the same bytes."""
    return Case(name, what, DECODING, lambda shop: shop.pair(shop.scan(rules, recording), shop.decode(recording)))


def _sized(sort: str, size: str, what: str) -> Case:
    """A scan of events that are all as large, beside decoding them."""
    name = f"{sort}-{size}"

    def measure(shop: Workshop) -> Pair:
        total = shop.scale.other_bytes
        job, reference = shop.scan("given", name, total_bytes=total), shop.decode(name, total_bytes=total)
        return shop.pair(job, reference, shop.scale.other_rounds)

    return Case(name, f"events of {size}, {what}", DECODING, measure)


def _rules(size: int, scheme: str, what: str) -> Case:
    """Many rules beside the first 50 of them."""
    return Case(
        f"rules-{scheme}-{size}",
        what,
        "rules-50",
        lambda shop: shop.pair(shop.scan(f"{scheme}-{size}", "bulk"), shop.scan(f"{scheme}-50", "bulk")),
    )


def _webhook(batch: int) -> Case:
    return Case(
        f"webhook-{batch}",
        f"posts of {batch}, without a pause",
        "bulk",
        lambda shop: shop.pair(shop.webhook(batch), shop.scan("given", "bulk")),
    )


def _latency(batch: int, connections: int) -> Case:
    over = f" over {connections} connections" if connections > 1 else ""
    return Case(
        f"latency-{batch}",
        f"posts of {batch}{over}, 5,000 events/s",
        "",
        lambda shop: shop.latency(batch, connections),
    )


def _workers(shop: Workshop, number: int) -> FileJob:
    if not shop.has_workers:
        raise Skipped("`lanner scan` has no `-j`")
    return replace(shop.scan("given", "bulk", "-j", str(number)), is_alone=number == 1)


CASES: tuple[Case, ...] = (
    Case(
        "decode",
        "decoding alone, by block",
        "by line",
        lambda shop: shop.pair(shop.decode("bulk", "by-block"), shop.decode("bulk", "by-line")),
    ),
    _scan("bulk", "the recording", "given", "bulk"),
    _scan("benign", "its events that raise no alert", "given", "benign"),
    _scan("alerting", "its events that raise alerts", "given", "alerting"),
    _scan("default-rules", "the recording, default rule set", "default", "bulk"),
    _scan("rules-50", "the recording, 50 rules", "names-50", "bulk"),
    _rules(500, "names", "500 rules that differ in names"),
    _rules(2000, "names", "2,000 of them"),
    _rules(2000, "texts", "2,000 that differ in texts"),
    *(
        _sized(sort, size, what)
        for sort, what in (("opaque", "body not asked for"), ("searched", "body searched"))
        for size in SIZES
    ),
    _scan("gzip", "the recording, compressed", "given", "gzip"),
    Case("jobs-1", "the recording, `-j 1`", DECODING, lambda shop: shop.pair(_workers(shop, 1), shop.decode("bulk"))),
    Case("jobs-2", "the recording, `-j 2`", "jobs-1", lambda shop: shop.pair(_workers(shop, 2), _workers(shop, 1))),
    *map(_webhook, (1, 10, 100, 400)),
    _latency(1, 8),
    *(_latency(batch, 1) for batch in (10, 100, 400)),
    Case("memory", "the recording, over and over", "", lambda shop: shop.residence(is_flood=False)),
    Case("flood", "events that are all different", "", lambda shop: shop.residence(is_flood=True)),
)

SOAK_CASES = ("memory", "flood")
"""What `--soak` measures, with ten times the events."""

COMPARED: tuple[tuple[str, Callable[[Workshop], FileJob]], ...] = (
    ("bulk", lambda shop: shop.scan("given", "bulk")),
    ("benign", lambda shop: shop.scan("given", "benign")),
    ("alerting", lambda shop: shop.scan("given", "alerting")),
    ("rules-names-2000", lambda shop: shop.scan("names-2000", "bulk")),
    ("opaque-16k", lambda shop: shop.scan("given", "opaque-16k")),
    ("searched-16k", lambda shop: shop.scan("given", "searched-16k")),
)
"""What is compared between two commits."""
