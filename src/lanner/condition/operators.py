"""The operators and modifiers of the condition language, one row each.

The type check, the compiler and the documentation read this table. What an operator does to two values is in
`lanner.compiler.semantics`. Source: libsinsp, filter/parser.cpp and filter_compare.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MODIFIERS: Mapping[str, str] = {
    "oneof": "exactly one of the list's values passes",
    "anyof": "at least one of the list's values passes",
    "allof": "all of the list's values pass",
}

TRANSFORMERS: Mapping[str, str] = {
    "tolower": "the text with A-Z as a-z",
    "toupper": "the text with a-z as A-Z",
    "b64": "the text that the Base64 text encodes",
    "basename": "what stands behind the last slash",
    "len": "the length of a text in bytes, or the number of a list's values",
    "join": "the values of a list with a separator between them: join(separator, list)",
    "concat": "texts one behind the other: concat(a, b, …)",
    "getopt": "the short options among a list of arguments: getopt(arguments, options)",
    "val": "the value of a field, on the right-hand side",
}


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: which kinds of field it takes, and what it means."""

    name: str
    text: bool
    number: bool
    list: bool
    takes_list: bool
    description: str

    @property
    def address(self) -> bool:
        """Whether it takes addresses, which it compares with networks too."""
        return self.name in _ADDRESS_OPERATORS


_ADDRESS_OPERATORS = frozenset({"exists", "=", "==", "!=", "in", "intersects"})


_ROWS = (
    Operator("exists", True, True, True, False, "the field has a value"),
    Operator("=", True, True, False, False, "equal"),
    Operator("==", True, True, False, False, "equal"),
    Operator("!=", True, True, False, False, "has a value, and another one"),
    Operator("<", True, True, False, False, "smaller; texts are compared byte by byte"),
    Operator("<=", True, True, False, False, "smaller or equal"),
    Operator(">", True, True, False, False, "larger"),
    Operator(">=", True, True, False, False, "larger or equal"),
    Operator("in", True, True, True, True, "one of the values; of a list of values, all are"),
    Operator("intersects", True, True, True, True, "one of the values; of a list of values, at least one is"),
    Operator("pmatch", True, False, False, True, "a path at or below one of the paths"),
    Operator("contains", True, False, False, False, "holds the text"),
    Operator("icontains", True, False, False, False, "holds the text, with A-Z and a-z alike"),
    Operator("startswith", True, False, False, False, "begins with the text"),
    Operator("endswith", True, False, False, False, "ends with the text"),
    Operator("glob", True, False, False, False, "matches a pattern with * ? [a-z]"),
    Operator("iglob", True, False, False, False, "matches such a pattern, with A-Z and a-z alike"),
    Operator("regex", True, False, False, False, "matches a regular expression (RE2, POSIX syntax) as a whole"),
    Operator("bcontains", False, False, False, False, "holds the bytes; no field of audit events takes it"),
    Operator("bstartswith", False, False, False, False, "begins with the bytes; no field of audit events takes it"),
)

OPERATORS: Mapping[str, Operator] = {row.name: row for row in _ROWS}
