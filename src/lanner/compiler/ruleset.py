"""`RuleSet`: rules ready to be matched, specialised on what most distinguishes events.

The first event of a kind (stage, verb, resource, subresource, user) has a function generated for it: every rule's
condition is reduced by what the kind decides, and only what is left is tested, for all events of that kind. Kinds
that no check of the rules tells apart share a function, so the number of functions is bounded by the rules; the table
that leads from a kind to its function is bounded too, because whoever sends events chooses resources and verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from itertools import count
from typing import Any, Literal, TypeAlias

from lanner.compiler.atoms import Atom, AtomCompiler
from lanner.compiler.codegen import Match, compile_function, match_source, scope_of, signature_source, test_source
from lanner.compiler.dispatch import Candidate, Group, candidate, lookup, partition
from lanner.compiler.formula import Formula, demands, from_condition, reduce
from lanner.compiler.load import LoadedRules, Rule
from lanner.compiler.operands import Constants, OperandCompiler, is_numbering, paths
from lanner.compiler.template import Render, output_keys, render_source
from lanner.condition import Call
from lanner.condition.ast import Argument, checks
from lanner.events.schema import KIND_PATHS, Event, EventSchema, Kind
from lanner.rules.priority import Priority

Matching: TypeAlias = Literal["all", "first"]
MAX_KINDS = 16384
"""Kinds whose function is remembered. A cluster has some thousands; past the bound the table starts anew."""

_MAX_VALUES = 1024
"""Values of each part of a kind whose truths are remembered."""

MAX_KIND_LENGTH = 1024
"""Characters of a kind that is remembered; a URL may name a resource of a million."""

MAX_FUNCTIONS = 4096
"""Functions that are generated. A cluster needs some hundreds; whoever can send any request could ask for far more, and
for the milliseconds that each takes to make. Past the bound one function without specialisation serves the rest."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the loaded rules are used.

    Attributes:
        min_priority: Rules of less priority are left out.
        tags: When given, only rules with one of these tags are used.
        not_tags: Rules with one of these tags are left out.
        disabled: Rules whose name matches one of these patterns (`*`, `?`) are left out.
    """

    min_priority: Priority = Priority.DEBUG
    tags: frozenset[str] = frozenset()
    not_tags: frozenset[str] = frozenset()
    disabled: tuple[str, ...] = ()

    def admits(self, rule: Rule) -> bool:
        """Whether a rule is used."""
        return (
            rule.enabled
            and rule.priority.level <= self.min_priority.level
            and (not self.tags or not self.tags.isdisjoint(rule.tags))
            and self.not_tags.isdisjoint(rule.tags)
            and not any(fnmatchcase(rule.name, pattern.replace("[", "[[]")) for pattern in self.disabled)
        )


@dataclass(slots=True)
class RuleSet:
    """Rules as generated code.

    Attributes:
        rules: The rules in use, in order; their numbers are places in this tuple.
        schema: What of an event they ask for.
        matching: Whether all rules that match an event raise an alert, or the first alone.
        table: From kinds that were seen to the functions that test their events; None where no rule can match.
        render: By rule number, what renders an alert.
        output_keys: By rule number, the names of the output fields, in order.
    """

    rules: tuple[Rule, ...]
    schema: EventSchema
    matching: Matching
    render: tuple[Render, ...]
    output_keys: tuple[tuple[str, ...], ...]
    table: dict[Kind, Match | None] = field(default_factory=dict)
    _render_sources: tuple[str, ...] = ()
    _formulas: tuple[Formula, ...] = ()
    _atoms: Sequence[Atom] = ()
    _constants: Mapping[str, Any] = field(default_factory=dict)
    _scope: Mapping[str, Any] = field(default_factory=dict)
    _dimensions: tuple[_Dimension, ...] = ()
    _demands: tuple[tuple[int, int], ...] = ()
    _general: tuple[Match | None, str] | None = None
    _by_signature: dict[int, tuple[Match | None, str]] = field(default_factory=dict)
    _parts: dict[str, str] = field(default_factory=dict)
    _functions: dict[str, Callable[[Any, Any], Any]] = field(default_factory=dict)

    def specialise(self, kind: Kind) -> Match | None:
        """The function for events of a kind that is not in `table`, which remembers it."""
        match, _ = self._specialised(kind)
        if len(self.table) >= MAX_KINDS:
            self.table.clear()
            self._parts.clear()
        if len("".join(filter(None, kind))) <= MAX_KIND_LENGTH:
            once = self._parts.setdefault  # texts that kinds share: kept once, they stay in the processor's cache
            self.table[tuple(part and once(part, part) for part in kind)] = match  # type: ignore[index]
        return match

    def source(self, kind: Kind) -> str:
        """The code that tests events of a kind, to be read; empty where no rule can match."""
        return self._specialised(kind)[1]

    @property
    def numbers_events(self) -> bool:
        """Whether a rule asks for an event's running number, so that events must be evaluated in one place."""
        return any(is_numbering(operand) for rule in self.rules for operand in _operands(rule))

    def source_text(self, name: str) -> str:
        """The code of one rule, to be read: its whole condition, as for an event of which nothing is known, and output.

        Raises:
            KeyError: No rule in use has that name.
        """
        numbers = {rule.name: number for number, rule in enumerate(self.rules)}
        number = numbers[name]
        source = f"{test_source(self._formulas[number], self._atoms)}\n{self._render_sources[number]}"
        used = {name: value for name, value in self._constants.items() if name in source and not callable(value)}
        return "".join(f"{name} = {_literal(value)}\n" for name, value in used.items()) + source

    def _specialised(self, kind: Kind) -> tuple[Match | None, str]:
        true = 0
        for dimension, part in zip(self._dimensions, kind, strict=True):
            true |= dimension.signature(self.schema, part)
        found = self._by_signature.get(true)
        if found is None and len(self._by_signature) >= MAX_FUNCTIONS:
            found = self._general = self._general or self._generate(0, 0)
        elif found is None:
            all_bits = sum(bit for dimension in self._dimensions for bit in dimension.atoms.values())
            found = self._by_signature[true] = self._generate(true, all_bits ^ true)
        return found

    def _generate(self, true: int, false: int) -> tuple[Match | None, str]:
        """The function for events of which atoms are known to be true, or false: the bits of `_Dimension.atoms`."""
        # The rules of which that fulfils all demands: of thousands, few are left.
        numbers = [n for n, (wants, forbids) in enumerate(self._demands) if not (wants & false or forbids & true)]
        if not numbers:
            return None, ""
        bits = [item for dimension in self._dimensions for item in dimension.atoms.items()]
        known = {number: bool(bit & true) for number, bit in bits if bit & (true | false)}
        done: dict[int, Formula] = {}
        residuals = []
        for number in numbers:
            left = reduce(self._formulas[number], known, done)
            if left is not False:
                residuals.append((number, self.rules[number].name, left))
        if not residuals:
            return None, ""
        groups, rest = partition(residuals, self._atoms)
        indexes = {f"index{n}": group.atom for n, group in enumerate(groups)}
        source = match_source(rest, self._atoms, indexes, first_only=self.matching == "first")
        if not groups:
            return self._compiled(source, "match"), source
        lookups = {f"index{n}": lookup(group.kind, self._candidates(group)) for n, group in enumerate(groups)}
        return compile_function(source, {**self._scope, **lookups}, "match"), source

    def _candidates(self, group: Group) -> dict[str, list[Candidate]]:
        return {
            text: [candidate(number, partial(self._test, formula)) for number, _, formula in members]
            for text, members in group.members.items()
        }

    def _test(self, formula: Formula) -> Callable[[Any, Any], Any]:
        """The function that tests a formula; copies of a rule for many tenants share it."""
        return self._compiled(test_source(formula, self._atoms), "test")

    def _compiled(self, source: str, name: str) -> Callable[[Any, Any], Any]:
        """The function of a source, which all share that need the same."""
        if source not in self._functions:
            if len(self._functions) >= MAX_FUNCTIONS:
                self._functions.clear()
            self._functions[source] = compile_function(source, self._scope, name)
        return self._functions[source]


