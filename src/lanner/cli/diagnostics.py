"""Diagnostics on a stream for people."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import IO, Any

import click

from lanner.cli import log
from lanner.cli.messages import Console, counted
from lanner.diagnostics import Diagnostic
from lanner.diagnostics.render import to_text

_CARETS = re.compile(r"^( *\| *)(\^+.*)$", re.MULTILINE)
_COLORS = {"error": "red", "warning": "yellow"}


def in_a_line(found: Diagnostic) -> str:
    """A problem with its place, for where there is room for a line."""
    line, column = found.place
    return f"{found.file_name}:{line}:{column}: {found.message}"


def show(diagnostics: Iterable[Diagnostic], stream: IO[Any], console: Console) -> None:
    """Print each problem, with a blank line behind it; coloured as the console says.

    Where messages are for programs, so are problems on standard error.
    """
    if stream is sys.stderr and log.is_json():
        for found in diagnostics:
            _log(found)
        return
    has_color = console.has_color(stream)
    for found in diagnostics:
        text = to_text(found)
        text = _colored(text, found) if has_color else text
        if stream is sys.stderr:
            log.write(f"{text}\n\n")
        else:
            click.echo(f"{text}\n", file=stream, color=has_color)


def _log(found: Diagnostic) -> None:
    line, column = found.place
    log.log(
        "error" if found.severity == "error" else "warning",
        found.message,
        code=found.code.code,
        file=found.file_name,
        line=line,
        column=column,
        help=found.help,
    )


def totals(diagnostics: Iterable[Diagnostic], files: int) -> str:
    """`2 errors, 1 warning in 3 files`, or the empty text when there are none."""
    items = list(diagnostics)
    errors = sum(found.severity == "error" for found in items)
    kinds = ((errors, "error"), (len(items) - errors, "warning"))
    found = ", ".join(counted(number, noun) for number, noun in kinds if number)
    return f"{found} in {counted(files, 'file')}" if found else ""


def _colored(text: str, found: Diagnostic) -> str:
    color = _COLORS[found.severity]
    head, colon, rest = text.partition(":")
    rest = _CARETS.sub(lambda match: match[1] + click.style(match[2], fg=color), rest)
    return click.style(head, fg=color, bold=True) + colon + rest
