"""Two sources over lists in memory, one whose place takes acknowledgements and one with a checkpoint; their defects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from lanner.sources.base import Delivery, Framing, Handler, NotStored, RejectedDelivery, Source, SourceError, finish
from lanner.sources.plugin import Context, Plugin, Trouble
from lanner.testing import Place


class Defect(StrEnum):
    """What a source may do wrong."""

    NONE = auto()
    LOSES = auto()
    """It passes over every seventh event."""
    STOPS = auto()
    """It delivers what is there, and nothing that comes later."""
    SILENT = auto()
    """It does not say that it has started."""
    GIVES_UP = auto()
    """It goes on when the handler has failed."""
    GIVES_UP_UNSTORED = auto()
    """It goes on when alerts could not be stored."""
    ACKNOWLEDGES_FIRST = auto()
    """It acknowledges before the handler has returned."""
    ACKNOWLEDGES_FAILED = auto()
    """It acknowledges at its end what has failed."""
    INSISTS = auto()
    """It hands over again what was rejected."""
    HIDES = auto()
    """It tells nobody of what was rejected."""
    BREAKS_ON_REJECTED = auto()
    """It ends when something is rejected."""
    CANCELS = auto()
    """Its end cancels the handler."""
    LEAVES = auto()
    """It ends while the handler is at work."""
    GOES_ON = auto()
    """It does not end."""
    FORGETS = auto()
    """It begins anew each time."""
    SAVES_FIRST = auto()
    """It saves its checkpoint before the handler has returned."""
    NEVER_SAVES = auto()
    """It saves no checkpoint."""
    UNBOUNDED = auto()
    """It hands over everything at once."""
    BREAKS_ON_DAMAGED = auto()
    """It ends when something is no event."""
    READS_WHEN_OPENED = auto()
    """`open` reads a file."""
    CONNECTS_WHEN_OPENED = auto()
    """`open` looks up a name."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of both."""

    pause_s: Annotated[float, Meta(description="How long it waits before it asks again.", ge=0)] = 0.001


@dataclass(eq=False)
class Shelf(Place):
    """Lines in memory, and which of them are acknowledged."""

    open_params: str = "shelf"
    lines: list[bytes] = field(default_factory=list)
    acked: set[int] = field(default_factory=set)
    leased: set[int] = field(default_factory=set)

    async def put(self, documents: Sequence[bytes]) -> None:
        self.lines += documents

    async def put_damaged(self) -> None:
        self.lines.append(b"{damaged")

    async def acknowledged(self) -> int | None:
        return len(self.acked)


@dataclass
class Queue:
    """Takes a line at a time from a shelf, and acknowledges each when it is dealt with."""

    shelf: Shelf
    options: Options
    context: Context
    defect: Defect

    async def run(self, handle: Handler) -> None:
        if self.defect is not Defect.SILENT:
            self.context.started("taking from the shelf", "")
        shelf, has_taken = self.shelf, False
        shelf.leased.clear()  # whoever had them before is gone
        if self.defect is Defect.UNBOUNDED:
            await asyncio.gather(*(self._take(number, handle) for number in range(len(shelf.lines))))
        try:
            while True:
                free = [number for number in range(len(shelf.lines)) if number not in shelf.acked]
                if not free or (self.defect is Defect.STOPS and has_taken):
                    await asyncio.sleep(self.options.pause_s)
                    continue
                for number in free:
                    await self._take(number, handle)
                has_taken = True
        finally:
            if self.defect is Defect.ACKNOWLEDGES_FAILED:
                shelf.acked.update(range(len(shelf.lines)))

    async def _take(self, number: int, handle: Handler) -> None:
        line = self.shelf.lines[number]
        if self.defect is Defect.LOSES and number % 7 == 6:
            self.shelf.acked.add(number)
            return
        if self.defect is Defect.BREAKS_ON_DAMAGED:
            msgspec.json.decode(line)
        if self.defect is Defect.ACKNOWLEDGES_FIRST:
            self.shelf.acked.add(number)
        try:
            await _handed(self.defect, handle, Delivery(line, Framing.LINES, "shelf"))
        except RejectedDelivery as error:
            _reject(self.defect, self.context, error)
        except Exception as error:
            is_given_up = isinstance(error, NotStored) and self.defect is Defect.GIVES_UP_UNSTORED
            if self.defect is not Defect.GIVES_UP and not is_given_up:
                await asyncio.sleep(self.options.pause_s)
                return
        if self.defect is not Defect.INSISTS or b'"bad"' not in line:
            self.shelf.acked.add(number)


@dataclass
class Log:
    """Reads lines of a shelf from where its checkpoint says."""

    shelf: Shelf
    options: Options
    context: Context
    defect: Defect

    async def run(self, handle: Handler) -> None:
        self.context.started("reading the shelf", "")
        value = await self.context.checkpoint.load()
        at = 0 if self.defect is Defect.FORGETS else int(value or 0)
        while True:
            lines = self.shelf.lines[at : at + 10]
            if not lines:
                await asyncio.sleep(self.options.pause_s)
                continue
            if self.defect is Defect.SAVES_FIRST:
                await self.context.checkpoint.save(str(at + len(lines)))
            try:
                await _handed(self.defect, handle, Delivery(b"\n".join(lines), Framing.LINES, "shelf"))
            except RejectedDelivery as error:
                _reject(self.defect, self.context, error)
            except Exception:
                await asyncio.sleep(self.options.pause_s)
                continue
            at += len(lines)
            if self.defect not in (Defect.SAVES_FIRST, Defect.NEVER_SAVES):
                await self.context.checkpoint.save(str(at))


def _reject(defect: Defect, context: Context, error: RejectedDelivery) -> None:
    if defect is Defect.BREAKS_ON_REJECTED:
        raise error
    if defect is not Defect.HIDES:
        context.tell(Trouble.DAMAGED, str(error))


async def _handed(defect: Defect, handle: Handler, delivery: Delivery) -> None:
    match defect:
        case Defect.CANCELS:
            await handle(delivery)
        case Defect.LEAVES:
            await asyncio.shield(asyncio.ensure_future(handle(delivery)))
        case Defect.GOES_ON:
            try:
                await finish(handle(delivery))
            except asyncio.CancelledError:
                await finish(asyncio.sleep(1))
        case _:
            await finish(handle(delivery))


SHELVES: dict[str, Shelf] = {}


def plugin(kind: type[Queue] | type[Log], defect: Defect = Defect.NONE) -> Plugin:
    """A plugin whose `open_params` name one of `SHELVES`."""

    def opened(open_params: str, options: Options, context: Context) -> Source:
        if open_params not in SHELVES:
            raise SourceError(open_params, "no such shelf", "name one that is there", action="open")
        if defect is Defect.READS_WHEN_OPENED:
            Path("/etc/hostname").exists()
            Path("/etc/hostname").read_bytes()
        if defect is Defect.CONNECTS_WHEN_OPENED:
            import socket  # noqa: PLC0415 - as a careless source would

            socket.getaddrinfo("127.0.0.1", 80)
        return kind(SHELVES[open_params], options, context, defect)

    return Plugin(
        name="shelf",
        description="Lines in memory.",
        version="1.0.0",
        open=opened,
        open_params="the name of a shelf",
        options=Options,
    )
