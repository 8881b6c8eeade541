"""Diagnostics as text for people and as JSON for programs (the contract's shape)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lanner.diagnostics.diagnostic import Diagnostic
from lanner.diagnostics.source import Span
from lanner.diagnostics.visible import python_escape, visible

_MAX_LINE = 160


def to_text(found: Diagnostic) -> str:
    """The problem as a few lines of plain text: code and message, place, underlined source, help."""
    lines = [f"{found.severity}[{found.code.code}]: {printable(found.message)}"]
    if found.span is None:
        lines.append(f"  --> {printable(found.file)}")
    else:
        lines += _snippet("-->", found.span, found.label)
    for label in found.related:
        lines += _snippet(":::", label.span, label.text)
    if found.help:
        width = _gutter(found)
        lines.append(f"{' ' * width} = help: {printable(found.help)}")
    return "\n".join(lines)


def to_json(diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """The object that `rules check --format json` prints."""
    items = list(diagnostics)
    return {"ok": all(d.severity != "error" for d in items), "diagnostics": [_as_object(d) for d in items]}


def printable(text: str) -> str:
    """The text with control and formatting characters (escape sequences, bidirectional marks) made visible.

    Whoever writes a rule file chooses these characters; a terminal must not obey them.
    """
    return visible(text, python_escape)


def _gutter(found: Diagnostic) -> int:
    spans = [s for s in (found.span, *(label.span for label in found.related)) if s]
    return max((len(str(s.position[0])) for s in spans), default=1)


def _snippet(arrow: str, span: Span, label: str) -> list[str]:
    line, column = span.position
    width = len(str(line))
    source = span.file.line(line).replace("\t", " ")
    start = column - 1
    length = max(min(span.end - span.start, len(source) - start), 1)
    source, start, length = _window(source, start, length)
    before, marked, after = (
        printable(part) for part in (source[:start], source[start : start + length], source[start + length :])
    )
    caret = "^" * max(len(marked), 1)
    note = f" {printable(label)}" if label else ""
    return [
        f"{' ' * width} {arrow} {printable(span.file.name)}:{line}:{column}",
        f"{' ' * width} |",
        f"{line} | {before}{marked}{after}".rstrip(),
        f"{' ' * width} | {' ' * len(before)}{caret}{note}",
    ]


def _window(source: str, start: int, length: int) -> tuple[str, int, int]:
    """Cut a very long line to the part around the underlined text."""
    if len(source) <= _MAX_LINE:
        return source, start, length
    first = max(start - _MAX_LINE // 3, 0)
    cut = source[first : first + _MAX_LINE]
    return cut, start - first, min(length, len(cut) - (start - first))


def _as_object(found: Diagnostic) -> dict[str, Any]:
    line, column = found.place
    end_line, end_column = found.span.end_position if found.span else (line, column)
    return {
        "severity": found.severity.value,
        "code": found.code.code,
        "falco_code": found.code.falco,
        "message": found.message,
        "file": found.file_name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "help": found.help,
    }