@dataclass(frozen=True, slots=True)
class _Dimension:
    """The atoms that one part of a kind decides.

    Attributes:
        path: The part.
        atoms: By their numbers, the bit that stands for each; no other atom of any part has the same.
        truths: From an event of which nothing is known but this part to their truth.
        known: By value of the part, the bits of those that were found to be true.
    """

    path: tuple[str, ...]
    atoms: Mapping[int, int]
    truths: Callable[[Event], tuple[bool, ...]]
    known: dict[str | None, int] = field(default_factory=dict)

    def signature(self, schema: EventSchema, value: str | None) -> int:
        """The bits of the atoms that are true where the part has this value."""
        found = self.known.get(value)
        if found is None:
            event: Any = value
            for key in reversed(self.path):
                event = {key: event}
            truths = self.truths(schema.from_object(event))
            found = sum(bit for bit, truth in zip(self.atoms.values(), truths, strict=True) if truth)
            if len(self.known) >= _MAX_VALUES:
                self.known.clear()
            if len(value or "") <= MAX_KIND_LENGTH:
                self.known[value] = found
        return found


def compile_rules(loaded: LoadedRules, *, matching: Matching = "all", selection: Selection | None = None) -> RuleSet:
    """Make the rules in use ready to be matched."""
    selection = selection or Selection()
    return compile_selected(tuple(rule for rule in loaded.rules if selection.admits(rule)), matching)


