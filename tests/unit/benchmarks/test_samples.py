from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from benchmarks.samples import MIB, Ratio, Sample, alternate, compare
from benchmarks.turns import Turn


def sample(cpu_s: float, *, events: int = 1_000_000, wall_s: float = 1.0, peak: int = 0) -> Sample:
    return Sample(events, cpu_s, wall_s, peak)


@dataclass(slots=True)
class Scripted:
    """A job whose runs are written down."""

    name: str
    samples: Iterator[Sample]
    log: list[str] = field(default_factory=list)

    def run(self, turn: Turn | None = None) -> Sample:
        assert turn
        self.log.append(self.name)
        return next(self.samples)


def test_the_processor_time_of_an_event_is_in_microseconds() -> None:
    assert sample(3.0).cpu_us == pytest.approx(3.0)


def test_a_ratio_is_the_median_with_the_extremes_beside_it() -> None:
    assert Ratio.of([3.0, 1.0, 2.0]) == Ratio(2.0, 1.0, 3.0)


def test_each_round_is_compared_with_its_own_reference() -> None:
    # The machine was twice as slow in the second round: the ratio does not show it.
    pair = compare([(sample(2.0), sample(3.0)), (sample(4.0), sample(6.0))])

    assert pair.cpu == Ratio(1.5, 1.5, 1.5)


def test_ratios_are_for_an_event_however_many_each_side_has() -> None:
    pair = compare([(sample(2.0, events=1_000_000, wall_s=4.0), sample(2.0, events=500_000, wall_s=4.0))])

    assert (pair.cpu.median, pair.wall.median) == (2.0, 2.0)


def test_the_peak_is_that_of_the_worst_round() -> None:
    pair = compare([(sample(1.0), sample(1.0, peak=MIB)), (sample(1.0), sample(1.0, peak=3 * MIB))])

    assert pair.peak_mib == 3.0


def test_reference_and_job_run_together_in_each_round() -> None:
    log: list[str] = []
    job = Scripted("job", iter([sample(2.0)] * 2), log)
    reference = Scripted("reference", iter([sample(1.0)] * 2), log)

    alternate(job, reference, 2)

    assert [sorted(log[:2]), sorted(log[2:])] == [["job", "reference"]] * 2
