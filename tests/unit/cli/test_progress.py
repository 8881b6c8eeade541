import io

import pytest

from lanner.cli.progress import ProgressBar


class Terminal(io.TextIOWrapper):
    """A terminal that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent = io.BytesIO()
        super().__init__(self.sent, encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return self.sent.getvalue().decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_short_work_shows_no_bar(terminal: Terminal) -> None:
    clock = Clock()
    bar = ProgressBar(100, terminal, clock=clock)
    clock.now = 0.4
    bar.advance(50, 1)
    bar.clear()
    bar.close()
    assert terminal.text == ""


def test_long_work_shows_bytes_and_alerts(terminal: Terminal) -> None:
    clock = Clock()
    bar = ProgressBar(4_000_000, terminal, clock=clock)
    clock.now = 1.0
    bar.advance(2_000_000, 1234)
    assert "2.0/4.0 MB" in terminal.text
    assert "1,234 alerts" in terminal.text
    bar.close()


def test_it_is_drawn_no_more_often_than_eyes_can_follow(terminal: Terminal) -> None:
    clock = Clock()
    bar = ProgressBar(100, terminal, clock=clock)
    clock.now = 1.0
    bar.advance(1, 0)
    before = terminal.text
    clock.now = 1.05
    bar.advance(2, 0)
    assert terminal.text == before
    clock.now = 1.2
    bar.advance(3, 0)
    assert terminal.text != before
    bar.close()


def test_clearing_empties_the_line_for_an_alert(terminal: Terminal) -> None:
    clock = Clock()
    bar = ProgressBar(None, terminal, clock=clock)
    clock.now = 1.0
    bar.advance(10, 0)
    bar.clear()
    assert terminal.text.endswith("\r\x1b[2K")
    bar.close()
