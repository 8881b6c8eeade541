"""A run that is killed under load, a few times; `make soak` does it five hundred times."""

from pathlib import Path

import pytest
from benchmarks.crashes import BATCH, Load, Outcome, Sink, check, measure, stored
from benchmarks.process import BenchmarkError

KILLS = 5


@pytest.fixture(scope="module")
def tormented(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """What a run of one process left that was killed, and what was seen."""
    folder = tmp_path_factory.mktemp("tormented")
    return folder, measure(KILLS, folder)


def test_what_was_acknowledged_before_a_kill_is_stored_once_and_reaches_every_output(
    tormented: tuple[Path, Outcome],
) -> None:
    _, found = tormented
    assert found.kills == KILLS
    assert found.events > 0


def test_so_it_is_with_several_processes(tmp_path: Path) -> None:
    found = measure(KILLS, tmp_path, workers=2)
    assert found.kills == KILLS
    assert found.events > 0


def test_the_harness_notices_an_alert_that_is_lost_and_one_that_comes_out_of_order(
    tormented: tuple[Path, Outcome],
) -> None:
    folder, _ = tormented
    load, sink = Load(0), Sink(1)
    sink.close()
    order = stored(folder)
    sink.numbers.extend(order)
    load.acknowledged = {number // BATCH for number in order}
    check(folder, sink, load)
    sink.numbers[0], sink.numbers[-1] = sink.numbers[-1], sink.numbers[0]
    with pytest.raises(BenchmarkError, match="another order"):
        check(folder, sink, load)
    del sink.numbers[0]
    with pytest.raises(BenchmarkError, match="lacks 1 alerts"):
        check(folder, sink, load)
    load.acknowledged.add(10**6)
    with pytest.raises(BenchmarkError, match="no alert in the store"):
        check(folder, sink, load)
