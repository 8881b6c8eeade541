"""Sources that fall silent, come late, or have another clock, watched without waiting."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lanner.vigil.concern import CLOCKS, KINDS, LATE, OVER, SILENT, STUCK, Notice
from lanner.vigil.hush import DAY_S
from lanner.vigil.plan import SilencePlan, VigilPlan
from lanner.vigil.sight import Sight
from lanner.vigil.sources import Heard
from lanner.vigil.watch import MAX_TICK_S, Watch
from lanner.vigil.words import span

PLAN = VigilPlan(silence=SilencePlan(at_least_s=600, at_most_s=43_200), late_s=300)


@dataclass
class Cluster:
    """A source whose time the test has in its hands."""

    plan: VigilPlan = PLAN
    name: str = "webhook"
    heard: Heard = field(default_factory=lambda: Heard(refused={}))
    said: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = Watch(lambda: {self.name: self.heard}, self.said.append)
        self.watch.tick(self.plan, 0)

    def passes(self, seconds: float, every: float | None = None, **changes: Any) -> list[str]:
        """Let time pass, with an event now and then; the rules of what is said meanwhile."""
        before, next_at = len(self.said), every or float("inf")
        self.heard = replace(self.heard, **changes)
        step, passed = MAX_TICK_S, 0.0
        while passed < seconds:
            self.watch.tick(self.plan, min(step, seconds - passed))
            passed += step
            if passed >= next_at:
                self.heard = replace(self.heard, events=self.heard.events + 1)
                next_at += every or 0.0
        for notice in self.said[before:]:
            kind = next((kind for kind in KINDS.values() if kind.rule == notice.rule), None)
            assert notice.rule == OVER or (kind and {*notice.fields} == {"subject", "blind_s", *kind.fields})
        return [notice.rule for notice in self.said[before:]]


def test_a_source_that_never_sent_anything_is_told_of_once() -> None:
    cluster = Cluster()
    assert cluster.passes(600) == []
    assert cluster.passes(86_000) == [SILENT]
    assert cluster.said[0].message.startswith("source webhook: not one event in the 10 minutes since the start; ")


def test_it_is_told_that_events_come_again_and_how_long_they_did_not() -> None:
    cluster = Cluster()
    cluster.passes(DAY_S + 10, every=30)
    assert cluster.passes(595) == []
    assert cluster.passes(20) == [SILENT]
    assert cluster.passes(1200) == []
    assert cluster.passes(60, every=5) == [OVER]
    assert cluster.said[-1].fields["was"] == SILENT
    assert cluster.said[-1].fields["blind_s"] == pytest.approx(1820, abs=40)


def test_a_lab_with_quiet_nights_is_left_alone_once_they_are_known() -> None:
    cluster = Cluster()
    told = []
    for _ in range(4):
        told.append(cluster.passes(16 * 3600, every=300))
        told.append(cluster.passes(8 * 3600, every=2500))
    assert [each for each in told if each] == []


def test_silence_that_was_not_watched_does_not_count() -> None:
    """A process that was stopped, or a machine that slept, has seen nothing; neither has it missed anything."""
    cluster = Cluster()
    cluster.watch.tick(PLAN, 100_000)
    assert cluster.said == []
    assert cluster.watch.sight.clock == MAX_TICK_S


def test_a_limit_of_ones_own_holds_in_place_of_what_is_learned() -> None:
    cluster = Cluster(replace(PLAN, silence=SilencePlan(fixed_s={"webhook": 120})))
    assert cluster.passes(3600, every=100) == []
    assert cluster.passes(130) == [SILENT]


def test_a_source_that_may_be_silent_is_not_watched() -> None:
    assert Cluster(replace(PLAN, silence=SilencePlan(fixed_s={"webhook": 0}))).passes(DAY_S) == []
    assert Cluster(replace(PLAN, silence=None)).passes(DAY_S) == []


def test_a_source_that_has_ended_is_not_silent() -> None:
    cluster = Cluster()
    assert cluster.passes(DAY_S, is_over=True) == []


def test_refused_posts_are_the_first_thing_to_look_at() -> None:
    cluster = Cluster()
    cluster.passes(300, refused={"content_type": 2}, events=1)
    cluster.passes(3700, refused={"content_type": 2, "unauthorized": 30})
    assert "; meanwhile 30 deliveries were refused (unauthorized); " in cluster.said[0].message
    assert cluster.said[0].fields["refused"] == 30


def test_events_that_stay_late_are_told_of_and_so_is_the_end_of_it() -> None:
    cluster = Cluster()
    assert cluster.passes(50, every=5, lag_s=400.0) == []
    assert cluster.passes(60, every=5) == [LATE]
    assert "evaluated 6 minutes after they happened" in cluster.said[0].message or "400" in cluster.said[0].message
    assert cluster.passes(600, every=5) == []
    assert cluster.passes(10, every=5, lag_s=3.0) == [OVER]
    assert cluster.said[-1].message.startswith("events of source webhook come in time again")


def test_one_batch_that_was_sent_again_is_no_lateness() -> None:
    cluster = Cluster()
    assert cluster.passes(20, every=5, lag_s=400.0) == []
    assert cluster.passes(300, every=5, lag_s=2.0) == []


def test_an_old_file_that_is_read_at_once_is_not_late() -> None:
    cluster = Cluster()
    assert cluster.passes(20, every=1, lag_s=9e6) == []
    assert cluster.passes(300) == []


def test_lateness_is_left_alone_where_that_is_wanted() -> None:
    assert Cluster(replace(PLAN, late_s=0)).passes(300, every=5, lag_s=9e5) == []


def test_a_clock_that_is_ahead_is_told_of() -> None:
    cluster = Cluster()
    assert cluster.passes(120, every=5, lag_s=-3600.0) == [CLOCKS]
    assert cluster.said[0].fields["ahead_s"] == 3600
    assert cluster.passes(60, every=5, lag_s=1.0) == [OVER]


def test_a_source_that_is_stuck_is_told_of_again_now_and_then_and_when_it_gets_on() -> None:
    cluster = Cluster()
    told = []
    for minute in range(15):
        told.append(
            cluster.passes(60, every=5, stuck=minute + 1, why_stuck=f"for {minute + 5} minutes: audit/0@2: odd")
        )
    assert [minute for minute, rules in enumerate(told) if rules] == [0, 10]
    assert {rule for rules in told for rule in rules} == {STUCK}
    assert cluster.said[0].fields["reason"] == "for 5 minutes: audit/0@2: odd"
    assert cluster.watch.sight.blind == ("source webhook: for 19 minutes: audit/0@2: odd",)
    assert cluster.passes(100, every=5) == []
    assert cluster.passes(100, every=5) == [OVER]
    assert cluster.said[-1].message.startswith("source webhook gets on again")
    assert not cluster.watch.sight.standing


def test_a_source_that_was_stuck_before_it_was_watched_says_so_again_by_itself() -> None:
    cluster = Cluster(heard=Heard(refused={}, stuck=7, why_stuck="long ago"))
    assert cluster.passes(600, every=5) == []


def test_another_watch_goes_on_where_one_ended() -> None:
    cluster = Cluster()
    cluster.passes(3700)
    assert len(cluster.said) == 1
    cluster.watch = Watch(lambda: {"webhook": cluster.heard}, cluster.said.append, cluster.watch.sight)
    assert cluster.passes(3600) == []
    assert cluster.passes(60, every=5) == [OVER]


def test_what_is_not_watched_any_more_did_not_end() -> None:
    cluster = Cluster()
    cluster.passes(700)
    cluster.plan = replace(PLAN, silence=None)
    assert cluster.passes(60) == []
    assert cluster.watch.sight.standing == {}


def test_a_source_that_is_gone_did_not_begin_again() -> None:
    cluster = Cluster()
    cluster.passes(700)
    cluster.name = "another"
    assert cluster.passes(60) == []


def test_what_is_wrong_is_shown_without_its_advice() -> None:
    cluster = Cluster()
    cluster.passes(700)
    assert cluster.watch.sight.blind == ("source webhook: not one event in the 11 minutes since the start",)
    assert Sight().blind == ()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (179, "179 seconds"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (180, "3 minutes"),
        (3600, "1 hour"),
        (7300, "121 minutes"),
        (43_200, "12 hours"),
        (86_400, "1 day"),
        (400_000, "4 days"),
        (-5, "0 seconds"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_cluster_that_sleeps_for_eight_hours_is_told_of_in_two_nights_and_then_no_more() -> None:
    cluster = Cluster()
    nights = []
    for _ in range(5):
        assert cluster.passes(16 * 3600, every=300)[1:] == []
        nights.append(SILENT in cluster.passes(8 * 3600))
    assert nights == [True, True, False, False, False]


def test_a_cluster_with_an_event_each_hour_of_the_night_is_never_told_of() -> None:
    cluster = Cluster()
    assert [cluster.passes(16 * 3600, every=300) + cluster.passes(8 * 3600, every=3500) for _ in range(5)] == [[]] * 5
