"""From a text that was put together back to the user's file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.diagnostics import MappedText, Piece, SourceFile, Span

FILE = SourceFile("rules.yaml", "first\n  second line\n\nfourth\r\nlast")


@pytest.mark.parametrize(
    ("offset", "position"),
    [(0, (1, 1)), (4, (1, 5)), (5, (1, 6)), (6, (2, 1)), (8, (2, 3)), (20, (3, 1)), (21, (4, 1)), (33, (5, 5))],
)
def test_an_offset_has_a_line_and_a_column(offset: int, position: tuple[int, int]) -> None:
    assert FILE.position(offset) == position


@pytest.mark.parametrize(("number", "text"), [(1, "first"), (2, "  second line"), (3, ""), (4, "fourth"), (5, "last")])
def test_a_line_comes_without_its_break(number: int, text: str) -> None:
    assert FILE.line(number) == text


@given(st.text("ab\n\r", max_size=30))
def test_every_offset_lies_in_the_line_that_it_says(text: str) -> None:
    file = SourceFile("x", text)
    for offset in range(len(text) + 1):
        line, column = file.position(offset)
        assert file.line_starts[line - 1] + column - 1 == offset
        assert text[:offset].count("\n") == line - 1


def test_a_span_says_what_stands_there_and_where() -> None:
    span = Span(FILE, 8, 26)
    assert span.text == "second line\n\nfourt"
    assert (span.position, span.end_position) == ((2, 3), (4, 6))


def test_a_text_that_is_its_own_source_maps_to_itself() -> None:
    text = MappedText.literal("ka.verb=get")
    assert text.span(3, 7).text == "verb"
    assert text.span(11, 11).start == text.span(11, 11).end == 11
    assert text.span(0, 0).position == (1, 1)


def folded() -> MappedText:
    """`first second fourth`, as YAML folds it out of three lines: the blanks stand for line breaks."""
    offsets = [*range(5), 5, *range(8, 14), 19, *range(21, 27)]
    text = "first second fourth"
    return MappedText(text, (Piece(0, len(text), Span(FILE, 0, 33), offsets),))


def test_places_in_folded_text_are_those_of_the_lines() -> None:
    text = folded()
    for word, position in (("first", (1, 1)), ("second", (2, 3)), ("fourth", (4, 1))):
        start = text.text.index(word)
        span = text.span(start, start + len(word))
        assert span.text == word
        assert span.position == position


def test_a_place_at_the_end_is_the_one_behind_the_last_character() -> None:
    text = folded()
    span = text.span(len(text.text), len(text.text))
    assert (span.start, span.end) == (27, 27)
    assert text.span(99, 120) == span


def test_a_range_over_folded_lines_spans_them() -> None:
    text = folded()
    assert text.span(0, 12).text == "first\n  second"


def test_a_piece_without_offsets_stands_as_a_whole() -> None:
    place = Span(FILE, 6, 12)
    text = MappedText.whole("anything at all", place)
    assert text.span(3, 5) == text.span(15, 15) == place


def test_parts_put_together_keep_their_places() -> None:
    whole = Span(FILE, 0, 5)
    parts = [
        folded(),
        MappedText.whole(" and ", whole),
        MappedText.literal("x = y", "more.yaml"),
        MappedText.whole("", whole),
    ]
    text = MappedText.concat(parts)
    assert text.text == "first second fourth and x = y"
    assert text.span(13, 19).text == "fourth"
    assert text.span(20, 23) == whole
    assert (text.span(24, 25).text, text.span(24, 25).file.name) == ("x", "more.yaml")
    assert text.span(29, 29).position == (1, 6)


def test_a_range_over_parts_is_cut_to_the_part_in_which_it_starts() -> None:
    text = MappedText.concat([MappedText.literal("abc", "a"), MappedText.literal("def", "b")])
    assert text.span(1, 5).text == "bc"
    assert text.span(3, 5).text == "de"


def test_empty_texts_have_a_place_too() -> None:
    place = Span(FILE, 6, 6)
    assert MappedText.whole("", place).span(0, 0) == place
    assert MappedText.literal("").span(0, 0).text == ""


@given(st.lists(st.tuples(st.text("ab\n", max_size=5), st.booleans()), min_size=1, max_size=5), st.data())
def test_any_range_of_any_parts_has_a_place(parts: list[tuple[str, bool]], data: st.DataObject) -> None:
    made = [MappedText.literal(t) if known else MappedText.whole(t, Span(FILE, 0, 5)) for t, known in parts]
    text = MappedText.concat(made)
    start = data.draw(st.integers(0, len(text.text)))
    end = data.draw(st.integers(start, len(text.text)))
    span = text.span(start, end)
    assert 0 <= span.start <= span.end <= len(span.file.text)


def test_texts_compare_by_what_they_say() -> None:
    assert MappedText.literal("a", "x") == MappedText.whole("a", Span(FILE, 0, 1))
    assert SourceFile("x", "a") != SourceFile("x", "a")
