"""What is held of posts: their bodies, counted while they are received and evaluated."""

from __future__ import annotations

import asyncio
import mmap
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol

from lanner.events.decode import Payload
from lanner.sources.base import MIB

MAX_DIRECT_BYTES = 16 * MIB
"""A body that is announced as no larger is received to where it is decoded; another in parts, which are joined."""

_READ_BYTES = MIB  # at a time: others are to have their turn
_LEAST_BYTES = 16 * 1024  # so that it is noticed that there is too much
_PIECE_BYTES = 256 * 1024
_WARM_BYTES = 4 * MIB
_WARM_SPACES = 4


class NoRoom(Exception):
    """Bytes that are not taken.

    Attributes:
        is_for_now: Whether there may be room later; else the body is too large at any time.
    """

    def __init__(self, *, is_for_now: bool) -> None:
        self.is_for_now = is_for_now


class Held(Protocol):
    """Where it is counted how many bytes of bodies are held."""

    in_flight_bytes: int


class Room:
    """Bounds on what is held: in all, and of each site, so that one alone cannot take all.

    Args:
        max_body: Bytes of a body.
        max_bytes: Bytes of all bodies; one body always has its room.
        max_posts: How many are received and evaluated at a time.
        held: Where to count bytes.
    """

    def __init__(self, max_body: int, max_bytes: int, max_posts: int, held: Held) -> None:
        self.max_body = max_body
        self.max_bytes = max(max_bytes, max_body)
        self.max_of_site = max(self.max_bytes * 3 // 4, max_body)
        self.of_sites: Counter[Hashable] = Counter()
        self.spaces = Spaces()
        self._held = held
        self._max_posts = max_posts
        self._posts = 0

    @contextmanager
    def post(self) -> Iterator[None]:
        """Count one for as long as it is received and evaluated.

        Raises:
            NoRoom: There are too many.
        """
        if self._posts >= self._max_posts:
            raise NoRoom(is_for_now=True)
        self._posts += 1
        try:
            yield
        finally:
            self._posts -= 1

    def check(self, site: Hashable, size: int, more: int) -> None:
        """See whether a body of so many bytes, which are counted already, may have more.

        Raises:
            NoRoom: It may not.
        """
        if size + more > self.max_body:
            raise NoRoom(is_for_now=False)
        if self._held.in_flight_bytes + more > self.max_bytes or self.of_sites[site] + more > self.max_of_site:
            raise NoRoom(is_for_now=True)

    def left(self, site: Hashable) -> int:
        """How many bytes more can be held of a site."""
        return min(self.max_bytes - self._held.in_flight_bytes, self.max_of_site - self.of_sites[site])

    def count(self, site: Hashable, more: int) -> None:
        """Count bytes of a site, or with a negative number forget them."""
        self._held.in_flight_bytes += more
        self.of_sites[site] += more
        if not self.of_sites[site]:
            del self.of_sites[site]


class Body:
    """One body, counted while it is held: parts of it as they come, or one space that it is received into.

    To be entered; what it holds is let go of at the end.

    Attributes:
        size: Its bytes so far.
    """

    def __init__(self, room: Room, site: Hashable) -> None:
        self.size = 0
        self._room = room
        self._site = site
        self._parts: list[bytes] = []
        self._space: mmap.mmap | None = None

    def __enter__(self) -> Body:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self._room.count(self._site, -self.size)
        self._parts.clear()
        if self._space is not None and kind is not asyncio.CancelledError:  # a thread may still be reading it then
            self._room.spaces.give(self._space, self.size)
        self._space = None

    def add(self, part: bytes) -> None:
        """Take a part.

        Raises:
            NoRoom: It is not taken.
        """
        self._room.check(self._site, self.size, len(part))
        self._parts.append(part)
        self.filled(len(part))

    def open_space(self) -> bool:
        """Have what follows received into memory that `space` gives; whether that is to be had."""
        self._space = self._room.spaces.take()
        if self._space is None:
            return False
        at = 0
        for part in self._parts:
            self._space[at : at + len(part)] = part
            at += len(part)
        self._parts.clear()
        return True

    @property
    def is_open(self) -> bool:
        """Whether it has a space that is to be filled."""
        return self._space is not None

    def space(self, most: int) -> memoryview:
        """Where to put what comes next, at most so many bytes, and little where there is no room for it."""
        assert self._space is not None  # noqa: S101 - INVARIANT: it is open
        size = min(most, max(_LEAST_BYTES, min(_READ_BYTES, self._room.left(self._site))))
        return memoryview(self._space)[self.size : self.size + size]

    def filled(self, number: int) -> None:
        """Count what came; `check` says whether that was too much."""
        self.size += number
        self._room.count(self._site, number)

    def check(self) -> None:
        """See whether what was put into its space may be held.

        Raises:
            NoRoom: It may not.
        """
        self._room.check(self._site, self.size, 0)

    def fits(self) -> bool:
        """Whether `check` has nothing against it."""
        try:
            self.check()
        except NoRoom:
            return False
        return True

    def pieces(self) -> Iterator[Payload]:
        """What there is, in order, some at a time."""
        if self._space is None:
            yield from self._parts
            return
        whole = memoryview(self._space)
        for at in range(0, self.size, _PIECE_BYTES):
            yield whole[at : min(at + _PIECE_BYTES, self.size)]

    def whole(self) -> Payload:
        """All of it; its parts are let go of. A view is of memory that others use once it is left."""
        if self._space is not None:
            return memoryview(self._space)[: self.size]
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Spaces:
    """Memory that bodies are received into one after the other: what was used before costs no page faults.

    Memory that was not used yet takes address space alone. A few spaces are kept, each with a few MiB in use.
    """

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []

    def take(self) -> mmap.mmap | None:
        """A space of `MAX_DIRECT_BYTES`, with anything in it; None where the system has none."""
        if self._free:
            return self._free.pop()
        try:
            space = mmap.mmap(-1, MAX_DIRECT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                space.madvise(mmap.MADV_NOHUGEPAGE)  # else the first byte may take 2 MiB
        except OSError:
            return None
        return space

    def give(self, space: mmap.mmap, used: int) -> None:
        """Let others use it."""
        if len(self._free) < _WARM_SPACES:
            if used > _WARM_BYTES:
                space.madvise(mmap.MADV_DONTNEED, _WARM_BYTES, MAX_DIRECT_BYTES - _WARM_BYTES)
            self._free.append(space)
