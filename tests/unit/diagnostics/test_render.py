"""Problems as text and as JSON."""

import json
import unicodedata
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.diagnostics import CODES, Diagnostic, Label, SourceFile, Span
from lanner.diagnostics.render import printable, to_json, to_text
from lanner.diagnostics.visible import is_visible


def problem(text: str, marked: str, *, name: str = "rules.yaml", **more: object) -> Diagnostic:
    start = text.index(marked)
    span = Span(SourceFile(name, text), start, start + len(marked))
    return Diagnostic(CODES["LN0203"], "unknown field `ka.x`", span, **more)  # type: ignore[arg-type]  # what the test says


def test_a_problem_is_shown_where_it_stands() -> None:
    text = "- rule: A\n  condition: >\n    ka.x = 1\n    and ka.verb = get\n"
    found = problem(text, "ka.x", label="not a field", help="did you mean `ka.verb`?")
    assert to_text(found) == dedent("""\
        error[LN0203]: unknown field `ka.x`
          --> rules.yaml:3:5
          |
        3 |     ka.x = 1
          |     ^^^^ not a field
          = help: did you mean `ka.verb`?""")


def test_a_problem_without_a_place_names_the_file() -> None:
    found = Diagnostic(CODES["LN0101"], "file is missing", file="gone.yaml")
    assert to_text(found) == "error[LN0101]: file is missing\n  --> gone.yaml"


def test_further_places_follow() -> None:
    file = SourceFile("r.yaml", "a\nb\n")
    found = Diagnostic(
        CODES["unused_macro"], "m", Span(file, 2, 3), "here", None, (Label(Span(file, 0, 1), "defined here"),)
    )
    assert to_text(found).splitlines() == [
        "warning[unused_macro]: m",
        *("  --> r.yaml:2:1", "  |", "2 | b", "  | ^ here"),
        *("  ::: r.yaml:1:1", "  |", "1 | a", "  | ^ defined here"),
    ]


def caret_line(found: Diagnostic) -> tuple[str, str]:
    """The source line and the line below it, from where both begin."""
    _, _, _, source, carets = to_text(found).splitlines()[:5]
    width = source.index("|") + 2
    return source[width:], carets[width:]


def marked(found: Diagnostic) -> str:
    source, carets = caret_line(found)
    return "".join(char for char, caret in zip(source, carets, strict=False) if caret == "^")


def test_tabs_do_not_move_the_carets() -> None:
    assert marked(problem("\ta\tb: ka.x\t= 1", "ka.x")) == "ka.x"


def test_what_goes_over_lines_is_marked_to_the_end_of_the_first() -> None:
    assert marked(problem("a ka.x\n  and b", "ka.x\n  and b")) == "ka.x"


def test_a_place_between_characters_and_one_at_a_line_break_have_a_caret() -> None:
    file = SourceFile("x", "ab\r\ncd")
    for start, end in ((1, 1), (2, 2), (2, 3), (3, 4), (6, 6)):
        source, carets = caret_line(Diagnostic(CODES["LN0201"], "m", Span(file, start, end)))
        assert source == file.line(1 if start < 4 else 2)
        assert carets.count("^") == 1


@pytest.mark.parametrize("before", [0, 10, 159, 160, 5000])
@pytest.mark.parametrize("after", [0, 10, 5000])
def test_of_a_long_line_the_part_around_the_place_is_shown(before: int, after: int) -> None:
    found = problem("x" * before + "ka.y" + "z" * after, "ka.y")
    source, carets = caret_line(found)
    assert marked(found) == "ka.y"
    assert len(source) <= 160
    assert len(carets) <= 160


def test_a_mark_longer_than_a_line_is_cut() -> None:
    source, carets = caret_line(problem("a" * 5000, "a" * 5000))
    assert (len(source), carets) == (160, "^" * 160)


HOSTILE = "\x1b[2J\u202eevil\u2066\x07\u200b\u2028\ufeff\x9b\r"


def test_characters_that_steer_a_terminal_are_shown_and_not_obeyed() -> None:
    file = SourceFile(f"{HOSTILE}.yaml", f"a {HOSTILE} ka.x")
    place = Span(file, file.text.index("ka.x"), len(file.text))
    found = Diagnostic(CODES["LN0203"], HOSTILE, place, HOSTILE, HOSTILE, (Label(place, HOSTILE),))
    text = to_text(found)
    assert all(char == "\n" or (unicodedata.category(char)[0] != "C" and char != "\u2028") for char in text)
    assert r"\x1b[2J\u202eevil\u2066\x07\u200b\u2028\ufeff\x9b\r" in text
    assert to_text(Diagnostic(CODES["LN0101"], "m", file=HOSTILE)).endswith(r"\x9b\r")


def test_carets_stand_below_what_is_marked_though_it_is_escaped() -> None:
    found = problem("a\x00\u202eb ka.x \x1b c", "ka.x")
    source, carets = caret_line(found)
    assert source.index("ka.x") == carets.index("^")
    assert len(carets) == source.index("ka.x") + 4
    assert marked(problem("a \x1bb\x00 c", "\x1bb\x00")) == r"\x1bb\x00"


@given(st.text(max_size=20))
def test_only_what_steers_is_changed(text: str) -> None:
    shown = printable(text)
    assert all(unicodedata.category(char)[0] != "C" for char in shown)
    plain = "".join(filter(is_visible, text))
    assert printable(plain) == plain


@given(st.text("ab\t\n\r\x00é", max_size=40), st.data())
def test_any_place_of_any_text_can_be_shown(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    lines = to_text(Diagnostic(CODES["LN0201"], "m", Span(SourceFile("x", text), start, end))).split("\n")
    assert len(lines) == 5
    assert "^" in lines[-1]


def test_json_has_the_shape_of_the_contract() -> None:
    text = "- a\n- ka.x\n"
    found = [problem(text, "ka.x", help="h"), Diagnostic(CODES["unknown_source"], "w", file="b.yaml")]
    assert to_json(found) == {
        "ok": False,
        "diagnostics": [
            {
                "severity": "error",
                "code": "LN0203",
                "falco_code": "LOAD_ERR_COMPILE_CONDITION",
                "message": "unknown field `ka.x`",
                "file": "rules.yaml",
                "line": 2,
                "column": 3,
                "end_line": 2,
                "end_column": 7,
                "help": "h",
            },
            {
                "severity": "warning",
                "code": "unknown_source",
                "falco_code": "LOAD_UNKNOWN_SOURCE",
                "message": "w",
                "file": "b.yaml",
                "line": 1,
                "column": 1,
                "end_line": 1,
                "end_column": 1,
                "help": None,
            },
        ],
    }
    assert to_json(found[1:])["ok"] is True
    assert to_json([]) == {"ok": True, "diagnostics": []}


def test_json_takes_any_text() -> None:
    found = Diagnostic(CODES["LN0203"], HOSTILE + "\ud800", Span(SourceFile(HOSTILE, "x"), 0, 1))
    assert json.loads(json.dumps(to_json([found])))["diagnostics"][0]["message"] == HOSTILE + "\ud800"
