"""What an editor is told about a rule file; the cursor is where `|` stands."""

import pytest

from lanner.diagnostics import SourceFile
from lanner.editor.analysis import Analysis, Kind

BASE = SourceFile(
    "base.yaml",
    """
- list: bots
  items: [kubelet, ci]
- macro: written
  condition: ka.verb in (create, update)
- macro: by_person
  condition: written and not ka.user.name in (bots)
""",
)
RULE = """
- macro: local
  condition: by_person and ka.target.resource = pods

- rule: Pod Written
  desc: A ka.verb in a text is a text.
  condition: >
    local and
    {condition}
  exceptions:
    - name: known
      fields: [ka.user.name, {field}]
      comps: [=, {comp}]
      values:
        - [{value}]
  output: pod {output}
  priority: NOTICE
  source: k8s_audit
  tags: [{tag}]
"""
FILLED = {
    "condition": "ka.verb exists",
    "field": "ka.verb",
    "comp": "=",
    "value": "x, y",
    "output": "%ka.verb",
    "tag": "k8s",
}


def at(**parts: str) -> tuple[Analysis, int]:
    text = RULE.format(**{**FILLED, **parts})
    offset = text.index("|")
    return Analysis(SourceFile("rules.yaml", text.replace("|", "", 1)), [BASE]), offset


def offered(**parts: str) -> dict[str, Kind]:
    analysis, offset = at(**parts)
    return {word.text: word.kind for word in analysis.complete(offset).words}


@pytest.mark.parametrize("written", ["|", "ka.us|", "not |", "ka.verb in (b|", "(|"])
def test_a_condition_is_offered_fields_macros_lists_and_words(written: str) -> None:
    found = offered(condition=written)
    expected = {
        "ka.user.name": Kind.FIELD,
        "local": Kind.MACRO,
        "by_person": Kind.MACRO,
        "bots": Kind.LIST,
        "startswith": Kind.OPERATOR,
        "anyof": Kind.MODIFIER,
        "tolower": Kind.TRANSFORMER,
    }
    assert expected.items() <= found.items()
    assert "=" not in found


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        ({"output": "%|"}, {Kind.FIELD, Kind.TRANSFORMER}),
        ({"output": "%ka.us|"}, {Kind.FIELD, Kind.TRANSFORMER}),
        ({"output": "wo|"}, set()),
        ({"field": "ka.|"}, {Kind.FIELD}),
        ({"comp": "start|"}, {Kind.OPERATOR}),
        ({"value": "b|"}, {Kind.LIST}),
        ({"tag": "k|"}, set()),
    ],
)
def test_elsewhere_what_fits_is_offered(parts: dict[str, str], kinds: set[Kind]) -> None:
    assert set(offered(**parts).values()) == kinds


def test_a_completion_takes_the_place_of_the_word_with_its_dots() -> None:
    analysis, offset = at(condition="tolower(ka.user.na|")
    start = analysis.complete(offset).start
    assert analysis.file.text[start:offset] == "ka.user.na"


def hover(**parts: str) -> str | None:
    analysis, offset = at(**parts)
    found = analysis.hover(offset)
    return found.markdown if found else None


@pytest.mark.parametrize("written", ["|ka.user.name = x", "ka.us|er.name = x", "ka.user.name| = x"])
def test_a_field_is_described(written: str) -> None:
    text = hover(condition=written)
    assert text is not None
    assert text.startswith("`ka.user.name` (string, from audit level Metadata)\n\n")
    assert "Example: " in text


def test_a_macro_is_shown_with_all_that_is_in_it() -> None:
    assert hover(condition="lo|cal") == (
        "`local` (macro)\n\n```\nby_person and ka.target.resource = pods\n```\n\nwith macros and lists put in:\n\n"
        "```\n(ka.verb in (create, update) and not ka.user.name in (kubelet, ci)) and ka.target.resource = pods\n```"
    )


def test_a_list_and_the_words_of_the_language_are_told() -> None:
    assert hover(value="bo|ts") == "`bots` (list of 2)\n\n```\nkubelet, ci\n```"
    assert hover(condition="ka.verb start|swith x") == "`startswith` (operator)\n\nbegins with the text"
    assert hover(condition="tolow|er(ka.verb) = x") == "`tolower(` (transformer)\n\nthe text with A-Z as a-z"


def test_a_field_at_the_end_of_a_sentence_is_described() -> None:
    assert "`ka.verb`" in (hover(output="by %ka.ve|rb.") or "")


@pytest.mark.parametrize("parts", [{"condition": "no|thing"}, {"condition": "ka.verb =| x"}, {"tag": "lo|cal"}])
def test_what_means_nothing_there_is_not_described(parts: dict[str, str]) -> None:
    assert hover(**parts) is None


def problems(text: str) -> list[str]:
    return [found.code.code for found in Analysis(SourceFile("rules.yaml", text), [BASE]).problems()]


def test_problems_are_those_of_the_file_and_know_what_is_in_front() -> None:
    assert problems(RULE.format(**FILLED)) == []
    assert problems(RULE.format(**FILLED | {"condition": "ka.nope exists"})) == ["LN0203"]
    assert problems("- rule: x\n- macro: [") == ["LN0102"]
    broken = SourceFile("base.yaml", "- macro: m\n  condition: (\n")
    assert Analysis(SourceFile("x", "- list: l\n  items: []\n"), [broken]).problems() == []


@pytest.mark.parametrize("text", ["", "kind: Pod\nmetadata: {}\n", "- a\n- b\n", "a: [", "# only\n"])
def test_other_files_have_no_problems(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize("text", ["", "\n", "- rule: r\n  condition: a", "\t- x:\n", "- macro: m\n  condition: ka."])
def test_any_place_of_any_text_has_an_answer(text: str) -> None:
    analysis = Analysis(SourceFile("x", text))
    for offset in range(len(text) + 1):
        analysis.complete(offset)
        analysis.hover(offset)


def test_a_macro_in_a_circle_is_shown_as_it_is_written() -> None:
    text = "- macro: a\n  condition: b\n- macro: b\n  condition: a\n"
    found = Analysis(SourceFile("x", text)).hover(text.index("a\n"))
    assert found is not None
    assert found.markdown.startswith("`a` (macro)")
