"""Residual formulas to one Python function.

The functions read as a person would write them, and can be printed (`lanner rules show --compiled`):

    def match(e, c):
        v_user_username = e.user.username
        found = []
        # 'Attach/Exec Pod'
        if v_user_username == 'alice' and …:
            found.append(17)
        return found

A value or check that is needed once is evaluated in its place. One that is needed more often is kept in a local
variable: at once where getting it is cheap, else when it is first asked for (`U` marks what was not asked for yet).
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, TypeAlias

from lanner.compiler.atoms import Atom
from lanner.compiler.formula import AllOf, AnyOf, Formula, Inverse, atoms
from lanner.compiler.operands import Operand, variable_name

Match: TypeAlias = Callable[[Any, Any], Sequence[int]]
"""From an event and its context to the numbers of the rules that match, in order."""

UNKNOWN = object()
_MAX_DEPTH = 30
"""Levels of parentheses in one expression; Python's own bound is 200."""

_CHEAP = (" == ", " in values", " is not None", ".startswith(", ".endswith(")


@dataclass(slots=True)
class _Writer:
    """Collects the lines of one function."""

    atoms: Sequence[Atom]
    uses: Counter[int]
    values: Counter[str]
    hints: Counter[str]
    head: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    checks: dict[int, str] = field(default_factory=dict)

    def expression(self, formula: Formula, depth: int = 0) -> str:
        """The formula as a Python expression."""
        match formula:
            case bool():
                return str(formula)
            case int():
                return self._check(formula)
            case Inverse():
                return f"not {self._nested(formula.part, depth)}"
            case AllOf():
                return " and ".join(map(self._nested, formula.parts, repeat(depth)))
            case AnyOf():
                return " or ".join(map(self._nested, formula.parts, repeat(depth)))

    def statement(self, before: str, formula: Formula, after: str) -> list[str]:
        """Lines with the formula between two texts; each part of a conjunction or disjunction has its own line."""
        if not isinstance(formula, AllOf | AnyOf):
            return [f"{before} {self.expression(formula)}{after}"]
        word = "and" if isinstance(formula, AllOf) else "or"
        first, *rest = [self._nested(part, 0) for part in formula.parts]
        return [f"{before} (", f"    {first}", *(f"    {word} {part}" for part in rest), f"){after}"]

    def _nested(self, formula: Formula, depth: int) -> str:
        if isinstance(formula, int):
            return self.expression(formula)
        if depth < _MAX_DEPTH:
            return f"({self.expression(formula, depth + 1)})"
        text = self.expression(formula)
        name = self._name(f"part:part {len(self.names)}")
        self.head.append(f"{name} = {text}")
        return name

    def _check(self, number: int) -> str:
        """A check: in its place, or by the name of the variable that keeps its result."""
        atom = self.atoms[number]
        if self.uses[number] == 1:
            return self._evaluate(atom)
        if number not in self.checks:
            code = self._evaluate(atom)
            name = f"a{number}"
            if atom.operand.is_cheap and atom.right is None and any(part in code for part in _CHEAP):
                self.head.append(f"{name} = {code}")
                self.checks[number] = name
            else:
                self.head.append(f"{name} = U")
                self.checks[number] = f"({name} if {name} is not U else ({name} := {code}))"
        return self.checks[number]

    def value(self, number: int) -> str:
        """The value that an atom checks."""
        return self._value(self.atoms[number].operand)[0]

    def _evaluate(self, atom: Atom) -> str:
        code = atom.code(*self._value(atom.operand))
        return f"({self._hint(atom.hint)} and {code})" if atom.hint else code

    def _hint(self, hint: str) -> str:
        """A hint: in its place, or by the name of the variable that keeps what it says."""
        if self.hints[hint] == 1:
            return hint
        name = f"h{[*self.hints].index(hint)}"
        unknown = f"{name} = U"
        if unknown not in self.head:
            self.head.append(unknown)
        return f"({name} if {name} is not U else ({name} := {hint}))"

    def _value(self, operand: Operand) -> tuple[str, str]:
        """Two expressions of a value: one that evaluates it if need be, and the name it has then."""
        is_new = operand.key not in self.names
        name = self._name(operand.key)
        if self.values[operand.key] == 1:
            return f"({name} := {operand.code})", name
        if is_new:
            self.head.append(f"{name} = {operand.code if operand.is_cheap else 'U'}")
        if operand.is_cheap:
            return name, name
        return f"({name} if {name} is not U else ({name} := {operand.code}))", name

    def _name(self, key: str) -> str:
        if key not in self.names:
            self.names[key] = variable_name(key, self.taken)
            self.taken.add(self.names[key])
        return self.names[key]


