"""Falco's condition language: text to syntax tree and back. Pure syntax: knows no field, no rule and no event."""

from lanner.condition.ast import (
    And,
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
    Place,
)
from lanner.condition.parser import ParseError, parse_condition, parse_list, parse_operand
from lanner.condition.printer import to_text

__all__ = [
    "And",
    "ArgumentList",
    "Call",
    "Check",
    "Expr",
    "Field",
    "ListName",
    "Literal",
    "LiteralList",
    "MacroName",
    "Not",
    "Or",
    "ParseError",
    "Place",
    "parse_condition",
    "parse_list",
    "parse_operand",
    "to_text",
]
