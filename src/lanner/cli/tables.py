"""Tables as plain text, with what is in their cells safe for a terminal."""

from __future__ import annotations

import io
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from lanner.cli.messages import Console
from lanner.diagnostics.render import printable

if TYPE_CHECKING:
    from rich.table import Table

_PIPE_WIDTH = 1_000_000


def new_table() -> Table:
    """A table without lines, its heading in bold."""
    from rich.table import Table  # noqa: PLC0415 - heavy, and only tables need it

    return Table(box=None, pad_edge=False, header_style="bold")


def shown(text: str) -> str:
    """A text as the content of a cell: nothing in it is markup, or obeyed by a terminal."""
    from rich.markup import escape  # noqa: PLC0415 - heavy, and only tables need it

    return escape(printable(text))


def as_text(table: Table, console: Console, stream: TextIO | None = None) -> str:
    """The table as lines, as wide as the terminal; in full for anything else.

    Args:
        table: What is shown.
        console: Says whether there is colour.
        stream: Where it goes; standard output unless given.
    """
    from rich.console import Console as Terminal  # noqa: PLC0415 - heavy, and only tables need it

    stream = stream or sys.stdout
    terminal = Terminal(
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard" if console.has_color(stream) else None,
        width=shutil.get_terminal_size().columns if stream.isatty() else _PIPE_WIDTH,
        highlight=False,
        legacy_windows=False,
    )
    with terminal.capture() as captured:
        terminal.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
