from pathlib import Path
from textwrap import dedent

import pytest

from lanner.diagnostics import SourceFile
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.update import updated, write
from tests.unit.workbench.suites import RULES


def after_update(folder: Path, cases: str, rule: str = "rule: Pod Created") -> str:
    """The cases of a test, one item each, after the update."""
    (folder / "rules.yaml").write_text(RULES)
    head = f"rules: [rules.yaml]\ntests:\n  - {rule}\n    cases:\n"
    text = head + "".join(f"      {line}\n" if line else "\n" for line in dedent(cases).strip().splitlines())
    file = SourceFile(str(folder / "tests.yaml"), text)
    changed = updated(file, RuleBook(), lambda case: True).text
    assert changed.startswith(head)
    assert updated(SourceFile(file.name, changed), RuleBook(), lambda case: True).text == changed
    return dedent(changed.removeprefix(head))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{name: a, base: create-pod, expect: none}  # why",
         "{name: a, base: create-pod, expect: {priority: Warning}}  # why"),
        ("{name: a, base: create-pod}", "{name: a, base: create-pod, expect: {priority: Warning}}"),
        ("{name: a, base: create-pod, expect: alert}", "{name: a, base: create-pod, expect: alert}"),
        ("{name: a, base: get-pod, expect: alert}", "{name: a, base: get-pod, expect: none}"),
        ("{name: a, base: get-pod, expect: [alert, alert]}", "{name: a, base: get-pod, expect: none}"),
        ("{name: a, base: create-pod, expect: [alert, alert]}", "{name: a, base: create-pod, expect: alert}"),
        (
            "{name: a, events: [{base: create-pod}, {base: get-pod}, {base: create-pod}], expect: each}",
            "{name: a, events: [{base: create-pod}, {base: get-pod}, {base: create-pod}], "
            "expect: [{priority: Warning}, {priority: Warning}]}",
        ),
        (
            "{name: a, events: [{base: create-pod}, {base: create-pod}], expect: alert}",
            "{name: a, events: [{base: create-pod}, {base: create-pod}], expect: [alert, {priority: Warning}]}",
        ),
        (
            "{name: a, base: create-pod, expect: {priority: error, fields: {ka.user.name: x, ka.verb: null}}}",
            "{name: a, base: create-pod, expect: {priority: Warning, fields: {ka.user.name: alice, ka.verb: null}}}",
        ),
    ],
)  # fmt: skip
def test_a_case_on_one_line_stays_on_it(tmp_path: Path, before: str, after: str) -> None:
    assert after_update(tmp_path, f"- {before}") == f"- {after}\n"


def test_a_case_of_several_lines_keeps_its_comments(tmp_path: Path) -> None:
    before = """
        # head
        - name: a     # name
          # between
          base: create-pod
          # before
          expect:
            # first
            - {priority: error}   # loud
            - priority: critical
              output: >-
                some
                text
            # last
            - alert

        # next
        - name: b
          base: create-pod   # made
          # end
    """
    after = """
        # head
        - name: a     # name
          # between
          base: create-pod
          # before
          expect:
            # first
            # last
            - alert

        # next
        - name: b
          base: create-pod   # made
          expect: {priority: Warning}
          # end
    """
    assert after_update(tmp_path, before) == dedent(after).lstrip("\n")


def test_only_what_differs_within_an_alert_is_written(tmp_path: Path) -> None:
    before = """
        - name: a
          base: create-pod
          expect:
            priority: error    # how loud
            # the text
            output: |
              wrong
            fields:
              ka.sourceips: [a]   # from
              ka.impuser.name: x
        - {name: b, base: get-pod, expect: none}
    """
    after = """
        - name: a
          base: create-pod
          expect:
            priority: Warning    # how loud
            # the text
            output: pod created (user=alice pod=web from=(203.0.113.7) impersonated=<NA>)
            fields:
              ka.sourceips: [203.0.113.7]   # from
              ka.impuser.name: null
        - {name: b, base: get-pod, expect: none}
    """
    assert after_update(tmp_path, before) == dedent(after).lstrip("\n")


