"""A source that runs for a test, with a handler that remembers what it was handed and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lanner.sources.base import Delivery, Limits, RejectedDelivery, Source
from lanner.sources.plugin import Context, MemoryCheckpoint, Plugin, Start, Trouble
from lanner.testing.place import Place, ids_of


class KitError(AssertionError):
    """The source does not do what sources have to do."""


@dataclass(slots=True)
class Handed:
    """One call of the handler.

    Attributes:
        ids: The events of the delivery, by their `auditID`.
        size: Bytes of its payload.
        number: How many calls there were before.
    """

    ids: tuple[str, ...]
    size: int
    number: int


Answer = Callable[[Handed], Awaitable[None]]
"""What the handler does with a delivery: returning is its acknowledgement."""


class Saves(MemoryCheckpoint):
    """A checkpoint that remembers what was saved, and what had been dealt with by then."""

    def __init__(self, value: str | None = None) -> None:
        super().__init__(value)
        self.saved: list[tuple[str, frozenset[str]]] = []
        self.handled: Callable[[], Iterable[str]] = lambda: ()

    async def save(self, value: str) -> None:
        """Keep it, and what had been dealt with."""
        self.saved.append((value, frozenset(self.handled())))
        await super().save(value)


async def _take(handed: Handed) -> None:
    pass


@dataclass
class Session:
    """Runs a source: `async with Session(plugin, place) as session`. At the end it is cancelled.

    Attributes:
        plugin: The source under test.
        place: Where it takes events from.
        checkpoint: Where it has come to.
        answer: What the handler does; without one it takes everything.
        timeout_s: How long to wait for what has to happen.
        handed: The calls of the handler, in order.
        dealt_with: Events whose handling has succeeded, or that were set aside.
        open_now: Calls of the handler that have not returned.
        most_open: Most of them at a time.
        told: What the source told of trouble: kind, text, how often.
    """

    plugin: Plugin
    place: Place
    checkpoint: MemoryCheckpoint = field(default_factory=Saves)
    answer: Answer = _take
    timeout_s: float = 30.0
    start: Start = Start.KEPT
    handed: list[Handed] = field(default_factory=list)
    dealt_with: set[str] = field(default_factory=set)
    open_now: dict[int, Handed] = field(default_factory=dict)
    most_open: int = 0
    told: list[tuple[Trouble, str, int]] = field(default_factory=list)
    started: str = ""
    was_cancelled: bool = False

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if isinstance(self.checkpoint, Saves):
            self.checkpoint.handled = lambda: self.dealt_with
        source = open_source(self.plugin, self.place, self._context())
        self._task = asyncio.ensure_future(source.run(self._handle))
        self._task.add_done_callback(lambda task: self._changed.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop(is_failed=error is not None)

    @property
    def seen(self) -> list[str]:
        """The events that were handed over, in order; twice what was handed over twice."""
        return [found for handed in self.handed for found in handed.ids]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds.

        Raises:
            KitError: It does not within the time, or the source has ended; `what` says what was waited for.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                while not condition():
                    if self._task.done():
                        self._raise_ended(what)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise KitError(f"{what}: not within {self.timeout_s:g} s; {self._state()}") from None

    async def pause(self, seconds: float) -> None:
        """Let the source do what it should not."""
        await asyncio.wait([self._task], timeout=seconds)

    def cancel(self) -> None:
        """Ask the source to end."""
        self._task.cancel()

    @property
    def has_ended(self) -> bool:
        """Whether the source runs no more."""
        return self._task.done()

    async def stop(self, *, is_failed: bool = False) -> None:
        """End the source, if it has not ended.

        Raises:
            KitError: It does not end when it is cancelled, or ended with an error.
        """
        self._task.cancel()
        done, _ = await asyncio.wait([self._task], timeout=self.timeout_s)
        if is_failed:
            return
        if not done:
            raise KitError(f"the source goes on after it was cancelled {self.timeout_s:g} s ago")
        if not self._task.cancelled() and (error := self._task.exception()):
            raise KitError(f"the source ended with {type(error).__name__}: {error}") from error

    def _context(self) -> Context:
        return Context(
            name="kit",
            limits=Limits(),
            checkpoint=self.checkpoint,
            start=self.start,
            started=self._on_started,
            tell=self._on_trouble,
        )

    def _on_started(self, text: str, url: str) -> None:
        self.started = self.started or text
        self.place.started(url)
        self._wake()

    def _on_trouble(self, trouble: Trouble, text: str, times: int = 1) -> None:
        self.told.append((trouble, text, times))
        self._wake()

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def _handle(self, delivery: Delivery) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise KitError("the handler was called in another event loop than `run`")
        handed = Handed(tuple(ids_of(bytes(delivery.payload))), len(delivery.payload), len(self.handed))
        self.handed.append(handed)
        self.open_now[handed.number] = handed
        self.most_open = max(self.most_open, len(self.open_now))
        self._changed.set()
        try:
            await self.answer(handed)
            self.dealt_with.update(handed.ids)
        except RejectedDelivery:
            self.dealt_with.update(handed.ids)
            raise
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            del self.open_now[handed.number]
            self._changed.set()

    def _raise_ended(self, what: str) -> None:
        if not self._task.cancelled() and (error := self._task.exception()):
            raise KitError(f"{what}: the source ended with {type(error).__name__}: {error}") from error
        raise KitError(f"{what}: the source has ended; {self._state()}")

    def _state(self) -> str:
        told = "".join(f"; it told: {trouble.value}: {text}" for trouble, text, _ in self.told[-3:])
        return f"{len(self.handed)} deliveries came, with {len(set(self.seen))} different events{told}"


def open_source(plugin: Plugin, place: Place, context: Context) -> Source:
    """The source of a place."""
    options = plugin.options() if place.options is None else place.options
    return plugin.open(place.open_params, options, context)
