"""Conditions as people know them: as they stand in the rule file, on one line."""

from __future__ import annotations

from lanner.condition import Expr, to_text

_MAX_TEXT = 160


def written(node: Expr) -> str:
    """The condition as it was written, with names for macros and lists; cut where it is long."""
    place = node.place
    text = " ".join(place.text.text[place.start : place.end].split()) if place else to_text(node)
    return shortened(text)


def shortened(text: str, length: int = _MAX_TEXT) -> str:
    """The text, cut where it is long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
