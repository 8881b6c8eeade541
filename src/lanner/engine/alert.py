"""`Alert`: what is told when a rule matches."""

from __future__ import annotations

import msgspec

from lanner.rules.priority import Priority


class Alert(msgspec.Struct, frozen=True, gc=False):
    """One match of one rule.

    Attributes:
        time_ns: When the event happened, in nanoseconds since the epoch.
        rule: The rule's name.
        priority: The rule's priority.
        source: The event's source; `internal` for what Lanner says about itself.
        message: The rendered output, without time and priority.
        output_fields: The fields of the output, sorted by name: text, number, list of texts, or None for a missing
            value.
        tags: The rule's tags, sorted.
        hostname: The host that detected it.
    """

    time_ns: int
    rule: str
    priority: Priority
    source: str
    message: str
    output_fields: dict[str, str | int | list[str] | None]
    tags: tuple[str, ...]
    hostname: str
