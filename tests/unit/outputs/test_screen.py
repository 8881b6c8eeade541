import os
import pty
import signal
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyte
import pytest

from lanner.outputs.screen import Screen, columns


@dataclass(slots=True)
class Terminal:
    """A terminal, emulated."""

    screen: Screen
    main: int
    seen: pyte.Screen

    def rows(self) -> list[str]:
        """What is on it, without blank rows."""
        os.write(self.screen.descriptor, b"\x00")  # the end of what was written so far; a terminal ignores it
        text = b""
        while not text.endswith(b"\x00"):
            text += os.read(self.main, 65536)
        pyte.ByteStream(self.seen).feed(text)
        return [row.rstrip() for row in self.seen.display if row.strip()]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    main, end = pty.openpty()
    termios.tcsetwinsize(end, (50, 60))
    yield Terminal(Screen(end), main, pyte.Screen(60, 50))
    os.close(main)
    os.close(end)


def test_lines_stand_above_the_status(terminal: Terminal) -> None:
    screen = terminal.screen
    screen.append(b"one\n")
    screen.show("status 1")
    assert terminal.rows() == ["one", "status 1"]
    screen.append(b"two\nthree\n")
    assert terminal.rows() == ["one", "two", "three", "status 1"]
    screen.show("2")
    assert terminal.rows() == ["one", "two", "three", "2"]
    screen.close()
    screen.close()
    screen.append(b"four\n")
    assert terminal.rows() == ["one", "two", "three", "four"]


def test_the_same_status_is_not_drawn_again(terminal: Terminal) -> None:
    terminal.screen.show("same")
    assert terminal.rows() == ["same"]
    terminal.screen.show("same")
    os.write(terminal.screen.descriptor, b"$")
    assert os.read(terminal.main, 100) == b"$"


def test_a_status_that_is_too_long_for_memory_is_not_shown(terminal: Terminal) -> None:
    terminal.screen.show("x" * 5000)
    assert terminal.rows() == []


def test_a_stopped_terminal_gets_no_status_and_holds_nobody_up(terminal: Terminal) -> None:
    termios.tcflow(terminal.screen.descriptor, termios.TCOOFF)
    terminal.screen.show("later")
    termios.tcflow(terminal.screen.descriptor, termios.TCOON)
    assert terminal.rows() == []
    terminal.screen.show("now")
    assert terminal.rows() == ["now"]


def test_a_terminal_that_is_gone_takes_no_status_and_refuses_lines() -> None:
    main, end = pty.openpty()
    screen = Screen(end)
    os.close(main)
    screen.show("nobody sees it")
    screen.close()
    with pytest.raises(OSError, match="error"):
        screen.append(b"line\n")
    os.close(end)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # threads of the test runner
def test_threads_and_processes_never_mix_their_lines(terminal: Terminal) -> None:
    screen, tail = terminal.screen, b"x" * 200
    screen.show("status")
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            for at in range(100):
                screen.append(b"%d %d%s\n" % (number, at, tail))
            os._exit(0)
        children.append(child)
    received = b""
    with ThreadPoolExecutor(3) as pool:
        for at in range(100):
            pool.submit(screen.append, b"t %d%s\n" % (at, tail))
            pool.submit(screen.show, f"status {at}")
        while received.count(tail) < 400:
            received += os.read(terminal.main, 65536)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    lines = [line.rpartition(b"\x1b[J")[2] for line in received.split(b"\r\n")]
    expected = [b"%d %d" % (number, at) for number in range(3) for at in range(100)]
    expected += [b"t %d" % at for at in range(100)]
    assert sorted(line.removesuffix(tail) for line in lines if tail in line) == sorted(expected)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # as above
def test_a_process_that_is_killed_in_a_line_leaves_room_for_the_next(terminal: Terminal) -> None:
    screen = terminal.screen
    screen.show("status")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with screen._locked(waits=True):
            os.write(screen.descriptor, b"\r\x1b[Jhalf a li")
            os.write(writer, b"x")
            signal.pause()
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    screen.append(b"whole\n")
    assert terminal.rows() == ["whole", "status"]
    os.close(reader)
    os.close(writer)


def test_what_is_no_terminal_has_no_columns(terminal: Terminal) -> None:
    assert terminal.screen.columns == columns(terminal.screen.descriptor) == 60
    reader, writer = os.pipe()
    assert columns(writer) == 0
    os.close(reader)
    os.close(writer)
