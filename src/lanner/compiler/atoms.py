"""Checks as Python expressions: the table of what each operator is in generated code.

Two-valued logic: a check on a missing value (None) is false, so `not a=b` holds where `a!=b` does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from lanner.compiler import semantics
from lanner.compiler.operands import SEARCHABLE, Constants, Operand, OperandCompiler
from lanner.condition import Check, ListName, Literal, LiteralList, to_text

_Code = Callable[[str, str], str]
"""From two expressions of the value to the expression of the check: the first evaluates it, the second is its name."""


class IndexKind(Enum):
    """How a value is compared with the texts of an index."""

    EQUALS = auto()
    PREFIX = auto()
    PART = auto()


@dataclass(frozen=True, slots=True)
class Index:
    """A check that holds where the value is, begins with, or holds one of the texts, and nowhere else."""

    kind: IndexKind
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Atom:
    """One check, ready for code.

    Attributes:
        operand: What is checked.
        code: From two expressions of the operand's value to the expression of the check: the first evaluates the value
            and comes first, the second is the name it has then.
        right: The field on the right-hand side, if there is one.
        index: How a lookup finds the check by the operand's value, if one can.
        text: The check as a rule would have it, for comments in generated code.
        hint: An expression that is true wherever the check holds, and costs less than the value; tested ahead of it.
    """

    operand: Operand
    code: _Code
    right: Operand | None
    index: Index | None
    text: str
    hint: str | None = None


class AtomCompiler:
    """Gives every check its atom; equal checks get the same."""

    def __init__(self, operands: OperandCompiler, constants: Constants) -> None:
        self.atoms: list[Atom] = []
        self._operands = operands
        self._constants = constants
        self._numbers: dict[Any, int] = {}

    def atom(self, check: Check) -> int | bool:
        """The number of a check's atom in `atoms`; False for a check that no event passes."""
        left = self._operands.compile(check.left)
        if check.operator == "exists" and left.is_always:
            return True
        operator = "=" if check.operator == "==" else check.operator
        right = None if _constant(check) else self._operands.compile(check.right)  # type: ignore[arg-type]
        values = _values(check)
        key = (left.key, operator, check.modifier, right.key if right else values)
        if key in self._numbers:
            return self._numbers[key]
        if right is None and check.operator != "exists" and not values:
            return False
        code = self._dynamic(operator, left, right) if right else self._static(operator, check.modifier, left, values)
        if _is_epoch(left, operator, values):
            return False
        if (known := self._known(left, right, code)) is not None:
            return known
        self._numbers[key] = len(self.atoms)
        index = None if right else _index(left, operator, check.modifier, values)
        hint = None if right else self._hint(operator, check.modifier, left, values)
        self.atoms.append(Atom(left, code, right, index, to_text(check), hint))
        return self._numbers[key]

    def _known(self, left: Operand, right: Operand | None, code: _Code) -> bool | None:
        """The truth of a check that is the same for all events."""
        if left.constant is None or right is not None:
            return None
        names = {**self._constants.values, "k": left.constant[0]}
        return bool(eval(code("k", "k"), names))  # noqa: S307 - INVARIANT: texts enter generated code by `repr` only

    def _static(self, operator: str, modifier: str | None, left: Operand, values: tuple[str, ...]) -> _Code:
        """A check against constants."""
        if operator == "exists":
            return lambda first, again: f"{first} is not None"
        if left.is_address:
            return self._network_check(operator, left.is_list, values)
        if left.is_list:
            return self._list_check(operator, repr_set(self._constants, frozenset(values)))
        wanted = tuple(map(semantics.parse_number, values)) if left.is_number else values
        if modifier:
            return self._modified(operator, modifier, wanted)
        return self._members(operator, wanted) or _guarded(self._test(operator, wanted))

    def _hint(self, operator: str, modifier: str | None, left: Operand, values: tuple[str, ...]) -> str | None:
        """A test that costs less than getting the value: whether what is wanted can be there, or else anything."""
        parts = _parts(left, operator, modifier, values)
        return f"c.may_hold({left.raw!r}, {self._constants.name('parts', parts)})" if parts else left.hint

    def _list_check(self, operator: str, values: str) -> _Code:
        if operator == "in":
            return _guarded(f"{values}.issuperset({_VALUE})")
        return _guarded(f"not {values}.isdisjoint({_VALUE})")

    def _network_check(self, operator: str, is_list: bool, values: tuple[str, ...]) -> _Code:
        """A check of addresses against addresses and networks."""
        has = self._tester("networks", values, semantics.network_test)
        if is_list:
            return _guarded(f"{'all' if operator == 'in' else 'any'}(map({has}, {_VALUE}))")
        return _guarded(f"{'not ' if operator == '!=' else ''}{has}({_VALUE})")

    def _members(self, operator: str, values: tuple[Any, ...]) -> _Code | None:
        """Equality and membership need no guard: None is never among the values."""
        if operator in ("in", "intersects", "=") and len(values) > 1:
            constant = repr_set(self._constants, frozenset(values))
            return lambda first, again: f"{first} in {constant}"
        if operator in ("in", "intersects", "="):
            return lambda first, again: f"{first} == {values[0]!r}"
        return None

    def _test(self, operator: str, values: tuple[Any, ...]) -> str:
        """The check of a value that is there, with `_VALUE` in its place."""
        value = values[0]
        match operator:
            case "contains":
                return f"{value!r} in {_VALUE}"
            case "icontains":
                return f"{semantics.lower(value)!r} in {self._function(semantics.lower)}({_VALUE})"
            case "startswith" | "endswith":
                return f"{_VALUE}.{operator}({value!r})"
            case "regex":
                return f"{self._tester('regex', values[0], semantics.regex_test)}({_VALUE})"
            case "glob":
                return f"{self._tester('glob', values[0], semantics.glob_test)}({_VALUE})"
            case "iglob":
                return (
                    f"{self._tester('iglob', values[0], lambda p: semantics.glob_test(p, ignore_case=True))}({_VALUE})"
                )
            case "pmatch":
                return f"{self._tester('paths', values, semantics.path_test)}({_VALUE})"
            case _:
                return f"{_VALUE} {_PYTHON[operator]} {value!r}"

    def _modified(self, operator: str, modifier: str, values: tuple[Any, ...]) -> _Code:
        """A check that is made against each value of a list."""
        if operator == "=" and modifier == "anyof":
            return self._members("in", values) or _never
        if operator == "!=" and modifier == "allof":
            return _guarded(f"{_VALUE} not in {repr_set(self._constants, frozenset(values))}")
        if operator in ("startswith", "endswith") and modifier == "anyof":
            return _guarded(f"{_VALUE}.{operator}({tuple(values)!r})")
        if operator == "contains" and modifier == "anyof" and len(values) >= _MANY:
            return _guarded(f"{self._tester('parts', values, semantics.part_test)}({_VALUE})")
        tests = [f"({self._test(operator, (value,))})" for value in values]
        match modifier:
            case "anyof":
                return _guarded(f"({' or '.join(tests)})")
            case "allof":
                return _guarded(f"({' and '.join(tests)})")
            case _:
                return _guarded(f"sum(({', '.join(tests)},)) == 1")

    def _dynamic(self, operator: str, left: Operand, right: Operand) -> _Code:
        """A check against another field of the event."""
        if left.is_list:
            test = f"set(r).issuperset({_VALUE})" if operator == "in" else f"not set(r).isdisjoint({_VALUE})"
        else:
            match operator:
                case "exists":
                    test = "True"
                case "in" | "intersects":
                    test = f"{_VALUE} == r"
                case "contains":
                    test = f"r in {_VALUE}"
                case "icontains":
                    lower = self._function(semantics.lower)
                    test = f"{lower}(r) in {lower}({_VALUE})"
                case "startswith" | "endswith":
                    test = f"{_VALUE}.{operator}(r)"
                case "glob" | "iglob":
                    test = f"{self._function(semantics.glob)}({_VALUE}, r, {operator == 'iglob'})"
                case _:
                    test = f"{_VALUE} {_PYTHON[operator]} r"
        return lambda first, again: (
            f"({first} is not None and (r := {right.code}) is not None and {test.replace(_VALUE, again)})"
        )

    def _function(self, function: Any) -> str:
        return self._constants.function(function)

    def _tester(self, kind: str, pattern: Any, make: Callable[[Any], semantics.Test]) -> str:
        return self._constants.name(kind, make(pattern), key=(kind, pattern))


