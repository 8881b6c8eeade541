"""Alerts to the standard input of a program. Source: Falco, outputs_program.cpp."""

from __future__ import annotations

import atexit
import errno
import os
import select
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
_NOT_STARTED = (126, 127)  # what a shell says of a command that cannot be executed, or that is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOptions:
    """The keys of `program_output`, and one of Lanner's own.

    Attributes:
        program: A command for `/bin/sh`, as in Falco: pipes, redirections and variables mean what they do there.
        keep_alive: Start it once and give it a line an alert, and again when it ended or after SIGUSR1; else it is
            started for each alert.
        timeout_s: How long it may take for an alert before it is killed: to read it, or without `keep_alive` to end.
    """

    program: str
    keep_alive: bool = False
    timeout_s: float = 30


class ProgramOutput:
    """Starts a program and writes alerts to it; what it prints goes to standard error.

    INVARIANT: The shell reads the operator's own text, and nothing else. Alerts reach the program on its standard input
    alone, never on its command line or in its environment.

    Without `keep_alive`, a program that ends with another status than 0 has refused the alert. Status 75 (`EX_TEMPFAIL`
    of sysexits.h) asks for it again later; 126 and 127 say that there is no such command, and nothing about the alert.
    """

    max_batch: ClassVar[int] = 1

    def __init__(self, options: ProgramOptions, encoding: Encoding) -> None:
        """Check the options; nothing is started before the first write.

        Raises:
            OptionError: There is no command, or one that no shell could be given.
        """
        if not options.program.strip():
            raise OptionError("program", "empty", "write the command that reads alerts on its standard input")
        if "\0" in options.program:
            raise OptionError("program", "holds a NUL character")
        self._options = options
        self._encoding = encoding
        self._process: subprocess.Popen[bytes] | None = None
        self._wants_reopen = False

    @property
    def place(self) -> str:
        """Nothing: the command may hold a password."""
        return ""

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
        """Let a program that was kept alive read to the end; it is killed when that takes too long.

        Raises:
            OSError: It did not end well, so that it may not have dealt with the last alerts.
        """
        status = self._end()
        if status:
            raise OSError(_ended(status))

    def reopen(self) -> None:
        """Start a program that is kept alive anew with the next write."""
        self._wants_reopen = True

    def _run(self, line: bytes) -> None:
        process = self._start()
        try:
            process.communicate(line, timeout=self._options.timeout_s)
        except subprocess.TimeoutExpired:
            # An event's author may have chosen what it hangs on: with it again, it would hold up all others.
            self._kill()
            raise RefusedError(f"the program did not end within {self._options.timeout_s:g} s") from None
        finally:
            self._end()
        status = process.returncode
        if status == _TRY_AGAIN:
            raise OSError("the program asks to try again later")
        if status in _NOT_STARTED:
            raise OSError(_ended(status))
        if status != 0:
            raise RefusedError(_ended(status))

    def _feed(self, line: bytes) -> None:
        pipe = self._pipe()
        try:
            _write_all(pipe, line, self._options.timeout_s)
        except BrokenPipeError as error:
            raise OSError(_ended(self._end())) from error
        except OSError:
            self._kill()
            self._end()
            raise

    def _pipe(self) -> int:
        """The standard input of a program that runs, which does not block."""
        wants_reopen, self._wants_reopen = self._wants_reopen, False
        if self._process is not None and (wants_reopen or self._process.poll() is not None):
            self.close()
        process = self._process if self._process is not None else self._start()
        assert process.stdin is not None  # noqa: S101 - INVARIANT: `_start` asks for a pipe
        os.set_blocking(process.stdin.fileno(), False)
        return process.stdin.fileno()

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C on the terminal is for Lanner, which lets the program finish; and all that the
        # program started can be killed with it.
        self._process = subprocess.Popen(  # noqa: S602 - the operator's own command, no part of it from an event
            self._options.program, shell=True, stdin=subprocess.PIPE, stdout=_STDERR, bufsize=0, start_new_session=True
        )
        # Whoever closes the outputs waits for no longer than he likes; what hangs then must not outlive the process.
        atexit.register(self._kill)
        return self._process

    def _end(self) -> int:
        """Close the program's standard input, wait, and give its status; 0 also when there is none."""
        process = self._process
        if process is None:
            return 0
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(self._options.timeout_s)
        except subprocess.TimeoutExpired:
            self._kill()
        atexit.unregister(self._kill)
        self._process = None
        return process.returncode

    def _kill(self) -> None:
        """Kill the program and what it started, and take its status."""
        process = self._process
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ended(status: int) -> str:
    """What to say of a status; not the command, which may hold a password."""
    if status < 0:
        return f"the program was ended by signal {-status}"
    why = " (its command cannot be found or executed)" if status in _NOT_STARTED else ""
    return f"the program ended with status {status}{why}"


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
