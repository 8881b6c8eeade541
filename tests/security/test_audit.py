"""The audit of dependencies never passes without having looked."""

import json
from typing import Any

import pytest

from security.audit import PROBE, Verdict, judge, pinned_packages

PROBED = {"name": PROBE[0], "version": PROBE[1], "vulns": [{"id": "PYSEC-0", "fix_versions": ["9"]}]}


def report(*packages: dict[str, Any], probe: dict[str, Any] | None = PROBED) -> str:
    return json.dumps({"dependencies": [*packages, *([probe] if probe else [])], "fixes": []})


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


@pytest.mark.parametrize("probe", [None, {**PROBED, "vulns": []}, {"name": PROBE[0], "skip_reason": "not found"}])
def test_an_index_that_tells_of_no_flaw_is_not_believed(probe: dict[str, Any] | None) -> None:
    assert judge(report(CLEAN, probe=probe), 1).verdict is Verdict.NOT_CHECKED
    flawed = judge(report(FLAWED, probe=probe), 1)
    assert flawed.verdict is Verdict.FLAWED
    assert "NOT CHECKED" in flawed.lines[-1]


def test_the_probe_itself_is_no_flaw_of_ours_but_the_package_may_be_pinned_in_a_newer_version() -> None:
    pinned = {"name": PROBE[0], "version": "3.1.6", "vulns": []}
    assert judge(report(CLEAN, pinned), 2).verdict is Verdict.CLEAN


def test_a_flaw_is_named_with_the_version_that_has_none() -> None:
    assert judge(report(FLAWED), 1).lines == ("b 2: PYSEC-1, fixed in 3",)


def test_all_dependencies_are_pinned() -> None:
    assert pinned_packages() > 50
