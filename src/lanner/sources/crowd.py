"""The connections of a listener: bounded in all and for each peer, with those given up first that matter least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol


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


class _Idle:
    """Idle connections of one rank, of which that one is found at once which is the first to be given up."""

    def __init__(self) -> None:
        self._sites: dict[Hashable, dict[Member, None]] = {}
        """By site, those idle for longest first."""
        self._by_number: dict[int, dict[Hashable, None]] = {}
        """Sites by how many they have, those first that have had so many for longest."""
        self._most = 0

    def __bool__(self) -> bool:
        return self._most > 0

    def add(self, member: Member, site: Hashable) -> None:
        members = self._sites.setdefault(site, {})
        members[member] = None
        self._count(site, len(members) - 1, len(members))

    def remove(self, member: Member, site: Hashable) -> None:
        members = self._sites[site]
        del members[member]
        self._count(site, len(members) + 1, len(members))
        if not members:
            del self._sites[site]

    def first(self) -> Member | None:
        """The one idle for longest, of the site that has most: who opens many connections gives up their own."""
        if not self._most:
            return None
        return next(iter(self._sites[next(iter(self._by_number[self._most]))]))

    def _count(self, site: Hashable, before: int, now: int) -> None:
        if before:
            del self._by_number[before][site]
        if now:
            self._by_number.setdefault(now, {})[site] = None
        if before and not self._by_number[before]:
            del self._by_number[before]
        if now > self._most or self._most not in self._by_number:
            self._most = now  # it was the site with most, whose number has changed by one


class Crowd:
    """Knows who is there, and makes room. A connection is idle while no request of it is being answered.

    Args:
        max_members: How many there may be.
        max_of_site: How many of one site.
        stats: Where to count.
    """

    def __init__(self, max_members: int, max_of_site: int, stats: ConnectionStats) -> None:
        self.stats = stats
        self._max_members = max_members
        self._max_of_site = max_of_site
        self._places: dict[Member, _Place] = {}
        self._idle = tuple(_Idle() for _ in Rank)
        self._sites: dict[Hashable, dict[Member, None]] = {}

    def enter(self, member: Member, site: Hashable, rank: Rank) -> bool:
        """Let a connection in, idle at first; another one may be given up for it. False: there is no room."""
        others = self._sites.get(site, {})
        if len(others) >= self._max_of_site and not self._give_up(self._oldest_of(others)):
            return self._refuse()
        if len(self._places) >= self._max_members and not self._give_up(self._least(rank)):
            return self._refuse()
        self._places[member] = _Place(site, rank)
        self._sites.setdefault(site, {})[member] = None
        self._idle[rank].add(member, site)
        self.stats.open = len(self._places)
        return True

    def work(self, member: Member) -> None:
        """A request is being answered: the connection is not given up."""
        if (place := self._places.get(member)) and place.is_idle:
            self._idle[place.rank].remove(member, place.site)
            place.is_idle = False

    def rest(self, member: Member, rank: Rank | None = None) -> None:
        """It is idle from now on."""
        if place := self._places.get(member):
            if place.is_idle:
                self._idle[place.rank].remove(member, place.site)
            place.rank = rank if rank is not None else place.rank
            place.is_idle = True
            self._idle[place.rank].add(member, place.site)

    def leave(self, member: Member) -> None:
        """It is closed."""
        place = self._places.pop(member, None)
        if place is None:
            return
        if place.is_idle:
            self._idle[place.rank].remove(member, place.site)
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
        self._give_up(self._least(Rank.KNOWN))

    def members(self) -> list[Member]:
        """All that are there."""
        return list(self._places)

    def _least(self, rank: Rank) -> Member | None:
        """The first to be given up, of the least rank that has any; strangers only take the place of strangers."""
        ranks = self._idle[:1] if rank is Rank.STRANGER else self._idle
        return next((idle.first() for idle in ranks if idle), None)

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