def test_alerts_are_added_where_others_are(tmp_path: Path) -> None:
    before = """
        - name: a
          base: create-pod
          merge: {user: {username: eve}}
          expect:
            - Pod Created   # known
        - name: b
          base: create-pod
          merge: {user: {username: eve}}
          expect: none
    """
    after = """
        - name: a
          base: create-pod
          merge: {user: {username: eve}}
          expect:
            - Pod Created   # known
            - {rule: Anything by Eve, priority: Notice}
        - name: b
          base: create-pod
          merge: {user: {username: eve}}
          expect:
            - {rule: Pod Created, priority: Warning}
            - {rule: Anything by Eve, priority: Notice}
    """
    changed = after_update(tmp_path, before, rule="rule: [Pod Created, Anything by Eve]")
    assert changed == dedent(after).lstrip("\n")


def test_texts_of_an_attacker_cannot_leave_their_quotes(tmp_path: Path) -> None:
    hostile = r'"x, b: {c: \"d\"}]\n- # \e[31m"'
    case = "- {name: a, base: create-pod, merge: {user: {username: HOSTILE}}, expect: {fields: {ka.user.name: a}}}"
    case = case.replace("HOSTILE", hostile)
    (line,) = after_update(tmp_path, case).splitlines()
    assert line.startswith(case[: case.index("expect")])
    assert "\x1b" not in line


def test_cases_that_were_not_chosen_stay(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    cases = "[{name: a, base: create-pod, expect: none}, {name: b, base: create-pod, expect: none}]"
    file = SourceFile(str(tmp_path / "t.yaml"), f"rules: rules.yaml\ntests: [{{rule: Pod Created, cases: {cases}}}]")
    changed = updated(file, RuleBook(), lambda case: case.name == "b").text
    assert changed == file.text.replace("expect: none}]", "expect: {priority: Warning}}]")


def test_a_file_with_errors_stays(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    cases = "[{name: a, base: create-pod, expect: none}, {name: b, base: crate-pod, expect: none}]"
    file = SourceFile(str(tmp_path / "t.yaml"), f"rules: rules.yaml\ntests: [{{rule: Pod Created, cases: {cases}}}]")
    assert updated(file, RuleBook(), lambda case: True) is file


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path, link = tmp_path / "tests.yaml", tmp_path / "link.yaml"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write(SourceFile(str(link), "new\r\n"))
    assert (path.read_bytes(), path.stat().st_mode & 0o777, link.is_symlink()) == (b"new\r\n", 0o640, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.yaml", "tests.yaml"]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gone\.yaml") as caught:
        write(SourceFile(str(tmp_path / "gone.yaml"), "new"))
    assert caught.value.filename == str(tmp_path / "gone.yaml")
    assert list(tmp_path.iterdir()) == []


def test_an_alias_is_left_to_people_and_an_anchor_stays(tmp_path: Path) -> None:
    before = """
        - name: a
          base: create-pod
          expect: &both
            - alert
            - {priority: error}
        - {name: b, base: create-pod, expect: *both}
        - {name: c, base: create-pod, merge: &eve {user: {username: eve}}, expect: &one {priority: error}}
        - name: d
          base: create-pod
          merge: *eve
        - {name: e, base: create-pod, merge: *eve}
        - {name: f, base: create-pod, expect: [*one]}
    """
    after = """
        - name: a
          base: create-pod
          expect: &both
            - alert
        - {name: b, base: create-pod, expect: *both}
        - {name: c, base: create-pod, merge: &eve {user: {username: eve}}, expect: &one {priority: Warning}}
        - name: d
          base: create-pod
          merge: *eve
          expect: {priority: Warning}
        - {name: e, base: create-pod, merge: *eve, expect: {priority: Warning}}
        - {name: f, base: create-pod, expect: [*one]}
    """
    assert after_update(tmp_path, before) == dedent(after).lstrip("\n")


def test_a_case_at_the_end_of_a_file_without_a_line_break_is_completed(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    text = "rules: rules.yaml\ntests:\n- rule: Pod Created\n  cases:\n  - name: a\n    base: create-pod"
    file = SourceFile(str(tmp_path / "t.yaml"), text)
    assert updated(file, RuleBook(), lambda case: True).text == f"{text}\n    expect: {{priority: Warning}}"


def test_cases_that_are_used_twice_are_written_once(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    text = (
        "rules: rules.yaml\ntests:\n"
        "  - rule: Pod Created\n    cases: &same\n      - name: a\n        base: create-pod\n"
        "  - {rule: Pod Created, cases: *same}\n"
    )
    changed = updated(SourceFile(str(tmp_path / "t.yaml"), text), RuleBook(), lambda case: True).text
    assert changed == text.replace("create-pod\n", "create-pod\n        expect: {priority: Warning}\n")
