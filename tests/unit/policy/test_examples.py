"""Texts that patterns match."""

from pathlib import Path

import pytest

from lanner.compiler.load import load_rules
from lanner.compiler.semantics import glob_test, regex_test
from lanner.condition.ast import checks
from lanner.policy.asks import literals
from lanner.policy.examples import glob_example, regex_example

RULES = Path(__file__).parents[3] / "src" / "lanner" / "data" / "rules"


@pytest.mark.parametrize(
    "pattern",
    [
        "abc", "a|b", "(a|b)c", "[[:digit:]]+x", "[^a-z]", "[^[:alnum:]]x", "x{3}", "x{2,5}y?",
        "^system:(node|user):.*$",
        r"a\.b\{", "(([ab]c)+|d)e*f", "[]x]", "[^]x]", "()", "a(b(c(d)?)?)?e", r".*\"hostPort\":[1-9].*", "[/]etc",
    ],
)  # fmt: skip
def test_a_regular_expression_matches_its_example(pattern: str) -> None:
    assert regex_test(pattern)(regex_example(pattern)), regex_example(pattern)


def test_every_pattern_of_the_default_rules_matches_its_example() -> None:
    loaded = load_rules(sorted(RULES.glob("*.yaml"))).rules
    assert loaded is not None
    patterns = {
        text
        for rule in loaded.rules
        for check in checks(rule.condition)
        if check.operator == "regex"
        for text in literals(check)
    }
    assert len(patterns) > 5
    assert [pattern for pattern in patterns if not regex_test(pattern)(regex_example(pattern))] == []


@pytest.mark.parametrize("pattern", ["*", "a*b", "a?c", "[abc]x", "/api/*/pods"])
def test_a_glob_matches_its_example(pattern: str) -> None:
    assert glob_test(pattern)(glob_example(pattern))


@pytest.mark.parametrize("pattern", ["(", ")", "[", "*", "{2}", "\\", "a{99999999}"])
def test_any_text_gives_some_text(pattern: str) -> None:
    assert len(regex_example(pattern)) <= 1000
