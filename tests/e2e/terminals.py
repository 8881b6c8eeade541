"""A program in a terminal of its own: what it shows is kept by an emulator, as a person would see it."""

import os
import pty
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte

TIMEOUT_S = 45


class TerminalProgram:
    """A program whose terminal is emulated, with what was sent to the terminal."""

    def __init__(self, words: list[str], *, columns: int = 110, rows: int = 30, out: Path | None = None) -> None:
        """Start the program.

        Args:
            words: Its command line.
            columns: Width of the terminal.
            rows: Height of the terminal.
            out: Takes standard output in place of the terminal.
        """
        self._main, self._end = pty.openpty()
        termios.tcsetwinsize(self._end, (rows, columns))
        self.settings = termios.tcgetattr(self._end)
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._sent = b""
        stdout = out.open("wb") if out else None
        self.process = subprocess.Popen(
            words,
            stdin=self._end,
            stdout=stdout or self._end,
            stderr=self._end,
            start_new_session=True,
            preexec_fn=self._control,  # noqa: PLW1509  # this process has no other thread that holds a lock now
            env={**os.environ, "TERM": "xterm-256color", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        )
        if stdout:
            stdout.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def sent(self) -> bytes:
        """Every byte that the terminal got."""
        with self._changed:
            return self._sent

    @property
    def rows(self) -> list[str]:
        """What is on the terminal, without blank rows at its end and blanks at the end of rows."""
        with self._changed:
            return self._rows()

    def cells(self, text: str) -> list[pyte.screens.Char]:
        """The cells of a text on the terminal, with their colours."""
        with self._changed:
            for at, row in enumerate(self._screen.display):
                if text in row:
                    start = row.index(text)
                    return [self._screen.buffer[at][column] for column in range(start, start + len(text))]
        raise AssertionError(f"`{text}` is not among {self.rows}")

    def wait_for(self, words: str) -> str:
        """Wait until a row holds the words, and give the row."""
        found = self.wait_until(lambda rows: any(words in row for row in rows))
        return next(row for row in found if words in row)

    def wait_until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """Wait until something holds of the rows, and give them."""
        deadline = time.monotonic() + TIMEOUT_S
        with self._changed:
            while not holds(self._rows()):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError("\n".join(["what never came is not among:", *self._rows()]))
            return self._rows()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._main, keys)

    def resize(self, columns: int, rows: int = 30) -> None:
        """Make the terminal wider or narrower."""
        with self._changed:
            self._screen.resize(rows, columns)
        termios.tcsetwinsize(self._end, (rows, columns))

    def end(self) -> int:
        """Wait for the end of the program; its exit status."""
        status = self.process.wait(TIMEOUT_S)
        self.settings_after = termios.tcgetattr(self._end)
        os.close(self._end)
        self._end = -1
        self._reader.join(TIMEOUT_S)
        return status

    def close(self) -> None:
        """End what still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self._end >= 0:
            os.close(self._end)
        self._reader.join(TIMEOUT_S)
        os.close(self._main)

    def _control(self) -> None:
        """In the program: have its terminal control it, so that Ctrl-C on it is a signal."""
        import fcntl  # noqa: PLC0415  # as near to its use as can be, between fork and exec

        fcntl.ioctl(self._end, termios.TIOCSCTTY, 0)

    def _rows(self) -> list[str]:
        rows = [row.rstrip() for row in self._screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._main, 65536)
            except OSError:  # nobody has the terminal open any more
                data = b""
            with self._changed:
                if data:
                    self._sent += data
                    self._stream.feed(data)
                self._changed.notify_all()
            if not data:
                return


@contextmanager
def in_terminal(
    words: list[str], *, columns: int = 110, rows: int = 30, out: Path | None = None
) -> Iterator[TerminalProgram]:
    """A program in a terminal, ended with the block."""
    program = TerminalProgram(words, columns=columns, rows=rows, out=out)
    try:
        yield program
    finally:
        program.close()
