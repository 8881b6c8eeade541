"""What there is to say of an output, without saying it all the time."""

from __future__ import annotations

import math
from collections.abc import Callable

_INTERVAL_S = 60.0


class Notices:
    """Texts: each kind of thing at most once a minute. Not safe for several threads at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said_at: dict[str, float] = {}
        self._texts: list[str] = []

    def add(self, kind: str, text: str) -> None:
        """Have something said, unless something of its kind was said within the last minute."""
        now = self._clock()
        if now - self._said_at.get(kind, -math.inf) >= _INTERVAL_S:
            self._said_at[kind] = now
            self._texts.append(text)

    def take(self) -> list[str]:
        """What is to be said now; it is not given again."""
        texts, self._texts = self._texts, []
        return texts
