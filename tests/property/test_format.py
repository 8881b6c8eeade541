"""Any rule file, however it is laid out, keeps its meaning and its comments, and is laid out once and for all."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from lanner.condition import to_text
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.rules.format import format_rules, meaning
from tests.property.strategies import conditions

words = st.sampled_from(
    ["a", "bb", "k8s", "it's", "x: y", "- z", "# no comment", "yes", "12", "é", "%ka.verb", "[q]", "  "]
)
sentences = st.lists(words, min_size=1, max_size=30).map(" ".join)
comments = st.sampled_from(["", "# one", "  # two", "#", "# - rule: x"])


@st.composite
def scalars(draw: st.DrawFn, text: str, column: int) -> str:
    """A text in one of YAML's styles."""
    blanks = " " * column
    style = draw(st.sampled_from(["", "'", '"', ">", ">-", "|"]))
    if style in ("'", '"'):
        return (
            yaml.dump(text, default_style=style, width=draw(st.sampled_from([30, 1000])), allow_unicode=True)
            .replace("\n", f"\n{blanks}")
            .rstrip()
        )
    if style and not text.startswith(" "):
        return f"{style}{draw(st.sampled_from(['', ' # sign']))}\n{blanks}{text}"
    return yaml.dump(text, width=1000, allow_unicode=True).removesuffix("...\n").rstrip()


@st.composite
def files(draw: st.DrawFn) -> str:
    out: list[str] = []
    dash, gap = draw(st.sampled_from([0, 0, 2, 5])), draw(st.sampled_from([1, 1, 3]))
    column = dash + 1 + gap
    for number in range(draw(st.integers(0, 4))):
        out += draw(st.lists(st.sampled_from(["", "   ", "# between"]), max_size=3))
        kind = draw(st.sampled_from(["macro", "rule"]))
        pairs: list[tuple[str, Any]] = [(kind, f"n{number}")]
        pairs.append(("condition", draw(scalars(to_text(draw(conditions)), column + 3))))
        pairs.append(("desc", draw(scalars(draw(sentences), column + 1))))
        if draw(st.booleans()):
            pairs.append(("append", draw(st.sampled_from(["true", "false"]))))
        if draw(st.booleans()):
            pairs.append(("tags", draw(st.sampled_from(["[a,b]", "[ a , 'b c' ]", "[]", f"\n{' ' * column}- a"]))))
        for at, (key, value) in enumerate(pairs):
            head = " " * dash + "-" + " " * gap if at == 0 else " " * column
            comment = draw(comments)
            if comment and at:
                out.append(" " * column + comment.strip())
            out.append(f"{head}{key}:{' ' * draw(st.integers(1, 3))}{value}")
    return "\n".join(out) + draw(st.sampled_from(["", "\n", "\n\n\n"]))


def _comments(text: str) -> list[str]:
    found = (line.strip() for line in text.splitlines())
    return [line for line in found if line in ("# one", "# two", "#", "# - rule: x", "# between")]


@given(files())
def test_meaning_and_comments_stay_and_once_is_enough(text: str) -> None:
    file = SourceFile("rules.yaml", text)
    before = meaning(file)
    result = format_rules(file, Diagnostics())
    assert (result is None) == (before is None)
    if result is None:
        return
    after = SourceFile("rules.yaml", result)
    assert meaning(after) == before
    assert _comments(result) == _comments(text)
    assert format_rules(after, Diagnostics()) == result


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_laid_out_or_refused(text: str) -> None:
    file = SourceFile("x", text)
    found = Diagnostics()
    result = format_rules(file, found)
    assert result is not None or found.errors
