"""Which log events were seen lately: who looks back into the log finds the late ones, and those of before again."""

from __future__ import annotations

from collections.abc import Iterable

from lanner.plugins.eks.logs import Entry

MAX_KEPT = 500_000
"""Identities that are kept, of about 150 bytes each. Beyond it events may be evaluated twice, and none is lost."""


class Seen:
    """Identities of log events, with their times."""

    def __init__(self, bound: int = MAX_KEPT) -> None:
        self._bound = bound
        self._times: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._times)

    def new(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those that were not seen, each once."""
        found: dict[str, Entry] = {}
        without = []
        for entry in entries:
            if not entry.id:
                without.append(entry)
            elif entry.id not in self._times:
                found.setdefault(entry.id, entry)
        return [*found.values(), *without]

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep them, if need be instead of those that were kept first."""
        self._times.update((entry.id, entry.at_ms) for entry in entries if entry.id)
        for old in [*self._times][: max(len(self._times) - self._bound, 0)]:
            del self._times[old]

    def forget(self, before_ms: int) -> None:
        """Keep those no longer whose time is before one that no look back reaches."""
        self._times = {name: at_ms for name, at_ms in self._times.items() if at_ms >= before_ms}
