"""Explanations as text for people and as objects for programs."""

from __future__ import annotations

import json
from typing import IO, Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from lanner.diagnostics.render import printable
from lanner.workbench.explain import Explanation, Kind, Operand, Part
from lanner.workbench.trace import Value
from lanner.workbench.wording import shortened

MAX_VALUE = 300
"""Characters of a value that are shown."""

_MAX_ITEMS = 20
_MARK = "  <- decides"
_WIDE = 1 << 20
"""Columns of a file: lines are wrapped on terminals only."""


def show(explanation: Explanation, stream: IO[str], *, color: bool, expand: bool) -> None:
    """Print a rule's condition as a tree. Macros are open where something decides within, or with `expand`."""
    console = Console(
        file=stream,
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        width=None if stream.isatty() else _WIDE,
        highlight=False,
        markup=False,
        emoji=False,
    )
    tree = Tree(_head(explanation), guide_style="dim" if color else "")
    _grow(tree, explanation.condition, expand=expand)
    console.print(tree, soft_wrap=False)


def as_object(explanation: Explanation) -> dict[str, Any]:
    """An explanation as JSON has it; nothing is left out or cut but the texts of large conditions."""
    rule = explanation.rule
    return {
        "rule": rule.name,
        "priority": rule.priority.value,
        "enabled": rule.enabled,
        "matches": explanation.matches,
        "distance": explanation.distance,
        "condition": _part_object(explanation.condition),
    }


def _head(explanation: Explanation) -> Text:
    rule = explanation.rule
    text = Text(printable(rule.name), style="bold")
    text.append(f" ({rule.priority.value}{'' if rule.enabled else ', disabled'}) ", style="not bold")
    if explanation.matches:
        return text.append("matches", style="bold green")
    number = explanation.distance
    text.append("does not match", style="bold red")
    return text.append(f": {number} check{'' if number == 1 else 's'} away", style="not bold")


def _grow(tree: Tree, part: Part, *, expand: bool) -> None:
    """Put a part below a tree; negations of one thing stand on its line."""
    branch = tree.add(_line(part))
    inner = part.parts
    while len(inner) == 1 and inner[0].kind in (Kind.CHECK, Kind.MACRO) and part.kind is Kind.NOT:
        part, inner = inner[0], inner[0].parts
    if part.kind is Kind.MACRO and not (expand or part.is_decided_within):
        return
    for each in inner:
        _grow(branch, each, expand=expand)


def _line(part: Part) -> Text:
    text = Text()
    text.append("true   " if part.verdict else "false  ", style="green" if part.verdict else "red")
    shown = part
    if part.kind is Kind.NOT and part.parts[0].kind in (Kind.CHECK, Kind.MACRO):
        text.append("not ")
        shown = part.parts[0]
    match shown.kind:
        case Kind.CHECK:
            text.append(printable(shown.text))
            text.append(f"    {reading(shown)}", style="cyan")
        case Kind.MACRO:
            text.append(printable(shown.text), style="bold")
        case Kind.EXCEPTION:
            text.append(f"exception {printable(shown.text)} {'does not apply' if shown.verdict else 'applies'}")
        case _:
            text.append(shown.kind.value)
    if shown.decides:
        text.append(_MARK, style="bold yellow")
    return text


def reading(part: Part) -> str:
    """What a check looks at has as its value, in words."""
    named = len(part.operands) > 1
    return ", ".join((f"{printable(each.text)} " if named else "") + _reading(each) for each in part.operands)


def _reading(operand: Operand) -> str:
    if operand.value is None:
        return "is missing" + (f": {operand.note}" if operand.note else "")
    return f"is {shown_value(operand.value)}"


def shown_value(value: Value) -> str:
    """A value of an event, whose texts anybody may have chosen, for a terminal: quoted, cut, nothing to obey."""
    if isinstance(value, list):
        items = [shown_value(item) for item in value[:_MAX_ITEMS]]
        more = [f"{len(value) - _MAX_ITEMS:,} more"] if len(value) > _MAX_ITEMS else []
        return f"({', '.join([*items, *more])})"
    if isinstance(value, str):
        return printable(json.dumps(shortened(value, MAX_VALUE), ensure_ascii=False))
    return str(value)


def _part_object(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": part.kind.value,
        "text": part.text,
        "verdict": part.verdict,
        "decides": part.decides,
    }
    if part.operands:
        found["operands"] = [
            {"text": each.text, "value": each.value, "missing": each.value is None, "note": each.note}
            for each in part.operands
        ]
    if part.parts:
        found["parts"] = [_part_object(each) for each in part.parts]
    return found
