"""Rows to a rule file that appends exceptions, in Falco's syntax."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import yaml

from lanner.condition.printer import quote
from lanner.diagnostics import Diagnostics, MappedText, SourceFile
from lanner.fields.catalogue import FIELDS
from lanner.rules.collector import collect
from lanner.rules.format import format_rules
from lanner.rules.model import Collection as RuleCollection
from lanner.rules.model import ExceptionDef
from lanner.rules.reader import read_file
from lanner.tuning.noise import Row

_BARE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_:./@-]*")
_UNWRAPPED = 1_000_000


def collected(files: Iterable[SourceFile]) -> RuleCollection:
    """What rule files define; they are known to load."""
    read = (read_file(file, Diagnostics()) for file in files)
    return collect((item for each in read if each for item in each.items), Diagnostics())


@dataclass(frozen=True, slots=True)
class Addition:
    """What one exception of a rule gets.

    Attributes:
        name: Of the exception.
        fields: Its fields; empty where the rule has it already.
        rows: What is added.
        values: Lines for the list of its values, each row with a comment above it.
    """

    name: str
    fields: tuple[str, ...]
    rows: tuple[Row, ...]
    values: tuple[str, ...]

    @property
    def whole(self) -> list[str]:
        """Lines for the list of exceptions: the exception with its values."""
        head = {"name": self.name} | ({"fields": list(self.fields)} if self.fields else {})
        lines = [f"{key}: {_flow(value)}".rstrip("\n") for key, value in head.items()]
        lines += ["values:", *(f"  {line}" for line in self.values)]
        return [f"{'  ' if at else '- '}{line}" for at, line in enumerate(lines)]


def proposal(rows: Sequence[Row], base: RuleCollection, head: str) -> str:
    """The rule file, to be loaded behind the base rules; the empty text without rows.

    An exception of the rule with the very fields gets more values, otherwise the rule gets a new one.

    Args:
        rows: In the order in which they are to stand; those of a rule together.
        base: The rules that it is for.
        head: Lines of a comment at the start.
    """
    lines = [f"# {line}" for line in head.splitlines() if rows]
    for name, group in groupby(rows, key=lambda row: row.rule):
        lines += ["", f"- rule: {_flow(name)}".rstrip("\n"), "  exceptions:"]
        lines += [f"    {line}" for addition in additions(name, list(group), base) for line in addition.whole]
        lines += ["  override:", "    exceptions: append"]
    text = format_rules(SourceFile("<proposal>", "\n".join(lines) + "\n"), Diagnostics())
    assert text is not None  # noqa: S101 - INVARIANT: what is written above is YAML
    return text


def additions(rule: str, rows: Iterable[Row], base: RuleCollection) -> Iterator[Addition]:
    """What the exceptions of a rule get, one for all rows with the same fields."""
    known = base.rules[rule].item.exceptions
    taken = {each.name for each in known}
    by_fields: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        by_fields.setdefault(row.fields, []).append(row)
    for fields, group in by_fields.items():
        existing = next((each for each in known if _has_fields(each, fields)), None)
        order = _field_texts(existing) if existing else fields
        lines = []
        for row in group:
            value = dict(zip(row.fields, row.values, strict=True))
            written = [literal(value[field], base.lists) for field in order]
            comment = f"# {row.alerts:,} alert{'s' if row.alerts != 1 else ''}"
            comment += f"; attention: {row.attention}" if row.attention else ""
            lines += [comment, f"- {_flow(written)}".rstrip("\n")]
        name = existing.name if existing else _free_name(fields, taken)
        yield Addition(name, () if existing else fields, tuple(group), tuple(lines))


def literal(text: str, lists: Collection[str] | Mapping[str, object] = ()) -> str:
    """A value of an exception that stands for this very text, whatever is in it."""
    return text if _BARE.fullmatch(text) and text not in lists and text not in FIELDS else quote(text)


def _has_fields(exception: ExceptionDef, fields: Sequence[str]) -> bool:
    comps = exception.comps
    is_equal = isinstance(comps, tuple) and all(isinstance(each, MappedText) and each.text == "=" for each in comps)
    return is_equal and sorted(_field_texts(exception)) == sorted(fields)


def _field_texts(exception: ExceptionDef) -> tuple[str, ...]:
    fields = exception.fields
    return tuple(each.text for each in fields if isinstance(each, MappedText)) if isinstance(fields, tuple) else ()


def _free_name(fields: Sequence[str], taken: set[str]) -> str:
    """`tuned_user_namespace`, with a number where the rule has it already."""
    name = first = "tuned_" + "_".join(map(_word, fields))
    number = 2
    while name in taken:
        name, number = f"{first}_{number}", number + 1
    taken.add(name)
    return name


def _word(field: str) -> str:
    """`user` for `ka.user.name`, `name` for `ka.target.name`, `namespace` for `ka.target.namespace`."""
    *_, group, last = field.split(".")
    return group if last == "name" and group != "target" else last


def _flow(value: str | list[str]) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=_UNWRAPPED)
    return text.removesuffix("...\n")
