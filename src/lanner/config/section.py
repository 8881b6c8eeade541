"""What the models of the configuration are made of: sections, and what is said about each key."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Meta, Struct

from lanner.rules.priority import Priority


class Standing(StrEnum):
    """What Lanner does with a key."""

    USED = "used"
    ACCEPTED = "accepted, without effect"


STANDING = "standing"
WORDS = "words"
HIDDEN = "hidden"
"""Names in the extra part of a key's description: its standing, the words that it takes, in any case, and whether what
it holds is for nobody else to see."""

_ACCEPTED = {STANDING: Standing.ACCEPTED}
PRIORITIES = (*(priority.value.lower() for priority in Priority), "info")


def used(description: str, **bounds: Any) -> Meta:
    """A key with an effect; `bounds` are those of `msgspec.Meta`."""
    return Meta(description=description, **bounds)


def accepted(description: str) -> Meta:
    """A key that only concerns system calls, or that Lanner has no need of."""
    return Meta(description=description, extra=_ACCEPTED)


def secret(description: str) -> Meta:
    """A key whose values nobody else is to see."""
    return Meta(description=description, extra={HIDDEN: True})


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping with known keys."""
