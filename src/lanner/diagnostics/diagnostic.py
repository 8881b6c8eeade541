"""`Diagnostic`: one problem in a file of the user, as a value; and the list that loading fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lanner.diagnostics.codes import CODES, Code, Severity
from lanner.diagnostics.source import Span


@dataclass(frozen=True, slots=True)
class Label:
    """A further place that belongs to a problem, and what is to be seen there."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem.

    `message` says what is wrong, `label` what is wrong at the underlined text, `help` what to write instead. Without a
    `span` the problem is about the file as a whole, whose name is in `file`.
    """

    code: Code
    message: str
    span: Span | None = None
    label: str = ""
    help: str | None = None
    related: tuple[Label, ...] = ()
    file: str = ""

    @property
    def severity(self) -> Severity:
        """Whether the rules can be used all the same."""
        return self.code.severity

    @property
    def file_name(self) -> str:
        """The file that the problem is in, as the user named it."""
        return self.span.file.name if self.span else self.file

    @property
    def place(self) -> tuple[int, int]:
        """Line and column, 1-based; (1, 1) for a problem of the file as a whole."""
        return self.span.position if self.span else (1, 1)


@dataclass(slots=True)
class Diagnostics:
    """What loading found, in the order in which it was found."""

    items: list[Diagnostic] = field(default_factory=list)
    _places: set[tuple[str, str, str, int]] = field(default_factory=set)

    def add(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        label: str = "",
        help: str | None = None,
        related: tuple[Label, ...] = (),
        file: str = "",
    ) -> None:
        """Record a problem under a code of `CODES`; the same problem at the same place is kept once."""
        found = Diagnostic(CODES[code], message, span, label, help, related, file)
        place = (code, message, found.file_name, span.start if span else -1)
        if place not in self._places:
            self._places.add(place)
            self.items.append(found)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def errors(self) -> list[Diagnostic]:
        """Those that keep the rules from being used."""
        return [d for d in self.items if d.severity is Severity.ERROR]

    def ordered(self) -> list[Diagnostic]:
        """Sorted by file (in the order of loading) and place."""
        files: dict[str, int] = {}
        for found in self.items:
            files.setdefault(found.file_name, len(files))
        return sorted(self.items, key=lambda d: (files[d.file_name], d.place, d.severity is not Severity.ERROR))
