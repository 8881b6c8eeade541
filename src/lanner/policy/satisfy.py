"""Whether what is left of a condition can be true, for some values of the fields that it reads.

For each field, values are made up from the constants that it is compared with, and every check is evaluated on them by
the code that evaluates events. Where no made-up value passes a check (a regular expression), the check is assumed to
have one that does; two such checks of one field are never assumed to pass together, so the answer can be `MAYBE`.
Fields are taken to be independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import product
from typing import Any

from lanner.compiler.formula import Formula, atoms, reduce
from lanner.condition import Check
from lanner.policy.asks import Asks, literals
from lanner.policy.examples import glob_example, regex_example

_MAX_STEPS = 20_000
"""Choices that are tried for one question; then the answer is `MAYBE`."""

_MAX_TEXTS = 2_000
"""Values that are made up for one field from pairs of constants."""

_MAX_MIDDLES = 20
"""Constants that are tried side by side in one value."""

_EXACT = ("=", "==", "!=", "in", "intersects", "exists")
"""Operators for which the made-up values are all that there is to tell apart."""

FRESH = "some-other"


class Answer(IntEnum):
    """Whether something can be true."""

    NO = 0
    MAYBE = 1
    YES = 2


class Solver:
    """Answers for conditions of one `Asks`."""

    def __init__(self, asks: Asks) -> None:
        self._asks = asks
        self._choices: dict[tuple[int, ...], list[dict[int, bool]]] = {}
        self._steps = 0

    def solve(self, formula: Formula, within: Sequence[int]) -> Answer:
        """Whether a formula can be true.

        Args:
            formula: What is left of a condition.
            within: The atoms of the whole condition.
        """
        self._steps = 0
        groups: dict[str, list[int]] = {}
        for number in within:
            groups.setdefault(self._group(number), []).append(number)
        by_atom = {number: tuple(group) for group in groups.values() for number in group}
        return self._search(formula, by_atom, frozenset())

    def _group(self, number: int) -> str:
        atom = self._asks.atoms[number]
        return f"{number}" if atom.right else atom.operand.key

    def _search(self, formula: Formula, groups: Mapping[int, tuple[int, ...]], left_open: frozenset[int]) -> Answer:
        if isinstance(formula, bool):
            return Answer.YES if formula else Answer.NO
        number = next((each for each in atoms(formula) if each not in left_open), None)
        self._steps += 1
        if number is None or self._steps > _MAX_STEPS:
            return Answer.MAYBE
        group = groups[number]
        best = Answer.NO
        for truths in self._values(group):
            answer = self._search(reduce(formula, truths, {}), groups, left_open | {*group}.difference(truths))
            if answer is Answer.YES:
                return answer
            best = max(best, answer)
        return best

    def _values(self, group: tuple[int, ...]) -> list[dict[int, bool]]:
        """What can be true of the checks of one value: the truth of all, of some, or nothing that is known."""
        if group not in self._choices:
            self._choices[group] = list(self._made_up(group))
        return self._choices[group]

    def _made_up(self, group: tuple[int, ...]) -> Iterator[dict[int, bool]]:
        first = self._asks.atoms[group[0]]
        if first.right:
            yield from ({group[0]: True}, {group[0]: False})
            return
        checks = [self._asks.checks[number] for number in group]
        seen = set()
        for value in _candidates(checks, is_list=first.operand.is_list, is_number=first.operand.is_number):
            truths = tuple(self._asks.holds(number, value) for number in group)
            if truths not in seen:
                seen.add(truths)
                yield dict(zip(group, truths, strict=True))
        if not first.operand.is_always:
            yield {number: self._asks.is_true_of_nothing(number) for number in group}
        for at, number in enumerate(group):
            if not any(truths[at] for truths in seen):
                yield {number: True}
        if any(check.operator not in _EXACT for check in checks):
            yield {}


def _candidates(checks: Sequence[Check], *, is_list: bool, is_number: bool) -> Iterator[Any]:
    known = list(dict.fromkeys(text for check in checks for text in literals(check)))
    if is_number:
        numbers = {int(text) for text in known if text.isdecimal()}
        yield from sorted({0, 1, *(n + step for n in numbers for step in (-1, 0, 1) if n + step >= 0)})
    elif is_list:
        yield [FRESH]
        yield from ([text] for text in known)
        yield from ([text, FRESH] for text in known)
        if known:
            yield known
    else:
        yield FRESH
        yield from texts(checks)


def texts(checks: Sequence[Check]) -> list[str]:
    """Texts that the checks can tell apart: their constants, and what begins with, holds or ends with them."""
    found: dict[str, None] = {}
    parts: dict[str, list[str]] = {"startswith": [], "contains": [], "endswith": []}
    for check in checks:
        for text in literals(check):
            found[text] = None
            match check.operator:
                case "startswith" | "endswith" | "contains":
                    parts[check.operator].append(text)
                case "icontains":
                    parts["contains"].append(text)
                case "regex":
                    parts["contains"].append(regex_example(text))
                case "glob" | "iglob":
                    found[glob_example(text)] = None
                case "pmatch":
                    found[f"{text.rstrip('/')}/{FRESH}"] = None
                case "<" | "<=" | ">" | ">=":
                    found[f"{text}{FRESH}"] = None
                    found[""] = None
    starts, middles, ends = ([*dict.fromkeys(each), ""] for each in parts.values())
    middles += [a + b for a in middles[:_MAX_MIDDLES] for b in middles[:_MAX_MIDDLES] if a and b and a != b]
    if len(starts) * len(middles) * len(ends) <= _MAX_TEXTS:
        for start, middle, end in product(starts, middles, ends):
            found[f"{start}{FRESH if start else ''}{middle}{FRESH if end else ''}{end}"] = None
    for each in middles, starts, ends:
        found["".join(each)] = None
    return list(found)
