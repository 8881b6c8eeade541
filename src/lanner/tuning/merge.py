"""Proposed exceptions put into a rule file that has some already: what is there stays, with its comments and layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from lanner.diagnostics import Diagnostics, MappedText, SourceFile
from lanner.rules import nodes
from lanner.rules.model import Collection as RuleCollection
from lanner.rules.model import ExceptionDef, Tree
from lanner.rules.places import is_flow, line_end
from lanner.tuning.noise import Row
from lanner.tuning.proposal import Addition, additions, literal, proposal

_DASH = re.compile(r"( *)- +")


def merged(local: SourceFile, rows: Sequence[Row], base: RuleCollection, head: str) -> str:
    """The text of the file with the proposal: values go to the exceptions that are there, the rest to the end.

    Args:
        local: The file; it is known to load.
        rows: Those of a rule together.
        base: All rules, those of the file included.
        head: Lines of a comment above what is put at the end, unless the file has its first line already.
    """
    text = local.text
    left: list[Row] = []
    for rule, group in groupby(rows, key=lambda row: row.rule):
        for addition in additions(rule, list(group), base):
            done = _with(SourceFile(local.name, text), rule, addition)
            if done is None:
                left += addition.rows
            else:
                text = done
    if not left:
        return text
    end = proposal(left, base, "" if head.partition("\n")[0] in text else head)
    return f"{text.rstrip()}\n\n{end.lstrip()}" if text.strip() else end


def is_covered(row: Row, base: RuleCollection) -> bool:
    """Whether an exception of the rules holds for all that a proposed one would hold for."""
    known = base.rules.get(row.rule)
    values = dict(zip(row.fields, row.values, strict=True))
    return known is not None and any(
        all(
            field in values and any(_is(text, values[field], base) for text in texts)
            for field, texts in alternative.items()
        )
        for exception in known.item.exceptions
        for alternative in _alternatives(exception)
    )


def _alternatives(exception: ExceptionDef) -> Iterator[dict[str, tuple[str, ...]]]:
    """What an exception lets pass: by field the texts of which it is to be one; none for other comparisons."""
    fields, comps = _listed(exception.fields), _listed(exception.comps)
    if any(comparison not in ("=", "in") for comparison in comps) or len(fields) != len(comps):
        return
    if isinstance(exception.fields, MappedText):
        yield {fields[0]: _listed(exception.values)}
        return
    for row in exception.values:
        if isinstance(row, tuple) and len(row) == len(fields):
            yield dict(zip(fields, map(_listed, row), strict=True))


def _listed(tree: Tree | None) -> tuple[str, ...]:
    if tree is None:
        return ()
    return tuple(each.text for each in (tree if isinstance(tree, tuple) else (tree,)) if isinstance(each, MappedText))


def _is(text: str, value: str, base: RuleCollection) -> bool:
    return text == literal(value, base.lists) or (text == value and text not in base.lists)


def _with(file: SourceFile, rule: str, addition: Addition) -> str | None:
    """The file with the values in the last item about the rule; None where that has no place for them."""
    item = next((each for each in reversed([*_items(file)]) if _text_of(each, "rule") == rule), None)
    exceptions = _sequence(item, "exceptions")
    known = [each for each in exceptions.items if isinstance(each, nodes.Mapping)] if exceptions else []
    found = next((each for each in known if _text_of(each, "name") == addition.name), None)
    if found is not None:
        values = _sequence(found, "values")
        return _behind(file.text, values.items[-1], addition.values) if values else None
    return _behind(file.text, known[-1], addition.whole) if known else None


def _behind(text: str, last: nodes.Node, lines: Iterable[str]) -> str | None:
    """Lines put behind the last item of a list with a line for each, under its dash."""
    start = text.rfind("\n", 0, last.span.start) + 1
    dash = _DASH.fullmatch(text[start : last.span.start])
    if dash is None:
        return None
    at = line_end(last)
    return text[:at].rstrip(" ") + "".join(f"\n{dash[1]}{line}" for line in lines) + (text[at:] or "\n")


def _items(file: SourceFile) -> Iterator[nodes.Mapping]:
    for document in nodes.parse_yaml(file, Diagnostics()) or ():
        if isinstance(document, nodes.Sequence):
            yield from (item for item in document.items if isinstance(item, nodes.Mapping))


def _text_of(item: nodes.Mapping, key: str) -> str | None:
    pair = item.get(key)
    return pair[1].text if pair and isinstance(pair[1], nodes.Scalar) else None


def _sequence(item: nodes.Mapping | None, key: str) -> nodes.Sequence | None:
    """The list of a key that has a line for each item; None for another value, an empty list, and an alias."""
    pair = item.get(key) if item else None
    if pair is None or not isinstance(pair[1], nodes.Sequence) or not pair[1].items:
        return None
    return None if is_flow(pair[1]) or pair[1].span.start < pair[0].span.end else pair[1]
