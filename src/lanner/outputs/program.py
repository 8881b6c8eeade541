"""Alerts to the standard input of a program. Source: Falco, outputs_program.cpp, without its shell."""

from __future__ import annotations

import errno
import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from lanner.engine.alert import Alert
from lanner.outputs.sink import Encoding, OptionError, RefusedError

_STDERR = 2
_TRY_AGAIN = os.EX_TEMPFAIL
# What is quoted, or else what only a shell understands.
_FOR_A_SHELL = re.compile(r"""'[^']*'|\\.|"(?:\\.|[^"\\$`])*"|(?P<syntax>[;|&<>()$`\n])""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOptions:
    """The keys of `program_output`, and one of Lanner's own.

    Attributes:
        program: The program and its arguments, quoted as in a shell; no shell reads them.
        keep_alive: Start it once and give it a line an alert, and again when it ended or after SIGUSR1; else it is
            started for each alert.
        timeout_s: How long it may take for an alert before it is killed: to read it, or without `keep_alive` to end.
    """

    program: str
    keep_alive: bool = False
    timeout_s: float = 30


class ProgramOutput:
    """Starts a program and writes alerts to it; what it prints goes to standard error.

    Without `keep_alive`, a program that ends with another status than 0 has refused the alert; with status 75
    (`EX_TEMPFAIL` of sysexits.h) it asks to be given it again later.
    """

    max_batch: ClassVar[int] = 1

    def __init__(self, options: ProgramOptions, encoding: Encoding) -> None:
        """Check the options; nothing is started before the first write.

        Raises:
            OptionError: The program's command line cannot be used.
        """
        self._arguments = arguments_of(options.program)
        self._options = options
        self._encoding = encoding
        self._process: subprocess.Popen[bytes] | None = None
        self._wants_reopen = False

    def write(self, alerts: Sequence[Alert]) -> None:
        """Give the alerts to the program, in order.

        Raises:
            RefusedError: The program has got the alert and failed.
            OSError: The program cannot be started, or ended before it took the alert.
        """
        for alert in alerts:
            line = self._encoding.encode(alert)
            if self._options.keep_alive:
                self._feed(line)
            else:
                self._run(line)

    def flush(self) -> None:
        """Nothing waits: each line is in the program's pipe."""

    def close(self) -> None:
        """Let a program that was kept alive read to the end; it is killed when that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101 - INVARIANT: `_start` asks for a pipe
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(self._options.timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)

    def reopen(self) -> None:
        """Start a program that is kept alive anew with the next write."""
        self._wants_reopen = True

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C on the terminal is for Lanner, which lets the program finish; and all that the
        # program started can be killed with it.
        return subprocess.Popen(  # noqa: S603 - the user's own command, no part of it from an event
            self._arguments, stdin=subprocess.PIPE, stdout=_STDERR, bufsize=0, start_new_session=True
        )

    def _run(self, line: bytes) -> None:
        name = self._arguments[0]
        with self._start() as process:
            try:
                process.communicate(line, timeout=self._options.timeout_s)
            except subprocess.TimeoutExpired:
                # An event's author may have chosen what it hangs on: with it again, it would hold up all others.
                _kill(process)
                raise RefusedError(f"`{name}` did not end within {self._options.timeout_s:g} s") from None
        if process.returncode == _TRY_AGAIN:
            raise OSError(f"`{name}` asks to try again later")
        if process.returncode != 0:
            raise RefusedError(f"`{name}` ended with status {process.returncode}")

    def _feed(self, line: bytes) -> None:
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - INVARIANT: `_start` asks for a pipe
        try:
            _write_all(process.stdin.fileno(), line, self._options.timeout_s)
        except OSError:
            _kill(process)
            self.close()
            raise

    def _running(self) -> subprocess.Popen[bytes]:
        wants_reopen, self._wants_reopen = self._wants_reopen, False
        if self._process is not None and (wants_reopen or self._process.poll() is not None):
            self.close()
        if self._process is None:
            self._process = self._start()
            assert self._process.stdin is not None  # noqa: S101 - INVARIANT: `_start` asks for a pipe
            os.set_blocking(self._process.stdin.fileno(), False)
        return self._process


def arguments_of(program: str) -> list[str]:
    """The program and its arguments.

    Raises:
        OptionError: There is none, a quote does not end, or the text needs a shell.
    """
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise OptionError("program", "a quote that does not end") from error
    if not words:
        raise OptionError("program", "empty", "name the program that reads alerts on its standard input")
    if any(found["syntax"] for found in _FOR_A_SHELL.finditer(program)):
        help = f"write `sh -c {shlex.quote(program)}`"
        raise OptionError("program", "pipes, redirections and variables need a shell, and none reads this", help)
    return words


def _write_all(pipe: int, line: bytes, timeout_s: float) -> None:
    """Write to a pipe that does not block; a reader that stops reading is given so much time for the line."""
    until = time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    rest = memoryview(line)
    while rest:
        if not poll.poll(max(0, until - time.monotonic()) * 1000):
            raise TimeoutError(errno.ETIMEDOUT, "the program does not read")
        with suppress(BlockingIOError):
            rest = rest[os.write(pipe, rest) :]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and what it started, and take its status."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
