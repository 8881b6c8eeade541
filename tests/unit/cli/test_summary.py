import re
from collections import Counter
from pathlib import Path

from lanner.cli.summary import summary
from lanner.engine.stats import Stats
from lanner.rules.priority import Priority


def test_the_first_three_blocks_are_those_that_falco_printed(shared: Path) -> None:
    expected = (shared / "conformance" / "official-a.summary.txt").read_text()
    rules = {
        name: int(number)
        for name, number in re.findall(r"^   (.*): (\d+)$", expected.split("name:\n")[1], re.MULTILINE)
    }
    stats = Stats(
        by_rule={"Never Triggered": 0, **rules},
        by_priority=Counter({Priority.INFORMATIONAL: 26, Priority.WARNING: 46, Priority.NOTICE: 11}),
    )
    assert summary(stats, 1.0).startswith(expected)


def test_severities_are_shown_from_the_most_severe() -> None:
    stats = Stats(by_priority=Counter(dict.fromkeys(reversed(Priority), 1)))
    shown = re.findall(r"^   ([A-Z]+): 1$", summary(stats, 1.0), re.MULTILINE)
    assert shown == ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"]


def test_what_lanner_counted_follows_with_each_reason_of_a_drop() -> None:
    stats = Stats(events=300, bytes=4096, malformed=2, truncated=1, dropped=Counter(queue_full=3, late=1))
    assert summary(stats, 1.5).split("name:\n")[1].splitlines() == [
        "Events read: 300",
        "Bytes: 4096",
        "Seconds: 1.500",
        "Events/s: 200",
        "Malformed: 2",
        "Truncated: 1",
        "Dropped: 4",
        "   late: 1",
        "   queue_full: 3",
    ]


def test_no_time_at_all_is_no_division_by_zero() -> None:
    assert "Events/s: 0" in summary(Stats(events=1), 0.0)


def test_events_without_an_audit_id_are_shown_when_there_are_any() -> None:
    assert "Without auditID: 2\n" in summary(Stats(missing_audit_id=2), 1.0)
    assert "auditID" not in summary(Stats(), 1.0)
