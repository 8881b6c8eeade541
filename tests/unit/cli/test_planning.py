import pytest

from lanner.cli.messages import Failure
from lanner.cli.planning import _interval_ms


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("5000", 5000),
        ("100", 100),
        ("100ms", 100),
        ("1s", 1000),
        ("15m", 900_000),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("1y2w3d4h5m6s7ms", 31_536_000_000 + 2 * 604_800_000 + 3 * 86_400_000 + 4 * 3_600_000 + 306_007),
    ],
)
def test_intervals_are_written_as_falco_and_prometheus_write_them(text: str, milliseconds: int) -> None:
    assert _interval_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", " ", "99", "99ms", "0", "-5", "1.5h", "30m1h", "15 minutes", "m", "1h1h", "\u0661\u0665m"]
)
def test_what_is_no_interval_or_too_short_a_one_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="metrics"):
        _interval_ms(text)
