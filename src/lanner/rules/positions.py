"""Where the characters of a YAML scalar stand in its file, through folding, indentation and quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lanner.diagnostics import MappedText, Piece, Span
from lanner.rules.nodes import Scalar

_PROPERTIES = re.compile(r"(?:[!&]\S*\s+)*")
"""A tag and an anchor in front of a value."""

_WORD = re.compile(r"[^ \t\n\r]+")
_BLANKS = " \t\n\r"
_ESCAPES = {'"': '"', "\\": "\\", "/": "/"}


def mapped(scalar: Scalar) -> MappedText:
    r"""The scalar's text with the place of each character.

    Where an escape such as `\x41` hides the place, the whole scalar stands for the whole text.
    """
    text, span = scalar.text, scalar.span
    return MappedText(text, (Piece(0, len(text), span, _offsets(scalar)),))


def stripped(text: MappedText) -> MappedText:
    """The text of one scalar without the blanks around it."""
    body = text.text.strip()
    if body == text.text:
        return text
    (piece,) = text.pieces
    start = text.text.index(body)
    offsets = None if piece.offsets is None else piece.offsets[start : start + len(body)]
    return MappedText(body, (Piece(0, len(body), piece.span, offsets),))


def _offsets(scalar: Scalar) -> Sequence[int] | None:
    text, source = scalar.text, scalar.span.file.text
    properties = _PROPERTIES.match(source, scalar.span.start)
    start = properties.end() if properties else scalar.span.start
    if scalar.style in ("'", '"'):
        start += 1
    elif scalar.style:
        start = source.find("\n", start) + 1 or scalar.span.end
    if source.startswith(text, start) and start + len(text) <= scalar.span.end:
        return range(start, start + len(text))
    found = _by_words(text, source, start, scalar.span)
    if found is None and scalar.style in ("'", '"'):
        found = _by_characters(text, source, start, scalar.style, scalar.span)
    return found


def _by_words(text: str, source: str, start: int, span: Span) -> Sequence[int] | None:
    """Words stand in the file as they are; the blanks between them may be others."""
    offsets: list[int] = []
    at = start
    for word in _WORD.finditer(text):
        blanks = word.start() - len(offsets)
        first = at
        while source[at : at + 1] in _BLANKS and at < span.end:
            at += 1
        offsets.extend(_blank(first, at, blanks))
        if not source.startswith(word.group(), at):
            return None
        offsets.extend(range(at, at + len(word.group())))
        at += len(word.group())
    if at > span.end:
        return None
    offsets.extend(_blank(at, span.end, len(text) - len(offsets)))
    return offsets


def _by_characters(text: str, source: str, start: int, quote: str, span: Span) -> Sequence[int] | None:
    """As `_by_words`, through doubled single quotes and the escapes of quotes, backslashes and line ends."""
    offsets: list[int] = []
    at = start
    for char in text:
        if char in _BLANKS:
            offsets.append(at)
            at += source[at : at + 1] in _BLANKS
            continue
        while source[at : at + 1] in _BLANKS and at < span.end:
            at += 1
        while quote == '"' and source[at : at + 2] == "\\\n":
            at += 2
            while source[at : at + 1] in _BLANKS and at < span.end:
                at += 1
        escaped = source[at + 1 : at + 2] if source[at : at + 1] == ("\\" if quote == '"' else "'") else ""
        meant = escaped if quote == "'" else _ESCAPES.get(escaped)
        if (meant if escaped else source[at : at + 1]) != char:
            return None
        offsets.append(at)
        at += 2 if escaped else 1
    return offsets if at <= span.end else None


def _blank(first: int, end: int, count: int) -> list[int]:
    """Places for `count` blanks that stand for the blanks from `first` to `end`."""
    last = max(end - 1, first)
    return [min(first + n, last) for n in range(count)]
