"""Rule files laid out anew: text to text with the same meaning, comments and order.

The text is edited where its parts stand, and what is not edited stays as it is: that is how comments survive. Each
step takes text and gives text; places are found anew before each. What came out is compared with what went in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from lanner.condition import ParseError, parse_condition
from lanner.diagnostics import Diagnostics, MappedText, SourceFile
from lanner.rules.layout import BLANKS, Edit, edits_of, is_appending
from lanner.rules.nodes import Mapping, Node, Scalar, Sequence, parse_yaml

Meaning: TypeAlias = Any
"""Nested tuples of texts and conditions, which are equal for files that mean the same."""

_COMMENT_OR_BLANK = re.compile(r"[ \t]*(#.*)?")
_DASH = re.compile(r"( *)-( +)")


class FormatError(Exception):
    """Laid out anew, the file would mean something else."""


def format_rules(file: SourceFile, diagnostics: Diagnostics) -> str | None:
    """Lay a rule file out anew; None when it cannot be read.

    Diagnostics: LN0102, LN0106, LN0113, duplicate_key.

    Raises:
        FormatError: The result would not mean the same.
    """
    newline = "\r\n" if "\r\n" in file.text else "\n"
    before = SourceFile(file.name, file.text.replace("\r\n", "\n"))
    if parse_yaml(before, diagnostics) is None:
        return None
    text = before.text
    for step in _STEPS:
        text = step(SourceFile(file.name, text))
    if meaning(SourceFile(file.name, text)) != meaning(before):
        raise FormatError
    return text.replace("\n", newline)


def meaning(file: SourceFile) -> Meaning:
    """What a file says, without how it is laid out; None when it is not YAML.

    Conditions count by their syntax trees, alone and with something appended; other texts count as they are, line
    breaks at their ends aside.
    """
    documents = parse_yaml(file, Diagnostics())
    return None if documents is None else [_meaning(document, "") for document in documents]


def _meaning(node: Node, key: str) -> Meaning:
    match node:
        case Scalar():
            return _condition_meaning(node.text) if key == "condition" else (node.text.rstrip("\n"), node.is_null)
        case Sequence():
            return tuple(_meaning(item, "") for item in node.items)
        case Mapping():
            is_fixed = is_appending(node)
            return tuple((name.text, _meaning(value, "" if is_fixed else name.text)) for name, value in node.pairs)


def _condition_meaning(text: str) -> Meaning:
    trees = []
    for appended in ("", " and evt.num exists", " or evt.num exists"):
        try:
            trees.append(parse_condition(MappedText.literal(text + appended)))
        except ParseError:
            return text.rstrip("\n")
    return tuple(trees)


# Steps


def _with_values_laid_out(file: SourceFile) -> str:
    """Conditions, long texts, lists in brackets, and the blanks behind colons."""
    edits: dict[int, Edit] = {}
    for item in _items(file):
        for edit in edits_of(item):
            edits.setdefault(edit.start, edit)
    return _applied(file.text, edits.values())


def _applied(text: str, edits: Iterable[Edit]) -> str:
    parts, at = [], 0
    for edit in sorted(edits, key=lambda each: each.start):
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def _with_items_at_the_left(file: SourceFile) -> str:
    """Items begin at the first column, and their keys at the third."""
    lines = file.text.split("\n")
    starts = [item.span.position for item in _items(file)]
    for number, (line, column) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(lines) + 1
        _shift(lines, line - 1, end - 1, column - 1)
    return "\n".join(lines)


def _shift(lines: list[str], first: int, end: int, column: int) -> None:
    """Move the lines of one item, from its dash to the dash of the next, so that its keys begin at the third column.

    Comments above the next item that stand left of the keys go with the dashes.
    """
    dash = _DASH.fullmatch(lines[first][:column])
    if dash is None or column == 2:
        return
    moved = [f"- {lines[first][column:]}"]
    for line in lines[first + 1 : end]:
        blanks = len(line) - len(line.lstrip(" "))
        is_inside = blanks >= column
        if not is_inside and not _COMMENT_OR_BLANK.fullmatch(line):
            return
        by = column - 2 if is_inside else min(len(dash[1]), blanks)
        moved.append(line[by:] if by >= 0 else " " * -by + line)
    lines[first:end] = moved


def _with_single_blank_lines(file: SourceFile) -> str:
    """No blanks at the ends of lines, one blank line at most, one above each rule, and none at the start or end."""
    lines = file.text.split("\n")
    protected = set(_within_scalars(file))
    starts = {line - 1 for item in _items(file) for line, _ in [item.span.position] if item.get("rule")}
    above = {_first_comment_above(lines, start, protected) for start in starts}
    kept: list[str] = []
    for number, line in enumerate(lines):
        if number in protected:
            kept.append(line)
            continue
        if number in above and kept and kept[-1]:
            kept.append("")
        found = line.rstrip(BLANKS)
        if found or (kept and kept[-1]):
            kept.append(found)
    text = "\n".join(kept).rstrip("\n")
    return text and f"{text}\n"


def _within_scalars(file: SourceFile) -> Iterator[int]:
    """Numbers of the lines, from 0, that a text over several lines continues on."""
    stack: list[Node] = list(parse_yaml(file, Diagnostics()) or ())
    while stack:
        node = stack.pop()
        match node:
            case Scalar():
                end = node.span.start + len(node.span.text.rstrip(BLANKS))
                yield from range(node.span.position[0] - (node.style in ("'", '"')), file.position(end)[0])
            case Sequence():
                stack.extend(node.items)
            case Mapping():
                stack.extend(each for pair in node.pairs for each in pair)


def _first_comment_above(lines: list[str], number: int, protected: set[int]) -> int:
    while number > 0 and lines[number - 1].startswith("#") and number - 1 not in protected:
        number -= 1
    return number


def _items(file: SourceFile) -> Iterator[Mapping]:
    """The items of all documents, in order."""
    for document in parse_yaml(file, Diagnostics()) or ():
        if isinstance(document, Sequence):
            yield from (item for item in document.items if isinstance(item, Mapping))


_STEPS: tuple[Callable[[SourceFile], str], ...] = (
    _with_items_at_the_left,
    _with_values_laid_out,
    _with_single_blank_lines,
)
