import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from lanner.outputs.lane import Route
from lanner.outputs.sink import GoneError
from lanner.server import runner as runner_module
from lanner.server.plan import Plan, PlanError, WebPlan
from lanner.server.snapshot import Status
from lanner.server.station import Station
from lanner.sources.base import SourceError
from lanner.sources.listener import bind
from lanner.sources.webhook import WebhookOptions

from .stations import Feed, Kept, plan, rules, run, until

Said = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> Said:
    """Gives what the log says so far."""
    caplog.set_level(logging.INFO, logger="lanner.server")
    return lambda: caplog.messages


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "MIN_PAUSE_S", 0.001)


async def nothing(station: Station) -> None:
    pass


def restarts_of(station: Station, feed: Feed) -> int:
    return station.snapshot().sources[feed.name].restarts


# Ends


def test_a_run_ends_with_the_last_of_its_sources() -> None:
    one, other, kept = Feed("one"), Feed("other"), Kept()

    async def then(station: Station) -> None:
        await one.give("alice", None)
        await until(lambda: station.snapshot().sources["one"].status is Status.ENDED)
        assert station.snapshot().is_ready
        await other.give("bob", None)

    ending = run(plan(one.plan(), other.plan(), to=kept), then)
    assert kept.messages == ["seen alice", "seen bob"]
    assert (ending.stats.events, ending.stats.by_rule, ending.stopped) == (2, {"Seen": 2}, None)
    assert kept.is_closed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_and_what_was_taken_is_written(number: signal.Signals) -> None:
    feed, kept = Feed(), Kept()

    async def then(station: Station) -> None:
        await feed.give("alice")
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert run(plan(feed.plan(), to=kept), then).stopped is number
    assert kept.messages == ["seen alice"]
    assert signal.getsignal(number) == before
    assert not feed.is_running


def test_a_run_ends_when_its_time_is_over() -> None:
    feed = Feed()
    assert run(plan(feed.plan()), nothing, stop_after_s=0.01).stopped is None
    assert not feed.is_running


def test_a_run_ends_when_nobody_takes_alerts_any_more() -> None:
    class Gone(Kept):
        def write(self, alerts: object) -> None:
            raise GoneError(32, "nobody reads it any more")

    feed = Feed()

    async def then(station: Station) -> None:
        feed.todo.put_nowait("alice")

    with pytest.raises(BrokenPipeError):
        run(plan(feed.plan(), to=Gone()), then)


# Sources that fail


def test_the_only_source_that_cannot_start_ends_the_run() -> None:
    feed = Feed(fails_at_start=[SourceError("here", "address already in use")])
    with pytest.raises(SourceError, match="address already in use"):
        run(plan(feed.plan()), nothing)


def test_of_several_sources_one_that_cannot_start_is_started_again_and_the_others_go_on(
    no_pauses: None, said: Said
) -> None:
    good, bad, kept = (
        Feed("good"),
        Feed("bad", fails_at_start=[SourceError("here", "in use") for _ in range(3)]),
        Kept(),
    )

    async def then(station: Station) -> None:
        await good.give("alice")
        await bad.give("bob")
        assert restarts_of(station, bad) == 3
        assert restarts_of(station, good) == 0
        assert station.snapshot().internal == {"Lanner internal: source failed": 3}
        assert station.snapshot().is_ready
        station.stop()

    run(plan(good.plan(), bad.plan(), to=kept), then)
    assert (good.opened, bad.opened) == (1, 4)
    assert kept.messages == ["seen alice", "seen bob"]
    failures = [text for text in said() if text.startswith("source `bad`: ")]
    assert [text.rpartition("again in ")[2] for text in failures] == ["0.001 s", "0.002 s", "0.004 s"]
    assert "in use" in failures[0]
    assert len(kept.internal) == 3
    assert kept.internal[0].startswith("Lanner internal: source failed: source bad takes no events: ")


def test_pauses_grow_up_to_their_bound_and_a_long_life_makes_them_short_again(
    monkeypatch: pytest.MonkeyPatch, no_pauses: None, said: Said
) -> None:
    monkeypatch.setattr(runner_module, "MAX_PAUSE_S", 0.005)
    feed = Feed("bad", fails_at_start=[OSError(5, "Input/output error") for _ in range(5)])

    async def then(station: Station) -> None:
        await until(lambda: feed.is_running)
        monkeypatch.setattr(runner_module, "LONG_LIFE_S", 0)
        await feed.give(ValueError("a mistake"))
        await until(lambda: feed.opened == 7)
        station.stop()

    run(plan(Feed("good").plan(), feed.plan()), then)
    pauses = [text.rpartition("again in ")[2] for text in said() if text.startswith("source `bad`: ")]
    assert pauses == ["0.001 s", "0.002 s", "0.004 s", "0.005 s", "0.005 s", "0.001 s"]
    assert "source `bad`: a mistake; it starts again in 0.001 s" in said()


