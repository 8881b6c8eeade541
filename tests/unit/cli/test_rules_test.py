import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.unit.cli.conftest import RULES, Lanner

TESTS = """
rules: [rules.yaml]
tests:
  - rule: Pod Created
    event: {base: create-pod}
    cases:
      - {name: by alice, expect: alert}
      - {name: by a kubelet, merge: {user: {username: kubelet}}, expect: none}
"""
FAILING = TESTS + "      - {name: of priority error, expect: {priority: error}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rules and their tests, from which commands are run."""
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "tests.yaml").write_text(TESTS)
    (tmp_path / "failing.yaml").write_text(FAILING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_tests_that_pass_are_counted(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "tests.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("2 tests passed in 1 file (")
    assert lanner("rules", "test", "-q", "tests.yaml").out == ""


def test_a_test_that_fails_is_shown_with_its_place(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "failing.yaml")
    assert ran.code == 1
    assert ran.out.startswith(
        "FAILED failing.yaml:9: Pod Created: of priority error\n"
        "  Pod Created\n"
        "    priority\n"
        "    - Error\n"
        "    + Warning\n"
        "\n"
        "2 tests passed, 1 failed in 1 file ("
    )


def test_errors_in_a_test_file_end_the_command(lanner: Lanner, folder: Path) -> None:
    (folder / "bad.yaml").write_text("tests: [{rule: Pod, cases: [{name: a, expect: none}]}]")
    ran = lanner("rules", "test", "tests.yaml", "bad.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "error[LN0601]: no rule is called `Pod`\n  --> bad.yaml:1:16" in ran.err
    assert ran.err.endswith("error: 1 error in 2 files\n  help: no test was run\n")


def test_folders_and_patterns_stand_for_their_files(lanner: Lanner, folder: Path) -> None:
    (folder / "sub").mkdir()
    for name in ("a.yaml", "b.yml", "notes.txt"):
        (folder / "sub" / name).write_text(TESTS.replace("rules.yaml", "../rules.yaml"))
    assert lanner("rules", "test", "sub").out.startswith("4 tests passed in 2 files")
    assert lanner("rules", "test", "*ts.yaml").out.startswith("2 tests passed in 1 file")
    missing = lanner("rules", "test", "*.json")
    assert (missing.code, missing.err) == (2, "error: no file matches `*.json`\n")
    assert lanner("rules", "test", "none.yaml").code == 2


@pytest.mark.parametrize(
    ("pattern", "number"), [("kubelet", 1), ("BY A", 2), ("pod created", 3), ("failing", 3), ("by*lice", 1)]
)
def test_cases_are_selected_by_file_rule_or_name(lanner: Lanner, folder: Path, pattern: str, number: int) -> None:
    ran = lanner("rules", "test", "--format", "json", "-k", pattern, "failing.yaml")
    assert len(json.loads(ran.out)["tests"]) == number


def test_a_selection_that_fits_nothing_is_an_error(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "-k", "secrets", "tests.yaml")
    assert (ran.code, ran.out, ran.err) == (2, "", "error: no test fits `secrets`\n")


def test_rule_files_beside_tests_are_passed_over_but_not_when_they_are_named(lanner: Lanner, folder: Path) -> None:
    (folder / "failing.yaml").unlink()
    assert lanner("rules", "test", ".").out.startswith("2 tests passed in 1 file")
    assert lanner("rules", "test", "*.yaml").out.startswith("2 tests passed in 1 file")
    named = lanner("rules", "test", "rules.yaml")
    assert named.code == 2
    assert "a file of rule tests takes a mapping" in named.err


def test_rules_on_the_command_line_take_the_place_of_those_in_the_file(lanner: Lanner, folder: Path) -> None:
    (folder / "new.yaml").write_text(RULES.replace("ka.verb = create", "ka.verb = delete"))
    ran = lanner("rules", "test", "-r", "new.yaml", "tests.yaml")
    assert ran.code == 1
    assert "  - Pod Created was not raised\n" in ran.out


def test_json_has_each_case_and_what_differs(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "--format", "json", "failing.yaml")
    found = json.loads(ran.out)
    assert (ran.code, found["ok"], found["passed"], found["failed"]) == (1, False, 2, 1)
    last = found["tests"][-1]
    assert (last["file"], last["line"], last["rules"], last["name"], last["ok"]) == (
        "failing.yaml",
        9,
        ["Pod Created"],
        "of priority error",
        False,
    )
    assert last["different"] == [
        {
            "rule": "Pod Created",
            "differences": [{"name": "priority", "expected": "Error", "actual": "Warning"}],
        }
    ]
    assert found["tests"][0]["alerts"][0]["output_fields"] == {"ka.target.name": "web", "ka.user.name": "alice"}


def test_junit_has_a_suite_for_each_file(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "--format", "junit", "--junit", "out.xml", "tests.yaml", "failing.yaml")
    assert ran.code == 1
    assert ran.out == (folder / "out.xml").read_text()
    root = ElementTree.fromstring(ran.out)
    assert root.attrib == {"tests": "5", "failures": "1", "errors": "0", "skipped": "0"}
    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [
        ("tests.yaml", "0"),
        ("failing.yaml", "1"),
    ]
    (failure,) = root.iter("failure")
    assert failure.text == "  Pod Created\n    priority\n    - Error\n    + Warning"


def test_a_name_that_no_xml_can_hold_is_made_visible(lanner: Lanner, folder: Path) -> None:
    (folder / "odd.yaml").write_text(TESTS.replace("by alice", r'"by \e[31m \x01"'))
    root = ElementTree.fromstring(lanner("rules", "test", "--format", "junit", "odd.yaml").out)
    assert r"by \x1b[31m \x01" in [case.get("name") for case in root.iter("testcase")]


def test_a_file_that_cannot_be_written_is_an_error(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "--junit", "no/such/folder.xml", "tests.yaml")
    assert (ran.code, ran.err) == (1, "error: cannot write `no/such/folder.xml`: no such file or directory\n")


def test_without_a_file_the_tests_of_the_default_rules_are_run(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "-k", "Attach/Exec Pod", "--format", "json")
    assert json.loads(ran.out)["ok"]


def test_an_update_writes_what_comes_out(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "--update", "failing.yaml")
    assert (ran.code, ran.err) == (0, "updated `failing.yaml`\n")
    assert (folder / "failing.yaml").read_text() == FAILING.replace("{priority: error}", "{priority: Warning}")
    again = lanner("rules", "test", "--update", "failing.yaml")
    assert (again.code, again.err) == (0, "")


def test_an_update_leaves_alone_what_was_not_selected(lanner: Lanner, folder: Path) -> None:
    assert lanner("rules", "test", "--update", "-k", "by alice", "failing.yaml").code == 0
    assert (folder / "failing.yaml").read_text() == FAILING


def test_coverage_and_mutants_follow_the_results(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "test", "--coverage", "--mutants", "tests.yaml")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert "no test is about `Anything by Eve`" in lines
    assert "rules.yaml:8: Pod Created: `pod` is never false" in lines
    assert "1 of 3 rules have tests; these saw 5 of 8 branches, 62%" in lines
    assert "SURVIVED rules.yaml:8: Pod Created: `ka.verb = create` left out" in lines
    assert lines[-1] == "7 of 9 mutants are noticed by a test"
    found = json.loads(lanner("rules", "test", "--coverage", "--mutants", "--format", "json", "tests.yaml").out)
    assert (found["coverage"]["seen"], found["mutants"]["tried"]) == (5, 9)
