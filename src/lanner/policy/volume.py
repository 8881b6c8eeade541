"""What a policy would have recorded of a log: events and bytes, by level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lanner.policy.model import AuditLevel, Policy
from lanner.policy.request import request_of

_BODIES = (("requestObject", AuditLevel.REQUEST), ("responseObject", AuditLevel.REQUEST_RESPONSE))


@dataclass(slots=True)
class Volume:
    """The events of a log under a policy.

    Attributes:
        policy: The policy.
        events: How many were read.
        size: How many bytes they have as they were read, each on a line of its own.
        kept: How many the policy would have recorded, by level.
        kept_size: How many bytes these would have had at least, by level.
        below: How many of them were read at a level below the one that the policy gives: they would be larger.
    """

    policy: Policy
    events: int = 0
    size: int = 0
    kept: Counter[AuditLevel] = field(default_factory=Counter)
    kept_size: Counter[AuditLevel] = field(default_factory=Counter)
    below: int = 0

    def add(self, raw: bytes) -> None:
        """Count an event.

        Args:
            raw: JSON text; one that is damaged counts as kept, at level Metadata.
        """
        size = len(raw.strip()) + 1
        self.events += 1
        self.size += size
        event = _decoded(raw)
        if event is None:
            self._keep(AuditLevel.METADATA, size)
            return
        decision = self.policy.decide(request_of(event))
        if not decision.records(str(event.get("stage") or "ResponseComplete")):
            return
        had = AuditLevel.parse(str(event.get("level"))) or AuditLevel.METADATA
        self.below += had < decision.level
        removed = sum(_size(name, event[name]) for name, level in _BODIES if name in event and level > decision.level)
        if decision.omit_managed_fields:
            left = (event[name] for name, level in _BODIES if name in event and level <= decision.level)
            removed += sum(_managed_size(body) for body in left)
        self._keep(decision.level, size - removed)

    def _keep(self, level: AuditLevel, size: int) -> None:
        self.kept[level] += 1
        self.kept_size[level] += size


def _decoded(raw: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _size(name: str, value: Any) -> int:
    """The bytes of a member in compact JSON, with its name and comma."""
    return len(msgspec.json.encode(value)) + len(name) + len('"":,')


def _managed_size(body: Any) -> int:
    """The bytes of the managed fields of an object, or of the objects of a list."""
    return sum(_size("managedFields", each["managedFields"]) for each in _metadata(body) if "managedFields" in each)


def _metadata(body: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(body, dict):
        return
    items = body.get("items")
    for each in (body, *(items if isinstance(items, list) else ())):
        metadata = each.get("metadata") if isinstance(each, dict) else None
        if isinstance(metadata, dict):
            yield metadata