_VALUE = "\0"
"""Stands for the value in the text of a test; no Python expression holds this character."""

_MANY = 32
"""Texts that are looked for by one automaton rather than one after the other."""

_PYTHON = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def repr_set(constants: Constants, values: frozenset[Any]) -> str:
    """The name of a set of constants."""
    return constants.name("values", values)


def _is_epoch(left: Operand, operator: str, values: tuple[str, ...]) -> bool:
    """Whether the time is compared with zero, which no event's is: Falco's way to write a check that never holds."""
    return left.key.startswith("rawtime:") and operator in ("=", "in") and set(values) == {"0"}


def _guarded(test: str) -> _Code:
    return lambda first, again: f"({first} is not None and {test.replace(_VALUE, again)})"


def _never(first: str, again: str) -> str:
    return "False"


def _constant(check: Check) -> bool:
    return check.right is None or isinstance(check.right, Literal | LiteralList | ListName)


def _values(check: Check) -> tuple[str, ...]:
    match check.right:
        case Literal():
            return (check.right.text,)
        case LiteralList():
            return tuple(item.text for item in check.right.items)
        case ListName():
            return (check.right.name,)
        case _:
            return ()


_HOLDING = frozenset({"=", "in", "intersects", "contains", "startswith", "endswith"})
"""Operators that are true only of a text that holds one of the values."""

_MAX_PARTS = 16


def _parts(left: Operand, operator: str, modifier: str | None, values: tuple[str, ...]) -> tuple[bytes, ...]:
    """What a raw member's JSON has to hold for the check to be true: one of these; none where that is not sure."""
    if left.raw is None or operator not in _HOLDING or modifier not in (None, "anyof") or len(values) > _MAX_PARTS:
        return ()
    return tuple(value.encode() for value in values) if all(map(SEARCHABLE.fullmatch, values)) else ()


_INDEX_KINDS = {
    "=": IndexKind.EQUALS,
    "in": IndexKind.EQUALS,
    "intersects": IndexKind.EQUALS,
    "startswith": IndexKind.PREFIX,
    "contains": IndexKind.PART,
}


def _index(left: Operand, operator: str, modifier: str | None, values: tuple[str, ...]) -> Index | None:
    is_text = not (left.is_list or left.is_number or left.is_address)
    if not is_text or operator not in _INDEX_KINDS or modifier not in (None, "anyof"):
        return None
    return Index(_INDEX_KINDS[operator], values)
