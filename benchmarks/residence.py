"""What stays in memory over millions of events in one process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.jobs import LANNER, numbers
from benchmarks.process import BenchmarkError, Process, forget_peak, memory
from benchmarks.samples import MIB


@dataclass(frozen=True, slots=True)
class Residence:
    """The most that was resident, in MiB, during a window at the start of a run, and during one at its end."""

    first_mib: float
    last_mib: float
    events: int

    @property
    def growth(self) -> float:
        """The end as a multiple of the start."""
        return self.last_mib / self.first_mib


def measure(rules: Sequence[Path], chunks: Iterable[bytes], *, events: int, first: int, folder: Path) -> Residence:
    """Feed events to `lanner scan -` and look at its memory.

    The windows are the second half of the first `first` events, so that what starting needs is forgotten, and as many
    at the end.

    Args:
        rules: The rule files.
        chunks: Whole lines; `events` of them in all.
        events: How many events are fed.
        first: How many count as the start.
        folder: For what the program writes.

    Raises:
        BenchmarkError: Events are missing.
    """
    chosen = [part for path in rules for part in ("-r", str(path))]
    command = (*LANNER, "scan", *chosen, "--format", "json", "-")
    window = first // 2
    resets = [events - window, window]
    seen = 0
    peaks: list[int] = []
    with Process(command, out=Path("/dev/null"), err=folder / "err", stdin=True) as process:
        for chunk in chunks:
            process.stdin.write(chunk)
            before, seen = seen, seen + chunk.count(b"\n")
            if before < first <= seen:
                peaks.append(memory(process.pid)["VmHWM"])
            if resets and seen >= resets[-1]:
                forget_peak(process.pid)
                resets.pop()
        peaks.append(memory(process.pid)["VmHWM"])
        process.stdin.close()
        process.finish()
        if (read := numbers(process.words())["Events read"]) != events:
            raise BenchmarkError(f"{read} of {events} events were read")
    return Residence(peaks[0] / MIB, peaks[1] / MIB, events)


def repeated(lines: Sequence[bytes], events: int) -> Iterator[bytes]:
    """Chunks of events, over and over, up to so many."""
    chunk = 256
    done = 0
    while done < events:
        for start in range(0, len(lines), chunk):
            part = lines[start : start + min(chunk, events - done)]
            done += len(part)
            yield b"".join(part)
            if done >= events:
                return
