from pathlib import Path

from tests.unit.workbench.suites import read_text, run_text


def problems(folder: Path, text: str) -> list[tuple[str, str, str]]:
    """Code, message and underlined text of what is wrong with a test file."""
    _, diagnostics = read_text(folder, text)
    return [(found.code.code, found.message, found.span.text if found.span else "") for found in diagnostics]


def test_keys_and_values_that_do_not_fit_are_underlined(tmp_path: Path) -> None:
    text = """
        rules: rules.yaml
        tests:
          - rule: Pod Created
            cases:
              - {name: a, base: create-pod, expects: alert}
              - {name: b, base: create-pod, expect: {priority: severe}}
              - {base: create-pod, expect: none}
    """
    assert problems(tmp_path, text) == [
        ("LN0501", "unknown key `expects`", "expects"),
        ("LN0502", "`priority` takes one of emergency, alert, critical, error, warning, notice, informational, debug, "
         "info", "severe"),
        ("LN0502", "key `name` is missing", "{base: create-pod, expect: none}"),
    ]  # fmt: skip


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "- rule: x\n")[0][:2] == ("LN0502", "a file of rule tests takes a mapping")
    assert problems(tmp_path, "")[0][:2] == ("LN0502", "a file of rule tests takes a mapping")
    assert problems(tmp_path, "a: [\n")[0][0] == "LN0102"
    hints = [found.help for text in ("- rule: x\n", "") for found in read_text(tmp_path, text)[1]]
    assert hints == [
        "`lanner rules check` reads a file of rules; one of tests begins with `tests:`",
        "begin it with `tests:`",
    ]


def test_mistakes_in_overrides_are_underlined_in_the_test_file(tmp_path: Path) -> None:
    text = """
        rules: [rules.yaml]
        tests:
          - rule: Pod Created
            overrides:
              - rule: Pod Created
                condition: and ka.target.nam = x
                override: {condition: append}
            cases: [{name: a, base: create-pod, expect: none}]
    """
    ((code, message, underlined),) = problems(tmp_path, text)
    assert (code, message, underlined) == ("LN0203", "unknown field `ka.target.nam`", "ka.target.nam")


def test_overrides_hold_for_their_test_alone(tmp_path: Path) -> None:
    text = """
        rules: [rules.yaml]
        tests:
          - rule: Pod Created
            overrides: [{list: quiet_users, items: [alice], override: {items: append}}]
            cases: [{name: quiet, base: create-pod, expect: none}]
          - rule: Pod Created
            cases: [{name: loud, base: create-pod, expect: alert}]
    """
    assert [outcome.passed for outcome in run_text(tmp_path, text)] == [True, True]


def test_rules_are_found_beside_the_test_file(tmp_path: Path) -> None:
    assert problems(tmp_path, "rules: [missing.yaml]\ntests: [{cases: []}]")[0][:2] == (
        "LN0101",
        f"cannot read `{tmp_path}/missing.yaml`: no such file or directory",
    )


def test_without_rules_the_default_ones_are_loaded(tmp_path: Path) -> None:
    text = "tests: [{rule: Attach/Exec Pod, cases: [{name: a, base: exec, expect: alert}]}]"
    assert [outcome.passed for outcome in run_text(tmp_path, text)] == [True]


def test_default_rules_can_be_named_beside_others(tmp_path: Path) -> None:
    text = """
        rules: [default, rules.yaml]
        tests:
          - {rule: Attach/Exec Pod, cases: [{name: a, base: exec, expect: alert}]}
          - {rule: Pod Created, cases: [{name: b, base: create-pod, expect: alert}]}
    """
    assert [outcome.passed for outcome in run_text(tmp_path, text)] == [True, True]
