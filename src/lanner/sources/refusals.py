"""Says who was refused, without saying it all the time: whoever is refused may want to fill a log, or a memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from lanner.sources.auth import Peer

_INTERVAL_S = 60.0
_MAX_SITES = 1024
_OTHERS = "others"

ALARM_AFTER = 5
"""So many denied requests are no mistake of a moment: an API server makes as many for each batch."""

ALARM_INTERVAL_S = 600.0
"""How long nothing more is raised then."""


class Refusals:
    """A line a minute for each address and reason, of a bounded number; an alarm when requests are denied again."""

    def __init__(
        self,
        say: Callable[[str], None],
        alarm: Callable[[str, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nobody.

        Args:
            say: Takes a line for the log.
            alarm: Takes a text for people, and how many requests were denied since the last one.
            clock: Seconds.
        """
        self._say = say
        self._alarm = alarm
        self._clock = clock
        self._said: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        """By site and reason, oldest first: when it was said last, and how many were refused since."""
        self._denied = 0
        self._alarmed_at: float | None = None

    def refused(self, peer: Peer, reason: str) -> None:
        """Somebody was refused, be it for want of room or of manners.

        Args:
            peer: Who.
            reason: Why, in words for people; it goes on "it …".
        """
        now = self._clock()
        site: Hashable = peer.site, reason
        if site not in self._said:
            self._forget(now)
            if len(self._said) >= _MAX_SITES:
                site = _OTHERS
        said_at, number = self._said.get(site, (None, 0))
        if said_at is not None and now - said_at < _INTERVAL_S:
            self._said[site] = said_at, number + 1
            return
        self._said[site] = now, 0
        self._said.move_to_end(site)
        more = f"; {number} more from there since the last such message" if number else ""
        self._say(f"refused {peer.address or 'a peer without an address'}: {reason}{more}")

    def denied(self, peer: Peer, reason: str) -> None:
        """Somebody was refused who did not prove to be allowed."""
        self.refused(peer, reason)
        self._denied += 1
        now = self._clock()
        is_due = self._alarmed_at is None or now - self._alarmed_at >= ALARM_INTERVAL_S
        if self._denied >= ALARM_AFTER and is_due:
            number, self._denied, self._alarmed_at = self._denied, 0, now
            self._alarm(f"requests are refused, the last one of {peer.address}: {reason}", number)

    def _forget(self, now: float) -> None:
        """Forget those whose minute is over; what was not said of them stays unsaid, and is in the counters."""
        while self._said:
            said_at, _ = next(iter(self._said.values()))
            if now - said_at < _INTERVAL_S:
                return
            self._said.popitem(last=False)
