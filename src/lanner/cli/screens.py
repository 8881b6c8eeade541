"""The screen that a person may watch, if one does."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

from lanner.cli.log import above
from lanner.cli.messages import Console
from lanner.engine.stats import Stats
from lanner.outputs.screen import Screen

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run is like at a moment.

    Attributes:
        stats: What was counted.
        state: How its sources are, in a few words.
        is_well: Whether events are taken from all of them.
        lost: What was lost besides what the counters say, by what is said of it.
    """

    stats: Stats
    state: str
    is_well: bool = True
    lost: Mapping[str, int] = field(default_factory=dict)


@contextmanager
def screen_for(console: Console) -> Iterator[Screen | None]:
    """A screen for a status, which messages stand above; None when nobody watches."""
    screen = Screen(sys.stderr.fileno()) if console.shows_progress else None
    try:
        with above(screen):
            yield screen
    finally:
        if screen:
            screen.close()


async def watched(
    run: Coroutine[Any, Any, T], figures: Callable[[], Figures], screen: Screen | None, console: Console
) -> T:
    """Run something, and draw what it is like meanwhile if there is a screen."""
    if screen is None:
        return await run
    from lanner.cli.view import View  # noqa: PLC0415 - heavy, and only who watches needs it

    drawing = asyncio.create_task(View(screen, console).follow(figures))
    try:
        return await run
    finally:
        drawing.cancel()


def shows(screen: Screen | None, stream: IO[Any]) -> bool:
    """Whether what is written to a stream is seen on the screen."""
    return screen is not None and stream.isatty() and os.path.sameopenfile(screen.descriptor, stream.fileno())
