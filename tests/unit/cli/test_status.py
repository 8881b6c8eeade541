import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from lanner.cli.status import Part, Rate, duration, fit, found_parts, rate_text
from lanner.engine.stats import Stats
from lanner.rules.priority import Priority


def row(parts: list[Part], width: int) -> str:
    return fit(parts, width, " | ").plain


PARTS = [
    Part(Text("*"), 0),
    Part(Text("here"), 5, is_close=True),
    Part(Text("5 events/s"), 1),
    Part(Text("2 alerts"), 2),
    Part(Text(""), 3),
    Part(Text("2 ERROR"), 10, is_close=True),
    Part(Text("9s"), 4),
]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, " * here | 5 events/s | 2 alerts 2 ERROR | 9s"),
        (43, " * here | 5 events/s | 2 alerts | 9s"),
        (34, " * | 5 events/s | 2 alerts | 9s"),
        (30, " * | 5 events/s | 2 alerts"),
        (16, " * | 5 events/s"),
        (10, " *"),
        (1, " "),
        (0, ""),
        (-1, ""),
    ],
)
def test_what_matters_least_goes_first_when_there_is_no_room(width: int, line: str) -> None:
    assert row(PARTS, width) == line


@given(st.lists(st.tuples(st.text("ab字 ", max_size=9), st.integers(0, 9))), st.integers(0, 60))
def test_a_row_never_is_wider_than_there_is_room(parts: list[tuple[str, int]], width: int) -> None:
    line = fit([Part(Text(text), rank) for text, rank in parts], width, " · ")
    assert line.cell_len <= width


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.per_second(0, 0.0) == 0
    assert rate.per_second(100, 1.0) == 100
    for second in range(2, 10):
        rate.per_second(100, float(second))
    assert rate.per_second(100, 10.0) == 0
    assert rate.per_second(400, 11.0) == pytest.approx(100), "over three seconds"


def test_rates_and_times_are_short() -> None:
    assert [rate_text(rate, "events") for rate in (0, 0.25, 9.9, 10, 12345.6)] == [
        "0 events/s",
        "0.2 events/s",
        "9.9 events/s",
        "10 events/s",
        "12,346 events/s",
    ]
    seconds = (0, 59.9, 60, 3599, 3600, 86399, 86400, 864000)
    assert [duration(each) for each in seconds] == [
        "0s",
        "59s",
        "1m00s",
        "59m59s",
        "1h00m",
        "23h59m",
        "1d00h",
        "10d00h",
    ]


def test_what_is_lost_is_told_only_when_something_is() -> None:
    stats = Stats()
    assert [part.text.plain for part in found_parts(stats) if part.text] == ["0 alerts"]
    stats.by_priority.update({Priority.NOTICE: 2, Priority.CRITICAL: 1})
    stats.malformed, stats.truncated = 3, 0
    stats.dropped["too_large"] = 4
    assert [part.text.plain for part in found_parts(stats)] == [
        "3 alerts",
        "1 CRITICAL",
        "2 NOTICE",
        "3 malformed, 4 dropped",
    ]
    assert [*found_parts(stats, {"undelivered": 5})][-1].text.plain == "3 malformed, 4 dropped, 5 undelivered"
