import pytest

from lanner.outputs.rate import HELD_BACK, Limiter, RateLimit
from lanner.rules.priority import Priority

from .receivers import alert


def test_a_burst_passes_and_then_as_many_as_the_rate_allows() -> None:
    limiter = Limiter(RateLimit(rate=2, max_burst=3), 100)
    assert [limiter.admits(alert(), 100) for _ in range(5)] == [True, True, True, False, False]
    assert [limiter.admits(alert(), 100.5) for _ in range(2)] == [True, False]
    assert [limiter.admits(alert(), 102) for _ in range(4)] == [True, True, True, False]


def test_a_long_silence_allows_no_more_than_a_burst() -> None:
    limiter = Limiter(RateLimit(rate=1000, max_burst=2), 0)
    assert [limiter.admits(alert(), 1e6) for _ in range(3)] == [True, True, False]


def test_a_summary_says_what_was_held_back_and_begins_anew() -> None:
    limiter = Limiter(RateLimit(rate=0.001, max_burst=1, summary_s=10), 0)
    assert limiter.summary() is None
    assert limiter.admits(alert(), 0)
    assert limiter.due_at is None
    for number, (rule, priority) in enumerate([("a", Priority.DEBUG), ("b", Priority.ALERT), ("b", Priority.ERROR)]):
        assert not limiter.admits(alert(number, rule=rule, priority=priority), 5 + number)
    assert limiter.due_at == 15
    summary = limiter.summary()
    assert summary is not None
    assert (summary.rule, summary.source, summary.priority) == (HELD_BACK, "internal", Priority.ALERT)
    assert summary.message == f"{HELD_BACK}: 3 over the rate limit of this output (b: 2, a: 1)"
    assert summary.output_fields == {"held_back": 3, "rules": ["b", "a"]}
    assert (summary.time_ns, summary.hostname) == (alert(2).time_ns, "vm")
    assert limiter.summary() is None
    assert limiter.due_at is None


def test_a_summary_names_no_more_than_ten_rules() -> None:
    limiter = Limiter(RateLimit(rate=0.001, max_burst=1), 0)
    for number in range(13):
        limiter.admits(alert(rule=f"rule {number}"), 0)
    summary = limiter.summary()
    assert summary is not None
    assert summary.message.endswith("rule 10: 1, and 2 more rules)")


@pytest.mark.parametrize("options", [{"rate": 0}, {"rate": 1, "max_burst": 0}, {"rate": 1, "summary_s": 0}])
def test_a_limit_that_lets_nothing_through_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        RateLimit(**options)
