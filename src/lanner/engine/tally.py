"""`Tally`: how often values occur, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice, product
from typing import TypeAlias

from lanner.compiler.template import FieldValue

Value: TypeAlias = str | int | None
Key: TypeAlias = tuple[Value, ...]
"""One value for each field that is counted by; None for a missing one."""

MAX_VALUE = 1024
"""Characters of a value that is kept; of a longer one its start, and what tells it from others with the same start."""

MAX_COMBINATIONS = 1024
"""Combinations of list elements that one event is counted under."""

MAX_CHARACTERS = 64 * 1024 * 1024
"""Characters of all keys together; values are an attacker's to choose."""

_KEPT = 960


@dataclass(slots=True)
class Tally:
    """Counts events by key; every count that is kept is exact.

    When no further key fits, the table is closed: keys that are not in it are counted together from then on, so that
    none is counted from the middle.

    Attributes:
        max_keys: How many different keys are kept.
        counts: By key, in the order of first occurrence.
        folded: How often keys occurred that the closed table has not, or that were too many in one event.
        is_closed: Whether no further key is taken.
    """

    max_keys: int
    counts: dict[Key, int] = field(default_factory=dict)
    folded: int = 0
    is_closed: bool = False
    _characters: int = 0

    def add(self, values: Sequence[FieldValue]) -> None:
        """Count an event under its values; under each element of a list, once."""
        key = tuple(values)
        try:
            self.counts[key] += 1  # type: ignore[index] # a list among the values is a TypeError
        except KeyError:
            self._count(tuple(map(_shortened, key)), 1)  # type: ignore[arg-type] # no list is among them
        except TypeError:
            self._add_lists(key)

    @property
    def is_full(self) -> bool:
        """Whether more keys would have found a place in a table that keeps more of them."""
        return len(self.counts) >= self.max_keys

    def merge(self, other: Tally) -> None:
        """Count what was counted of events behind those of this tally, in a table that was never closed.

        The result is what this tally would have made of the events itself.
        """
        for key, number in other.counts.items():
            self._count(key, number)
        self.folded += other.folded

    def _add_lists(self, values: tuple[FieldValue, ...]) -> None:
        elements = [dict.fromkeys(map(_shortened, each)) if isinstance(each, list) else (each,) for each in values]
        keys = product(*elements)
        for key in islice(keys, MAX_COMBINATIONS):
            self._count(tuple(map(_shortened, key)), 1)
        size = 1
        for each in elements:
            size *= len(each)
        self.folded += max(size - MAX_COMBINATIONS, 0)

    def _count(self, key: Key, number: int) -> None:
        if key in self.counts:
            self.counts[key] += number
            return
        size = self._characters + sum(len(value) for value in key if isinstance(value, str))
        if self.is_closed or len(self.counts) >= self.max_keys or size > MAX_CHARACTERS:
            self.is_closed = True
            self.folded += number
        else:
            self._characters = size
            self.counts[key] = number


def ranked(counts: Mapping[Key, int]) -> list[tuple[Key, int]]:
    """The keys with their counts, most frequent first, then in the order of their values; missing values come last."""
    return sorted(counts.items(), key=lambda item: (-item[1], *map(_order, item[0])))


def _order(value: Value) -> tuple[int, int, str]:
    match value:
        case None:
            return 2, 0, ""
        case int():
            return 0, value, ""
        case str():
            return 1, 0, value


def _shortened(value: Value) -> Value:
    if not isinstance(value, str) or len(value) <= MAX_VALUE:
        return value
    digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{value[:_KEPT]}… ({len(value):,} characters, sha256 {digest}…)"
