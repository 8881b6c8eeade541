import asyncio
import os
import pty
import termios
from collections.abc import Iterator
from dataclasses import dataclass

import pyte
import pytest

from lanner.cli.messages import Console
from lanner.cli.screens import Figures, watched
from lanner.cli.view import View
from lanner.engine.stats import Stats
from lanner.outputs.screen import Screen
from lanner.rules.priority import Priority


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Terminal:
    """A terminal of 150 columns, emulated."""

    screen: Screen
    main: int
    seen: pyte.Screen

    def row(self) -> str:
        """The one row that is on it."""
        os.write(self.screen.descriptor, b"\x00")
        text = b""
        while not text.endswith(b"\x00"):
            text += os.read(self.main, 65536)
        pyte.ByteStream(self.seen).feed(text)
        [row] = [row.rstrip() for row in self.seen.display if row.strip()]
        return row


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    main, end = pty.openpty()
    termios.tcsetwinsize(end, (50, 150))
    yield Terminal(Screen(end), main, pyte.Screen(150, 50))
    os.close(main)
    os.close(end)


def test_it_says_how_the_run_is_and_since_when_nothing_comes(terminal: Terminal) -> None:
    clock, stats = Clock(), Stats()
    view = View(terminal.screen, Console(color="never"), clock=clock)
    figures = Figures(stats, "listening")
    view.draw(figures)
    assert terminal.row() == " ● listening · no events yet · 0 alerts · 0s"
    clock.now = 1.0
    stats.events, stats.by_priority[Priority.ERROR] = 5000, 1
    view.draw(figures)
    assert terminal.row() == " ● listening · 5,000 events/s · 1 alert 1 ERROR · 5,000 events · 1s"
    clock.now = 4.0
    view.draw(figures)
    assert terminal.row() == " ● listening · 0 events/s · 1 alert 1 ERROR · 5,000 events · 4s"
    clock.now = 75.0
    view.draw(figures)
    assert terminal.row() == " ● listening · no events for 1m14s · 1 alert 1 ERROR · 5,000 events · 1m15s"


def test_a_source_that_is_not_well_is_red(terminal: Terminal) -> None:
    view = View(terminal.screen, Console(color="always"))
    view.draw(Figures(Stats(), "1 of 2 sources waits", is_well=False))
    assert terminal.row().startswith(" ● 1 of 2 sources waits · ")
    assert {terminal.seen.buffer[0][at].fg for at in (1, 3, 10)} == {"red"}


def test_it_is_drawn_while_something_runs_and_not_after(terminal: Terminal) -> None:
    async def run() -> str:
        while not terminal.screen._status:
            await asyncio.sleep(0)
        return "done"

    async def all_of_it() -> None:
        assert await watched(run(), lambda: Figures(Stats(), "here"), terminal.screen, Console()) == "done"
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(all_of_it())
    assert terminal.row().startswith(" ● here · ")
