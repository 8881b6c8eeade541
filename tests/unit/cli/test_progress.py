import os
import pty
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from lanner.cli.messages import Console
from lanner.cli.progress import ProgressBar
from lanner.engine.stats import Stats
from lanner.outputs.screen import Screen
from lanner.rules.priority import Priority


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Terminal:
    """A terminal of 200 columns, and what it was sent."""

    screen: Screen
    main: int
    clock: Clock = field(default_factory=Clock)

    def sent(self) -> str:
        """What was sent since the last time."""
        os.write(self.screen.descriptor, b"$")  # so that there is something to read
        text = b""
        while not text.endswith(b"$"):
            text += os.read(self.main, 65536)
        return text.decode().removesuffix("$")

    def bar(self, total: int | None, *, has_alerts: bool = True) -> ProgressBar:
        return ProgressBar(total, self.screen, Console(color="never"), has_alerts=has_alerts, clock=self.clock)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    main, end = pty.openpty()
    os.set_blocking(main, True)
    import termios  # noqa: PLC0415

    termios.tcsetwinsize(end, (24, 200))
    yield Terminal(Screen(end), main)
    os.close(main)
    os.close(end)


def found(events: int = 0, alerts: int = 0) -> Stats:
    stats = Stats(events=events)
    if alerts:
        stats.by_priority[Priority.ERROR] = alerts
    return stats


def test_short_work_shows_no_bar(terminal: Terminal) -> None:
    bar = terminal.bar(100)
    terminal.clock.now = 0.4
    bar.advance(50, found())
    terminal.screen.close()
    assert terminal.sent() == ""


def test_long_work_shows_share_bytes_rates_alerts_and_the_time_left(terminal: Terminal) -> None:
    bar = terminal.bar(4_000_000)
    terminal.clock.now = 1.0
    bar.advance(1_000_000, found(1000))
    terminal.clock.now = 2.0
    bar.advance(2_000_000, found(3000, 1234))
    line = terminal.sent().split("\r")[-2]
    assert line.endswith("50% · 2.0 MB, 1.0 MB/s · 2,000 events/s · 1,234 alerts 1,234 ERROR · 2s left")


def test_work_without_an_end_in_sight_shows_no_share(terminal: Terminal) -> None:
    bar = terminal.bar(None, has_alerts=False)
    terminal.clock.now = 1.0
    bar.advance(1_000_000, found(1000))
    terminal.clock.now = 2.0
    bar.advance(2_000_000, found(2000))
    assert terminal.sent().split("\r")[-2] == "\x1b[J 2.0 MB, 1.0 MB/s · 1,000 events/s"


def test_it_is_drawn_no_more_often_than_eyes_can_follow(terminal: Terminal) -> None:
    bar = terminal.bar(1000)
    terminal.clock.now = 1.0
    bar.advance(100, found())
    assert "10%" in terminal.sent()
    terminal.clock.now = 1.05
    bar.advance(200, found())
    assert terminal.sent() == ""
    terminal.clock.now = 1.2
    bar.advance(300, found())
    assert "30%" in terminal.sent()
