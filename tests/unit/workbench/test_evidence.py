from dataclasses import replace
from pathlib import Path

import pytest

from lanner.condition import parse_condition
from lanner.diagnostics import Diagnostics, MappedText, SourceFile
from lanner.workbench.coverage import Coverage, Part, UnitCoverage, measure
from lanner.workbench.evidence import Sheet, Unit, gather
from lanner.workbench.mutation import mutants, survivors
from lanner.workbench.proof import Proof, prove
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.suites import ReadyCase, read_suite

RULE = """
- macro: write
  condition: ka.verb in (create, update)
- list: quiet
  items: [kubelet, kube-proxy]
- rule: R
  desc: d
  condition: {condition}
  exceptions:
    - name: known
      fields: [ka.user.name]
  output: x
  priority: NOTICE
  source: k8s_audit
"""


def cases_of(folder: Path, condition: str, *cases: str, extra: str = "") -> list[ReadyCase]:
    """Cases of a rule with this condition; each is a merge patch to a base event, and how many alerts it raises."""
    (folder / "rules.yaml").write_text(RULE.replace("{condition}", condition))
    written = ", ".join(
        f"{{name: c{number}, base: request, merge: {case.partition(' -> ')[0]}, expect: {case.partition(' -> ')[2]}}}"
        for number, case in enumerate(cases)
    )
    text = f"rules: [rules.yaml]\ntests: [{{rule: R, {extra} cases: [{written}]}}]"
    diagnostics = Diagnostics()
    found = read_suite(SourceFile(str(folder / "tests.yaml"), text), RuleBook(), diagnostics)
    assert [each.message for each in diagnostics] == []
    return found


def gaps(cases: list[ReadyCase]) -> list[tuple[str, str, tuple[str, ...]]]:
    coverage = measure(gather(cases), [cases[0].loaded])
    return [(unit.unit.name, part.text, part.missing) for unit in coverage.units for part in unit.gaps]


def alive(cases: list[ReadyCase]) -> list[tuple[str, str]]:
    return [(mutant.unit.name, mutant.what) for mutant in survivors(gather(cases))]


def made(cases: list[ReadyCase]) -> list[tuple[str, str]]:
    return [(mutant.unit.name, mutant.what) for mutant in mutants(gather(cases))]


def test_a_part_is_seen_where_evaluation_comes_to_it(tmp_path: Path) -> None:
    condition = "ka.verb = delete and ka.user.name = eve"
    both_false = "{verb: get} -> none"
    assert gaps(cases_of(tmp_path, condition, both_false)) == [
        ("R", "ka.verb = delete", ("true",)),
        ("R", "ka.user.name = eve", ("true", "false")),
    ]
    second_false = "{verb: delete} -> none"
    assert gaps(cases_of(tmp_path, condition, both_false, second_false)) == [("R", "ka.user.name = eve", ("true",))]
    hit = "{verb: delete, user: {username: eve}} -> alert"
    assert gaps(cases_of(tmp_path, condition, both_false, second_false, hit)) == []


def test_of_alternatives_a_later_one_is_seen_where_those_before_fail(tmp_path: Path) -> None:
    condition = "ka.verb = delete or ka.user.name = eve"
    cases = ["{verb: delete, user: {username: eve}} -> alert", "{verb: get} -> none"]
    assert gaps(cases_of(tmp_path, condition, *cases)) == [("R", "ka.user.name = eve", ("true",))]


def test_a_macro_is_a_part_of_its_rule_and_has_parts_of_its_own(tmp_path: Path) -> None:
    condition = "write and ka.user.name = eve"
    assert gaps(cases_of(tmp_path, condition, "{verb: create} -> none")) == [
        ("R", "write", ("false",)),
        ("R", "ka.user.name = eve", ("true",)),
        ("write", "ka.verb in (create, update)", ("false",)),
    ]


def test_rules_without_tests_and_without_alerts_are_named(tmp_path: Path) -> None:
    cases = cases_of(tmp_path, "ka.verb = delete", "{verb: get} -> none")
    coverage = measure(gather(cases), [cases[0].loaded])
    assert (coverage.untested, coverage.never_raised, coverage.never_silent) == ((), ("R",), ())
    raised = measure(gather(cases_of(tmp_path, "ka.verb = delete", "{verb: delete} -> alert")), [])
    assert (raised.never_raised, raised.never_silent, raised.branches) == ((), ("R",), (1, 2))