def _writer(atoms_: Sequence[Atom], uses: Counter[int], looked_up: Iterable[int] = ()) -> _Writer:
    """A writer for so many uses of atoms, and for lookups by the values of others."""
    values = Counter(atoms_[number].operand.key for number in (*uses, *looked_up))
    return _Writer(atoms_, uses, values, Counter(hint for number in uses if (hint := atoms_[number].hint)))


def match_source(
    residuals: Sequence[tuple[int, str, Formula]],
    atoms_: Sequence[Atom],
    indexes: Mapping[str, int],
    *,
    first_only: bool,
) -> str:
    """The source of a function that tests rules.

    Args:
        residuals: Number, name and formula of each rule that is tested one by one, in order.
        atoms_: All atoms, by number.
        indexes: Names of lookups for further rules, and an atom whose operand gives the value to look up.
        first_only: Whether the first rule that matches ends the search.
    """
    uses = Counter(number for _, _, formula in residuals for number in atoms(formula))
    writer = _writer(atoms_, uses, indexes.values())
    ends_early = first_only and not indexes
    body = []
    for number, name, formula in residuals:
        then = f"return ({number},)" if ends_early else f"found.append({number})"
        body.append(f"# {name!r}")
        body += [then] if formula is True else [*writer.statement("if", formula, ":"), f"    {then}"]
    for name, atom in indexes.items():
        body += [
            f"for number, test in {name}({writer.value(atom)}):",
            "    if test(e, c):",
            "        found.append(number)",
        ]
    start = [] if ends_early else ["found = []"]
    found = "sorted(set(found))" if indexes else "found"
    end = "return ()" if ends_early else f"return {found}[:1]" if first_only else f"return {found}"
    return _function("match(e, c)", [*writer.head, *start, *body, end])


def test_source(formula: Formula, atoms_: Sequence[Atom]) -> str:
    """The source of a function that tests one formula."""
    writer = _writer(atoms_, Counter(atoms(formula)))
    body = writer.statement("return", formula, "")
    return _function("test(e, c)", [*writer.head, *body])


def signature_source(numbers: Sequence[int], atoms_: Sequence[Atom]) -> str:
    """The source of a function that gives the truth of the atoms of one dimension, in order."""
    writer = _writer(atoms_, Counter(numbers))
    checks = [writer.expression(number) for number in numbers]
    return _function("signature(e)", [*writer.head, f"return ({''.join(check + ', ' for check in checks)})"])


def scope_of(constants: Mapping[str, Any]) -> dict[str, Any]:
    """The names that generated code may refer to; functions that are compiled with one scope share it."""
    return {"__builtins__": builtins, "U": UNKNOWN, **constants}


def compile_function(source: str, constants: Mapping[str, Any], name: str) -> Any:
    """The function that a source defines, with the constants that it may refer to, or a scope made of them."""
    scope = constants if isinstance(constants, dict) and "__builtins__" in constants else scope_of(constants)
    made: dict[str, Any] = {}
    exec(compile(source, f"<{name}>", "exec"), scope, made)  # noqa: S102 - INVARIANT: texts enter the source by `repr` only
    return made[source[4 : source.index("(")]]


def _function(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"def {head}:", *(f"    {line}" for line in lines), ""])
