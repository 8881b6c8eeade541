"""Noise in past alerts: who raises the same alerts over and over, and where, told as narrowly as the alerts allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from lanner.compiler.load import Rule
from lanner.condition import Field
from lanner.condition.ast import checks
from lanner.engine.tally import Tally
from lanner.tuning.alerts import PastAlert

IDENTITY = "ka.user.name"
"""Who made the request, as the API server has authenticated it."""

PLACES = (
    "ka.target.namespace",
    "ka.target.resource",
    "ka.target.subresource",
    "ka.verb",
    "ka.target.name",
    "ka.impuser.name",
    "ka.req.binding.role",
)
"""What was asked of the API server, which it has allowed or refused by these very values; most telling first."""

FREE = ("ka.useragent", "ka.uri")
"""What whoever sends a request can write as they please."""

CANDIDATES = (IDENTITY, *PLACES, *FREE)
ANYBODY = frozenset({"system:anonymous"})
"""Users that anybody can be."""

FEW = "too few are alike"
WHAT_ALONE = "alike in what was asked alone, not in who or where"
MAX_KEYS = 200_000
MAX_VALUE = 253
"""Characters of a value that an exception is made of: names of Kubernetes are no longer."""

_MAX_ROWS = 5
_ENOUGH = 0.8
_DECIDED = ("ka.verb", "ka.target.resource", "ka.target.subresource")
"""What was asked. Need not be repeated when the rule's condition asks for it, and makes no exception by itself."""

Values: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One combination of values that an exception would let pass.

    Attributes:
        rule: The rule that would have the exception.
        fields: What is compared; `values` has a value for each.
        values: With which all are equal.
        alerts: How many past alerts are like this.
        attention: What makes it dangerous; empty when nothing does.
    """

    rule: str
    fields: tuple[str, ...]
    values: tuple[str, ...]
    alerts: int
    attention: str = ""

    @property
    def is_what_alone(self) -> bool:
        """Whether it says neither who made the requests nor where: whoever repeats them would be let pass."""
        return all(field in _DECIDED for field in self.fields)

    def covers(self, alert: PastAlert) -> bool:
        """Whether the exception would have silenced an alert."""
        return alert.rule == self.rule and all(
            alert.text(name) == value for name, value in zip(self.fields, self.values, strict=True)
        )


@dataclass(slots=True)
class Noise:
    """Past alerts, counted by rule and the values of the candidates, in bounded memory.

    Attributes:
        tally: By rule and values.
        seen: By rule, the candidates that its alerts have.
        alerts: How many there were.
    """

    tally: Tally = field(default_factory=lambda: Tally(MAX_KEYS))
    seen: dict[str, set[str]] = field(default_factory=dict)
    alerts: int = 0

    def add(self, alert: PastAlert) -> None:
        """Count an alert."""
        self.alerts += 1
        self.tally.add([alert.rule, *map(alert.text, CANDIDATES)])
        if alert.rule in self.seen or len(self.seen) < MAX_KEYS:
            self.seen.setdefault(alert.rule, set()).update(alert.output_fields.keys() & CANDIDATES)

    def by_rule(self) -> Iterator[tuple[str, dict[Values, int]]]:
        """The rules with their combinations, noisiest first."""
        rules: dict[str, dict[Values, int]] = {}
        for key, number in self.tally.counts.items():
            rule, *values = map(_as_text, key)
            rules.setdefault(rule or "", {})[tuple(values)] = number
        yield from sorted(rules.items(), key=lambda item: (-sum(item[1].values()), item[0]))


@dataclass(frozen=True, slots=True)
class Left:
    """Alerts of a rule that no exception is proposed for, and why."""

    rule: str
    alerts: int
    reason: str


def propose(noise: Noise, rules: Mapping[str, Rule], least: int) -> tuple[list[Row], list[Left]]:
    """The exceptions that would silence the most with the least.

    Args:
        noise: What was raised.
        rules: The rules in use, by name.
        least: Fewest alerts that an exception is worth.
    """
    rows: list[Row] = []
    left: list[Left] = []
    for name, combinations in noise.by_rule():
        total = sum(combinations.values())
        if name not in rules:
            left.append(Left(name, total, "the rule is not among the rules"))
            continue
        found, anybody = _of_rule(rules[name], combinations, noise.seen.get(name, set()), least)
        rows += sorted((row for row in found if not row.is_what_alone), key=lambda row: (-row.alerts, row.values))
        if anybody:
            left.append(Left(name, anybody, "anybody can be system:anonymous"))
        if number := sum(row.alerts for row in found if row.is_what_alone):
            left.append(Left(name, number, WHAT_ALONE))
        if rest := total - anybody - sum(row.alerts for row in found):
            left.append(Left(name, rest, FEW))
    return rows, left


def _of_rule(rule: Rule, combinations: Mapping[Values, int], seen: Iterable[str], least: int) -> tuple[list[Row], int]:
    """Rows for a rule, and how many of its alerts are nobody's in particular."""
    asked = {check.left.name for check in checks(rule.own_condition) if isinstance(check.left, Field)}
    known = [name for name in CANDIDATES if name in seen and not (name in _DECIDED and name in asked)]
    trusted = [name for name in known if name not in FREE]
    columns = [CANDIDATES.index(name) for name in trusted or known]
    groups: dict[str | None, Counter[Values]] = {}
    anybody = 0
    for values, number in combinations.items():
        user = values[0] if IDENTITY in trusted else None
        if user in ANYBODY:
            anybody += number
        else:
            groups.setdefault(user, Counter())[tuple(values[column] for column in columns)] += number
    rows = [row for group in groups.values() for row in _of_group(rule.name, trusted or known, group, least)]
    return rows, anybody


def _of_group(rule: str, names: Sequence[str], group: Counter[Values], least: int) -> Iterator[Row]:
    """Rows for the alerts of one user: with all fields in which they are alike.

    The field in which they differ most is given up until a few combinations stand for nearly all.
    """
    total = group.total()
    columns = [at for at in range(len(names)) if all(values[at] is not None for values in group)]
    while columns:
        merged: Counter[tuple[str, ...]] = Counter()
        for values, number in group.items():
            merged[tuple(values[at] or "" for at in columns)] += number
        kept = {values: n for values, n in merged.items() if n >= least and all(map(_is_usable, values))}
        if (sum(kept.values()) >= _ENOUGH * total and len(kept) <= _MAX_ROWS) or len(columns) == 1:
            fields = tuple(names[at] for at in columns)
            for values, number in kept.items():
                yield Row(rule, fields, values, number, _attention(fields))
            return
        varied = [len({values[at] for values in group}) for at in columns]
        first = names[columns[0]] == IDENTITY  # who did it is given up last
        columns.pop(max(range(first, len(columns)), key=lambda at: (varied[at], at)))


def _attention(fields: Sequence[str]) -> str:
    if all(field in FREE for field in fields):
        return f"whoever sends a request chooses {' and '.join(f'`{field}`' for field in fields)}"
    if IDENTITY not in fields:
        return "it holds for every user"
    if len(fields) == 1:
        return "it holds for all that this user does"
    return ""


def _is_usable(value: str) -> bool:
    return bool(value) and len(value) <= MAX_VALUE and value.isprintable()


def _as_text(value: str | int | None) -> str | None:
    return None if value is None else str(value)
