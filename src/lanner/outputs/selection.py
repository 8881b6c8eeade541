"""Which alerts an output takes."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from lanner.engine.alert import Alert, AlertKind
from lanner.rules.priority import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFilter:
    """The alerts that every one of these lets through; an empty one lets all through.

    Attributes:
        min_priority: The least priority.
        rules: Names of rules, as globs (`*`, `?`, `[…]`), case-sensitive.
        tags: An alert needs one of them.
        sources: The sources of events, `internal` for what Lanner says about itself.
    """

    min_priority: Priority = Priority.DEBUG
    rules: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether it lets all through."""
        return self == _OPEN

    def takes(self, alert: Alert | AlertKind) -> bool:
        """Whether the alert, or all of a kind, go to the output."""
        return (
            alert.priority.level <= self.min_priority.level
            and (not self.sources or alert.source in self.sources)
            and (not self.tags or not self.tags.isdisjoint(alert.tags))
            and (not self.rules or any(fnmatchcase(alert.rule, pattern) for pattern in self.rules))
        )


_OPEN = OutputFilter()
