"""A condition by itself."""

import pytest

from lanner.compiler.single import check_single
from lanner.condition import parse_condition
from lanner.diagnostics import Diagnostics, MappedText


@pytest.mark.parametrize(
    ("condition", "output", "segments"),
    [
        ("ka.verb=get", None, 0),
        ("ka.verb=get", "user %ka.user.name", 2),
        ("jevt.value[/verb] in (a, b) or not ka.target.name exists", "x", 1),
    ],
)
def test_a_condition_becomes_a_rule(condition: str, output: str | None, segments: int) -> None:
    diagnostics = Diagnostics()
    rule = check_single(condition, output, diagnostics)
    assert rule is not None
    assert list(diagnostics) == []
    assert rule.condition == parse_condition(MappedText.literal(condition))
    assert (rule.condition_text, rule.output_text) == (condition, output or "")
    assert len(rule.output.segments) == segments


@pytest.mark.parametrize(
    ("condition", "output", "codes"),
    [
        ("", None, ["LN0201"]),
        ("ka.verb=", None, ["LN0201"]),
        ("a_macro and ka.verb=get", None, ["LN0202"]),
        ("ka.verbs=get or ka.user.names=x", None, ["LN0203", "LN0203"]),
        ("ka.verb regex '('", None, ["LN0206"]),
        ("ka.verb=get", "", ["LN0301"]),
        ("ka.verb=get", "100%", ["LN0301"]),
        ("ka.verbs=get", "%nope.nope", ["LN0203", "LN0302"]),
        ("ka.verb=", "%", ["LN0201", "LN0301"]),
        ("proc.name=sh", None, ["LN0203"]),
    ],
)
def test_all_that_is_wrong_is_told(condition: str, output: str | None, codes: list[str]) -> None:
    diagnostics = Diagnostics()
    assert check_single(condition, output, diagnostics) is None
    assert sorted(found.code.code for found in diagnostics) == codes
    for found in diagnostics:
        assert found.span is not None
        assert found.file_name == ("output" if found.code.code.startswith("LN03") else "condition")


def test_a_warning_does_not_stop_it() -> None:
    diagnostics = Diagnostics()
    assert check_single("ka.verb = ka.user.name", None, diagnostics) is not None
    assert [found.code.code for found in diagnostics] == ["compile_condition"]
