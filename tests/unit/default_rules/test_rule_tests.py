"""The tests that ship with the default rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanner.diagnostics import Diagnostics
from lanner.rules.files import read_rule_files
from lanner.workbench.report import failure_lines
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.runner import run_cases
from lanner.workbench.suites import read_suite
from tests.unit.default_rules.detection import RULES

TESTS = RULES.parent / "rule_tests"
FILES = sorted(TESTS.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_alerts_are_as_expected(path: Path) -> None:
    (file,), _ = read_rule_files([path])
    book, diagnostics = RuleBook(), Diagnostics()
    outcomes = run_cases(read_suite(file, book, diagnostics), book)
    assert [found.message for found in diagnostics] == []
    failed = [outcome for outcome in outcomes if not outcome.passed]
    assert ["\n".join(failure_lines(outcome, lambda text, color: text)) for outcome in failed] == []
    assert outcomes


def test_each_file_is_about_the_rules_of_its_name() -> None:
    assert {path.name for path in FILES} <= {path.name for path in RULES.glob("*.yaml")}
