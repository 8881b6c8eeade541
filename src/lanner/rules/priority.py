"""Priorities of rules, from `Emergency` to `Debug`."""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    """How much an alert matters, spelt as alerts print it. Source: Falco, falco_common.h."""

    EMERGENCY = "Emergency"
    ALERT = "Alert"
    CRITICAL = "Critical"
    ERROR = "Error"
    WARNING = "Warning"
    NOTICE = "Notice"
    INFORMATIONAL = "Informational"
    DEBUG = "Debug"

    @property
    def level(self) -> int:
        """0 for the most severe up to 7."""
        return _LEVELS[self]

    @property
    def short(self) -> str:
        """In capitals as the summary at the end of a run prints it, where Falco shortens `Informational` to `INFO`."""
        return "INFO" if self is Priority.INFORMATIONAL else self.value.upper()

    @classmethod
    def parse(cls, text: str) -> Priority | None:
        """The priority of that name, in any case and with `info` for informational, or None."""
        return _BY_NAME.get(text.lower())


_LEVELS = {priority: level for level, priority in enumerate(Priority)}
_BY_NAME = {priority.value.lower(): priority for priority in Priority} | {"info": Priority.INFORMATIONAL}
