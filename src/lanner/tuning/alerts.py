"""Past alerts, as Lanner, Falco and falcosidekick write them: JSON objects with `rule` and `output_fields`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.files import scan

Value: TypeAlias = str | int | float | bool | list[str | None] | None
_MISSING = "<NA>"


class PastAlert(msgspec.Struct, frozen=True, gc=False):
    """An alert, as far as tuning needs it."""

    rule: str
    output_fields: dict[str, Value] = {}

    def text(self, field: str) -> str | None:
        """A field's value as a text; None for a missing one, and for a list."""
        value = self.output_fields.get(field)
        return value if isinstance(value, str) and value != _MISSING else None


@dataclass(slots=True)
class Malformed:
    """How many lines were no alerts, and how the first of them starts."""

    number: int = 0
    sample: str = ""

    def add(self, text: bytes) -> None:
        """Count one more."""
        self.number += 1
        self.sample = self.sample or text[:120].decode("utf-8", "replace")


_LINE = msgspec.json.Decoder(PastAlert)
_BODY = msgspec.json.Decoder(PastAlert | list[PastAlert])


def read_alerts(
    paths: Sequence[str], malformed: Malformed, *, on_error: Callable[[SourceError], None]
) -> Iterator[PastAlert]:
    """Read the alerts of files, folders, patterns or `-`: an object a line, or one list; plain or compressed.

    Args:
        paths: What to read.
        malformed: Takes what is no alert.
        on_error: Called for every path that cannot be read, or not to its end.
    """
    for delivery in scan(paths, Limits(), on_error=on_error):
        payload = bytes(delivery.payload)
        is_body = delivery.framing is Framing.BODY
        for text in [payload] if is_body or delivery.truncated else payload.splitlines():
            if text.strip():
                yield from _decoded(text, malformed, is_body=is_body)


def _decoded(text: bytes, malformed: Malformed, *, is_body: bool) -> Sequence[PastAlert]:
    try:
        found = (_BODY if is_body else _LINE).decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        malformed.add(text)
        return ()
    return found if isinstance(found, list) else (found,)
