"""What rules ask of events: their conditions as formulas, and for each check what it is about.

Most checks are about what a policy decides on as well (stage, verb, target, user): these are tried on example requests.
The rest reads other parts of the event, which a policy can only leave out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Any

from lanner.compiler.atoms import Atom, AtomCompiler
from lanner.compiler.codegen import compile_function, signature_source, test_source
from lanner.compiler.formula import Formula, atoms, from_condition
from lanner.compiler.load import Rule
from lanner.compiler.operands import Constants, OperandCompiler, paths
from lanner.condition import Call, Check, Field, ListName, Literal, LiteralList
from lanner.condition.ast import Argument, ArgumentList, checks
from lanner.events.schema import EventSchema, Path
from lanner.fields.catalogue import spec_of
from lanner.fields.spec import Derived, event_members, least_level
from lanner.policy.model import AuditLevel

KEPT_PARAMETERS = ("command", "dryRun")
"""Parameters of the URI that some provider's log keeps although it has no URI."""

OTHER_PARAMETERS = "*"

_PARAMETERS = {"kx.dry_run": "dryRun", "kx.exec.command": "command"}


class Part(Enum):
    """The part of a request, or of its recording, that decides a check."""

    STAGE = auto()
    LEVEL = auto()
    VERB = auto()
    TARGET = auto()
    URI = auto()
    NAMESPACE = auto()
    NAME = auto()
    SUBJECT = auto()
    REST = auto()


_PARTS: Mapping[Path, Part] = {
    ("stage",): Part.STAGE,
    ("level",): Part.LEVEL,
    ("verb",): Part.VERB,
    ("objectRef", "resource"): Part.TARGET,
    ("objectRef", "subresource"): Part.TARGET,
    ("objectRef", "apiGroup"): Part.TARGET,
    ("requestURI",): Part.URI,
    ("objectRef", "namespace"): Part.NAMESPACE,
    ("objectRef", "name"): Part.NAME,
    ("user", "username"): Part.SUBJECT,
    ("user", "groups"): Part.SUBJECT,
}


@dataclass(frozen=True, slots=True)
class Need:
    """A field that a rule reads.

    Attributes:
        field: As the rule spells it.
        level: The least level that fills it.
        members: The members of the event that it reads.
        paths: The parts of the event that it reads; `("requestURI", "?", NAME)` is a parameter of the URI: one of
            `KEPT_PARAMETERS`, or `OTHER_PARAMETERS` for any other.
        is_printed: Whether only the rule's output reads it.
    """

    field: str
    level: AuditLevel
    members: frozenset[str]
    paths: tuple[Path, ...]
    is_printed: bool


