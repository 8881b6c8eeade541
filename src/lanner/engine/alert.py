"""`Alert`: what is told when a rule matches; `Finding`: the same before anybody looks at it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from lanner.rules.priority import Priority

FieldValue: TypeAlias = "str | int | list[str] | None"


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
    output_fields: dict[str, FieldValue]
    tags: tuple[str, ...]
    hostname: str


class AlertKind(msgspec.Struct, frozen=True, gc=False):
    """What all alerts of a rule have in common; `keys` are the names of their output fields, sorted."""

    rule: str
    priority: Priority
    source: str
    tags: tuple[str, ...]
    hostname: str
    keys: tuple[str, ...]


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One match of one rule, in the form that costs least to make and to encode.

    Attributes:
        kind: Shared by all findings of a rule.
        time_ns: As an alert's.
        message: As an alert's.
        values: Of the output fields, in the order of the kind's keys.
        identity: What tells it from every other match, and is the same when the same event comes again; empty where
            nobody asked for it.
    """

    kind: AlertKind
    time_ns: int
    message: str
    values: tuple[FieldValue, ...]
    identity: bytes = b""

    @staticmethod
    def of(alert: Alert, identity: bytes = b"") -> Finding:
        """The finding that such an alert would be made of."""
        fields = alert.output_fields
        kind = AlertKind(alert.rule, alert.priority, alert.source, alert.tags, alert.hostname, tuple(fields))
        return Finding(kind, alert.time_ns, alert.message, tuple(fields.values()), identity)

    def alert(self) -> Alert:
        """The alert."""
        kind = self.kind
        fields = dict(zip(kind.keys, self.values, strict=True))
        return Alert(
            self.time_ns, kind.rule, kind.priority, kind.source, self.message, fields, kind.tags, kind.hostname
        )
