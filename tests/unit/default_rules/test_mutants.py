"""The tests of the default rules notice every mistake that `lanner.workbench.mutation` can put into a condition.

All mutants of rules and macros are tried against the cases of all files: some thousand, in seconds.
"""

from __future__ import annotations

from functools import cache

from lanner.diagnostics import Diagnostics
from lanner.rules.files import read_rule_files
from lanner.workbench.coverage import measure
from lanner.workbench.evidence import Sheet, gather
from lanner.workbench.mutation import mutants
from lanner.workbench.proof import prove
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.suites import ReadyCase, read_suite
from tests.unit.default_rules.detection import RULES, load_default_rules


@cache
def _cases() -> list[ReadyCase]:
    """The cases of all files."""
    book, diagnostics = RuleBook(), Diagnostics()
    files, _ = read_rule_files([RULES.parent / "rule_tests"])
    cases = [case for file in files for case in read_suite(file, book, diagnostics)]
    assert [found.message for found in diagnostics] == []
    return cases


@cache
def _sheets() -> list[Sheet]:
    """What they show."""
    return gather(_cases())


def test_every_mutant_is_noticed_by_a_case_or_changes_nothing() -> None:
    proof = prove(_cases(), coverage=False)
    assert [*proof.lines()][:-1] == []
    assert proof.equivalent == len({each for case in _cases() for each in case.equivalent})


def test_every_rule_is_seen_to_fire_and_to_stay_silent() -> None:
    coverage = measure(_sheets(), [load_default_rules()])
    assert (coverage.untested, coverage.never_raised, coverage.never_silent) == ((), (), ())


def test_every_rule_and_every_macro_in_use_has_mutants() -> None:
    tried = mutants(_sheets())
    loaded = load_default_rules()
    wanted = {rule.name for rule in loaded.rules} | {macro.name for macro in loaded.macros if macro.used}
    assert wanted - {mutant.unit.name for mutant in tried} == set()
    assert len(tried) > 3000
