"""The truth of single checks and the values of single fields, by the very code that rules are compiled to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lanner.compiler.atoms import AtomCompiler
from lanner.compiler.codegen import compile_function, test_source
from lanner.compiler.operands import Constants, OperandCompiler, paths
from lanner.condition import And, Call, Check, Expr, Not, Or
from lanner.condition.ast import Argument, checks
from lanner.events.context import Context
from lanner.events.decode import EventDecoder
from lanner.events.schema import Event, EventSchema

Value: TypeAlias = "str | int | list[str] | None"
_Code: TypeAlias = Callable[[Event, Context], Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """An event with what generated code asks for beyond it."""

    event: Event
    context: Context


class Tracer:
    """Evaluates parts of conditions."""

    def __init__(self, conditions: Iterable[Expr]) -> None:
        parts = [check for condition in conditions for check in checks(condition)]
        operands = (operand for check in parts for operand in _operands(check))
        schema = EventSchema(path for operand in operands for path in paths(operand))
        self._decoder = EventDecoder(schema)
        self._constants = Constants()
        self._operands = OperandCompiler(schema, self._constants)
        self._atoms = AtomCompiler(self._operands, self._constants)
        self._tests: dict[str, _Code] = {}
        self._by_check: dict[int, tuple[Check, _Code]] = {}
        self._values: dict[str, _Code] = {}

    def events(self, payload: bytes, hostname: str) -> list[Seen]:
        """The events of JSON lines, numbered from 1; those without a readable time happen in 1970."""
        batch = self._decoder.lines(payload)
        found = []
        for index, event in enumerate(batch.events):
            context = Context(hostname, lambda: 0)
            context.begin(batch)
            context.at(event, index)
            found.append(Seen(event, context))
        return found

    def test(self, check: Check) -> _Code:
        """The function that says whether a check passes. Its fields have to be among those of the conditions."""
        known = self._by_check.get(id(check))
        if known is None:
            atom = self._atoms.atom(check)
            key = repr(atom)  # the numbers 0 and 1 are equal to False and True
            if key not in self._tests:
                source = test_source(atom, self._atoms.atoms)
                self._tests[key] = compile_function(source, self._constants.values, "test")
            known = self._by_check[id(check)] = check, self._tests[key]  # the check is kept, and with it its id
        return known[1]

    def value(self, operand: Argument, seen: Seen) -> Value:
        """The value of a field or transformer."""
        compiled = self._operands.compile(operand)
        if compiled.key not in self._values:
            source = f"def value(e, c):\n    return {compiled.code}\n"
            self._values[compiled.key] = compile_function(source, self._constants.values, "value")
        value: Value = self._values[compiled.key](seen.event, seen.context)
        return value

    def holds(self, condition: Expr, seen: Seen) -> bool:
        """Whether a condition holds."""
        match condition:
            case And():
                return all(self.holds(child, seen) for child in condition.children)
            case Or():
                return any(self.holds(child, seen) for child in condition.children)
            case Not():
                return not self.holds(condition.child, seen)
            case Check():
                return bool(self.test(condition)(seen.event, seen.context))
            case _:
                raise ValueError(f"macro `{condition.name}` is not resolved")


def _operands(check: Check) -> Iterable[Argument]:
    yield check.left
    if isinstance(check.right, Call):
        yield check.right