def test_the_only_source_is_started_again_once_it_has_taken_events(no_pauses: None) -> None:
    feed, kept = Feed(), Kept()

    async def then(station: Station) -> None:
        await feed.give("alice", SourceError("here", "gone"), "bob", RuntimeError(), "carol", None)

    run(plan(feed.plan(), to=kept), then)
    assert feed.opened == 3
    assert kept.messages == ["seen alice", "seen bob", "seen carol"]


def test_while_a_source_waits_the_run_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "MIN_PAUSE_S", 1000)
    monkeypatch.setattr(runner_module, "MAX_PAUSE_S", 1000)
    bad = Feed("bad", fails_at_start=[SourceError("here", "in use")])

    async def then(station: Station) -> None:
        await until(lambda: station.snapshot().sources["bad"].status is Status.WAITING)
        assert not station.snapshot().is_ready
        station.stop()

    run(plan(Feed("good").plan(), bad.plan()), then)


# Another reading of the configuration


def reloads(station: Station) -> tuple[int, int, bool]:
    found = station.snapshot().reloads
    return found.done, found.refused, found.is_current


def was_read(station: Station, expected: tuple[int, int, bool]) -> bool:
    return reloads(station) == expected


def test_sighup_exchanges_rules_while_sources_go_on_and_counters_go_on_counting(said: Said) -> None:
    feed, kept = Feed(), Kept()
    first, second = plan(feed.plan(), to=kept), plan(feed.plan(rules("now %ka.user.name", "Other")), to=kept)

    async def then(station: Station) -> None:
        await feed.give("alice")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: reloads(station) == (1, 0, True))
        await feed.give("bob")
        await until(lambda: station.snapshot().routes[0].delivered == 2)
        found = station.snapshot()
        assert found.stats.by_rule == {"Seen": 1, "Other": 1}
        assert [*found.rules] == ["Other"]
        assert (found.stats.events, found.sources["feed"].events, found.sources["feed"].deliveries) == (2, 2, 2)
        assert found.routes[0].delivered == 2
        station.stop()

    ending = run(first, then, lambda: second)
    assert feed.opened == 1
    assert kept.messages == ["seen alice", "now bob"]
    assert ending.stats.events == 2
    assert "configuration and rules were read again: 1 rules" in said()


def test_sources_that_are_changed_new_or_gone_are_exchanged_and_the_others_left_alone() -> None:
    same, changed, gone, new, kept = Feed("same"), Feed("changed"), Feed("gone"), Feed("new"), Kept()
    first = plan(same.plan(), changed.plan(made_of=1), gone.plan(), to=kept)
    second = plan(same.plan(), changed.plan(made_of=2), new.plan(), to=kept)

    async def then(station: Station) -> None:
        for feed in (same, changed, gone):
            await feed.give(f"{feed.name}-1")
        station.reload()
        await until(lambda: new.is_running and changed.opened == 2 and reloads(station) == (1, 0, True))
        assert not gone.is_running
        for feed in (same, changed, new):
            await feed.give(f"{feed.name}-2")
        found = station.snapshot()
        assert {name: counts.events for name, counts in found.sources.items()} == {"same": 2, "changed": 2, "new": 1}
        assert found.stats.events == 6, "what a source did that is gone counts"
        station.stop()

    run(first, then, lambda: second)
    assert (same.opened, changed.opened, gone.opened, new.opened) == (1, 2, 1, 1)
    assert len(kept.messages) == 6


def test_a_source_that_has_ended_is_not_started_again_by_another_reading() -> None:
    ended, other = Feed("ended"), Feed("other")
    found = plan(ended.plan(), other.plan())

    async def then(station: Station) -> None:
        await ended.give(None)
        station.reload()
        await until(lambda: reloads(station) == (1, 0, True))
        assert station.snapshot().sources["ended"].status is Status.ENDED
        station.stop()

    run(found, then, lambda: found)
    assert ended.opened == 1


def test_a_run_ends_when_another_reading_leaves_only_sources_that_have_ended() -> None:
    ended, other = Feed("ended"), Feed("other")

    async def then(station: Station) -> None:
        await ended.give(None)
        await until(lambda: station.snapshot().sources["ended"].status is Status.ENDED)
        station.reload()

    run(plan(ended.plan(), other.plan()), then, lambda: plan(ended.plan()))
    assert not other.is_running


def test_a_source_that_waits_after_a_failure_starts_at_once_when_it_was_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_module, "MIN_PAUSE_S", 1000)
    monkeypatch.setattr(runner_module, "MAX_PAUSE_S", 1000)
    good, bad = Feed("good"), Feed("bad", fails_at_start=[SourceError("here", "in use")])

    async def then(station: Station) -> None:
        await until(lambda: station.snapshot().sources["bad"].status is Status.WAITING)
        station.reload()
        await bad.give("bob")
        station.stop()

    run(plan(good.plan(), bad.plan(made_of=1)), then, lambda: plan(good.plan(), bad.plan(made_of=2)))


