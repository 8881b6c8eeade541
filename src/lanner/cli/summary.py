"""The closing words of a run: Falco's three blocks, then what Lanner counted."""

from __future__ import annotations

from collections.abc import Mapping

from lanner.cli.log import is_json
from lanner.cli.messages import Console, counted
from lanner.engine.stats import Stats
from lanner.rules.priority import Priority


def close(stats: Stats, seconds: float, console: Console) -> None:
    """Say what the first malformed documents looked like, then the summary, for people and then for programs."""
    for sample in stats.samples:
        console.warn(f"malformed: {sample}")
    console.tell(summary(stats, seconds))
    if is_json():
        console.note(
            "the run has ended",
            seconds=round(seconds, 3),
            events=stats.events,
            bytes=stats.bytes,
            alerts=stats.alerts,
            malformed=stats.malformed,
            truncated=stats.truncated,
            dropped=sum(stats.dropped.values()),
        )


def tell_undelivered(undelivered: Mapping[str, int], console: Console) -> None:
    """Say which outputs did not get how many alerts."""
    for name, number in undelivered.items():
        console.warn(f"output `{name}` did not get {counted(number, 'alert')}", output=name)


def summary(stats: Stats, seconds: float) -> str:
    """Alerts by priority and rule, then events, bytes, time and what was lost, as lines without the last line break.

    Args:
        stats: What the engine counted.
        seconds: How long the run took.

    Source: Falco 0.44, stats_manager.cpp, for the first three blocks.
    """
    lines = [f"Events detected: {stats.alerts}", "Rule counts by severity:"]
    lines += [f"   {p.short}: {number}" for p in Priority if (number := stats.by_priority.get(p, 0))]
    lines.append("Triggered rules by rule name:")
    lines += [f"   {name}: {number}" for name, number in stats.by_rule.items() if number]
    return "\n".join([*lines, *_own_lines(stats, seconds)])


def _own_lines(stats: Stats, seconds: float) -> list[str]:
    rate = stats.events / seconds if seconds > 0 else 0.0
    return [
        f"Events read: {stats.events}",
        f"Bytes: {stats.bytes}",
        f"Seconds: {seconds:.3f}",
        f"Events/s: {rate:.0f}",
        f"Malformed: {stats.malformed}",
        f"Truncated: {stats.truncated}",
        *([f"Without auditID: {stats.missing_audit_id}"] if stats.missing_audit_id else []),
        f"Dropped: {sum(stats.dropped.values())}",
        *(f"   {reason}: {number}" for reason, number in sorted(stats.dropped.items()) if number),
    ]
