"""How much tests show: coverage and mutants, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lanner.diagnostics import Span
from lanner.diagnostics.render import printable
from lanner.workbench.coverage import Coverage, UnitCoverage, measure
from lanner.workbench.evidence import Unit, gather
from lanner.workbench.mutation import Mutant, survivors
from lanner.workbench.mutation import mutants as all_mutants
from lanner.workbench.suites import ReadyCase


@dataclass(frozen=True, slots=True)
class Proof:
    """What was asked for; the rest is None.

    Attributes:
        coverage: What tests have seen of rules.
        tried: How many mutants there were.
        survived: Mutants that no test notices, without those that are known to change nothing.
        equivalent: How many of these there are.
        mistaken: Mutants that are said to change nothing, and that a test notices.
    """

    coverage: Coverage | None = None
    tried: int = 0
    survived: Sequence[Mutant] | None = None
    equivalent: int = 0
    mistaken: Sequence[Mutant] = ()

    @property
    def is_failed(self) -> bool:
        """Whether tests miss a mistake in a condition, or a file says the wrong thing of one."""
        return bool(self.survived or self.mistaken)

    def lines(self) -> Iterator[str]:
        """The proof as lines of text."""
        if self.coverage:
            yield from _coverage_lines(self.coverage)
        if self.survived is not None:
            for mutant in self.survived:
                yield printable(f"SURVIVED {_place(mutant.place)}{_name(mutant.unit)}: {mutant.what}")
            for mutant in self.mistaken:
                what = f"{_place(mutant.place)}{_name(mutant.unit)}: {mutant.what}"
                yield printable(f"NOT EQUIVALENT {what}: a test notices it")
            noticed = self.tried - len(self.survived) - self.equivalent
            known = f"; {self.equivalent:,} {'changes' if self.equivalent == 1 else 'change'} nothing"
            yield f"{noticed:,} of {self.tried:,} mutants are noticed by a test{known if self.equivalent else ''}"

    def as_json(self) -> dict[str, Any]:
        """The members that it adds to the report."""
        found: dict[str, Any] = {}
        if self.coverage:
            found["coverage"] = _coverage_object(self.coverage)
        if self.survived is not None:
            found["mutants"] = {
                "tried": self.tried,
                "equivalent": self.equivalent,
                "survived": [_mutant_object(each) for each in self.survived],
                "not_equivalent": [_mutant_object(each) for each in self.mistaken],
            }
        return found


def prove(cases: Iterable[ReadyCase], *, coverage: bool = True, mutants: bool = True) -> Proof:
    """Measure what cases show."""
    if not (coverage or mutants):
        return Proof()
    found = list(cases)
    sheets = gather(found)
    tried = all_mutants(sheets) if mutants else []
    alive = survivors(sheets, tried) if mutants else []
    known = {each for case in found for each in case.equivalent}
    survived = [each for each in alive if _key(each) not in known]
    noticed = {_key(each) for each in tried} - {_key(each) for each in alive}
    return Proof(
        measure(sheets, {id(case.loaded): case.loaded for case in found}.values()) if coverage else None,
        len(tried),
        survived if mutants else None,
        len(alive) - len(survived),
        [each for each in tried if _key(each) in known & noticed],
    )


def _key(mutant: Mutant) -> tuple[str, str]:
    return mutant.unit.name, mutant.what


def _coverage_lines(coverage: Coverage) -> Iterator[str]:
    seen, there = coverage.branches
    yield from _named("no test is about", coverage.untested)
    yield from _named("no test raises", coverage.never_raised)
    yield from _named("no test is silent on", coverage.never_silent)
    for unit in coverage.units:
        for part in unit.gaps:
            words = " nor ".join(part.missing)
            yield printable(f"{_place(part.place)}{_name(unit.unit)}: `{part.text}` is never {words}")
    tested = len([unit for unit in coverage.units if not unit.unit.is_macro])
    rules = f"{tested:,} of {tested + len(coverage.untested):,} rules have tests"
    share = f", {100 * seen // there}%" if there else ""  # rounded down: 100% is said of all branches alone
    yield f"{rules}; these saw {seen:,} of {there:,} branches{share}"


def _named(what: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield printable(f"{what} `{name}`")


def _coverage_object(coverage: Coverage) -> dict[str, Any]:
    seen, there = coverage.branches
    return {
        "branches": there,
        "seen": seen,
        "untested": list(coverage.untested),
        "never_raised": list(coverage.never_raised),
        "never_silent": list(coverage.never_silent),
        "gaps": [gap for unit in coverage.units for gap in _gaps(unit)],
    }


def _gaps(unit: UnitCoverage) -> Iterator[dict[str, Any]]:
    for part in unit.gaps:
        yield {**_unit_object(unit.unit), "part": part.text, "never": list(part.missing), **_spot(part.place)}


def _mutant_object(mutant: Mutant) -> dict[str, Any]:
    return {**_unit_object(mutant.unit), "change": mutant.what, **_spot(mutant.place)}


def _unit_object(unit: Unit) -> dict[str, Any]:
    return {"kind": "macro" if unit.is_macro else "rule", "name": unit.name}


def _name(unit: Unit) -> str:
    return f"macro {unit.name}" if unit.is_macro else unit.name


def _place(span: Span | None) -> str:
    return f"{span.file.name}:{span.position[0]}: " if span else ""


def _spot(span: Span | None) -> dict[str, Any]:
    return {"file": span.file.name, "line": span.position[0]} if span else {"file": None, "line": None}
