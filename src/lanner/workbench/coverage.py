"""Which rules tests raise, and which parts of conditions they have seen true and false.

A part counts where evaluation comes to it: from left to right, as far as the result is open. Of `a and b`, `b` is seen
false by an event for which `a` is true and `b` is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lanner.compiler.load import LoadedRules
from lanner.condition import And, Expr, Not, Or
from lanner.condition.ast import children
from lanner.diagnostics import Span
from lanner.workbench.evidence import Path, Sheet, Unit, own_nodes, place_of
from lanner.workbench.wording import written


@dataclass(frozen=True, slots=True)
class Part:
    """A check or the name of a macro in a condition, and what tests have seen of it."""

    text: str
    place: Span | None
    seen_true: bool
    seen_false: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of the two no test has seen."""
        return tuple(word for word, seen in (("true", self.seen_true), ("false", self.seen_false)) if not seen)


@dataclass(frozen=True, slots=True)
class UnitCoverage:
    """What tests have seen of a rule or a macro."""

    unit: Unit
    parts: tuple[Part, ...]

    @property
    def gaps(self) -> tuple[Part, ...]:
        """The parts of which something was not seen."""
        return tuple(part for part in self.parts if part.missing)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What tests have seen of rules.

    Attributes:
        untested: Rules at which no test looks.
        never_raised: Rules at which tests look, and that none of them raises.
        never_silent: Rules that all events of their tests raise.
        units: Rules with tests, and the macros in them.
    """

    untested: tuple[str, ...]
    never_raised: tuple[str, ...]
    never_silent: tuple[str, ...]
    units: tuple[UnitCoverage, ...]

    @property
    def branches(self) -> tuple[int, int]:
        """How many branches were seen, and how many there are: two for each part."""
        parts = [part for unit in self.units for part in unit.parts]
        return sum(2 - len(part.missing) for part in parts), 2 * len(parts)


@dataclass(slots=True)
class _Sight:
    """What was seen of the nodes of a unit, by their paths."""

    nodes: Mapping[Path, Expr]
    macros: Mapping[int, str]
    true: set[Path] = field(default_factory=set)
    false: set[Path] = field(default_factory=set)


def measure(sheets: Iterable[Sheet], loaded: Iterable[LoadedRules]) -> Coverage:
    """Measure what the cases of the sheets have seen of the rules that were loaded for them."""
    sights: dict[Unit, _Sight] = {}
    raised: dict[str, bool] = {}
    silent: dict[str, bool] = {}
    for sheet in sheets:
        name, hits = sheet.rule.name, sheet.holds(sheet.rule.condition)
        raised[name] = raised.get(name, False) or hits != 0
        silent[name] = silent.get(name, False) or hits != sheet.all
        _Look(sheet, sights).at(sheet.root, Unit(name), (), sheet.all)
    names = dict.fromkeys(rule.name for rules in loaded for rule in rules.rules)
    return Coverage(
        untested=tuple(name for name in names if name not in raised),
        never_raised=tuple(name for name, yes in raised.items() if not yes),
        never_silent=tuple(name for name, yes in silent.items() if not yes),
        units=tuple(UnitCoverage(unit, tuple(_parts(unit, sight))) for unit, sight in sights.items()),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at one sheet, which adds to what was seen of all."""

    sheet: Sheet
    sights: dict[Unit, _Sight]

    def at(self, node: Expr, unit: Unit, path: Path, reached: int) -> None:
        """Note what becomes of a node on the events that come to it, and of what is below it."""
        sheet = self.sheet
        if unit not in self.sights:
            self.sights[unit] = _Sight(dict(own_nodes(unit, node, sheet.macros)), sheet.macros)
        hits = sheet.holds(node)
        if reached & hits:
            self.sights[unit].true.add(path)
        if reached & ~hits:
            self.sights[unit].false.add(path)
        name = sheet.macros.get(id(node))
        if name is not None and not (unit.is_macro and path == ()):
            self.at(node, Unit(name, is_macro=True), (), reached)
            return
        for number, child in enumerate(children(node)):
            self.at(child, unit, (*path, number), reached)
            if isinstance(node, And):
                reached &= sheet.holds(child)
            elif isinstance(node, Or):
                reached &= ~sheet.holds(child)


def _parts(unit: Unit, sight: _Sight) -> Iterator[Part]:
    for path, node in sight.nodes.items():
        name = None if unit.is_macro and path == () else sight.macros.get(id(node))
        if name is None and isinstance(node, And | Or | Not):
            continue
        place = place_of(path, sight.nodes, sight.macros)
        yield Part(name or written(node), place, path in sight.true, path in sight.false)
