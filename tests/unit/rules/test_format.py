"""Rule files laid out anew: what changes, and what never does."""

from pathlib import Path

import pytest
from docs.detections import RULES

from lanner.diagnostics import Diagnostics, MappedText, SourceFile
from lanner.rules import format as module
from lanner.rules.format import FormatError, format_rules, meaning
from lanner.rules.layout import Edit
from lanner.rules.reader import read_file


def formatted(text: str) -> str:
    found = Diagnostics()
    result = format_rules(SourceFile("rules.yaml", text), found)
    assert result is not None, [each.message for each in found]
    again = format_rules(SourceFile("rules.yaml", result), Diagnostics())
    assert again == result
    return result


LONG = " and ".join(f"ka.target.name != name-{n}" for n in range(6))
BROKEN = "\n".join(f"    {'and ' if n else ''}ka.target.name != name-{n}" for n in range(6))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- macro: m\n  condition: ka.verb=get\n", "- macro: m\n  condition: ka.verb = get\n"),
        ("- macro: m\n  condition: (a and  b)\n", "- macro: m\n  condition: (a and b)\n"),
        ("- macro: m\n  condition: 'ka.verb = get'\n", "- macro: m\n  condition: ka.verb = get\n"),
        ("- macro: m\n  condition: >\n    a\n    and b\n", "- macro: m\n  condition: a and b\n"),
        ("- macro: m\n  condition: |\n    a\n    and b\n\n\n", "- macro: m\n  condition: a and b\n"),
        ("- macro: m\n  condition:\n    a and\n    b\n", "- macro: m\n  condition: a and b\n"),
        (f"- macro: m\n  condition: {LONG}\n", f"- macro: m\n  condition: >-\n{BROKEN}\n"),
        (f"- macro: m\n  condition: {LONG} # why\n", f"- macro: m\n  condition: >-  # why\n{BROKEN}\n"),
        ("- macro: m\n  condition: > # why\n    a\n    and b\n", "- macro: m\n  condition: a and b  # why\n"),
        (
            "- macro: m\n  condition: >\n    ka.uri = 'a: b # c'\n",
            "- macro: m\n  condition: >-\n    ka.uri = 'a: b # c'\n",
        ),
        ("- list: l\n  items: [a,b , 'c',\n    d]\n", "- list: l\n  items: [a, b, 'c', d]\n"),
        ("- list: l\n  items:    []\n", "- list: l\n  items: []\n"),
        (
            f"- list: l\n  items: [{'x' * 60}, {'y' * 60}]\n",
            f"- list: l\n  items:\n    - {'x' * 60}\n    - {'y' * 60}\n",
        ),
        ("- rule:   r\n  tags:  [a]\n  priority:    INFO\n", "- rule: r\n  tags: [a]\n  priority: INFO\n"),
        ("  -   list: l\n      items: []\n", "- list: l\n  items: []\n"),
        ("\n\n# a\n\n\n# b\n- list: l   \n  items: []\n\n\n\n", "# a\n\n# b\n- list: l\n  items: []\n"),
        ("- list: l\n# about r\n- rule: r\n- rule: s", "- list: l\n\n# about r\n- rule: r\n\n- rule: s\n"),
        ("- {macro: m, condition: a  and b}\n", "- {macro: m, condition: a  and b}\n"),
        ("", ""),
        ("\n\n", ""),
        ("# only\n", "# only\n"),
    ],
)
def test_what_is_laid_out_anew(before: str, after: str) -> None:
    assert formatted(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "- macro: m\n  condition: or  x=y\n  append: true\n",
        "- macro: m\n  condition: (a  or b)\n  override:\n    condition: append\n",
        "- macro: m\n  condition: this is no  condition\n",
        "- macro: m\n  condition: &c a  and b\n\n- macro: n\n  condition: *c\n",
        "- macro: m\n  condition: !!str a  and b\n",
        "- list: l\n  items: [a, # why\n    b]\n",
        "- rule: r\n  desc: |\n    two\n      lines  \n\n\n    more\n",
        '- rule: r\n  output: "a  %ka.verb\n\n\n    b"\n',
    ],
)
def test_what_stays_as_it_is(text: str) -> None:
    assert formatted(text) == text


def test_a_replaced_condition_is_laid_out_too() -> None:
    text = "- macro: m\n  condition: {}\n  override:\n    condition: replace\n"
    assert formatted(text.format("a  and b")) == text.format("a and b")


