"""How the values of an item are laid out: edits of the text that they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from lanner.condition import ParseError, parse_condition
from lanner.condition.layout import filled, grouped, lay_out
from lanner.diagnostics import MappedText
from lanner.rules.nodes import Mapping, Node, Scalar, Sequence

WIDTH = 120
"""Characters of a line."""

BLANKS = " \t\n"
"""What YAML takes for blanks; Python's own `strip` would take more."""

_TEXTS = ("desc", "output")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(?P<comment>#[^\n]*)?")
_REST = re.compile(r"[ \t]*(?P<comment>#[^\n]*)?(?=\n|\Z)")
_BETWEEN = re.compile(r":[ \t\n]*")
_GAP = re.compile(r"[\[\], \t\n]*")
_WORDS = re.compile(r"\S+(?: \S+)*")
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in the place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


def edits_of(item: Mapping) -> Iterator[Edit]:
    """The edits that lay out an item of a rule file; an item in braces is left as it is."""
    if not item.span.text.startswith("{"):
        yield from _mapping(item, is_item=True)


def is_appending(item: Mapping) -> bool:
    """Whether an item adds its condition to the text of another, within which it may stand in any place."""
    append, override = item.get("append"), item.get("override")
    if append is not None and not (isinstance(append[1], Scalar) and append[1].text.lower() == "false"):
        return True
    change = override[1].get("condition") if override and isinstance(override[1], Mapping) else None
    return change is not None and not (isinstance(change[1], Scalar) and change[1].text == "replace")


def _mapping(mapping: Mapping, *, is_item: bool) -> Iterator[Edit]:
    is_fixed = is_appending(mapping)
    for key, value in mapping.pairs:
        place = _Place.of(key, value)
        if place is None:
            continue
        lines = _lines(key.text, value, place) if is_item and not (is_fixed and key.text == "condition") else None
        if lines is not None:
            yield place.edit(lines)
        else:
            yield from _inner(value, place)


def _inner(value: Node, place: _Place) -> Iterator[Edit]:
    """What is edited within a value that stays where it is."""
    match value:
        case Scalar():
            if place.is_on_line_of_key:
                yield place.spacing()
        case Sequence() if value.span.text.startswith("["):
            written = _in_brackets(value)
            if written is not None:
                yield place.edit(_list_lines(value, written, place))
        case Sequence():
            for item in value.items:
                yield from _element(item)
        case Mapping() if not value.span.text.startswith("{"):
            yield from _mapping(value, is_item=False)


def _element(item: Node) -> Iterator[Edit]:
    match item:
        case Mapping() if not item.span.text.startswith("{"):
            yield from _mapping(item, is_item=False)
        case Sequence() if item.span.text.startswith("["):
            written = _in_brackets(item)
            if written is not None and item.span.position[1] + len(written) <= WIDTH:
                yield Edit(item.span.start, item.span.end, written)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands.

    Attributes:
        start: Behind the colon of its key.
        value: Where the value itself begins.
        end: Behind the value, the comment of a block's first line included.
        column: Of the key, from 0.
        name: Characters of the key.
        comment: What stands behind the value, or behind the sign of a block.
        is_on_line_of_key: Whether the value begins there.
    """

    start: int
    value: int
    end: int
    column: int
    name: int
    comment: str
    is_on_line_of_key: bool

    @classmethod
    def of(cls, key: Scalar, value: Node) -> _Place | None:
        """The place; None where something stands in the way of finding or changing it."""
        source = key.span.file.text
        between = _BETWEEN.match(source, key.span.end)
        if between is None or between.end() != value.span.start or source[value.span.start] in "&!*":
            return None
        end = value.span.start + len(value.span.text.rstrip(BLANKS))
        header = _HEADER.match(source, value.span.start) if _is_block(value) else None
        rest = None if header else _REST.match(source, end)
        if not header and not rest:
            return None
        comment = (header or rest)["comment"] or ""  # type: ignore[index] # one of them was found
        column = key.span.position[1] - 1
        is_on_line = "\n" not in between[0]
        stop = end if header or not rest else rest.end()
        return cls(
            key.span.end + 1, value.span.start, stop, column, len(key.span.text), comment.rstrip(BLANKS), is_on_line
        )

    @property
    def room(self) -> int:
        """Characters of a value on the line of its key."""
        return WIDTH - self.column - self.name - len(": ")

    def edit(self, lines: list[str]) -> Edit:
        """The value as these lines: one stands behind the key, several follow it, indented."""
        comment = f"  {self.comment}" if self.comment else ""
        if len(lines) == 1:
            return Edit(self.start, self.end, f" {lines[0]}{comment}")
        head, *rest = lines
        indent = " " * (self.column + 2)
        body = "".join(f"\n{indent}{line}" for line in rest)
        return Edit(self.start, self.end, f"{f' {head}' if head else ''}{comment}{body}")

    def spacing(self) -> Edit:
        """One blank before the value."""
        return Edit(self.start, self.value, " ")


def _is_block(value: Node) -> bool:
    return isinstance(value, Scalar) and value.style in ("|", ">")


def _lines(key: str, value: Node, place: _Place) -> list[str] | None:
    """The value of an item's key as lines; None for one that is not laid out anew."""
    if not isinstance(value, Scalar) or value.is_null:
        return None
    if key == "condition":
        lines = _condition_lines(value.text, place)
        return lines and _as_block(lines, place)
    if key in _TEXTS and value.style in ("", ">") and _WORDS.fullmatch(value.text.rstrip("\n")):
        words = value.text.rstrip("\n").split(" ")
        return _as_block([*filled(words, WIDTH - place.column - 2)], place)
    return None


def _condition_lines(text: str, place: _Place) -> list[str] | None:
    """A condition as lines; those that do not stand by themselves, and odd characters, are left alone.

    Parentheses around the whole stay: a file loaded later may append to the text.
    """
    if not text.replace("\n", " ").replace("\t", " ").isprintable():
        return None
    try:
        tree = parse_condition(MappedText.literal(text))
    except ParseError:
        return None
    is_grouped = _is_in_parentheses(text.strip(BLANKS))
    for width in (place.room, WIDTH - place.column - 2):
        lines = lay_out(tree, width - 2 * is_grouped)
        lines = grouped(lines) if is_grouped else lines
        if len(lines) == 1:
            break
    return lines


def _is_in_parentheses(condition: str) -> bool:
    """Whether a condition's first character is a parenthesis that its last one closes."""
    try:
        return condition[:1] == "(" and bool(parse_condition(MappedText.literal(condition[1:-1])))
    except ParseError:
        return False


def _as_block(lines: list[str], place: _Place) -> list[str]:
    """Lines behind the key where they are one that fits, else in a block below it."""
    if len(lines) == 1 and len(lines[0]) <= place.room:
        return lines if _is_plain(lines[0]) else [">-", *lines]
    return [">-", *lines]


def _is_plain(text: str) -> bool:
    """Whether YAML reads the text as it stands behind a key."""
    try:
        return bool(yaml.load(f"k: {text}", Loader=_LOADER) == {"k": text})  # noqa: S506, TID251 - a loader that gives texts alone
    except yaml.YAMLError:
        return False


def _in_brackets(sequence: Sequence) -> str | None:
    """A list in brackets on one line, its texts as written; None where a comment or something else stands in it."""
    source = sequence.span.file.text
    at, parts = sequence.span.start, []
    for item in sequence.items:
        text = item.span.text.rstrip(BLANKS)
        if item.span.start < at or not _GAP.fullmatch(source, at, item.span.start):
            return None
        if isinstance(item, Sequence):
            inner = _in_brackets(item)
            if inner is None:
                return None
            parts.append(inner)
        elif isinstance(item, Mapping) or "\n" in text or not text or text[0] in "&!*":
            return None
        else:
            parts.append(text)
        at = item.span.start + len(text)
    if not _GAP.fullmatch(source, at, sequence.span.end):
        return None
    return f"[{', '.join(parts)}]"


def _list_lines(sequence: Sequence, written: str, place: _Place) -> list[str]:
    """A list behind its key where it fits, else an element a line."""
    if len(written) <= place.room or not sequence.items:
        return [written]
    elements = (
        _in_brackets(item) if isinstance(item, Sequence) else item.span.text.rstrip(BLANKS) for item in sequence.items
    )
    return ["", *(f"- {element}" for element in elements)]
