"""What the models of the configuration are made of: sections, and what is said about each key."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Meta, Struct

from lanner.rules.priority import Priority
from lanner.sources.plugin import HIDDEN, secret

__all__ = ["HIDDEN", "PRIORITIES", "STANDING", "WORDS", "Section", "Standing", "accepted", "secret", "used"]


class Standing(StrEnum):
    """What Lanner does with a key."""

    USED = "used"
    ACCEPTED = "accepted, without effect"


STANDING = "standing"
WORDS = "words"
"""Names in the extra part of a key's description, beside `HIDDEN`: its standing, and the words that it takes, in any
case."""

_ACCEPTED = {STANDING: Standing.ACCEPTED}
PRIORITIES = (*(priority.value.lower() for priority in Priority), "info")


def used(description: str, **bounds: Any) -> Meta:
    """A key with an effect; `bounds` are those of `msgspec.Meta`."""
    return Meta(description=description, **bounds)


def accepted(description: str) -> Meta:
    """A key that only concerns system calls, or that Lanner has no need of."""
    return Meta(description=description, extra=_ACCEPTED)


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping with known keys."""