def compile_selected(rules: tuple[Rule, ...], matching: Matching = "all") -> RuleSet:
    """Make checked rules ready to be matched, all of them."""
    schema = EventSchema(path for rule in rules for operand in _operands(rule) for path in paths(operand))
    constants = Constants()
    operands = OperandCompiler(schema, constants)
    compiler = AtomCompiler(operands, constants)
    done: dict[int, Formula] = {}
    for check in (check for rule in rules for check in checks(rule.condition)):
        if id(check) not in done:  # ahead of the walk over the conditions: both are deep
            done[id(check)] = compiler.atom(check)
    formulas = tuple(from_condition(rule.condition, compiler.atom, done) for rule in rules)
    sources = [render_source(rule, operands, constants) for rule in rules]
    places = count()
    dimensions = tuple(_dimension(path, compiler.atoms, constants, places) for path in KIND_PATHS)
    scope = scope_of(constants.values)
    return RuleSet(
        rules=rules,
        schema=schema,
        matching=matching,
        render=tuple(compile_function(source, scope, "render") for source in sources),
        output_keys=tuple(map(output_keys, rules)),
        _render_sources=tuple(sources),
        _formulas=formulas,
        _atoms=compiler.atoms,
        _constants=constants.values,
        _scope=scope,
        _dimensions=dimensions,
        _demands=tuple(_demands(formulas, dimensions)),
    )


def _demands(formulas: Iterable[Formula], dimensions: Iterable[_Dimension]) -> Iterator[tuple[int, int]]:
    """What each rule demands of the kind of an event: atoms that have to be true, and atoms that have to be false."""
    bits = {number: bit for dimension in dimensions for number, bit in dimension.atoms.items()}
    for formula in formulas:
        wants, forbids = demands(formula)
        yield sum({bits.get(number, 0) for number in wants}), sum({bits.get(number, 0) for number in forbids})


def _dimension(path: tuple[str, ...], atoms: Sequence[Atom], constants: Constants, places: Iterator[int]) -> _Dimension:
    numbers = tuple(n for n, atom in enumerate(atoms) if atom.operand.path == path and atom.right is None)
    truths = compile_function(signature_source(numbers, atoms), constants.values, "signature")
    return _Dimension(path, {number: 1 << next(places) for number in numbers}, truths)


def _literal(value: Any) -> str:
    """A constant as it would be written; sets in order."""
    if isinstance(value, frozenset):
        return f"frozenset({{{', '.join(sorted(map(repr, value)))}}})"
    return repr(value)


def _operands(rule: Rule) -> Iterable[Argument]:
    """The fields and transformers that a rule asks for."""
    for check in checks(rule.condition):
        yield check.left
        if isinstance(check.right, Call):
            yield check.right
    for template in (rule.output, *(extra.template for extra in rule.extra_fields)):
        yield from (found.operand for found in template.fields)
        yield from (part.operand for part in template.segments if not isinstance(part, str))
