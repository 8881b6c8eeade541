"""For how long was nothing heard, and is that longer than usual?"""

from dataclasses import replace

import pytest

from lanner.vigil.hush import DAY_S, DAYS, FIRST_DAY_S, Hush, limit_of, listen
from lanner.vigil.plan import SilencePlan

PLAN = SilencePlan(at_least_s=600, at_most_s=43_200)


def heard(times: list[float], start: float = 0.0) -> Hush:
    """What is known after one event at each time."""
    hush = Hush.start(0, start)
    for number, now in enumerate(times, 1):
        hush = listen(hush, number, now, limit_of(hush, PLAN, now))
    return hush


def test_before_the_first_event_the_shortest_limit_holds() -> None:
    assert limit_of(Hush.start(0, 0), PLAN, 10_000) == 600


def test_on_the_first_day_nothing_below_an_hour_counts() -> None:
    assert limit_of(heard([30, 60, 90]), PLAN, 100) == FIRST_DAY_S


def test_a_busy_source_has_the_shortest_limit_after_a_day() -> None:
    hush = heard([30 * n for n in range(1, 4000)])
    assert limit_of(hush, PLAN, hush.since) == 600


def test_a_quiet_night_teaches_that_three_times_as_long_is_too_long() -> None:
    day = [60.0 * n for n in range(600)]
    hush = heard([*day, day[-1] + 3000, day[-1] + 3060])
    assert limit_of(hush, PLAN, DAY_S + 1) == 9000


def test_a_quiet_weekend_is_remembered_until_the_next_one_and_then_forgotten() -> None:
    hush = heard([30, 3530, 3560])
    numbers = iter(range(4, 100_000))
    for day in range(1, DAYS + 1):
        for hour in range(24):
            now = 3600 + (day - 1) * DAY_S + hour * 3600 + 1
            hush = listen(hush, next(numbers), now, 43_200)
            hush = listen(hush, next(numbers), now + 600, 43_200)
        assert max(hush.gaps) == (3500 if day < DAYS else 3000), day
    assert len(hush.gaps) <= DAYS


def test_a_silence_that_was_told_of_teaches_no_more_than_its_limit() -> None:
    hush = heard([30, 60, 90])
    hush = listen(hush, 4, 90 + 5 * DAY_S, limit_of(hush, PLAN, 90))
    assert max(hush.gaps) == FIRST_DAY_S


def test_no_learning_leads_beyond_the_longest_limit() -> None:
    hush = replace(heard([30]), gaps=(40_000.0,))
    assert limit_of(hush, PLAN, 200_000) == PLAN.at_most_s


@pytest.mark.parametrize("growth", [1.0, 2.9])
def test_who_makes_silences_longer_and_longer_is_told_of_at_the_longest_limit(growth: float) -> None:
    hush, now, gap, count = heard([30]), DAY_S, 500.0, 1
    for _ in range(40):
        now, count, gap = now + gap, count + 1, gap * growth
        hush = listen(hush, count, now, limit_of(hush, PLAN, now))
        assert limit_of(hush, PLAN, now) <= PLAN.at_most_s


def test_a_count_that_goes_back_is_no_event_and_the_next_one_is() -> None:
    hush = listen(heard([30, 60]), 0, 90, 600)
    assert hush.since == 60
    assert listen(hush, 1, 120, 600).since == 120
