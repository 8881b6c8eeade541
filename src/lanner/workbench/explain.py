"""Why a rule matches an event or does not: its condition as a tree, with each verdict and each value.

The verdicts come from the code that rules are compiled to. What **decides** is marked. Where a rule does not match, it
is a smallest set of checks that would have to come out otherwise for it to match; where it matches, it is the
alternative that held wherever there are several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lanner.compiler.load import LoadedRules, Rule
from lanner.condition import And, ArgumentList, Call, Check, Expr, Field, MacroName, Not, Or, to_text
from lanner.condition.ast import Argument, children
from lanner.events.values import Json
from lanner.fields.catalogue import ArgKind, Level, event_members, least_level, spec_of
from lanner.workbench.evidence import macro_names
from lanner.workbench.runner import HOSTNAME
from lanner.workbench.trace import Seen, Tracer, Value
from lanner.workbench.wording import written

_LEVELS = [level.value for level in Level]


class Kind(StrEnum):
    """What a part of a condition is."""

    AND = "and"
    OR = "or"
    NOT = "not"
    CHECK = "check"
    MACRO = "macro"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class Operand:
    """A side of a check that depends on the event.

    Attributes:
        text: The field or transformer.
        value: What the event gives; None for a missing value.
        note: Why it is missing, where that is known.
    """

    text: str
    value: Value
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition on an event.

    Attributes:
        kind: What it is.
        text: As it was written; the name of a macro or an exception.
        verdict: Whether it holds.
        decides: Whether it is marked.
        operands: Of a check, what it looks at.
        parts: What it is made of; of a macro or an exception, its condition.
    """

    kind: Kind
    text: str
    verdict: bool
    decides: bool = False
    operands: tuple[Operand, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def is_decided_within(self) -> bool:
        """Whether it, or a part of it, is marked."""
        return self.decides or any(part.is_decided_within for part in self.parts)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule on an event.

    Attributes:
        rule: The rule.
        condition: Its condition on the event.
        distance: How many checks would have to come out otherwise for the rule to match; 0 where it does.
        needed: How many it would be if no check came out as it should.
    """

    rule: Rule
    condition: Part
    distance: int
    needed: int

    @property
    def matches(self) -> bool:
        """Whether the rule matches."""
        return self.condition.verdict

    @property
    def remoteness(self) -> float:
        """From 0 for a rule that matches to 1 for one of which nothing holds."""
        return self.distance / self.needed

    def deciding(self) -> list[Part]:
        """The checks that are marked, in order."""
        found, stack = [], [self.condition]
        while stack:
            part = stack.pop()
            if part.decides:
                found.append(part)
            stack.extend(reversed(part.parts))
        return found


class Explainer:
    """Explains rules: those of some names, disabled ones too, or without names all that are enabled."""

    def __init__(self, loaded: LoadedRules, names: Sequence[str] = ()) -> None:
        self._rules = [rule for rule in loaded.rules if (rule.name in names if names else rule.enabled)]
        self._macros = macro_names(loaded)
        self._tracer = Tracer(rule.condition for rule in self._rules)

    def explain(self, payload: bytes) -> list[list[Explanation]]:
        """For each event of JSON lines the rules: those that match first, then by how much of them holds."""
        return [self._of(seen) for seen in self._tracer.events(payload, HOSTNAME)]

    def _of(self, seen: Seen) -> list[Explanation]:
        return sorted((self._explained(rule, seen) for rule in self._rules), key=lambda each: each.remoteness)

    def _explained(self, rule: Rule, seen: Seen) -> Explanation:
        view = _View(self._tracer, seen, self._macros)
        view.mark(rule.condition)
        return Explanation(rule, view.root(rule), view.cost(rule.condition, True), needed(rule.condition, True))


def needed(node: Expr, wanted: bool) -> int:
    """The least number of checks that settle what a condition is."""
    match node:
        case Not():
            return needed(node.child, not wanted)
        case And() | Or():
            below = [needed(child, wanted) for child in node.children]
            return sum(below) if isinstance(node, And) is wanted else min(below)
        case _:
            return 1


@dataclass(slots=True)
class _View:
    """One condition on one event."""

    tracer: Tracer
    seen: Seen
    macros: Mapping[int, str]
    marked: set[int] = field(default_factory=set)
    _verdicts: dict[int, bool] = field(default_factory=dict)
    _costs: dict[tuple[int, bool], int] = field(default_factory=dict)

    def verdict(self, node: Expr) -> bool:
        known = self._verdicts.get(id(node))
        if known is None:
            match node:
                case And():
                    known = all(self.verdict(child) for child in node.children)
                case Or():
                    known = any(self.verdict(child) for child in node.children)
                case Not():
                    known = not self.verdict(node.child)
                case _:
                    known = self.tracer.holds(node, self.seen)
            self._verdicts[id(node)] = known
        return known

    def cost(self, node: Expr, wanted: bool) -> int:
        """How many checks would have to come out otherwise for a condition to be what is wanted."""
        key = id(node), wanted
        if key not in self._costs:
            match node:
                case Not():
                    cost = self.cost(node.child, not wanted)
                case And() | Or():
                    costs = [self.cost(child, wanted) for child in node.children]
                    cost = sum(costs) if isinstance(node, And) is wanted else min(costs)
                case _:
                    cost = int(self.verdict(node) is not wanted)
            self._costs[key] = cost
        return self._costs[key]

    def mark(self, root: Expr) -> None:
        if self.verdict(root):
            self._mark_choices(root, chosen=False)
        else:
            self._mark_hindrances(root, wanted=True)

    def _mark_hindrances(self, node: Expr, wanted: bool) -> None:
        """Mark a smallest set of checks that keep a condition from being what is wanted."""
        match node:
            case _ if self.cost(node, wanted) == 0:
                return
            case Not():
                self._mark_hindrances(node.child, not wanted)
            case And() | Or() if isinstance(node, And) is wanted:
                for child in node.children:
                    self._mark_hindrances(child, wanted)
            case And() | Or():
                self._mark_hindrances(min(node.children, key=lambda child: self.cost(child, wanted)), wanted)
            case _:
                self.marked.add(id(node))

    def _mark_choices(self, node: Expr, *, chosen: bool) -> None:
        """Mark the checks that settled an `or` that holds, or an `and` that does not: one part was enough."""
        verdict = self.verdict(node)
        match node:
            case Not():
                self._mark_choices(node.child, chosen=chosen)
            case And() | Or() if isinstance(node, And) is verdict:
                for child in node.children:
                    self._mark_choices(child, chosen=chosen)
            case And() | Or():
                first = next(child for child in node.children if self.verdict(child) is verdict)
                self._mark_choices(first, chosen=True)
            case _ if chosen:
                self.marked.add(id(node))

    def root(self, rule: Rule) -> Part:
        """The condition of a rule, with its exceptions by name."""
        if not rule.excepted:
            return self.part(rule.condition)
        own, *exceptions = children(rule.condition)
        parts = [self.part(own)]
        for name, node in zip(rule.excepted, exceptions, strict=True):
            inner = tuple(map(self.part, children(node)))
            parts.append(Part(Kind.EXCEPTION, name, self.verdict(node), parts=inner))
        return Part(Kind.AND, "and", self.verdict(rule.condition), parts=tuple(parts))

    def part(self, node: Expr) -> Part:
        """A condition as a tree; a macro is a part of its own."""
        name = self.macros.get(id(node))
        inner = self._part(node)
        return Part(Kind.MACRO, name, inner.verdict, parts=(inner,)) if name else inner

    def _part(self, node: Expr) -> Part:
        verdict, decides = self.verdict(node), id(node) in self.marked
        match node:
            case Check():
                return Part(Kind.CHECK, written(node), verdict, decides, tuple(self._operands(node)))
            case MacroName():
                raise ValueError(f"macro `{node.name}` is not resolved")
        kind = {And: Kind.AND, Or: Kind.OR, Not: Kind.NOT}[type(node)]
        return Part(kind, written(node), verdict, decides, parts=tuple(map(self.part, children(node))))

    def _operands(self, check: Check) -> Iterator[Operand]:
        sides: Sequence[Argument] = (check.left, check.right) if isinstance(check.right, Call) else (check.left,)
        for side in sides:
            value = self.tracer.value(side, self.seen)
            yield Operand(_text(side), value, self._reason(side) if value is None else None)

    def _reason(self, side: Argument) -> str | None:
        """Why a value is missing, where the event's level or stage tells."""
        event = self.seen.context.whole()
        return next((reason for each in _fields(side) if (reason := _missing(each, event))), None)


def _text(side: Argument) -> str:
    place = side.place
    return place.text.text[place.start : place.end] if place else to_text(side)


def _fields(side: Argument) -> Iterator[Field]:
    match side:
        case Field():
            yield side
        case Call():
            for argument in side.arguments:
                yield from _fields(argument)
        case ArgumentList():
            for item in side.items:
                yield from _fields(item)


def _missing(side: Field, event: Mapping[str, Json]) -> str | None:
    """Why an event cannot have a field: the API server did not record it at this level, or not yet at this stage."""
    spec = spec_of(side.name)
    argument = side.argument if spec.arg is ArgKind.KEY else None
    needed, level = least_level(spec, argument).value, event.get("level")
    if level in _LEVELS and _LEVELS.index(needed) > _LEVELS.index(str(level)):
        return f"needs audit level {needed}, the event is of level {level}"
    answer = {"responseStatus", "responseObject"} & {*event_members(spec.extract, argument)}
    if answer and event.get("stage") == "RequestReceived":
        return "the event is of stage RequestReceived, before there is a response"
    return None
