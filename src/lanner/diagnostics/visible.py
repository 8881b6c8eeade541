"""Which characters a terminal shows as what they are; what it could obey, hide or reorder is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable

_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)
"""Printable by their category, but without a picture of their own: joiners, fillers, variation selectors, a blank.

Source: Unicode 15, Default_Ignorable_Code_Point without category C; and U+2800, U+1D159, which are blank.
"""


def is_visible(text: str) -> bool:
    """Whether a terminal shows every character: no control or format character, no space but the blank, no filler."""
    return text.isprintable() and (text.isascii() or not _UNSEEN.search(text))


def visible(text: str, escape: Callable[[str], str]) -> str:
    """The text with `escape` of every character that a terminal would not show."""
    if is_visible(text):
        return text
    return "".join(char if is_visible(char) else escape(char) for char in text)


def unicode_escape(char: str) -> str:
    r"""The character as `\uXXXX`, or two of them, as JSON reads it back."""
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def python_escape(char: str) -> str:
    r"""The character as `\xXX`, `\uXXXX` or `\UXXXXXXXX`."""
    return char.encode("unicode_escape").decode("ascii")
