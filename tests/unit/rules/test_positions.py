import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.diagnostics import Diagnostics, MappedText, SourceFile
from lanner.rules.nodes import Mapping, Scalar, Sequence, parse_yaml
from lanner.rules.positions import mapped, stripped


def scalar(text: str) -> Scalar:
    """The value of the one key `a` of a file."""
    documents = parse_yaml(SourceFile("rules.yaml", text), Diagnostics())
    assert documents
    assert isinstance(documents[0], Sequence)
    item = documents[0].items[0]
    assert isinstance(item, Mapping)
    value = item.pairs[0][1]
    assert isinstance(value, Scalar)
    return value


def underlined(text: MappedText, part: str) -> str:
    start = text.text.index(part)
    return text.span(start, start + len(part)).text


@pytest.mark.parametrize(
    "file",
    [
        "- a: one two three\n",
        "- a: 'one two three'\n",
        '- a: "one two three"\n',
        "- a: one\n    two\n    three\n",
        "- a: 'one\n\n     two  three'\n",
        '- a: "one \\\n    two three"\n',
        "- a: >\n    one\n    two three\n",
        "- a: >-  # why\n    one\n    two three\n",
        "- a: >+\n    one\n\n    two three\n\n",
        "- a: |\n    one\n      two\n    three\n",
        "- a: |2-\n    one two\n    three\n",
        "- a: !!str one two three\n",
        "- a: &x one two three\n",
    ],
)
def test_words_are_found_where_they_stand(file: str) -> None:
    text = mapped(scalar(file))
    for word in ("one", "two", "three"):
        assert underlined(text, word) == word
    whole = text.span(text.text.index("one"), text.text.index("three") + 5)
    assert whole.text.startswith("one")
    assert whole.text.endswith("three")


@pytest.mark.parametrize(
    ("file", "part", "expected"),
    [
        ('- a: "one \\"two\\" three"\n', '"two"', '\\"two\\'),
        ("- a: 'it''s two three'\n", "two", "two"),
        ("- a: 'it''s two three'\n", "it's", "it''s"),
        ('- a: "a\\\\b two"\n', "two", "two"),
    ],
)
def test_quotes_within_quotes_keep_the_places(file: str, part: str, expected: str) -> None:
    assert underlined(mapped(scalar(file)), part) == expected


@pytest.mark.parametrize("file", ['- a: "one \\x41 two"\n', '- a: "one\\ttwo"\n', '- a: "\\u0041"\n'])
def test_where_an_escape_hides_the_place_the_whole_value_is_underlined(file: str) -> None:
    value = scalar(file)
    text = mapped(value)
    assert text.span(0, 1).text == value.span.text


def test_a_place_at_the_end_is_behind_the_last_character() -> None:
    text = mapped(scalar("- a: >\n    one\n    two\n- b: c\n"))
    end = len(text.text.rstrip())
    span = text.span(end, end)
    assert span.start == span.end or span.text == "\n"
    assert span.file.text[: span.start].endswith("two")


def test_stripping_keeps_the_places() -> None:
    text = stripped(mapped(scalar("- a: >\n\n    one\n    two\n\n- b: c\n")))
    assert text.text == "one two"
    assert underlined(text, "two") == "two"
    assert stripped(text) is text


_WORDS = st.lists(st.from_regex(r"[a-z(=.%\"]{1,6}", fullmatch=True), min_size=1, max_size=8)


@given(
    words=_WORDS, style=st.sampled_from([">", "|", ">-", "|+"]), breaks=st.lists(st.booleans(), min_size=8, max_size=8)
)
def test_every_word_of_a_block_is_found(words: list[str], style: str, breaks: list[bool]) -> None:
    separators = ["\n    " if b else " " for b in breaks]
    body = "".join(part for pair in zip(separators, words, strict=False) for part in pair)
    value = scalar(f"- a: {style}\n    x{body}\n")
    text = mapped(value)
    at = 1
    for word in words:
        at = text.text.index(word, at)
        assert text.span(at, at + len(word)).text == word
        at += len(word)
