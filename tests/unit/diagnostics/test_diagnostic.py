"""The list of problems, and the table of their codes."""

import re

import pytest

from lanner.diagnostics import CODES, Code, Diagnostics, Severity, SourceFile, Span

FIRST = SourceFile("first.yaml", "one\ntwo\nthree\n")
SECOND = SourceFile("second.yaml", "one\ntwo\n")


def test_the_same_problem_at_the_same_place_is_kept_once() -> None:
    found = Diagnostics()
    for _ in range(2):
        found.add("LN0203", "m", Span(FIRST, 0, 3))
        found.add("LN0101", "m", file="a")
    found.add("LN0203", "m", Span(FIRST, 4, 7))
    found.add("LN0203", "m", Span(SECOND, 0, 3))
    found.add("LN0203", "other", Span(FIRST, 0, 3))
    found.add("LN0101", "m", file="b")
    assert len(found) == 6


def test_problems_are_sorted_by_file_as_loaded_and_by_place() -> None:
    found = Diagnostics()
    found.add("LN0203", "b", Span(SECOND, 4, 7))
    found.add("unused_macro", "d", Span(FIRST, 4, 7))
    found.add("LN0203", "c", Span(FIRST, 4, 6))
    found.add("LN0203", "a", Span(SECOND, 0, 1))
    found.add("LN0203", "e", Span(FIRST, 8, 9))
    assert [each.message for each in found.ordered()] == ["a", "b", "c", "d", "e"]
    assert [each.message for each in found] == ["b", "d", "c", "a", "e"]


def test_warnings_are_no_errors() -> None:
    found = Diagnostics()
    found.add("unused_list", "w")
    assert found.errors == []
    found.add("LN0101", "e", file="x")
    assert [each.message for each in found.errors] == ["e"]
    assert [each.place for each in found] == [(1, 1), (1, 1)]


@pytest.mark.parametrize("row", CODES.values(), ids=list(CODES))
def test_every_code_says_what_it_means(row: Code) -> None:
    assert CODES[row.code] is row
    is_numbered = re.fullmatch(r"LN\d{4}", row.code) is not None
    assert row.severity is (Severity.ERROR if is_numbered else Severity.WARNING)
    assert is_numbered or re.fullmatch(r"[a-z_]+", row.code)
    assert row.title == row.title.strip(" .")
    assert row.explanation.endswith(".")
    assert row.falco is None or row.falco.startswith("LOAD_ERR_" if is_numbered else "LOAD_")