@pytest.mark.parametrize(
    ("error", "reason", "help_text"),
    [
        (PlanError("the rules have 1 error", "mend them"), "the rules have 1 error", "mend them"),
        (SourceError("here", "no"), str(SourceError("here", "no")), None),
        (MemoryError("too much"), "too much", None),
    ],
)
def test_a_plan_that_cannot_be_used_leaves_everything_as_it_is(
    said: Said, error: Exception, reason: str, help_text: str | None
) -> None:
    feed, kept = Feed(), Kept()
    first = plan(feed.plan(), to=kept)
    answers: list[Exception | Plan] = [error, error, first]

    def again() -> Plan:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def then(station: Station) -> None:
        await feed.give("alice")
        for number in (1, 2):
            station.reload()
            await until(partial(was_read, station, (0, number, False)))
        await feed.give("bob")
        assert station.snapshot().internal == {"Lanner internal: configuration refused": 2}
        assert [*station.snapshot().rules] == ["Seen"]
        station.reload()
        await until(lambda: reloads(station) == (1, 2, True))
        station.stop()

    run(first, then, again)
    assert feed.opened == 1
    assert kept.messages == ["seen alice", "seen bob"]
    assert said().count(f"not taken over: {reason}; detection goes on as before") == 2
    alert = next(alert for alert in kept.alerts if alert.source == "internal")
    assert alert.rule == "Lanner internal: configuration refused"
    assert alert.output_fields == {"reason": reason, "help": help_text}
    assert reason in alert.message


def test_when_the_new_address_for_health_is_in_use_nothing_of_the_plan_is_taken_over() -> None:
    feed, new, kept = Feed(), Feed("new"), Kept()
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        web = WebPlan(listening=WebhookOptions(port=port))
        second = plan(feed.plan(rules("now %ka.user.name")), new.plan(), to=kept, web=web)

        async def then(station: Station) -> None:
            await feed.give("alice")
            station.reload()
            await until(lambda: reloads(station) == (0, 1, False))
            await feed.give("bob")
            station.stop()

        run(plan(feed.plan(), to=kept), then, lambda: second)
    assert kept.messages == ["seen alice", "seen bob"]
    assert new.opened == 0


def test_outputs_are_exchanged_and_those_that_are_as_before_kept() -> None:
    feed, same, old, new = Feed(), Kept(), Kept(), Kept()

    def found(*outputs: tuple[str, Kept]) -> Plan:
        routes = tuple(Route(name=name, output=output, made_of=name) for name, output in outputs)
        return replace(plan(feed.plan()), routes=routes)

    async def then(station: Station) -> None:
        await feed.give("alice")
        station.reload()
        await until(lambda: reloads(station) == (1, 0, True))
        await feed.give("bob")
        station.stop()

    unused = Kept()
    run(found(("same", same), ("old", old)), then, lambda: found(("same", unused), ("new", new)))
    assert [each.messages for each in (same, old, new, unused)] == [
        ["seen alice", "seen bob"],
        ["seen alice"],
        ["seen bob"],
        [],
    ]
    assert old.is_closed


def test_sigusr1_has_outputs_begin_anew() -> None:
    kept = Kept()

    async def then(station: Station) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: kept.reopened == 1)
        station.stop()

    run(plan(Feed().plan(), to=kept), then)


def test_unsafe_settings_are_said_and_raised_once_for_each(said: Said) -> None:
    one, other, kept = Feed("one"), Feed("other"), Kept()
    first = plan(one.plan(warning="one is open"), to=kept)
    second = plan(one.plan(warning="one is open"), other.plan(warning="other is open"), to=kept)

    async def then(station: Station) -> None:
        await until(lambda: one.is_running)
        assert station.snapshot().warnings == ("one is open",)
        for number in (1, 2):
            station.reload()
            await until(partial(was_read, station, (number, 0, True)))
        assert station.snapshot().warnings == ("one is open", "other is open")
        station.stop()

    run(first, then, lambda: second)
    expected = ["Lanner internal: unsafe set-up: one is open", "Lanner internal: unsafe set-up: other is open"]
    assert kept.internal == expected
    assert [text for text in said() if text.endswith("is open")] == ["one is open", "other is open"]


def test_readings_that_are_asked_for_while_one_is_going_on_are_one() -> None:
    feed, may_go = Feed(), threading.Event()
    calls: list[int] = []
    found = plan(feed.plan())

    def again() -> Plan:
        calls.append(len(calls))
        may_go.wait(50)
        return found

    async def then(station: Station) -> None:
        station.reload()
        await until(lambda: calls)
        for _ in range(5):
            station.reload()
        may_go.set()
        await until(lambda: reloads(station) == (2, 0, True))
        station.stop()

    run(found, then, again)
    assert calls == [0, 1]
