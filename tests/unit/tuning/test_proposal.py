"""The rule file that is proposed: it loads, and silences what its rows say and nothing else."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lanner import Engine, compile_rules
from lanner.compiler.load import load
from lanner.diagnostics import SourceFile
from lanner.tuning.noise import Row
from lanner.tuning.proposal import collected, literal, proposal
from tests.unit.default_rules.builders import event

RULES = """
- list: bot
  items: [x, y]
- rule: R
  desc: d
  condition: ka.verb = get
  exceptions:
    - name: known
      fields: [ka.target.namespace, ka.user.name]
    - name: tuned_user
      fields: [ka.user.name]
      comps: [startswith]
  output: "%ka.user.name %ka.target.namespace %ka.verb"
  priority: NOTICE
  source: k8s_audit
"""
BASE = SourceFile("base", RULES)


def proposed(*rows: Row) -> str:
    return proposal(rows, collected([BASE]), "Made for a test.")


def silenced(text: str, user: str, ns: str | None = None) -> bool:
    result = load([BASE, SourceFile("proposal", text)])
    assert result.rules is not None, [each.message for each in result.diagnostics]
    warnings = {each.code.code for each in result.diagnostics}
    assert warnings <= {"unused_list", "compile_condition"}  # the latter for a user whose name is that of a field
    sent = json.dumps(event("get", "secrets", user=user, ns=ns)).encode()
    return not Engine(compile_rules(result.rules)).process(sent).alerts


def test_an_exception_with_the_same_fields_gets_more_values_in_its_order() -> None:
    text = proposed(Row("R", ("ka.user.name", "ka.target.namespace"), ("ann", "ci"), 5))
    assert text == (
        "# Made for a test.\n\n- rule: R\n  exceptions:\n    - name: known\n      values:\n        # 5 alerts\n"
        "        - [ci, ann]\n  override:\n    exceptions: append\n"
    )
    assert silenced(text, "ann", "ci")
    assert not silenced(text, "ann", "other")
    assert not silenced(text, "eve", "ci")


def test_other_fields_make_an_exception_of_a_free_name() -> None:
    text = proposed(Row("R", ("ka.user.name",), ("ann",), 5, "careful"))
    assert "    - name: tuned_user_2\n      fields: [ka.user.name]\n" in text
    assert "# 5 alerts; attention: careful\n" in text
    assert silenced(text, "ann")
    assert not silenced(text, "anna")


def test_rows_of_one_rule_stand_in_one_item() -> None:
    text = proposed(
        Row("R", ("ka.user.name", "ka.target.namespace"), ("a", "n"), 3),
        Row("R", ("ka.user.name", "ka.target.name"), ("b", "thing"), 2),
        Row("R", ("ka.user.name", "ka.target.namespace"), ("c", "n"), 1),
    )
    assert text.count("- rule: R") == 1
    assert all(silenced(text, user, "n") for user in "abc")
    assert not silenced(text, "d", "n")


def test_nothing_is_proposed_without_rows() -> None:
    assert proposed() == ""


def test_a_name_of_a_list_or_field_is_taken_as_a_text() -> None:
    for user in ("bot", "ka.user.name", "tolower(ka.verb)", "(a, b)", "x", "'x'", '"x"', "a,b", "val(ka.verb)"):
        text = proposed(Row("R", ("ka.user.name", "ka.target.namespace"), (user, "ci"), 5))
        assert silenced(text, user, "ci"), user
        assert silenced(text, "x", "ci") == (user == "x"), user


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20))
def test_any_text_silences_itself_alone(user: str) -> None:
    text = proposed(Row("R", ("ka.user.name", "ka.target.namespace"), (user, "ci"), 5))
    assert silenced(text, user, "ci")
    assert not silenced(text, user + "x", "ci")
    assert not silenced(text, user[1:], "ci")


def test_plain_names_stay_plain() -> None:
    assert literal("system:serviceaccount:ci:bot") == "system:serviceaccount:ci:bot"
    assert literal("a b") == '"a b"'
    assert literal("bot", ["bot"]) == '"bot"'
