"""Lengths of time and numbers in words."""

from __future__ import annotations

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_FEW = 3


def span(seconds: float) -> str:
    """A length of time in words: in the largest unit of which there are three, or as many as there are of seconds."""
    whole = max(0, round(seconds))
    for size, name in _UNITS:
        if whole >= _FEW * size or (whole % size == 0 and whole >= size) or size == 1:
            number = whole // size
            return f"{number} {name}{'' if number == 1 else 's'}"
    raise AssertionError("seconds are the last unit")


def counted(number: int, name: str) -> str:
    """A number of things."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"
