"""The connections of a listener: bounded in all and for each peer, with those given up first that matter least."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from lanner.sources.auth import Address

_IPV6_SITE = 64
"""Bits of an IPv6 address that tell sites apart: a single machine can use all addresses that begin with them."""


class Rank(IntEnum):
    """Who is given up first."""

    STRANGER = 0
    """It may not post from where it is."""
    GUEST = 1
    """No request of it was taken yet."""
    KNOWN = 2
    """A request of it was taken."""


class Closing(StrEnum):
    """Why a connection was closed that its peer might have liked to keep."""

    CROWDED = "crowded"
    """There are too many, and it was given up or not let in."""
    HANDSHAKE = "handshake"
    """TLS was not agreed on, or not in time."""
    SLOW = "slow"
    """A request's head did not come in time, or an answer was not taken."""
    HEAD = "head"
    """What came is no proper HTTP, or there is too much of it beside bodies."""


class Member(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """Close it at once; it leaves the crowd by itself."""


@dataclass(slots=True)
class ConnectionStats:
    """How many connections there are, and were closed, by reason."""

    open: int = 0
    closed: Counter[Closing] = field(default_factory=Counter)


@dataclass(slots=True)
class _Place:
    site: Hashable
    rank: Rank
    is_idle: bool = True


class Crowd:
    """Knows who is there, and makes room. A connection is idle while no request of it is being answered.

    Args:
        max_members: How many there may be.
        max_of_site: How many of one address, or of one IPv6 network of 64 bits.
        stats: Where to count.
    """

    def __init__(self, max_members: int, max_of_site: int, stats: ConnectionStats) -> None:
        self.stats = stats
        self._max_members = max_members
        self._max_of_site = max_of_site
        self._places: dict[Member, _Place] = {}
        self._idle: tuple[dict[Member, None], ...] = tuple({} for _ in Rank)
        self._sites: dict[Hashable, dict[Member, None]] = {}

    def enter(self, member: Member, address: Address | None, rank: Rank) -> bool:
        """Let a connection in, idle at first; another one may be given up for it. False: there is no room."""
        site = site_of(address)
        others = self._sites.get(site, {})
        if len(others) >= self._max_of_site and not self._give_up(self._oldest_of(others)):
            return self._refuse()
        if len(self._places) >= self._max_members and not self._give_up(self._oldest(rank)):
            return self._refuse()
        self._places[member] = _Place(site, rank)
        self._sites.setdefault(site, {})[member] = None
        self._idle[rank][member] = None
        self.stats.open = len(self._places)
        return True

    def work(self, member: Member) -> None:
        """A request is being answered: the connection is not given up."""
        if (place := self._places.get(member)) and place.is_idle:
            del self._idle[place.rank][member]
            place.is_idle = False

    def rest(self, member: Member, rank: Rank | None = None) -> None:
        """It is idle from now on."""
        if place := self._places.get(member):
            if place.is_idle:
                del self._idle[place.rank][member]
            place.rank = rank if rank is not None else place.rank
            place.is_idle = True
            self._idle[place.rank][member] = None

    def leave(self, member: Member) -> None:
        """It is closed."""
        place = self._places.pop(member, None)
        if place is None:
            return
        if place.is_idle:
            del self._idle[place.rank][member]
        site = self._sites[place.site]
        del site[member]
        if not site:
            del self._sites[place.site]
        self.stats.open = len(self._places)

    def close(self, why: Closing) -> None:
        """Count a connection that is closed."""
        self.stats.closed[why] += 1

    def thin(self) -> None:
        """Give up the one that matters least, because there is no room elsewhere, such as for open files."""
        self._give_up(self._oldest(Rank.KNOWN))

    def members(self) -> list[Member]:
        """All that are there."""
        return list(self._places)

    def _oldest(self, rank: Rank) -> Member | None:
        """The one idle for longest, of the least rank that has any; strangers only take the place of strangers."""
        ranks = self._idle[:1] if rank is Rank.STRANGER else self._idle
        return next((next(iter(idle)) for idle in ranks if idle), None)

    def _oldest_of(self, others: dict[Member, None]) -> Member | None:
        idle = [member for member in others if self._places[member].is_idle]
        return min(idle, key=lambda member: self._places[member].rank, default=None)

    def _give_up(self, member: Member | None) -> bool:
        if member is None:
            return False
        self.close(Closing.CROWDED)
        self.leave(member)
        member.give_up()
        return True

    def _refuse(self) -> bool:
        self.close(Closing.CROWDED)
        return False


def site_of(address: Address | None) -> Hashable:
    """What bounds count by: an address, or the network of an IPv6 address."""
    if isinstance(address, ipaddress.IPv6Address):
        return int(address) >> (128 - _IPV6_SITE)
    return address
