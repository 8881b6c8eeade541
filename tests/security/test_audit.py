"""The audit of dependencies never passes without having looked."""

import json
from typing import Any

import pytest

from security.audit import Verdict, judge, pinned_packages


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


CLEAN = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("text", "pinned", "verdict"),
    [
        (report(CLEAN), 1, Verdict.CLEAN),
        (report(CLEAN, FLAWED), 2, Verdict.FLAWED),
        (report(CLEAN, UNKNOWN), 2, Verdict.NOT_CHECKED),
        (report(FLAWED, UNKNOWN), 2, Verdict.FLAWED),
        (report(CLEAN), 2, Verdict.NOT_CHECKED),
        (report(), 0, Verdict.NOT_CHECKED),
        ("", 1, Verdict.NOT_CHECKED),
        ("no JSON", 1, Verdict.NOT_CHECKED),
        ("[]", 1, Verdict.NOT_CHECKED),
    ],
)
def test_only_what_was_looked_at_whole_is_clean(text: str, pinned: int, verdict: Verdict) -> None:
    audit = judge(text, pinned)
    assert audit.verdict is verdict
    assert any("NOT CHECKED" in line for line in audit.lines) == (verdict is Verdict.NOT_CHECKED or "skip" in text)


def test_a_flaw_is_named_with_the_version_that_has_none() -> None:
    assert judge(report(FLAWED), 1).lines == ("b 2: PYSEC-1, fixed in 3",)


def test_all_dependencies_are_pinned() -> None:
    assert pinned_packages() > 50
