"""What nobody else should know, told from the rest by where it stands, and masked."""

from __future__ import annotations

import re

MASK = "***"

SECRET_NAME = re.compile(
    r"secret|token|passw|passphrase|credential|private|(^|_|-|[a-z])key$|apikey|authorization", re.I
)
"""Names of keys and variables that hold a secret."""

_IN_TEXT = (
    (re.compile(r"(?<=://)[^/@\s'\"]+(?=@)"), MASK),
    (
        re.compile(r"([?&](?:tk|[^=&\s]*(?:token|key|secret|sig|passw|auth|cred)[^=&\s]*)=)[^&\s'\"]+", re.I),
        rf"\1{MASK}",
    ),
    (re.compile(r"(hooks\.slack\.com/\w+/)[^\s'\"]+", re.I), rf"\1{MASK}"),
)
"""Secrets within texts, in addresses."""

_IN_HEADERS = re.compile(r"((?:bearer|basic|token)\s+)[^\s'\"]+", re.I)
"""Secrets in headers that a command sends; in plain sentences the words may stand for themselves."""


def masked(text: str) -> str:
    """The text with the secrets that can be told from the rest masked: those in addresses."""
    for pattern, put in _IN_TEXT:
        text = pattern.sub(put, text)
    return text


def masked_value(text: str) -> str:
    """As `masked`, and secrets in headers too: for values of a configuration, which are no sentences."""
    return _IN_HEADERS.sub(rf"\1{MASK}", masked(text))
