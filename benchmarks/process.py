"""Processes and what they cost: processor time, time, memory."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from benchmarks.turns import Turn

_POLL_S = 0.01
_KIB = 1024


class BenchmarkError(Exception):
    """A measurement that did not do what it was to measure."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used since its start-up: seconds of processor time (its children's included), seconds, bytes.

    `peak_bytes` is the sum over the process and its children of the most that each had resident; what they share
    counts for each.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: int


class Process:
    """A process that is watched from its start to its end.

    Args:
        command: Program and arguments.
        out: Where standard output goes; None: a pipe, `out`.
        err: Where standard error goes.
        source: Tree to import `lanner` from, instead of the installed one.
        stdin: Whether standard input is a pipe.
        turn: When it may run, once it has begun, and on which core; None: all the time, and anywhere.
        is_alone: Whether it has no processes of its own, which would need other cores.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        out: Path | None,
        err: Path,
        source: Path | None = None,
        stdin: bool = False,
        turn: Turn | None = None,
        is_alone: bool = True,
    ) -> None:
        self.err = err
        self._turn = turn
        self._begun = time.perf_counter()
        self._start_cpu_s = 0.0
        env = {**os.environ, **({"PYTHONPATH": str(source)} if source else {})}
        with err.open("wb") as errors, (out or Path(os.devnull)).open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=output if out else subprocess.PIPE,
                stderr=errors,
                env=env,
                process_group=0,  # by which it is stopped with its children
            )
        self.pid = self._process.pid
        if turn and is_alone:
            os.sched_setaffinity(self.pid, {turn.core})
        self._peaks: dict[int, int] = {}
        self._descriptor = os.pidfd_open(self.pid)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        os.close(self._descriptor)

    def begin(self) -> None:
        """What was used so far is start-up, and not counted."""
        if self._turn:
            self._turn.join(self.pid)
        # Linux makes the clock of a process from its number: clock_getcpuclockid(3).
        self._start_cpu_s = time.clock_gettime((~self.pid << 3) | 2)
        self._begun = time.perf_counter()

    def begin_at(self, gate: Path) -> None:
        """Let the process start up until it opens a named pipe, to find that empty; then begin."""
        while True:
            try:
                descriptor = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # as long as nobody wants to read it
                    raise
                if self._poll():
                    raise BenchmarkError(f"ended before it read anything:\n{self.words()}") from error
            else:
                self.begin()
                os.close(descriptor)
                return

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe to standard input."""
        assert self._process.stdin
        return self._process.stdin

    @property
    def out(self) -> IO[bytes]:
        """The pipe from standard output."""
        assert self._process.stdout
        return self._process.stdout

    def words(self) -> str:
        """What it wrote to standard error so far."""
        return self.err.read_text("utf-8", "replace")

    def wait_for(self, words: str) -> str:
        """The line of standard error that holds the words, once it is there."""
        while True:
            is_over = self._poll()
            for line in self.words().splitlines():
                if words in line:
                    return line
            if is_over:
                raise BenchmarkError(f"ended without `{words}`:\n{self.words()}")

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def finish(self) -> Usage:
        """Wait for the end.

        Raises:
            BenchmarkError: The exit status is not 0.
        """
        while not self._poll():
            pass
        _, status, used = os.wait4(self.pid, 0)
        wall_s = self._turn.leave() if self._turn else time.perf_counter() - self._begun
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            raise BenchmarkError(f"exit status {self._process.returncode} of {self._process.args!r}:\n{self.words()}")
        return Usage(used.ru_utime + used.ru_stime - self._start_cpu_s, wall_s, sum(self._peaks.values()))

    def _poll(self) -> bool:
        """Look at the memory in use, then wait a moment; whether the process is over."""
        for pid in _family(self.pid):
            # The most that was resident only grows: the last look before the end misses the last moment at most.
            self._peaks[pid] = max(memory(pid).get("VmHWM", 0), self._peaks.get(pid, 0))
        return bool(select.select([self._descriptor], [], [], _POLL_S)[0])


def memory(pid: int) -> dict[str, int]:
    """Sizes in bytes by their names in Linux' `/proc/PID/status`; empty for a process that is over."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return {}
    rows = (line.split() for line in text.splitlines() if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) * _KIB for name, size, _ in rows}


def forget_peak(pid: int) -> None:
    """Let `VmHWM` start anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))
