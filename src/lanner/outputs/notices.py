"""What there is to say of an output, without saying it all the time."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

_LOG = logging.getLogger(__name__)

_INTERVAL_S = 60.0

HELP = "see that the place is there, has room and takes what is sent; what waits is tried again by itself"


def tell(text: str) -> None:
    """Say in the log what is wrong with an output, and what to do."""
    _LOG.error("%s", text, extra={"fields": {"help": HELP}})


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
