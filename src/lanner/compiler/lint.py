"""What is allowed in a condition but hardly meant.

Source: Falco, filter_warning_resolver.cpp; Falco libs, libsinsp/filter.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lanner.compiler.problem import Problem
from lanner.compiler.scope import Scope
from lanner.condition import Call, Check, Field, Literal, LiteralList
from lanner.condition.ast import Argument, ArgumentList
from lanner.condition.operators import TRANSFORMERS
from lanner.fields.catalogue import FieldSpec

_FIELD = re.compile(r"([a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+)(\[[^\]]*\])?")
_TRANSFORMER = re.compile(rf"(?:{'|'.join(TRANSFORMERS)})\(.*\)", re.DOTALL)
_SIMPLE_REGEX = re.compile(r"(?:\^|\.[+*?])?[^.+*?^$()\[\]{}|\\]*(?:\.[+*?]|\$)?")
_EQUALITY = {"=", "==", "!=", "in", "intersects", "pmatch"}
_NEVER_THERE = {"ka.req.binding.subject.has_name"}


def deprecated(node: Field, spec: FieldSpec) -> Iterator[Problem]:
    """A field that is kept for old rules, or never has a value."""
    help_text = f"use `{spec.deprecated}`"
    if node.name in _NEVER_THERE:
        yield Problem("has_name_is_missing", f"`{node.name}` never has a value", node.place, help=help_text)
    elif spec.deprecated:
        yield Problem("deprecated_field", f"`{node.name}` is deprecated", node.place, help=help_text)


def suspicious(check: Check, value: Literal, scope: Scope) -> Iterator[Problem]:
    """A text that is a field or a transformer, and a regular expression that a simpler operator can replace."""
    if check.operator == "regex" and _SIMPLE_REGEX.fullmatch(value.text):
        yield Problem(
            "compile_condition",
            f"`{value.text}` needs no regular expression",
            value.place,
            help="use `=`, `contains`, `startswith` or `endswith`",
        )
    text = "".join(value.text.split())
    if _is_field(text, scope):
        yield Problem(
            "compile_condition",
            f"`{text}` is a field, and is compared as a text",
            value.place,
            help=f"write `val({text})`",
        )
    elif _TRANSFORMER.fullmatch(text):
        yield Problem(
            "compile_condition",
            f"`{text}` is a transformer, and is compared as a text",
            value.place,
            help="write it without quotes",
        )


def _is_field(text: str, scope: Scope) -> bool:
    match = _FIELD.fullmatch(text)
    spec = scope.known(match.group(1)) if match else None
    return match is not None and spec is not None and (bool(match.group(2)) or not spec.arg_required)


def not_available(check: Check) -> Iterator[Problem]:
    """A comparison with `<NA>`, which alerts print for a missing value and no value is equal to."""
    if check.operator not in _EQUALITY or not _last_field(check.left).startswith(("ka.", "jevt.")):
        return
    values = check.right.items if isinstance(check.right, LiteralList) else (check.right,)
    for value in values:
        if isinstance(value, Literal) and value.text == "<NA>":
            yield Problem(
                "unsafe_na_check",
                "a missing value is not the text `<NA>`",
                value.place,
                help="use `exists` or `not … exists`",
            )


def _last_field(operand: Argument) -> str:
    match operand:
        case Field():
            return operand.name
        case Call():
            return next((name for name in map(_last_field, reversed(operand.arguments)) if name), "")
        case ArgumentList():
            return next((name for name in map(_last_field, reversed(operand.items)) if name), "")
    return ""
