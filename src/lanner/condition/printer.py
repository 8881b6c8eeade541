"""Syntax tree to text: `parse_condition(to_text(tree)) == tree` for every tree that the parser can make."""

from __future__ import annotations

import re
from collections.abc import Callable
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


def printed(literal: Literal) -> str:
    """A constant as it would be written."""
    return quote(literal.text) if literal.quoted else literal.text


def to_text(node: Expr | Value | Argument, literal: Callable[[Literal], str] = printed) -> str:
    """The condition, field or value as it would be written in a rule file, on one line.

    Args:
        node: What to write.
        literal: Writes a constant.
    """
    match node:
        case And():
            return " and ".join(_grouped(child, (And, Or), literal) for child in node.children)
        case Or():
            return " or ".join(_grouped(child, (And, Or), literal) for child in node.children)
        case Not():
            # `not not x` is read as `x`.
            return f"not {_grouped(node.child, (And, Or, Not), literal)}"
        case MacroName() | ListName():
            return node.name
        case Check():
            return f"{head(node, literal)} {to_text(node.right, literal)}" if node.right else head(node, literal)
        case Field():
            return node.name + _argument(node.argument)
        case Call():
            arguments = ", ".join(to_text(argument, literal) for argument in node.arguments)
            return f"{node.transformer}({arguments}){_argument(node.argument)}"
        case Literal():
            return literal(node)
        case LiteralList() | ArgumentList():
            return f"({', '.join(to_text(item, literal) for item in node.items)})"
        case _:
            assert_never(node)


def head(node: Check, literal: Callable[[Literal], str] = printed) -> str:
    """A check without its value."""
    return " ".join([to_text(node.left, literal), node.operator, *([node.modifier] if node.modifier else [])])


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


def _grouped(node: Expr, kinds: tuple[type, ...], literal: Callable[[Literal], str]) -> str:
    text = to_text(node, literal)
    return f"({text})" if isinstance(node, kinds) else text


def _argument(argument: str | None) -> str:
    if argument is None:
        return ""
    return f"[{argument}]" if _BARE_ARGUMENT.fullmatch(argument) else f"[{quote(argument)}]"
