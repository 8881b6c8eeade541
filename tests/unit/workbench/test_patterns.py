import pytest

from lanner.workbench.patterns import without_alternatives


@pytest.mark.parametrize(
    ("pattern", "shorter"),
    [
        ("a", []),
        ("a|b", [("a", "b"), ("b", "a")]),
        ("x(a|b|)y", [("a", "x(b|)y"), ("b", "x(a|)y"), ("", "x(a|b)y")]),
        ("(a(b|c)|d)", [("b", "(a(c)|d)"), ("c", "(a(b)|d)"), ("a(b|c)", "(d)"), ("d", "(a(b|c))")]),
        (r"[|]a\|b[^]|]\\|c", [(r"[|]a\|b[^]|]\\", "c"), ("c", r"[|]a\|b[^]|]\\")]),
        (r"[\]|]|x", [(r"[\]|]", "x"), ("x", r"[\]|]")]),
    ],
)
def test_each_alternative_is_left_out_once(pattern: str, shorter: list[tuple[str, str]]) -> None:
    assert list(without_alternatives(pattern)) == shorter


def test_what_would_be_no_pattern_is_left_out() -> None:
    assert [text for text, _ in without_alternatives("[[:alpha:]|]|x")] == ["[[:alpha:]", "x"]