class _Nothing:
    """The context of an event of which nothing is left but what every event has."""

    def member(self, name: str) -> None:
        """No body."""

    def may_hold(self, name: str, parts: tuple[bytes, ...]) -> bool:
        """Nothing is in no body."""
        return False

    def outer(self, name: str) -> None:
        """No member."""

    def whole(self) -> dict[str, Any]:
        """No members."""
        return {}

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Asks:
    """The conditions of rules as formulas over shared atoms.

    Attributes:
        rules: The rules.
        absent: Parts that events never have, whatever the policy.
        formulas: One for each rule.
        atoms: The checks, ready for code.
        checks: As in the conditions, by the number of their atom.
        parts: What decides each atom.
    """

    def __init__(self, rules: Iterable[Rule], absent: Iterable[Path] = ()) -> None:
        self.rules = tuple(rules)
        self.absent = frozenset(absent)
        found = [check for rule in self.rules for check in checks(rule.condition)]
        operands = [operand for check in found for operand in _operands(check)]
        self._schema = EventSchema([*_PARTS, *(path for operand in operands for path in paths(operand))])
        self._constants = Constants()
        self._compiler = AtomCompiler(OperandCompiler(self._schema, self._constants), self._constants)
        self.checks: dict[int, Check] = {}
        done: dict[int, Formula] = {}
        for check in found:
            done.setdefault(id(check), self._atom(check))
        self.formulas = tuple(from_condition(rule.condition, self._atom, done) for rule in self.rules)
        self.atoms: Sequence[Atom] = self._compiler.atoms
        self.parts = {number: self._part(number) for number in self.checks}

    def _atom(self, check: Check) -> int | bool:
        number = self._compiler.atom(check)
        if not isinstance(number, bool):
            self.checks.setdefault(number, check)
        return number

    def _part(self, number: int) -> Part:
        atom, check = self.atoms[number], self.checks[number]
        found = {_PARTS.get(path, Part.REST) for path in paths(check.left)}
        is_plain = atom.right is None and len(found) == 1 and "c." not in atom.operand.code
        if any(self.is_absent(need) for need in self.needs(number)):
            return Part.REST
        return found.pop() if is_plain else Part.REST

    def is_absent(self, need: Need) -> bool:
        """Whether a field reads a part that events never have."""
        return any(path[: len(part)] == part for path in need.paths for part in self.absent)

    def numbers(self, part: Part) -> tuple[int, ...]:
        """The atoms that a part decides."""
        return tuple(number for number, each in self.parts.items() if each is part)

    def truths(self, numbers: Sequence[int], events: Iterable[dict[str, Any]]) -> list[tuple[bool, ...]]:
        """The truth of atoms, in their order, for events of which only what they check is given."""
        signature = compile_function(signature_source(numbers, self.atoms), self._constants.values, "signature")
        return [tuple(map(bool, signature(self._schema.from_object(event)))) for event in events]

    def holds(self, number: int, value: Any) -> bool:
        """Whether an atom is true for a value of its operand."""
        code = self._codes.get(number)
        if code is None:
            text = f"lambda k: {self.atoms[number].code('k', 'k')}"
            # INVARIANT: texts enter generated code by `repr` only
            code = self._codes[number] = eval(text, dict(self._constants.values))  # noqa: S307
        return bool(code(value))

    def is_true_of_nothing(self, number: int) -> bool:
        """Whether an atom is true where the event lacks all that it reads."""
        test = compile_function(test_source(number, self.atoms), self._constants.values, "test")
        try:
            return bool(test(self._schema.from_object({}), _Nothing()))
        except AttributeError:  # a value of the engine, such as the time, which events always have
            return False

    @cached_property
    def _codes(self) -> dict[int, Any]:
        return {}

    def needs(self, number: int) -> tuple[Need, ...]:
        """The fields that an atom reads."""
        check = self.checks[number]
        return tuple(need_of(each) for operand in _operands(check) for each in fields(operand))

    def needs_printed(self, rule: Rule) -> tuple[Need, ...]:
        """The fields that a rule's output reads, beside those of its condition."""
        found = {need_of(each, is_printed=True) for part in rule.output.fields for each in fields(part.operand)}
        return tuple(sorted(found, key=lambda need: need.field))


def fields(operand: Argument) -> list[Field]:
    """The fields in an operand."""
    match operand:
        case Field():
            return [operand]
        case Call():
            return [found for each in operand.arguments for found in fields(each)]
        case ArgumentList():
            return [found for each in operand.items for found in fields(each)]
        case _:
            return []


def literals(check: Check) -> tuple[str, ...]:
    """The constants that a check compares with."""
    match check.right:
        case Literal():
            return (check.right.text,)
        case LiteralList():
            return tuple(item.text for item in check.right.items)
        case ListName():
            return (check.right.name,)
        case _:
            return ()


def rule_atoms(formula: Formula) -> tuple[int, ...]:
    """The atoms of a formula, each once."""
    return tuple(dict.fromkeys(atoms(formula)))


def _operands(check: Check) -> tuple[Argument, ...]:
    return (check.left, check.right) if isinstance(check.right, Call) else (check.left,)


def need_of(field: Field, *, is_printed: bool = False) -> Need:
    """What a field reads."""
    spec = spec_of(field.name)
    name = field.name if field.argument is None else f"{field.name}[{field.argument}]"
    level = AuditLevel.of(least_level(spec, field.argument))
    is_derived = isinstance(spec.extract, Derived)
    read = tuple(
        (*path, "?", _parameter(field)) if is_derived and path == ("requestURI",) else path for path in paths(field)
    )
    return Need(name, level, frozenset(event_members(spec.extract, field.argument)), read, is_printed)


def _parameter(field: Field) -> str:
    name = _PARAMETERS.get(field.name, field.argument)
    return name if name in KEPT_PARAMETERS else OTHER_PARAMETERS