def test_every_kind_of_mistake_is_made(tmp_path: Path) -> None:
    condition = (
        'write and not (tolower(ka.user.name) startswith "a" or ka.target.name in (x, quiet, y)) and len(ka.uri) > 3'
    )
    found = made(cases_of(tmp_path, condition, "{verb: get} -> none"))
    name = 'tolower(ka.user.name) startswith "a"'
    items = "ka.target.name in (x, quiet, y)"
    assert set(found) == {
        ("R", f"`{condition}` turned into its opposite"),
        ("R", f"`or` for `and` in `{condition}`"),
        ("R", "`write` left out"),
        ("R", f"`not ({name} or {items})` left out"),
        ("R", "`len(ka.uri) > 3` left out"),
        ("R", "`write` turned into its opposite"),
        ("R", f"`not ({name} or {items})` turned into its opposite"),
        ("R", f"`and` for `or` in `{name} or {items}`"),
        ("R", f"`{name}` left out"),
        ("R", f"`{items}` left out"),
        ("R", f"`{name}` turned into its opposite"),
        ("R", f"`contains` for `startswith` in `{name}`"),
        ("R", f"`tolower` left out of `{name}`"),
        ("R", f"`{items}` turned into its opposite"),
        ("R", f"`x` left out of `{items}`"),
        ("R", f"`y` left out of `{items}`"),
        ("R", "`len(ka.uri) > 3` turned into its opposite"),
        ("R", "`>=` for `>` in `len(ka.uri) > 3`"),
        ("write", "`ka.verb in (create, update)` turned into its opposite"),
        ("write", "`create` left out of `ka.verb in (create, update)`"),
        ("write", "`update` left out of `ka.verb in (create, update)`"),
    }
    assert len(found) == len(set(found))


def test_a_mutant_lives_until_a_case_tells_it_from_the_rule(tmp_path: Path) -> None:
    condition = "write and ka.user.name = eve"
    hit = "{verb: create, user: {username: eve}} -> alert"
    few = alive(cases_of(tmp_path, condition, hit))
    assert ("R", "`ka.user.name = eve` left out") in few
    assert ("write", "`update` left out of `ka.verb in (create, update)`") in few
    assert ("R", "`write` turned into its opposite") not in few
    more = [hit, "{verb: update, user: {username: eve}} -> alert", "{verb: get, user: {username: eve}} -> none"]
    assert alive(cases_of(tmp_path, condition, *more, "{verb: create} -> none")) == []


def test_a_mutant_that_raises_as_many_alerts_on_other_events_of_one_case_lives(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULE.replace("{condition}", "ka.verb = create"))
    events = "[{base: request, merge: {verb: create}}, {base: request}]"
    text = f"rules: [rules.yaml]\ntests: [{{rule: R, cases: [{{name: a, events: {events}, expect: alert}}]}}]"
    cases = read_suite(SourceFile(str(tmp_path / "t.yaml"), text), RuleBook(), Diagnostics())
    assert alive(cases) == [("R", "`ka.verb = create` turned into its opposite")]


def test_equal_mistakes_in_one_rule_are_told_apart(tmp_path: Path) -> None:
    condition = "(ka.verb = get and ka.user.name = a) or (ka.verb = get and ka.user.name = b)"
    names = [what for _, what in made(cases_of(tmp_path, condition, "{verb: get} -> none")) if "left out" in what]
    assert "`ka.verb = get` left out" in names
    assert "`ka.verb = get` left out (2)" in names


def test_mistakes_are_put_into_rules_with_overrides_too(tmp_path: Path) -> None:
    overrides = "overrides: [{list: quiet, items: [alice], override: {items: append}}],"
    condition = "ka.user.name in (quiet) and ka.verb = get"
    cases = cases_of(tmp_path, condition, "{verb: get} -> alert", "{verb: list} -> none", extra=overrides)
    assert alive(cases) == [("R", "`ka.user.name in (quiet)` left out")]


def test_values_of_exceptions_are_no_part_of_the_rule(tmp_path: Path) -> None:
    overrides = "overrides: [{rule: R, exceptions: [{name: known, values: [[eve]]}], override: {exceptions: append}}],"
    tests = ["{verb: create} -> alert", "{verb: get} -> none", "{verb: create, user: {username: eve}} -> none"]
    cases = cases_of(tmp_path, "ka.verb = create", *tests, extra=overrides)
    assert cases[0].loaded.rules[0].excepted == ("known",)
    assert made(cases) == [("R", "`ka.verb = create` turned into its opposite")]
    assert alive(cases) == []
    assert gaps(cases) == []


