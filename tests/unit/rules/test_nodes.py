import pytest

from lanner.diagnostics import Diagnostics, SourceFile
from lanner.rules.nodes import MAX_DEPTH, Mapping, Node, Scalar, Sequence, parse_yaml


def parse(text: str) -> tuple[list[Node] | None, Diagnostics]:
    diagnostics = Diagnostics()
    return parse_yaml(SourceFile("rules.yaml", text), diagnostics), diagnostics


def codes(diagnostics: Diagnostics) -> list[str]:
    return [found.code.code for found in diagnostics]


def test_nodes_know_the_text_they_are_made_of() -> None:
    documents, diagnostics = parse("- rule: A  # a comment\n  tags: [x, 'y']\n- b\n")
    assert not codes(diagnostics)
    assert documents is not None
    (document,) = documents
    assert isinstance(document, Sequence)
    item, text = document.items
    assert isinstance(item, Mapping)
    assert [(key.span.text, value.span.text) for key, value in item.pairs] == [("rule", "A"), ("tags", "[x, 'y']")]
    assert text.span.text == "b"


def test_places_count_characters_beyond_ascii() -> None:
    documents, _ = parse("- é𝄞: ü\n  b: ß\n")
    assert documents is not None
    item = documents[0]
    assert isinstance(item, Sequence)
    assert isinstance(item.items[0], Mapping)
    assert [value.span.text for _, value in item.items[0].pairs] == ["ü", "ß"]


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_some_plain_texts_are_no_value(text: str) -> None:
    documents, _ = parse(f"- a: {text}\n- b: '{text}'\n")
    assert documents is not None
    assert isinstance(documents[0], Sequence)
    plain, quoted = (item.pairs[0][1] for item in documents[0].items if isinstance(item, Mapping))
    assert isinstance(plain, Scalar)
    assert plain.is_null
    assert isinstance(quoted, Scalar)
    assert not quoted.is_null


def test_several_documents_are_read() -> None:
    documents, _ = parse("- a\n---\n- b\n---\n")
    assert documents is not None
    assert len(documents) == 3


def test_an_alias_is_the_node_itself() -> None:
    documents, diagnostics = parse("- &a [x, y]\n- *a\n- *a\n")
    assert not codes(diagnostics)
    assert documents is not None
    assert isinstance(documents[0], Sequence)
    first, second, third = documents[0].items
    assert first is second is third


def test_an_anchor_ends_with_its_document() -> None:
    documents, diagnostics = parse("- &a x\n---\n- *a\n")
    assert documents is None
    assert codes(diagnostics) == ["LN0102"]


def test_the_first_of_two_equal_keys_counts() -> None:
    documents, diagnostics = parse("- a: 1\n  b: 2\n  a: 3\n")
    assert documents is not None
    assert isinstance(documents[0], Sequence)
    item = documents[0].items[0]
    assert isinstance(item, Mapping)
    found = item.get("a")
    assert found is not None
    assert found[1].span.text == "1"
    (warning,) = diagnostics
    assert warning.code.code == "duplicate_key"
    assert warning.place == (3, 3)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("- a: b\n\tc: d\n", "LN0102", (2, 1)),
        ("- 'a\n", "LN0102", None),
        ("- @a\n", "LN0102", (1, 3)),
        ("- a: \x01\n", "LN0102", None),
        ("- *nowhere\n", "LN0102", (1, 3)),
        ("- &a [*a]\n", "LN0113", (1, 7)),
        ("- &a {b: {c: *a}}\n", "LN0113", (1, 14)),
        ("[" * (MAX_DEPTH + 1), "LN0113", (1, MAX_DEPTH + 1)),
        ("- ? [a]\n  : b\n", "LN0106", (1, 5)),
        ("- \ud800\n", "LN0102", (1, 1)),
    ],
)
def test_what_is_no_yaml_is_reported_with_its_place(text: str, code: str, place: tuple[int, int] | None) -> None:
    _, diagnostics = parse(text)
    (found,) = diagnostics
    assert found.code.code == code
    assert place is None or found.place == place


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(8)]
    documents, diagnostics = parse("\n".join(lines))
    assert documents is None
    assert codes(diagnostics) == ["LN0113"]