def test_a_long_text_is_filled_below_its_key() -> None:
    words = " ".join(f"word{n}" for n in range(40))
    result = formatted(f"- rule: r\n  desc: {words}\n  output: >\n    short\n    text\n")
    assert "  output: short text\n" in result
    body = result.partition("desc: >-\n")[2].partition("  output")[0]
    assert all(len(line) <= 120 for line in body.splitlines())
    assert body.split() == words.split()


def test_exceptions_keep_their_shape() -> None:
    before = (
        "- rule: r\n  exceptions:\n    - name:   e\n      fields: [ka.user.name,ka.verb]\n"
        "      values:\n        - [a,b]\n        # c\n        - [ 'c' , [d,e] ]\n"
    )
    after = (
        "- rule: r\n  exceptions:\n    - name: e\n      fields: [ka.user.name, ka.verb]\n"
        "      values:\n        - [a, b]\n        # c\n        - ['c', [d, e]]\n"
    )
    assert formatted(before) == after


def test_items_move_to_the_left_with_all_that_is_in_them() -> None:
    before = (
        "   - rule: r\n     desc: |\n        one\n          two\n     # about the output\n     output: >2\n"
        "       x\n   # about s\n   - rule: s\n     tags:\n     - a\n"
    )
    after = (
        "- rule: r\n  desc: |\n     one\n       two\n  # about the output\n  output: x\n\n# about s\n- rule: s\n"
        "  tags:\n  - a\n"
    )
    assert formatted(before) == after


def test_line_ends_stay_those_of_windows() -> None:
    assert formatted("- list: l\r\n  items: [a,b]\r\n") == "- list: l\r\n  items: [a, b]\r\n"


def test_parentheses_around_the_whole_stay_for_what_may_be_appended() -> None:
    assert formatted("- macro: m\n  condition: (a  or b)\n") == "- macro: m\n  condition: (a or b)\n"
    assert formatted("- macro: m\n  condition: (a) or  (b)\n") == "- macro: m\n  condition: a or b\n"
    text = f"- macro: m\n  condition: ({LONG})\n"
    assert formatted(text).startswith("- macro: m\n  condition: >-\n    (\n      ka.target.name")


def test_a_file_that_is_no_yaml_is_told_so() -> None:
    found = Diagnostics()
    assert format_rules(SourceFile("x", "- a: [\n"), found) is None
    assert [each.code.code for each in found] == ["LN0102"]


def test_nothing_comes_out_that_would_mean_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "edits_of", lambda item: [Edit(item.span.start, item.span.end, "list: other")])
    with pytest.raises(FormatError):
        format_rules(SourceFile("x", "- list: l\n  items: [a]\n"), Diagnostics())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("condition: a or b", "condition: (a or b)"),
        ("condition: a and b", "condition: a and c"),
        ("output: a b", "output: a  b"),
        ("desc: ~", "desc: '~'"),
        ("tags: [a]", "tags: [a, b]"),
        ("append: true\n  condition: a and  b", "append: true\n  condition: a and b"),
        ("condition: not a or b", "condition: not (a or b)"),
    ],
)
def test_what_means_something_else_is_told_apart(one: str, other: str) -> None:
    first, second = (meaning(SourceFile("x", f"- rule: r\n  {each}\n")) for each in (one, other))
    assert first is not None
    assert first != second


def test_the_default_rules_keep_their_meaning() -> None:
    for path in RULES.glob("*.yaml"):
        _keeps_meaning(path)


def test_upstreams_rules_and_hundreds_of_random_ones_keep_their_meaning(shared: Path) -> None:
    paths = [shared / "upstream" / "k8s_audit_rules.yaml", shared / "conformance" / "rules-a.yaml"]
    for path in paths:
        _keeps_meaning(path)


def _keeps_meaning(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    result = formatted(text)
    assert _comments(result) == _comments(text)
    before, after = (read_file(SourceFile("x", each), Diagnostics()) for each in (text, result))
    assert before is not None
    assert after is not None
    assert [_without_layout(item) for item in after.items] == [_without_layout(item) for item in before.items]


def _comments(text: str) -> list[str]:
    """Comments that have a line of their own."""
    return [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]


def _without_layout(item: object) -> list[tuple[str, object]]:
    """The parts of an item but conditions, which `meaning` compares; line breaks at the end of a text do not count."""
    names = [name for name in getattr(item, "__slots__", ()) if name not in ("place", "condition", "exceptions")]
    values = (getattr(item, name) for name in names)
    return [(type(item).__name__, [each.text.rstrip() if isinstance(each, MappedText) else each for each in values])]
