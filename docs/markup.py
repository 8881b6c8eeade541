"""Markdown for pages that are made from tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

_WIDTH = 120
_NOTE = "<!-- Written by `python -m docs.generate`; change the table in the code instead. -->\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    columns = [*head]
    lines = [columns, ["---"] * len(columns), *([_cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """The text on one line, with what Markdown would take for markup outside of code escaped."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if at % 2 else part.replace("<", "\\<").replace("*", "\\*") for at, part in enumerate(parts))


def page(title: str, intro: str, *parts: str) -> str:
    """A page: its title, a note that it is generated, a paragraph, and further parts."""
    return "\n".join([f"# {title}\n", _NOTE, paragraph(intro), *parts])


def paragraph(text: str) -> str:
    """The text in lines of the usual width."""
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def code(text: str) -> str:
    """The text as code, when there is one."""
    return f"`{text}`" if text else ""


def between(text: str, name: str, content: str) -> str:
    """The text with the content put between the markers of that name."""
    start, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->\n"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{content}\n\n{end}{after}"
