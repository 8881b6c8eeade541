"""What nobody else should know, told from the rest by where it stands, and masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from lanner.diagnostics import SourceFile, Span
from lanner.diagnostics.diagnostic import Diagnostic

MASK = "***"

SECRET_NAME = re.compile(
    r"secret|token|passw|passphrase|credential|private|(^|_|-|[a-z])key$|apikey|authorization", re.I
)
"""Names of keys and variables that hold a secret."""

_IN_TEXT = (
    (re.compile(r"(?<=://)[^/@\s'\"]+(?=@)"), MASK),
    (
        re.compile(r"([?&](?:tk|[^=&\s]*(?:token|key|secret|sig|passw|auth|cred)[^=&\s]*)=)[^&\s'\"`]+", re.I),
        rf"\1{MASK}",
    ),
    (re.compile(r"(hooks\.slack\.com/\w+/)[^\s'\"]+", re.I), rf"\1{MASK}"),
)
"""Secrets within texts, in addresses."""

_IN_HEADERS = re.compile(r"((?:bearer|basic|token)\s+)[^\s'\"]+", re.I)
"""Secrets in headers that a command sends; in plain sentences the words may stand for themselves."""

_IN_FILE = (
    re.compile(r"((?!https?:)\b[a-z][a-z0-9+.-]*://)([^\s'\",\]}]+)", re.I),
    re.compile(r"(://)([^/@\s'\"]+)(?=@)"),
    re.compile(r"([?&](?:tk|[^=&\s]*(?:token|key|secret|sig|passw|auth|cred)[^=&\s]*)=)([^&\s'\"]+)", re.I),
    re.compile(r"(hooks\.slack\.com/\w+/)([^\s'\"]+)", re.I),
    re.compile(r"((?:bearer|basic|token)\s+)([^\s'\"]+)", re.I),
    re.compile(
        r"((?:secret|token|passw|passphrase|credential|private|key|authorization|cookie)[\w.-]*[\"']?\s*[:=]\s*)"
        r"([^\s{\[|>][^\n}]*)",
        re.I,
    ),
)
"""Secrets in the text of a configuration, which need not be YAML yet; addresses that are not http(s) are Apprise's."""


def masked(text: str) -> str:
    """The text with the secrets that can be told from the rest masked: those in addresses."""
    for pattern, put in _IN_TEXT:
        text = pattern.sub(put, text)
    return text


def masked_value(text: str) -> str:
    """As `masked`, and secrets in headers too: for values of a configuration, which are no sentences."""
    return _IN_HEADERS.sub(rf"\1{MASK}", masked(text))


def veiled(diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """The problems with stars for secrets, also in their files: what is shown of a file may end up in a log."""
    files: dict[SourceFile, SourceFile] = {}

    def veil(span: Span) -> Span:
        if span.file not in files:
            files[span.file] = SourceFile(span.file.name, _veil(span.file.text))
        return replace(span, file=files[span.file])

    for found in diagnostics:
        related = tuple(replace(label, span=veil(label.span)) for label in found.related)
        span = veil(found.span) if found.span else None
        help_text = masked(found.help) if found.help else found.help
        yield replace(found, message=masked(found.message), help=help_text, span=span, related=related)


def _veil(text: str) -> str:
    """The text, as long as before, so that all places in it stay what they are."""
    for pattern in _IN_FILE:
        text = pattern.sub(lambda found: found[1] + "*" * len(found[2]), text)
    return text
