"""Measurements and what is made of them: a ratio for each round, then median and spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from benchmarks.turns import Turn, by_turns

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a job.

    Attributes:
        events: How many events were read.
        cpu_s: Processor time, start-up aside.
        wall_s: Time, start-up aside.
        peak_bytes: The most that was resident.
    """

    events: int
    cpu_s: float
    wall_s: float
    peak_bytes: int

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time for an event."""
        return self.cpu_s / self.events * 1e6


class Job(Protocol):
    """Something to measure."""

    def run(self, turn: Turn | None = None) -> Sample:
        """Do it once, with its process by turns where that is asked for.

        Raises:
            BenchmarkError: It did not do what it was to do.
        """


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratios of several rounds: the middle one, the least and the greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Ratio:
        """Sum up."""
        return cls(median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True, slots=True)
class Pair:
    """A job beside its reference, run by turns.

    Attributes:
        cpu: Processor time for an event, as a multiple of the reference's.
        wall: Time for an event, likewise.
        cpu_us: Microseconds of processor time for an event: the median.
        reference_cpu_us: The reference's.
        peak_mib: The most that was resident in any round, in MiB.
    """

    cpu: Ratio
    wall: Ratio
    cpu_us: float
    reference_cpu_us: float
    peak_mib: float


def alternate(job: Job, reference: Job, rounds: int) -> Pair:
    """Run reference and job by turns, so that whatever else the machine does meets both from the start to the end.

    Turns are as long as either needed in the round before, so that both end together.
    """
    pairs: list[tuple[Sample, Sample]] = []
    shares = (1.0, 1.0)
    for _ in range(rounds):
        first, second = by_turns((reference.run, job.run), shares)
        shares = first.wall_s, second.wall_s
        pairs.append((first, second))
    return compare(pairs)


def compare(pairs: Sequence[tuple[Sample, Sample]]) -> Pair:
    """Sum up rounds of reference and job."""
    return Pair(
        cpu=Ratio.of([sample.cpu_us / reference.cpu_us for reference, sample in pairs]),
        wall=Ratio.of([_wall(sample) / _wall(reference) for reference, sample in pairs]),
        cpu_us=median(sample.cpu_us for _, sample in pairs),
        reference_cpu_us=median(reference.cpu_us for reference, _ in pairs),
        peak_mib=max(sample.peak_bytes for _, sample in pairs) / MIB,
    )


def _wall(sample: Sample) -> float:
    return sample.wall_s / sample.events
