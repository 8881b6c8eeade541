"""The real program as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest

PROGRAM = [sys.executable, "-m", "lanner"]


@dataclass(slots=True)
class Program:
    """A running `lanner`, its standard output in a file, its standard error in a pipe."""

    process: subprocess.Popen[bytes]
    out: Path
    said: list[str] = field(default_factory=list)

    def wait_for(self, words: str) -> str:
        """Read standard error up to the line that holds the words, and give that line."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.said.append(line.decode())
            if words in self.said[-1]:
                return self.said[-1].rstrip("\n")
        raise AssertionError(f"ended without `{words}`: {''.join(self.said)}")

    def stop(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end, and give the exit status."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait for the end and give the exit status."""
        _, err = self.process.communicate(timeout=60)
        self.said.append(err.decode())
        return self.process.returncode

    @property
    def err(self) -> str:
        """Standard error so far."""
        return "".join(self.said)


def command(*arguments: str | Path) -> list[str]:
    """The command line, with messages as on a terminal unless it says otherwise."""
    is_open = arguments[0] == "run" and "--log-format" not in arguments
    return [*PROGRAM, *map(str, arguments), *(["--log-format", "text"] if is_open else [])]


Start = Callable[..., Program]


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """Fails a test that waits for what never comes."""

    def too_late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("the test took longer than a minute")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the program, each time with a place of its own; what still runs at the end of the test is killed."""
    started: list[Program] = []

    def run(*arguments: str | Path, stdin: int = subprocess.DEVNULL) -> Program:
        out = tmp_path / f"out-{len(started)}"
        with out.open("wb") as stream:
            process = subprocess.Popen(
                command(*arguments),
                stdin=stdin,
                stdout=stream,
                stderr=subprocess.PIPE,
                env={**os.environ, "TZ": "UTC", "LANNER_STATE_DIR": str(tmp_path / f"state-{len(started)}")},
            )
        started.append(Program(process, out))
        return started[-1]

    yield run
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
        for pipe in (program.process.stdin, program.process.stderr):
            if pipe:
                pipe.close()
        program.process.wait()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rule that fires on every event of a user."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "- rule: Seen\n  desc: d\n  condition: ka.user.name exists\n  output: seen (user=%ka.user.name)\n"
        "  priority: WARNING\n  source: k8s_audit\n"
    )
    return path


QUIET_EVENT = b'{"kind":"Event","auditID":"1","stage":"ResponseStarted","verb":"get","user":{}}\n'
"""An audit event on which `Seen` does not fire."""


def event(user: str = "alice") -> bytes:
    """One audit event as a line, on which `Seen` fires."""
    return (
        b'{"kind":"Event","auditID":"1","stage":"ResponseComplete","verb":"get","user":{"username":"%s"},'
        b'"stageTimestamp":"2026-11-21T10:00:00.000000Z"}\n' % user.encode()
    )
