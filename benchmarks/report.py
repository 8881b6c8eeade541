"""Results as tables, and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

import lanner
from benchmarks.cases import Case, Result
from benchmarks.residence import Residence
from benchmarks.samples import Pair, Ratio
from benchmarks.targets import TARGETS, Verdict
from benchmarks.webhook import Latency

_WIDTH = 132
_PAIR_COLUMNS = (
    "case",
    "what",
    "CPU µs/event",
    "events/CPU-s",
    "beside",
    "its µs",
    "CPU ratio",
    "spread",
    "time",
    "MiB",
)
_LATENCY_COLUMNS = ("case", "what", "events/s", "alerts", "p50 ms", "p99 ms")
_RESIDENCE_COLUMNS = ("case", "what", "events", "MiB at the start", "MiB at the end", "ratio")
_TARGET_COLUMNS = ("target", "limit", "found", "holds")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case and what came of it; `note` says why nothing did."""

    case: Case
    result: Result | None
    note: str = ""
    has_failed: bool = False


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the tables."""
    _table(console, "cost", _PAIR_COLUMNS, [_pair(o.case, o.result) for o in outcomes if isinstance(o.result, Pair)])
    found = [_latency(o.case, o.result) for o in outcomes if isinstance(o.result, Latency)]
    _table(console, "from post to alert", _LATENCY_COLUMNS, found)
    kept = [_residence(o.case, o.result) for o in outcomes if isinstance(o.result, Residence)]
    _table(console, "memory", _RESIDENCE_COLUMNS, kept)
    for outcome in outcomes:
        if outcome.note:
            console.print(f"{outcome.case.name}: {'failed' if outcome.has_failed else 'skipped'}: {outcome.note}")


def show_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print what of the targets holds."""
    rows = [
        (v.target.what, f"{v.target.sign} {v.target.limit:,g}", f"{v.found:,.4g}", "yes" if v.holds else "no")
        for v in verdicts
    ]
    _table(console, "targets", _TARGET_COLUMNS, rows)


def judge(outcomes: Sequence[Outcome]) -> list[Verdict]:
    """Hold results against the targets."""
    results: Mapping[str, Any] = {o.case.name: o.result for o in outcomes if o.result}
    return [
        Verdict(target, target.value(results[target.case]))
        for target in TARGETS
        if results.get(target.case) is not None
    ]


def save(path: Path, outcomes: Sequence[Outcome], verdicts: Sequence[Verdict], about: Mapping[str, Any]) -> None:
    """Write everything as JSON."""
    document = {
        "about": {**machine(), **about},
        "cases": [
            {"name": o.case.name, "what": o.case.what, "beside": o.case.beside, "note": o.note, **_rounded(o.result)}
            for o in outcomes
        ],
        "targets": [
            {"what": v.target.what, "limit": f"{v.target.sign} {v.target.limit:g}", "found": round(v.found, 4)}
            | {"holds": v.holds}
            for v in verdicts
        ],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def machine() -> dict[str, Any]:
    """Where it was measured."""
    info = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return {
        "lanner": lanner.__version__,
        "python": platform.python_version(),
        "msgspec": msgspec.__version__,
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
    }


def new_console() -> Console:
    """Standard output; wide enough for the tables when it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=_WIDTH, highlight=False)


def spread(ratio: Ratio) -> str:
    """The least and the greatest."""
    return f"{ratio.least:.2f}-{ratio.greatest:.2f}"


def _pair(case: Case, pair: Pair) -> tuple[str, ...]:
    return (
        case.name,
        case.what,
        f"{pair.cpu_us:.2f}",
        f"{1e6 / pair.cpu_us:,.0f}",
        case.beside,
        f"{pair.reference_cpu_us:.2f}",
        f"{pair.cpu.median:.2f}",
        spread(pair.cpu),
        f"{pair.wall.median:.2f}",
        f"{pair.peak_mib:.0f}",
    )


def _latency(case: Case, found: Latency) -> tuple[str, ...]:
    rate, p50, p99 = f"{found.events_per_s:,.0f}", f"{found.p50_s * 1e3:.1f}", f"{found.p99_s * 1e3:.1f}"
    return case.name, case.what, rate, f"{found.alerts:,}", p50, p99


def _residence(case: Case, found: Residence) -> tuple[str, ...]:
    start, end = f"{found.first_mib:.1f}", f"{found.last_mib:.1f}"
    return case.name, case.what, f"{found.events:,}", start, end, f"{found.growth:.3f}"


def _table(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        is_text = number < 2 or column == "beside"
        table.add_column(column, justify="left" if is_text else "right", no_wrap=number != 1)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()


def _rounded(result: Result | None) -> dict[str, Any]:
    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(part) for key, part in value.items()}
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return {} if result is None else clean(asdict(result))
