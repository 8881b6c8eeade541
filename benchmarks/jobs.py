"""Jobs that read files: `lanner scan` and decoding alone, each as a process of its own."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.material import Recording
from benchmarks.process import BenchmarkError, Process
from benchmarks.samples import Sample
from benchmarks.turns import Turn

LANNER = (sys.executable, "-m", "lanner")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileJob:
    """A program that reads a recording, several times over.

    Attributes:
        command: Program and arguments; paths are appended.
        recording: What to read.
        repeat: How often, in one process.
        folder: For what the program writes.
        source: Tree to import `lanner` from, instead of the installed one.
        is_alone: Whether one process does all.
    """

    command: tuple[str, ...]
    recording: Recording
    repeat: int
    folder: Path
    source: Path | None = None
    is_alone: bool = True

    def run(self, turn: Turn | None = None) -> Sample:
        """Read everything once.

        Raises:
            BenchmarkError: Events or alerts are missing.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            own = Path(name)
            gate, out = own / "gate", own / "out"
            os.mkfifo(gate)
            command = (*self.command, str(gate), *[str(self.recording.path)] * self.repeat)
            err = own / "err"
            with Process(command, out=out, err=err, source=self.source, turn=turn, is_alone=self.is_alone) as process:
                process.begin_at(gate)
                usage = process.finish()
                if said := numbers(process.words()):
                    self._check(said, out)
        events = self.recording.events * self.repeat
        return Sample(events, usage.cpu_s, usage.wall_s, usage.peak_bytes)

    def _check(self, said: Mapping[str, int], out: Path) -> None:
        events = self.recording.events * self.repeat
        if said.get("Events read") != events:
            raise BenchmarkError(f"{said.get('Events read')} of {events} events were read")
        with out.open("rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        if lines != said.get("Events detected"):
            raise BenchmarkError(f"{lines} of {said.get('Events detected')} alerts were written")


def numbers(summary: str) -> dict[str, int]:
    """The counters in a summary of Lanner's."""
    return {name: int(number) for name, number in re.findall(r"^(\w[\w ]*): (\d+)$", summary, re.MULTILINE)}
