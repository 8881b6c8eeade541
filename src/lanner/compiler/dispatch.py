"""Many rules that each want another text in the same place: one lookup instead of a test for each.

A rule whose condition is `A and B and …` can only match where `A` holds. When many rules of a function have such a part
over the same value (`ka.target.namespace = …`), they are put into an index by that part, and an event leads to the few
whose part holds. Their other parts are tested then, by functions that are made when they are first needed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from lanner.compiler import semantics
from lanner.compiler.atoms import Atom, IndexKind
from lanner.compiler.formula import AllOf, Formula, all_of

MIN_GROUP = 6
"""Rules that make an index worth more than their tests one by one."""

Residual: TypeAlias = tuple[int, str, Formula]
"""Number and name of a rule, and what is left of its condition."""

Candidate: TypeAlias = tuple[int, Callable[[Any, Any], Any]]
"""The number of a rule, and the function that tests the rest of its condition."""

Lookup: TypeAlias = Callable[[str | None], Iterable[Candidate]]


@dataclass(frozen=True, slots=True)
class Group:
    """Rules with a part over the same value.

    Attributes:
        atom: One of these parts: whose operand gives the value.
        kind: How the value is compared.
        members: By text, the rules that want it.
    """

    atom: int
    kind: IndexKind
    members: Mapping[str, tuple[Residual, ...]]


def partition(residuals: Sequence[Residual], atoms: Sequence[Atom]) -> tuple[list[Group], list[Residual]]:
    """Put rules into groups where there are enough; the rest stays in order."""
    options = {number: _indexable(formula, atoms) for number, _, formula in residuals}
    popular = Counter(key for found in options.values() for key in found)
    common = Counter(atom for found in options.values() for parts in found.values() for atom in parts)
    groups: dict[tuple[str, IndexKind], list[tuple[Residual, int]]] = defaultdict(list)
    rest = []
    for residual in residuals:
        found = options[residual[0]]
        best = max(found, key=lambda key: popular[key], default=None)
        if best is None or popular[best] < MIN_GROUP:
            rest.append(residual)
        else:
            # By what fewest rules ask for: an event with what all of them ask for would lead to all of them.
            groups[best].append((residual, min(found[best], key=lambda atom: common[atom])))
    return [_group(kind, members, atoms) for (_, kind), members in groups.items()], rest


def _indexable(formula: Formula, atoms: Sequence[Atom]) -> dict[tuple[str, IndexKind], list[int]]:
    """By value and kind of comparison, the parts that an index can find."""
    parts = formula.parts if isinstance(formula, AllOf) else (formula,)
    found: dict[tuple[str, IndexKind], list[int]] = defaultdict(list)
    for part in parts:
        if isinstance(part, int) and not isinstance(part, bool) and (index := atoms[part].index):
            found[atoms[part].operand.key, index.kind].append(part)
    return found


def _group(kind: IndexKind, members: list[tuple[Residual, int]], atoms: Sequence[Atom]) -> Group:
    by_text: dict[str, list[Residual]] = defaultdict(list)
    for (number, name, formula), atom in members:
        index = atoms[atom].index
        assert index is not None  # noqa: S101 - INVARIANT: `_indexable` gives indexed atoms only
        for text in index.texts:
            by_text[text].append((number, name, _without(formula, atom)))
    return Group(members[0][1], kind, {text: tuple(found) for text, found in by_text.items()})


def _without(formula: Formula, atom: int) -> Formula:
    """What is left of a formula that can only be true where the atom is; it may hold the atom more than once."""
    parts = formula.parts if isinstance(formula, AllOf) else (formula,)
    return all_of([part for part in parts if part is not atom and part != atom])


def candidate(number: int, make: Callable[[], Callable[[Any, Any], Any]]) -> Candidate:
    """A rule in an index, with a test that is made when it is first needed."""
    made: list[Callable[[Any, Any], Any]] = []

    def test(event: Any, context: Any) -> Any:
        if not made:
            made.append(make())
        return made[0](event, context)

    return number, test


def lookup(kind: IndexKind, members: Mapping[str, Sequence[Candidate]]) -> Lookup:
    """The function from a value to the rules that it may match, each at least once."""
    match kind:
        case IndexKind.EQUALS:
            return lambda value: members.get(value, ())  # type: ignore[arg-type]  # None is no key
        case IndexKind.PREFIX:
            return _by_prefix(members)
        case IndexKind.PART:
            return _by_part(members)


def _by_prefix(members: Mapping[str, Sequence[Candidate]]) -> Lookup:
    lengths = sorted({len(text) for text in members})

    def find(value: str | None) -> Iterable[Candidate]:
        if value is None:
            return ()
        return [found for length in lengths for found in members.get(value[:length], ())]

    return find


def _by_part(members: Mapping[str, Sequence[Candidate]]) -> Lookup:
    parts = semantics.parts_of(members)

    def find(value: str | None) -> Iterable[Candidate]:
        if value is None:
            return ()
        return [found for text in parts(value) for found in members[text]]

    return find
