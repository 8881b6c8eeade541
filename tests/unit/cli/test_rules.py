import json
from pathlib import Path

import pytest

from lanner.diagnostics import CODES

from .conftest import RULES, Lanner


def test_check_of_good_rules_says_how_many_there_are(lanner: Lanner, rules: Path) -> None:
    ran = lanner("rules", "check", rules)
    assert (ran.code, ran.out, ran.err) == (0, "", "3 rules, no problems\n")


def test_check_reports_every_problem_with_its_place(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        RULES.replace("ka.target.resource", "ka.target.resurce").replace("%ka.verb", "%ka.nope")
        + "- macro: idle\n  condition: pod\n"
    )
    rules.write_text("- list: idle\n  items: [1]\n")
    ran = lanner("rules", "check", bad, rules)
    assert ran.code == 2
    assert "error[LN0203]: " in ran.out
    assert "error[LN0302]: " in ran.out
    assert f"--> {bad}:5:14" in ran.out
    assert ran.err.endswith(" in 2 files\n")
    assert ran.err.startswith("2 errors")


def test_check_as_json_has_the_shape_of_the_contract(lanner: Lanner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("ka.verb =", "ka.verbb ="))
    ran = lanner("rules", "check", "--format", "json", bad)
    found = json.loads(ran.out)
    assert ran.code == 2
    assert found["ok"] is False
    [problem] = found["diagnostics"]
    assert set(problem) == {
        "severity", "code", "falco_code", "message", "file", "line", "column", "end_line", "end_column", "help",
    }  # fmt: skip
    assert (problem["severity"], problem["code"], problem["falco_code"]) == (
        "error",
        "LN0203",
        "LOAD_ERR_COMPILE_CONDITION",
    )
    line = bad.read_text().splitlines()[problem["line"] - 1]
    assert line[problem["column"] - 1 : problem["end_column"] - 1] == "ka.verbb"
    assert problem["help"] == "did you mean `ka.verb`?"


def test_warnings_alone_are_no_failure(lanner: Lanner, rules: Path) -> None:
    rules.write_text(RULES + "- macro: idle\n  condition: pod\n")
    ran = lanner("rules", "check", rules)
    assert ran.code == 0
    assert "warning[unused_macro]: " in ran.out
    assert ran.err == "1 warning in 1 file\n"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[1, 2, 3]\n", "LN0104"),
        (b"text\n", "LN0103"),
        (b"\x00\x01\x02\xff\xfe", "LN0101"),
        (bytes(range(256)), "LN0101"),
        (b"\tx: [", "LN0102"),
        (b"a: b\n", "LN0103"),
    ],
)
def test_a_file_that_is_no_rule_file_is_refused_with_its_reason(
    lanner: Lanner, tmp_path: Path, content: bytes, code: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(content)
    ran = lanner("rules", "check", bad)
    assert ran.code == 2
    assert f"error[{code}]" in ran.out
    assert str(bad) in ran.out


def test_a_missing_rule_file_is_an_error_of_its_own(lanner: Lanner, tmp_path: Path) -> None:
    ran = lanner("rules", "check", tmp_path / "none.yaml")
    assert ran.code == 2
    assert "error[LN0101]" in ran.out


def test_color_marks_the_severity_only_when_asked_for(lanner: Lanner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("ka.verb =", "ka.verbb ="))
    assert "\x1b[31m\x1b[1merror[LN0203]\x1b[0m: " in lanner("rules", "check", "--color", "always", bad).out
    assert "\x1b" not in lanner("rules", "check", bad).out


def test_list_shows_a_rule_a_line_in_columns(lanner: Lanner, rules: Path) -> None:
    assert lanner("rules", "list", "-r", rules).out.splitlines() == [
        "Pod Created      Warning  k8s_audit  enabled   k8s, pods",
        "Anything by Eve  Notice   k8s_audit  enabled   users",
        "Off              Debug    k8s_audit  disabled",
    ]


def test_list_as_json_is_a_list_of_objects(lanner: Lanner, rules: Path) -> None:
    found = json.loads(lanner("rules", "list", "-r", rules, "--format", "json").out)
    assert found[0] == {
        "name": "Pod Created",
        "priority": "Warning",
        "source": "k8s_audit",
        "tags": ["k8s", "pods"],
        "level": "Metadata",
        "full_level": "Metadata",
        "description": "Somebody made a pod.",
        "false_positives": "",
        "references": [],
        "enabled": True,
    }
    assert [rule["enabled"] for rule in found] == [True, True, False]


def test_list_without_rules_shows_the_default_ones(lanner: Lanner) -> None:
    ran = lanner("rules", "list")
    assert ran.code == 0
    assert len(ran.out.splitlines()) > 20


def test_rules_of_ones_own_are_loaded_behind_the_default_ones(lanner: Lanner, rules: Path) -> None:
    both = lanner("rules", "list", "-r", "default", "-r", rules)
    assert both.out.split() == [*lanner("rules", "list").out.split(), *lanner("rules", "list", "-r", rules).out.split()]
    text = "- rule: Create Privileged Pod\n  priority: CRITICAL\n  override: {priority: replace}\n"
    rules.write_text(
        text + "- rule: Own\n  desc: d\n  condition: pod_exec\n  output: o\n  priority: INFO\n  source: k8s_audit\n"
    )
    assert lanner("rules", "check", rules).code == 2
    assert lanner("rules", "check", "default", rules).code == 0


def test_show_has_the_rule_as_written_and_expanded(lanner: Lanner, rules: Path) -> None:
    out = lanner("rules", "show", "-r", rules, "Pod Created").out
    assert out.startswith("rule: Pod Created\npriority: Warning\nsource: k8s_audit\ntags: k8s, pods\nenabled: yes\n")
    assert f"defined at: {rules}:6\n" in out
    assert "description:\n  Somebody made a pod.\n" in out
    assert "condition:\n  pod and ka.verb = create and not ka.user.name in (quiet_users)\n" in out
    assert "ka.target.resource = pods and ka.verb = create and not ka.user.name in (kubelet)\n" in out
    assert "output:\n  pod created (user=%ka.user.name pod=%ka.target.name)\n" in out


def test_show_compiled_is_the_code_that_runs(lanner: Lanner, rules: Path) -> None:
    out = lanner("rules", "show", "-r", rules, "Pod Created", "--compiled").out
    assert "def " in out
    compile(out, "shown", "exec")


def test_show_of_an_unknown_rule_suggests_a_near_one(lanner: Lanner, rules: Path) -> None:
    ran = lanner("rules", "show", "-r", rules, "Pod Creatd")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: no rule is named `Pod Creatd`\n  help: did you mean `Pod Created`?\n"


@pytest.mark.parametrize("code", sorted(CODES))
def test_explain_knows_every_code(lanner: Lanner, code: str) -> None:
    ran = lanner("rules", "explain", code.lower())
    assert ran.code == 0
    assert f"{CODES[code].title}\n{CODES[code].explanation}\n" in ran.out


def test_explain_finds_all_that_falco_gives_one_code(lanner: Lanner) -> None:
    assert lanner("rules", "explain", "LOAD_ERR_COMPILE_OUTPUT").out.count("Falco: LOAD_ERR_COMPILE_OUTPUT") == 4


def test_explain_of_an_unknown_code_suggests(lanner: Lanner) -> None:
    ran = lanner("rules", "explain", "unused_marco")
    assert ran.code == 2
    assert ran.err == "error: unknown code `unused_marco`\n  help: did you mean `unused_macro`?\n"
