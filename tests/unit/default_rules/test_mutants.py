"""The tests of the default rules notice every mistake that `lanner.workbench.mutation` can put into a condition.

All mutants of rules and macros are tried against the cases of all files: some thousand, in seconds.
"""

from __future__ import annotations

from functools import cache

from lanner.diagnostics import Diagnostics
from lanner.rules.files import read_rule_files
from lanner.workbench.coverage import measure
from lanner.workbench.evidence import Sheet, gather
from lanner.workbench.mutation import Mutant, mutants, survivors
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.suites import read_suite
from tests.unit.default_rules.detection import RULES, load_default_rules

EQUIVALENT = {
    ("Path Traversal Tried", '`ka.uri contains ".." or ka.uri icontains "%2e"` left out'): (
        "it only spares most paths the regular expression"
    ),
    ("Ingress Object without TLS Certificate Created", "`changed` left out"): (
        "a patch with the code 201 has created the ingress, and then the other alternative holds"
    ),
    ("Ingress Object without TLS Certificate Created", "`ka.verb = patch` left out"): (
        "an update whose list of certificates is empty fits the other alternative, and an update removes nothing"
    ),
}
"""Mistakes that change nothing, by rule or macro, with the reason."""


@cache
def _sheets() -> list[Sheet]:
    """What the cases of all files show."""
    book, diagnostics = RuleBook(), Diagnostics()
    files, _ = read_rule_files([RULES.parent / "rule_tests"])
    sheets = gather(case for file in files for case in read_suite(file, book, diagnostics))
    assert [found.message for found in diagnostics] == []
    return sheets


@cache
def _mutants() -> tuple[list[Mutant], list[Mutant]]:
    """All mutants, and those that no case notices."""
    sheets = _sheets()
    tried = mutants(sheets)
    return tried, survivors(sheets, tried)


def test_every_mutant_is_noticed_by_a_case() -> None:
    _, alive = _mutants()
    assert [(each.unit.name, each.what) for each in alive if (each.unit.name, each.what) not in EQUIVALENT] == []


def test_mutants_listed_as_equivalent_exist_and_live() -> None:
    _, alive = _mutants()
    assert set(EQUIVALENT) <= {(each.unit.name, each.what) for each in alive}


def test_every_rule_is_seen_to_fire_and_to_stay_silent() -> None:
    coverage = measure(_sheets(), [load_default_rules()])
    assert (coverage.untested, coverage.never_raised, coverage.never_silent) == ((), (), ())


def test_every_rule_and_every_macro_in_use_has_mutants() -> None:
    tried, _ = _mutants()
    loaded = load_default_rules()
    wanted = {rule.name for rule in loaded.rules} | {macro.name for macro in loaded.macros if macro.used}
    assert wanted - {mutant.unit.name for mutant in tried} == set()
    assert len(tried) > 3000
