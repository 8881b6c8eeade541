"""Conditions as boolean formulas over numbered atoms, and what is left of them once some atoms are known.

An atom is one check (`ka.verb in (create, update)`); equal checks of all rules share one number, so that each is
evaluated once per event at most. Knowing the stage, verb, resource and subresource of an event decides most atoms,
and `reduce` gives what remains: for most rules nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, assert_never

from lanner.condition import And, Check, Expr, MacroName, Not, Or


@dataclass(frozen=True, slots=True, eq=False)
class AllOf:
    """True where all parts are; two or more."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AnyOf:
    """True where one of the parts is; two or more."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """True where the part is false."""

    part: Formula


Formula: TypeAlias = "bool | int | AllOf | AnyOf | Inverse"
"""`True`, `False`, the number of an atom, or formulas put together. Parts that rules share are shared objects."""


def all_of(parts: list[Formula]) -> Formula:
    """The conjunction, without what is known."""
    rest: list[Formula] = []
    for part in parts:
        if part is False:
            return False
        if part is not True:
            rest += part.parts if isinstance(part, AllOf) else (part,)
    return AllOf(tuple(rest)) if len(rest) > 1 else (rest[0] if rest else True)


def any_of(parts: list[Formula]) -> Formula:
    """The disjunction, without what is known."""
    rest: list[Formula] = []
    for part in parts:
        if part is True:
            return True
        if part is not False:
            rest += part.parts if isinstance(part, AnyOf) else (part,)
    return AnyOf(tuple(rest)) if len(rest) > 1 else (rest[0] if rest else False)


def inverse(part: Formula) -> Formula:
    """The negation."""
    if part is True or part is False:
        return not part
    return part.part if isinstance(part, Inverse) else Inverse(part)


def from_condition(condition: Expr, atom: Callable[[Check], Formula], done: dict[int, Formula]) -> Formula:
    """The formula of a closed condition.

    Args:
        condition: Without macro names.
        atom: The number of a check's atom, or a truth value if it has one for every event.
        done: Results for nodes that were seen, by identity: what macros share is turned into a formula once.
    """
    known = done.get(id(condition))
    if known is not None:
        return known
    inner = partial(from_condition, atom=atom, done=done)
    match condition:
        case Check():
            result = atom(condition)
        case Not():
            result = inverse(inner(condition.child))
        case And():
            result = all_of(list(map(inner, condition.children)))
        case Or():
            result = any_of(list(map(inner, condition.children)))
        case MacroName():
            raise ValueError(f"macro `{condition.name}` is not resolved")
        case _:
            assert_never(condition)
    done[id(condition)] = result
    return result


def demands(formula: Formula) -> tuple[list[int], list[int]]:
    """The atoms that have to be true, and those that have to be false, for the formula to be true: some of them."""
    true: list[int] = []
    false: list[int] = []
    for part in formula.parts if isinstance(formula, AllOf) else (formula,):
        if isinstance(part, Inverse) and isinstance(part.part, int):
            false.append(part.part)
        elif isinstance(part, int) and not isinstance(part, bool):
            true.append(part)
    return true, false


def reduce(formula: Formula, known: Mapping[int, bool], done: dict[int, Formula]) -> Formula:
    """What is left of a formula when the truth of some atoms is known; `done` as in `from_condition`."""
    if formula is True or formula is False:
        return formula
    if isinstance(formula, int):
        return known.get(formula, formula)
    result = done.get(id(formula))
    if result is None:
        result = done[id(formula)] = _reduce(formula, known, done)
    return result


def _reduce(formula: AllOf | AnyOf | Inverse, known: Mapping[int, bool], done: dict[int, Formula]) -> Formula:
    match formula:
        case Inverse():
            return inverse(reduce(formula.part, known, done))
        case AllOf():
            rest = []
            for part in formula.parts:
                left = reduce(part, known, done)
                if left is False:
                    return False
                rest.append(left)
            return all_of(rest)
        case AnyOf():
            rest = []
            for part in formula.parts:
                left = reduce(part, known, done)
                if left is True:
                    return True
                rest.append(left)
            return any_of(rest)


def atoms(formula: Formula) -> list[int]:
    """The atoms in a formula, from left to right, as often as they stand there."""
    found: list[int] = []
    stack = [formula]
    while stack:
        part = stack.pop()
        match part:
            case bool():
                pass
            case int():
                found.append(part)
            case Inverse():
                stack.append(part.part)
            case AllOf() | AnyOf():
                stack.extend(reversed(part.parts))
            case _:
                assert_never(part)
    return found
