"""Readings of the configuration while posts come: the short form of `make soak`."""

from pathlib import Path

import pytest
from benchmarks.process import BenchmarkError
from benchmarks.reloads import Alerts, measure


@pytest.mark.parametrize(("workers", "reloads"), [(1, 20), (2, 10)])
def test_under_full_load_no_reload_loses_or_doubles_an_alert(tmp_path: Path, workers: int, reloads: int) -> None:
    found = measure(reloads, tmp_path, workers=workers)

    assert found.reloads == reloads
    assert found.events > 10 * reloads
    assert found.growth < 1.2


@pytest.mark.parametrize(
    ("users", "complaint"), [([0, 2], "1 are missing"), ([0, 1, 2, 1], "1 doubled"), ([0, 1, 2, 3], "0 are missing")]
)
def test_the_check_notices_what_is_missing_and_what_is_too_much(
    tmp_path: Path, users: list[int], complaint: str
) -> None:
    out = tmp_path / "alerts"
    out.write_text("".join(f"10:00:00.000000000: Notice user {user} reading 7\n" for user in users))
    alerts = Alerts(out)

    with pytest.raises(BenchmarkError, match=complaint):
        alerts.check(3)

    assert alerts.readings == {7}
    alerts.close()
