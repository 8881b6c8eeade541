"""Syntax tree to text: `parse_condition(to_text(tree)) == tree` for every tree that the parser can make."""

from __future__ import annotations

import re
from typing import assert_never

from lanner.condition.ast import (
    And,
    Argument,
    ArgumentList,
    Call,
    Check,
    Expr,
    Field,
    ListName,
    Literal,
    LiteralList,
    MacroName,
    Not,
    Or,
    Value,
)

_BARE_ARGUMENT = re.compile(r"[^\[\]\"'\s]+")
_ESCAPES = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"'}


def to_text(node: Expr | Value | Argument) -> str:
    """The condition, field or value as it would be written in a rule file, on one line."""
    match node:
        case And():
            return " and ".join(_grouped(child) for child in node.children)
        case Or():
            return " or ".join(_grouped(child) for child in node.children)
        case Not():
            return f"not {_grouped(node.child)}"
        case MacroName() | ListName():
            return node.name
        case Check():
            return _check(node)
        case Field():
            return node.name + _argument(node.argument)
        case Call():
            return f"{node.transformer}({', '.join(map(to_text, node.arguments))}){_argument(node.argument)}"
        case Literal():
            return quote(node.text) if node.quoted else node.text
        case LiteralList() | ArgumentList():
            return f"({', '.join(map(to_text, node.items))})"
        case _:
            assert_never(node)


def quote(text: str) -> str:
    r"""The text in double quotes, with the escapes that the language knows.

    A backslash before a quote is written as `\x5c`, because no quote behind a backslash ends a text.
    """
    out = []
    for at, char in enumerate(text):
        if char == "\\":
            out.append("\\x5c" if text[at + 1 : at + 2] in ("", '"') else "\\\\")
        elif char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif char < " ":
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(char)
    return f'"{"".join(out)}"'


def _grouped(node: Expr) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, And | Or) else text


def _argument(argument: str | None) -> str:
    if argument is None:
        return ""
    return f"[{argument}]" if _BARE_ARGUMENT.fullmatch(argument) else f"[{quote(argument)}]"


def _check(node: Check) -> str:
    words = [to_text(node.left), node.operator]
    if node.modifier:
        words.append(node.modifier)
    if node.right is not None:
        words.append(to_text(node.right))
    return " ".join(words)
