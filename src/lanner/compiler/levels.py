"""Which audit level a rule needs: the least at which its condition can hold, and that at which it sees all it asks.

A check of a field that a level does not fill is false there; any other check can be true or false. Whether checks
contradict each other is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, assert_never

from lanner.condition import And, ArgumentList, Call, Check, Expr, Field, Literal, MacroName, Not, Or
from lanner.condition.ast import Argument, checks
from lanner.fields.catalogue import ArgKind, Level, least_level, spec_of

_LEVELS = tuple(Level)
_Outcomes: TypeAlias = tuple[bool, bool]
"""Whether a condition can be true, and whether it can be false."""


def needed_level(condition: Expr) -> Level:
    """The least audit level at which a closed condition can hold; the highest where none lets it."""
    return next((level for level in _LEVELS if _outcomes(condition, level, {})[0]), _LEVELS[-1])


def full_level(condition: Expr) -> Level:
    """The least audit level that fills all fields of a closed condition."""
    return max((_check_level(check) for check in checks(condition)), key=_LEVELS.index, default=_LEVELS[0])


def _outcomes(condition: Expr, level: Level, done: dict[int, _Outcomes]) -> _Outcomes:
    known = done.get(id(condition))
    if known is not None:
        return known
    match condition:
        case Check():
            result = (_LEVELS.index(_check_level(condition)) <= _LEVELS.index(level), True)
        case Not():
            can_be_true, can_be_false = _outcomes(condition.child, level, done)
            result = (can_be_false, can_be_true)
        case And():
            parts = [_outcomes(child, level, done) for child in condition.children]
            result = (all(part[0] for part in parts), any(part[1] for part in parts))
        case Or():
            parts = [_outcomes(child, level, done) for child in condition.children]
            result = (any(part[0] for part in parts), all(part[1] for part in parts))
        case MacroName():
            raise ValueError(f"macro `{condition.name}` is not resolved")
        case _:
            assert_never(condition)
    done[id(condition)] = result
    return result


def _check_level(check: Check) -> Level:
    fields = [*_fields(check.left), *(_fields(check.right) if isinstance(check.right, Call) else ())]
    return max((_field_level(field) for field in fields), key=_LEVELS.index, default=_LEVELS[0])


def _field_level(field: Field) -> Level:
    spec = spec_of(field.name)
    return least_level(spec, field.argument if spec.arg is ArgKind.KEY else None)


def _fields(operand: Argument) -> Iterator[Field]:
    match operand:
        case Field():
            yield operand
        case Call():
            for argument in operand.arguments:
                yield from _fields(argument)
        case ArgumentList():
            for item in operand.items:
                yield from _fields(item)
        case Literal():
            pass
        case _:
            assert_never(operand)
