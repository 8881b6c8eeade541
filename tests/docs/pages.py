"""The documentation as the tests of this folder see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """What stands between two fences."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        """The page and the first line, to name a test."""
        return f"{name_of(self.page)}: {self.text.splitlines()[0][:60]}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def examples(language: str) -> list[Example]:
    """All examples in a language, in order."""
    return [example for page in PAGES for example in examples_of(page) if example.language == language]


def examples_of(page: Path) -> Iterator[Example]:
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        yield Example(page, match[2], dedent(match[3]))


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of all table rows whose header begins with that cell, header aside; code marks are taken off."""
    found: list[list[str]] = []
    is_wanted = False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            is_wanted = False
        elif is_wanted:
            found += [cells] if not cells[0].startswith("---") else []
        else:
            is_wanted = cells[0] == first
    return found
