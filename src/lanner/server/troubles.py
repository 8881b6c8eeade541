"""What a source tells of trouble: counted each time, and said once a minute for each kind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from lanner.engine.alert import Alert
from lanner.server.internal import denied, events_missing, unusable
from lanner.sources.plugin import Trouble

_LOG = logging.getLogger(__name__)

INTERVAL_S = 60.0

_LEVELS = {Trouble.IGNORED: logging.INFO}
"""How much a kind matters; all others are warnings."""

_ALERTS = {Trouble.GAP: events_missing, Trouble.DENIED: denied, Trouble.UNUSABLE: unusable}
"""What is raised for a kind; for others nothing is, or it is the vigil's to raise, as for those that are stuck."""


@dataclass(slots=True)
class _Kind:
    """What is known of a kind of trouble.

    Attributes:
        said_at: When it was said last, by the clock.
        unsaid: How many times it happened since.
        text: The last of these.
    """

    said_at: float | None = None
    unsaid: int = 0
    text: str = ""


class Troubles:
    """The trouble of one source, over all times that it is opened.

    Args:
        name: The source.
        counts: By kind, how many times; may be read at any time.
        raise_alert: Takes alerts about the program itself.
        clock: Seconds, from any start.
    """

    def __init__(
        self,
        name: str,
        counts: Counter[str],
        raise_alert: Callable[[Alert], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._counts = counts
        self._raise = raise_alert
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._kinds: dict[Trouble, _Kind] = {}

    def tell(self, trouble: Trouble, text: str, times: int = 1) -> None:
        """Count and say; from any thread."""
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here:
            self._take(trouble, text, times)
        else:
            with suppress(RuntimeError):  # the run is over, and so is its loop
                self._loop.call_soon_threadsafe(self._take, trouble, text, times)

    def last(self, trouble: Trouble) -> str:
        """What was told last of a kind; empty: nothing."""
        return self._kinds[trouble].text if trouble in self._kinds else ""

    def flush(self) -> None:
        """Say what was not said yet, as at the end."""
        for trouble, kind in self._kinds.items():
            if kind.unsaid:
                self._say(trouble, kind)

    def _take(self, trouble: Trouble, text: str, times: int) -> None:
        self._counts[trouble.value] += times
        kind = self._kinds.setdefault(trouble, _Kind())
        kind.unsaid += times
        kind.text = text
        now = self._clock()
        if kind.said_at is None or now - kind.said_at >= INTERVAL_S:
            self._say(trouble, kind)
        elif kind.unsaid == times:
            self._loop.call_later(INTERVAL_S - (now - kind.said_at), self._say_late, trouble, kind)

    def _say_late(self, trouble: Trouble, kind: _Kind) -> None:
        if kind.unsaid:
            self._say(trouble, kind)

    def _say(self, trouble: Trouble, kind: _Kind) -> None:
        times, kind.unsaid, kind.said_at = kind.unsaid, 0, self._clock()
        again = f" ({times} times)" if times > 1 else ""
        text = f"source `{self._name}`: {kind.text}{again}"
        fields = {"source": self._name, "kind": trouble.value, "times": times}
        _LOG.log(_LEVELS.get(trouble, logging.WARNING), "%s", text, extra={"fields": fields})
        if make := _ALERTS.get(trouble):
            self._raise(make(self._name, kind.text, times))
