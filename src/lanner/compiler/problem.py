"""A problem of a node: a diagnostic before it is known which rule it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lanner.condition import Place
from lanner.diagnostics import CODES, Diagnostics, Label
from lanner.diagnostics.codes import Severity


@dataclass(frozen=True, slots=True)
class Problem:
    """What `Diagnostics.add` takes, with a place in a text that may stand in a file."""

    code: str
    message: str
    place: Place | None = None
    label: str = ""
    help: str | None = None

    @property
    def is_warning(self) -> bool:
        """Whether the rule can be used all the same."""
        return CODES[self.code].severity is Severity.WARNING

    def at(self, place: Place | None) -> Problem:
        """The problem with its place."""
        return replace(self, place=place)

    def report(self, diagnostics: Diagnostics, use: Place | None = None) -> None:
        """Add the problem to the diagnostics; `use` is where a rule names the macro that has it."""
        span = self.place.span if self.place else None
        related = (Label(use.span, "put in here"),) if use else ()
        diagnostics.add(self.code, self.message, span, label=self.label, help=self.help, related=related)
