"""What tests show of conditions: for each rule, which parts of its condition hold on which events of its cases.

The events of a rule are numbered. A set of them is an integer with a bit for each, so that a condition over a hundred
events is evaluated by as many operations as one over one event, once it is known where its checks pass.

A **unit** is what a rule file has a condition for: a rule, or a macro. The condition of a unit ends where it names a
macro: what is below belongs to the macro's own unit. Exceptions are values that users give, and belong to none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lanner.compiler.load import LoadedRules, Rule
from lanner.compiler.ruleset import Selection
from lanner.condition import And, Check, Expr, MacroName, Not, Or
from lanner.condition.ast import children
from lanner.diagnostics import Span
from lanner.workbench.runner import HOSTNAME
from lanner.workbench.suites import ReadyCase
from lanner.workbench.trace import Seen, Tracer

Path: TypeAlias = tuple[int, ...]
"""Where a node stands in its unit: which child of which child."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A rule or macro by its name."""

    name: str
    is_macro: bool = False


@dataclass(slots=True)
class Sheet:
    """A rule as some cases load it, and the events on which they look at it.

    Attributes:
        rule: The rule.
        macros: The macros in its condition: name by identity of what stands there.
        cases: Each case with the set of its events.
    """

    rule: Rule
    macros: Mapping[int, str]
    cases: list[tuple[ReadyCase, int]] = field(default_factory=list)
    _tracer: Tracer | None = None
    _events: list[Seen] = field(default_factory=list)
    _known: dict[int, tuple[Check, int]] = field(default_factory=dict)

    @property
    def all(self) -> int:
        """The set of all events."""
        return (1 << len(self._events)) - 1

    @property
    def root(self) -> Expr:
        """The condition without its exceptions."""
        return self.rule.own_condition

    def units(self) -> dict[Unit, Expr]:
        """The rule and the macros in it, with their conditions."""
        found = {Unit(self.rule.name): self.root}
        stack: list[Expr] = [self.root]
        while stack:
            node = stack.pop()
            name = self.macros.get(id(node))
            if name is not None and Unit(name, is_macro=True) in found:
                continue
            if name is not None:
                found[Unit(name, is_macro=True)] = node
            stack.extend(children(node))
        return found

    def add(self, case: ReadyCase, tracer: Tracer, events: Iterable[Seen]) -> None:
        """Count the events of a case."""
        before = self.all
        self._tracer = tracer
        self._events.extend(events)
        self.cases.append((case, self.all & ~before))

    def holds(self, node: Expr, instead: Mapping[int, Expr] | None = None) -> int:
        """The events on which a condition holds; `instead` replaces nodes, by their identity, by others."""
        if instead and (other := instead.get(id(node))) is not None:
            return self.holds(other)
        match node:
            case Check():
                return self._passes(node)
            case Not():
                return self.all & ~self.holds(node.child, instead)
            case And():
                result = self.all
                for child in node.children:
                    result &= self.holds(child, instead)
                return result
            case Or():
                result = 0
                for child in node.children:
                    result |= self.holds(child, instead)
                return result
            case MacroName():
                raise ValueError(f"macro `{node.name}` is not resolved")

    def _passes(self, check: Check) -> int:
        known = self._known.get(id(check))
        if known is None:
            assert self._tracer is not None  # noqa: S101 - INVARIANT: events come with their tracer
            test = self._tracer.test(check)
            bits = sum(1 << at for at, seen in enumerate(self._events) if test(seen.event, seen.context))
            known = self._known[id(check)] = check, bits
        return known[1]


def gather(cases: Iterable[ReadyCase]) -> list[Sheet]:
    """The sheets of all rules that count in some case, in the order of the rules."""
    by_rules: dict[int, tuple[LoadedRules, list[ReadyCase]]] = {}
    for case in cases:
        by_rules.setdefault(id(case.loaded), (case.loaded, []))[1].append(case)
    return [sheet for loaded, found in by_rules.values() for sheet in _sheets(loaded, found)]


def macro_names(loaded: LoadedRules) -> dict[int, str]:
    """The macros of rules by the identity of what stands for them; of several for the same, the first."""
    names: dict[int, str] = {}
    for macro in loaded.macros:
        if macro.condition is not None:
            names.setdefault(id(macro.condition), macro.name)
    return names


def own_nodes(unit: Unit, root: Expr, macros: Mapping[int, str]) -> Iterator[tuple[Path, Expr]]:
    """The nodes of a unit with their paths, the root first; a macro that it names is a leaf."""
    stack: list[tuple[Path, Expr]] = [((), root)]
    while stack:
        path, node = stack.pop()
        yield path, node
        if id(node) not in macros or (unit.is_macro and not path):
            stack.extend(((*path, at), child) for at, child in reversed([*enumerate(children(node))]))


def place_of(path: Path, nodes: Mapping[Path, Expr], macros: Mapping[int, str]) -> Span | None:
    """Where a node of a unit stands; for the name of a macro, which its node does not know, what it is a part of."""
    node = nodes[path]
    while path and id(node) in macros:
        path = path[:-1]
        node = nodes[path]
    return node.place.span if node.place else None


def _sheets(loaded: LoadedRules, cases: list[ReadyCase]) -> Iterator[Sheet]:
    tracer = Tracer(rule.condition for rule in loaded.rules)
    events = [(case, tracer.events(case.payload, HOSTNAME)) for case in cases]
    macros, admits = macro_names(loaded), Selection().admits
    for rule in loaded.rules:
        sheet = Sheet(rule, macros)
        for case, seen in events:
            if rule.name in case.rules if case.rules else admits(rule):
                sheet.add(case, tracer, seen)
        if sheet.cases:
            yield sheet
