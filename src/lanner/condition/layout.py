"""Syntax tree to lines: a condition as it is laid out in a rule file.

What fits on a line stands on one. Else each part of a conjunction or disjunction has a line of its own, which begins
with the connective; what stands in parentheses is indented. `parse_condition` of the lines, put together, gives the
tree again. Quoted texts keep the quotes and escapes that they were written with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lanner.condition.ast import And, Check, Expr, Literal, LiteralList, Not, Or
from lanner.condition.printer import head, printed, to_text

_INDENT = "  "


def lay_out(node: Expr, width: int) -> list[str]:
    """The condition as lines.

    Args:
        node: Any condition.
        width: Characters of a line; a text that is longer by itself is not broken.
    """
    text = to_text(node, _as_written)
    if len(text) <= width:
        return [text]
    match node:
        case And():
            return _joined("and ", node.children, width)
        case Or():
            return _joined("or ", node.children, width)
        case Not():
            return _prefixed("not ", _operand(node.child, width - len("not "), (And, Or, Not)))
        case Check(right=LiteralList(items)):
            values = filled((to_text(item, _as_written) for item in items), width - len(_INDENT), ",")
            return [f"{head(node, _as_written)} (", *(_INDENT + line for line in values), ")"]
        case _:
            return [text]


def grouped(lines: Sequence[str]) -> list[str]:
    """Lines of a condition in parentheses."""
    return [f"({lines[0]})"] if len(lines) == 1 else ["(", *(_INDENT + line for line in lines), ")"]


def filled(words: Iterable[str], width: int, separator: str = "") -> Iterator[str]:
    """Words on lines, as many as fit, with the separator behind each but the last."""
    line = ""
    for word in words:
        if line and len(line) + len(separator) + 1 + len(word) + len(separator) > width:
            yield line + separator
            line = word
        else:
            line = f"{line}{separator} {word}" if line else word
    if line:
        yield line


def _joined(word: str, children: Sequence[Expr], width: int) -> list[str]:
    first, *rest = children
    lines = _operand(first, width)
    for child in rest:
        lines += _prefixed(word, _operand(child, width - len(word)))
    return lines


def _prefixed(word: str, lines: list[str]) -> list[str]:
    return [word + lines[0], *lines[1:]]


def _operand(node: Expr, width: int, grouped_kinds: tuple[type, ...] = (And, Or)) -> list[str]:
    """A part of a conjunction, a disjunction or a negation; one that has parts itself stands in parentheses."""
    if not isinstance(node, grouped_kinds):
        return lay_out(node, width)
    return grouped(lay_out(node, width - len(_INDENT)))


def _as_written(literal: Literal) -> str:
    """A quoted text as it was written, unless it holds what would not survive being laid out anew."""
    if not literal.quoted or literal.place is None:
        return printed(literal)
    written = literal.place.text.text[literal.place.start : literal.place.end]
    return written if written.isprintable() and "  " not in written else printed(literal)
