"""Proposals put into a local file: each exception once, and the rest of the file as it was."""

import pytest

from lanner.compiler.load import load
from lanner.diagnostics import SourceFile
from lanner.tuning.merge import is_covered, merged
from lanner.tuning.noise import Row
from lanner.tuning.proposal import collected

BASE = SourceFile(
    "base",
    """
- list: bots
  items: [x, y]
- rule: R
  desc: d
  condition: ka.verb = get
  output: "%ka.user.name"
  priority: NOTICE
  source: k8s_audit
- rule: S
  desc: d
  condition: ka.verb = list
  output: "%ka.user.name"
  priority: NOTICE
  source: k8s_audit
""",
)
LOCAL = """\
# mine
- rule: R
  exceptions:
    - name: tuned_user
      fields: [ka.user.name]
      values:
        # 3 alerts
        - [ann]  # on call
    # of the summer
    - name: tuned_user_namespace
      fields: [ka.user.name, ka.target.namespace]
      values: [[bob, ci]]
  override:
    exceptions: append

- list: bots
  items: [z]
  override:
    items: append
"""
USER, NS = "ka.user.name", "ka.target.namespace"


def put(local: str, *rows: Row) -> str:
    file = SourceFile("local", local)
    text = merged(file, rows, collected([BASE, file]), "Made for a test.\nToday.")
    result = load([BASE, SourceFile("local", text)])
    assert result.rules is not None, [each.message for each in result.diagnostics]
    base = collected([BASE, SourceFile("local", text)])
    assert all(is_covered(row, base) for row in rows)
    return text


def test_values_are_put_behind_those_of_the_exception() -> None:
    assert put(LOCAL, Row("R", (USER,), ("carol",), 1)) == LOCAL.replace(
        "- [ann]  # on call\n", "- [ann]  # on call\n        # 1 alert\n        - [carol]\n"
    )


def test_a_new_exception_is_put_into_the_item_of_its_rule() -> None:
    text = put(LOCAL, Row("R", (NS,), ("dev",), 7))
    assert text.count("- rule: R") == 1
    new = "    - name: tuned_namespace\n      fields: [ka.target.namespace]\n      values:\n"
    assert text == LOCAL.replace("[[bob, ci]]\n", f"[[bob, ci]]\n{new}        # 7 alerts\n        - [dev]\n")


def test_what_has_no_place_goes_to_the_end_below_one_heading() -> None:
    once = put(LOCAL, Row("R", (USER, NS), ("ann", "ci"), 7), Row("S", (USER,), ("ann",), 7))
    assert once.startswith(LOCAL)
    assert once.count("# Made for a test.\n# Today.\n") == 1
    twice = put(once, Row("S", (NS,), ("ci",), 7))
    assert twice.count("# Made for a test.") == 1
    assert twice.count("- rule: S") == 1


WIDE = """\
- rule: R
  exceptions:
  -   name: tuned_user
      fields: [ka.user.name]
      values:
      -   [ann]
  override: {exceptions: append}
"""


@pytest.mark.parametrize("local", ["", "\n", "# nothing yet\n", LOCAL.rstrip("\n"), WIDE])
def test_any_file_takes_exceptions(local: str) -> None:
    text = put(local, Row("R", (USER,), ("carol",), 1), Row("S", (USER,), ("carol",), 1))
    assert text.endswith("\n")
    assert text.startswith(local.strip("\n")[:7])


def test_an_alias_is_left_as_it_is() -> None:
    local = """\
- rule: S
  exceptions: &both
    - name: tuned_user
      fields: [ka.user.name]
      values:
        - [ann]
  override: {exceptions: append}
- rule: R
  exceptions: *both
  override: {exceptions: append}
"""
    text = put(local, Row("R", (USER,), ("carol",), 1))
    assert text.startswith(local)
    assert not is_covered(Row("S", (USER,), ("carol",), 1), collected([BASE, SourceFile("local", text)]))


def covering(exceptions: str, row: Row) -> bool:
    local = f"- rule: R\n  exceptions:\n    - name: e\n{exceptions}\n  override: {{exceptions: append}}\n"
    return is_covered(row, collected([BASE, SourceFile("local", local)]))


def test_what_a_broader_exception_lets_pass_is_covered() -> None:
    row = Row("R", (USER, NS), ("ann", "ci"), 1)
    assert covering("      fields: [ka.user.name]\n      values: [[ann]]", row)
    assert covering("      fields: ka.user.name\n      comps: in\n      values: [bob, ann]", row)
    assert covering("      fields: [ka.target.namespace]\n      comps: [in]\n      values: [[[dev, ci]]]", row)
    assert covering("      fields: [ka.user.name, ka.target.namespace]\n      values: [[bob, ci], [ann, ci]]", row)


def test_what_is_narrower_or_compared_otherwise_covers_nothing() -> None:
    row = Row("R", (USER,), ("ann",), 1)
    assert not covering("      fields: [ka.user.name, ka.target.namespace]\n      values: [[ann, ci]]", row)
    assert not covering("      fields: [ka.user.name]\n      comps: [startswith]\n      values: [[ann]]", row)
    assert not covering("      fields: [ka.user.name]\n      values: [[anna]]", row)
    assert not covering("      fields: [ka.user.name]", row)
    assert not is_covered(Row("Other", (USER,), ("ann",), 1), collected([BASE]))


def test_the_name_of_a_list_covers_no_user_of_that_name() -> None:
    row = Row("R", (USER,), ("bots",), 1)
    assert not covering("      fields: ka.user.name\n      comps: in\n      values: [bots]", row)
    assert covering("      fields: [ka.user.name]\n      values: [['\"bots\"']]", row)
