"""Rules that wait for a list to be filled: which lists are empty, and the condition as if they were not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from lanner.compiler.load import Rule
from lanner.condition import Check, Field, LiteralList
from lanner.condition.ast import And, Expr, Not, Or, checks


def empty_lists(rule: Rule) -> tuple[str, ...]:
    """The names of the empty lists that a rule's condition compares with, each once."""
    found = (check.right for check in checks(rule.condition) if _is_empty(check))
    texts = (each.place.text.text[each.place.start : each.place.end] for each in found if each and each.place)
    return tuple(dict.fromkeys(name for text in texts if (name := text.strip("() \n"))))


def with_filled_lists(rule: Rule) -> Rule:
    """The rule with each check against an empty list as one that some events pass and others do not."""
    return replace(rule, condition=_filled(rule.condition, count()))


def _filled(node: Expr, numbers: Iterator[int]) -> Expr:
    match node:
        case And() | Or():
            return replace(node, children=tuple(_filled(child, numbers) for child in node.children))
        case Not():
            return replace(node, child=_filled(node.child, numbers))
        case Check() if _is_empty(node):
            return Check(Field("jevt.value", f"/annotations/unknown-{next(numbers)}"), "exists")
        case _:
            return node


def _is_empty(check: Check) -> bool:
    return isinstance(check.right, LiteralList) and not check.right.items