def test_an_alternative_of_a_pattern_is_left_out(tmp_path: Path) -> None:
    cases = cases_of(tmp_path, "ka.verb regex 'get|(de)?list'", "{verb: get} -> alert", "{verb: watch} -> none")
    assert alive(cases) == [("R", "`(de)?list` left out of `ka.verb regex 'get|(de)?list'`")]


@pytest.mark.parametrize("condition", ["write", "not write", "ka.verb = get"])
def test_a_rule_of_a_single_part_has_mutants(tmp_path: Path, condition: str) -> None:
    cases = cases_of(tmp_path, condition, "{verb: create} -> alert")
    assert [what for unit, what in made(cases) if unit == "R"] == [f"`{condition}` turned into its opposite"]


def test_numbers_zero_and_one_are_not_taken_for_false_and_true(tmp_path: Path) -> None:
    condition = "evt.rawtime = 0 or ka.verb = get or ka.user.name = eve or evt.source exists"
    cases = cases_of(tmp_path, condition, "{verb: list} -> alert")
    (sheet,) = gather(cases)
    assert [sheet.holds(child) for child in sheet.root.children] == [0, 0, 0, 1]  # type: ignore[union-attr]  # an `or`


def test_a_sheet_knows_sets_of_events(tmp_path: Path) -> None:
    cases = cases_of(tmp_path, "ka.verb = get", "{verb: get} -> alert", "{verb: list} -> none", "{verb: get} -> alert")
    (sheet,) = gather(cases)
    assert (sheet.all, sheet.holds(sheet.root)) == (0b111, 0b101)
    other = parse_condition(MappedText.literal("not ka.verb = list or ka.verb = get"))
    assert sheet.holds(sheet.root, {id(sheet.root): other}) == 0b101
    assert isinstance(sheet, Sheet)


@pytest.mark.parametrize(("missed", "share"), [(0, "400 of 400 branches, 100%"), (1, "399 of 400 branches, 99%")])
def test_all_branches_alone_are_100_percent(missed: int, share: str) -> None:
    parts = [Part("x", None, seen_true=number >= missed, seen_false=True) for number in range(200)]
    proof = Proof(Coverage((), (), (), (UnitCoverage(Unit("R"), tuple(parts)),)))
    assert [*proof.lines()][-1] == f"1 of 1 rules have tests; these saw {share}"


def test_a_proof_is_what_was_asked_for(tmp_path: Path) -> None:
    cases = cases_of(tmp_path, "write", "{verb: create} -> alert")
    assert prove(cases, coverage=False, mutants=False).as_json() == {}
    assert list(prove(cases, coverage=True, mutants=False).lines())[-1] == (
        "1 of 1 rules have tests; these saw 2 of 4 branches, 50%"
    )
    proof = prove(cases, coverage=False, mutants=True)
    assert list(proof.lines())[-1] == "3 of 4 mutants are noticed by a test"
    assert proof.as_json()["mutants"]["survived"] == [
        {
            "kind": "macro",
            "name": "write",
            "change": "`update` left out of `ka.verb in (create, update)`",
            "file": str(tmp_path / "rules.yaml"),
            "line": 3,
        }
    ]


def test_a_mistake_that_changes_nothing_is_no_gap(tmp_path: Path) -> None:
    change = "`update` left out of `ka.verb in (create, update)`"
    known = frozenset({("write", change)})
    cases = [replace(each, equivalent=known) for each in cases_of(tmp_path, "write", "{verb: create} -> alert")]
    proof = prove(cases, coverage=False)
    assert (proof.is_failed, proof.as_json()["mutants"]["equivalent"]) == (False, 1)
    assert [*proof.lines()] == ["3 of 4 mutants are noticed by a test; 1 changes nothing"]


def test_a_mistake_that_is_noticed_cannot_be_said_to_change_nothing(tmp_path: Path) -> None:
    texts = ("{verb: create} -> alert", "{verb: update} -> alert")
    known = frozenset({("write", "`update` left out of `ka.verb in (create, update)`"), ("write", "gone")})
    proof = prove([replace(each, equivalent=known) for each in cases_of(tmp_path, "write", *texts)], coverage=False)
    assert proof.is_failed
    assert [*proof.lines()] == [
        f"NOT EQUIVALENT {tmp_path / 'rules.yaml'}:3: macro write: `update` left out of `ka.verb in (create, update)`: "
        "a test notices it",
        "4 of 4 mutants are noticed by a test",
    ]
