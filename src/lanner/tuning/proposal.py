"""Rows to a rule file that appends exceptions, in Falco's syntax."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

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


def proposal(rows: Sequence[Row], base: RuleCollection, head: str) -> str:
    """The rule file, to be loaded behind the base rules; the empty text without rows.

    An exception of the rule with the very fields gets more values, otherwise the rule gets a new one.

    Args:
        rows: In the order in which they are to stand; those of a rule together.
        base: The rules that it is for.
        head: Lines of a comment at the start.
    """
    parts = [f"# {line}\n" for line in head.splitlines()] if rows else []
    for name, group in groupby(rows, key=lambda row: row.rule):
        parts.append("\n" + _item(name, list(group), base))
    text = format_rules(SourceFile("<proposal>", "".join(parts)), Diagnostics())
    assert text is not None  # noqa: S101 - INVARIANT: what is written above is YAML
    return text if rows else ""


def _item(name: str, rows: Sequence[Row], base: RuleCollection) -> str:
    """The item of one rule: by the fields, an exception each, with a line for each row."""
    known = base.rules[name].item.exceptions
    taken = {each.name for each in known}
    by_fields: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        by_fields.setdefault(row.fields, []).append(row)
    lines = [_pairs({"rule": name}, "- ", "  "), "  exceptions:\n"]
    for fields, group in by_fields.items():
        existing = next((each for each in known if _has_fields(each, fields)), None)
        head: dict[str, Any] = {"name": existing.name if existing else _free_name(fields, taken)}
        if existing is None:
            head["fields"] = list(fields)
        lines += [_pairs(head, "    - ", "      "), "      values:\n"]
        order = _field_texts(existing) if existing else fields
        for row in group:
            value = dict(zip(row.fields, row.values, strict=True))
            written = [literal(value[field], base.lists) for field in order]
            attention = f"; attention: {row.attention}" if row.attention else ""
            lines += [f"        # {row.alerts:,} alerts{attention}\n", f"        - {_flow(written)}"]
    return "".join([*lines, "  override:\n    exceptions: append\n"])


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


def _pairs(mapping: Mapping[str, Any], first: str, rest: str) -> str:
    """Keys and values, a line each; lists in brackets."""
    return "".join(f"{rest if at else first}{key}: {_flow(value)}" for at, (key, value) in enumerate(mapping.items()))


def _flow(value: str | list[str]) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=_UNWRAPPED)
    return text.removesuffix("...\n")
