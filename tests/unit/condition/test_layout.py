"""Conditions on lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.condition import parse_condition, to_text
from lanner.condition.layout import grouped, lay_out
from lanner.diagnostics import MappedText
from tests.property.strategies import conditions


def laid_out(text: str, width: int) -> str:
    return "\n".join(lay_out(parse_condition(MappedText.literal(text)), width))


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a  and   b", 20, "a and b"),
        ("aaaa and bbbb and not cccc", 20, "aaaa\nand bbbb\nand not cccc"),
        ("aaaa and (bbbb or cccc)", 20, "aaaa\nand (bbbb or cccc)"),
        (
            "aaaa and (bbbb or cccc or dddd) and e",
            20,
            "aaaa\nand (\n  bbbb\n  or cccc\n  or dddd\n)\nand e",
        ),
        ("not (aaaaaaaaa or bbbbbbbbbb)", 20, "not (\n  aaaaaaaaa\n  or bbbbbbbbbb\n)"),
        ("not (not aaaa)", 20, "not (not aaaa)"),
        ("not not aaaa", 20, "aaaa"),
        ("((a)) and (b)", 20, "a and b"),
        ("ka.verb in (create, update, patch, delete)", 24, "ka.verb in (\n  create, update, patch,\n  delete\n)"),
        ("ka.verb startswith oneof (aaaaaa, bbbbbb)", 24, "ka.verb startswith oneof (\n  aaaaaa, bbbbbb\n)"),
        ("ka.uri = '" + "x" * 30 + "'", 20, "ka.uri = '" + "x" * 30 + "'"),
        (r"""ka.uri regex '.*\.x"y.*' and a""", 80, r"""ka.uri regex '.*\\.x"y.*' and a"""),
    ],
)
def test_what_fits_stands_on_a_line_and_the_rest_by_parts(text: str, width: int, lines: str) -> None:
    if "\\." in text:
        text = text.replace("\\.", "\\\\.")
    assert laid_out(text, width) == lines


@pytest.mark.parametrize("text", ["ka.uri = 'a\"b'", 'ka.uri = "a\'b"', "ka.uri in ('a', \"b\", c)", "ka.uri = 'é'"])
def test_quotes_stay_as_they_were_written(text: str) -> None:
    assert laid_out(text, 80) == text


@pytest.mark.parametrize("text", ["ka.uri = 'a\u2028b'", "ka.uri = 'a  b'"])
def test_a_text_that_would_not_survive_is_quoted_anew(text: str) -> None:
    tree = parse_condition(MappedText.literal(text))
    assert parse_condition(MappedText.literal(laid_out(text, 80))) == tree


def test_parentheses_stand_around_one_line_or_above_and_below_several() -> None:
    assert grouped(["a"]) == ["(a)"]
    assert grouped(["a", "and b"]) == ["(", "  a", "  and b", ")"]


@given(conditions, st.integers(10, 120))
def test_lines_put_together_are_the_condition(condition: object, width: int) -> None:
    tree = parse_condition(MappedText.literal(to_text(condition)))  # type: ignore[arg-type]
    lines = lay_out(tree, width)
    assert parse_condition(MappedText.literal(" ".join(lines))) == tree
    assert parse_condition(MappedText.literal("\n".join(lines))) == tree
    assert lay_out(parse_condition(MappedText.literal(" ".join(lines))), width) == lines
