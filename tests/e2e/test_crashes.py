"""A run that is killed under load, a few times; `make soak` does it five hundred times."""

from pathlib import Path

import pytest
from benchmarks.crashes import BATCH, Load, Sink, check, measure, stored
from benchmarks.process import BenchmarkError


@pytest.mark.parametrize(("kills", "workers"), [(6, 1), (5, 2)])
def test_what_was_acknowledged_before_a_kill_is_stored_once_and_reaches_every_output(
    tmp_path: Path, kills: int, workers: int
) -> None:
    found = measure(kills, tmp_path, workers=workers)
    assert found.kills == kills
    assert found.events > 0


def test_the_harness_notices_an_alert_that_is_lost_and_one_that_comes_out_of_order(tmp_path: Path) -> None:
    measure(1, tmp_path)
    load, sink = Load(0), Sink(1)
    sink.close()
    order = stored(tmp_path)
    sink.numbers.extend(order)
    load.acknowledged = {number // BATCH for number in order}
    check(tmp_path, sink, load)
    sink.numbers[0], sink.numbers[-1] = sink.numbers[-1], sink.numbers[0]
    with pytest.raises(BenchmarkError, match="another order"):
        check(tmp_path, sink, load)
    del sink.numbers[0]
    with pytest.raises(BenchmarkError, match="lacks 1 alerts"):
        check(tmp_path, sink, load)
    load.acknowledged.add(10**6)
    with pytest.raises(BenchmarkError, match="no alert in the store"):
        check(tmp_path, sink, load)
