import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_fixed

from lanner.engine.alert import Alert
from lanner.outputs import lane
from lanner.outputs.route import Route
from lanner.outputs.selection import OutputFilter
from lanner.outputs.sink import RefusedError
from lanner.outputs.window import QueueLimits
from lanner.rules.priority import Priority
from lanner.server.keeper import Deliverer, Keeper
from lanner.server.plan import Plan, StorePlan
from lanner.sources.base import NotStored
from lanner.store import database, delivery
from lanner.store import journal as store_journal
from lanner.store.place import Place, held, locate

from ..outputs.receivers import TIMEOUT_S
from ..store.findings import KIND, finding, findings
from .stations import Kept

WINDOWS = pytest.mark.parametrize("limits", [QueueLimits(), QueueLimits(max_alerts=4), None])


class Flaky(Kept):
    """An output that fails as long as it is told to."""

    error: Exception | None = None
    attempts = 0

    def write(self, alerts: Sequence[Alert]) -> None:
        self.attempts += 1
        if self.error:
            raise self.error
        super().write(alerts)

    @property
    def all(self) -> list[str]:
        return [alert.message for alert in self.alerts]


def plan(*outputs: tuple[str, Kept], place: Place | None = None, **more: Any) -> Plan:
    routes = tuple(Route(name=name, output=output) for name, output in outputs)
    return Plan(sources=(), routes=routes, store=StorePlan(place=place, **more))


class Process:
    """What stores and delivers in one process."""

    def __init__(self, place: Place, found: Plan, limits: QueueLimits | None = None) -> None:
        self.troubles: list[str] = []
        self.gone = threading.Event()
        self.keeper = Keeper(place, found, pass_on=self.pass_on, on_trouble=self.troubles.append)
        self.deliverer = Deliverer(self.keeper.store, place, found, limits=limits, on_gone=self.gone.set)

    def pass_on(self, found: Any) -> None:
        self.deliverer.pass_on(found)

    def put(self, *numbers: int) -> None:
        async def wait() -> None:
            await self.keeper.put(findings(*numbers))

        asyncio.run(wait())

    def close(self) -> None:
        self.deliverer.close()
        self.keeper.close()


@contextmanager
def process(place: Place, found: Plan, limits: QueueLimits | None = None) -> Iterator[Process]:
    running = Process(place, found, limits)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_PAUSES", wait_fixed(0.005))
    monkeypatch.setattr(lane, "_TROUBLE_S", 0.02)
    monkeypatch.setattr(store_journal, "POLL_S", 0.02)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'alerts.db'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    with held(locate(url)) as found:
        yield found


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "it never holds"
        time.sleep(0.002)


def pods(*numbers: int) -> list[str]:
    return [f"pod {number}" for number in numbers]


@WINDOWS
def test_every_output_gets_every_alert_once_in_order(place: Place, limits: QueueLimits | None) -> None:
    one, other = Flaky(), Flaky()
    with process(place, plan(("one", one), ("other", other)), limits) as running:
        for number in range(30):
            running.put(number, number, max(0, number - 1))
        until(lambda: len(other.alerts) == len(one.alerts) == 30)
    assert one.all == other.all == pods(*range(30))


@WINDOWS
def test_an_output_that_is_down_holds_up_no_other_and_gets_all_when_it_comes_back(
    place: Place, limits: QueueLimits | None
) -> None:
    down, other = Flaky(), Flaky()
    down.error = ConnectionRefusedError(111, "Connection refused")
    with process(place, plan(("down", down), ("other", other)), limits) as running:
        for number in range(50):
            running.put(number)
        until(lambda: len(other.alerts) == 50 and down.attempts > 3)
        until(lambda: running.deliverer.stats()[0].waiting == 50)
        down.error = None
        until(lambda: len(down.alerts) == 50)
        until(lambda: running.deliverer.stats()[0].waiting == 0)
    assert down.all == pods(*range(50))


def test_what_an_output_did_not_get_in_one_run_it_gets_in_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    down, other = Flaky(), Flaky()
    down.error = OSError("away")
    first = plan(("down", down), ("other", other))
    with process(place, first) as running:
        monkeypatch.setattr(running.deliverer._fanout, "_close_timeout_s", 0.05)
        running.put(1, 2)
        running.put(3)
        until(lambda: len(other.alerts) == 3)
    again, new = Flaky(), Flaky()
    with process(place, plan(("down", again), ("other", other), ("new", new))) as running:
        running.put(4)
        until(lambda: len(again.alerts) == 4 and len(new.alerts) == 1 and len(other.alerts) == 4)
    assert again.all == pods(1, 2, 3, 4)
    assert other.all == pods(1, 2, 3, 4), "and what was delivered is not delivered again"
    assert new.all == pods(4), "a new output begins with what is stored from then on"


def test_what_an_output_refuses_becomes_a_dead_letter_and_the_next_follows(place: Place) -> None:
    class Choosy(Flaky):
        def write(self, alerts: Sequence[Alert]) -> None:
            if any(alert.message == "pod 2" for alert in alerts):
                raise RefusedError("not this one")
            super().write(alerts)

    output = Choosy()
    with process(place, plan(("choosy", output))) as running:
        running.put(1, 2, 3)
        until(lambda: len(output.alerts) == 2)
        running.put(4)
        until(lambda: len(output.alerts) == 3)
        with running.keeper.store.database.reading() as connection:
            (letter,) = delivery.dead_letters(connection)
        assert (letter.output, letter.finding, letter.reason) == ("choosy", finding(2), "not this one")
    assert output.all == pods(1, 3, 4)


def test_what_an_output_could_not_get_for_too_long_becomes_a_dead_letter(place: Place) -> None:
    down = Flaky()
    down.error = OSError("away")
    with process(place, plan(("down", down), give_up_after_s=0.2)) as running:
        running.put(1, 2)
        until(lambda: running.deliverer.stats()[0].dropped)
        until(lambda: sum(running.deliverer.stats()[0].dropped.values()) == 2)
        down.error = None
        running.put(3)
        until(lambda: down.all == pods(3))
        with running.keeper.store.database.reading() as connection:
            assert [letter.finding for letter in delivery.dead_letters(connection)] == findings(1, 2)


def test_neither_time_that_a_run_was_away_nor_a_clock_that_was_set_makes_a_dead_letter(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = Flaky()
    down.error = OSError("away")
    with process(place, plan()) as running:
        running.keeper.store.begin(["down"])
        running.put(1)
    later = time.time_ns() + 10**12
    monkeypatch.setattr(time, "time_ns", lambda: later)
    with process(place, plan(("down", down), give_up_after_s=100)) as running:
        until(lambda: down.attempts > 2)
        down.error = None
        until(lambda: down.all == pods(1))


def test_filters_and_limits_are_those_of_each_output(place: Place) -> None:
    loud = Flaky()
    found = plan(("loud", loud))
    route = replace(found.routes[0], filter=OutputFilter(min_priority=Priority.CRITICAL))
    with process(place, replace(found, routes=(route,))) as running:
        running.put(1, 2)
        critical = KIND.__class__(*(KIND.rule, Priority.CRITICAL, KIND.source, KIND.tags, KIND.hostname, KIND.keys))

        async def put() -> None:
            await running.keeper.put([finding(3, kind=critical)])

        asyncio.run(put())
        until(lambda: loud.all == pods(3))
        (stats,) = running.deliverer.stats()
        assert (stats.delivered, stats.filtered) == (1, 2)


# Several processes


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)  # the locks of a file are those of a whole process
def test_of_two_that_deliver_to_the_same_output_one_does_and_the_other_takes_over(place: Place) -> None:
    one, other = Flaky(), Flaky()
    first = Process(place, plan(("out", one)))
    with process(place, plan(("out", other))) as second:
        first.put(1)
        second.put(2)
        until(lambda: len(one.alerts) + len(other.alerts) == 2)
        assert [] in (one.all, other.all), "not both at a time"
        first.close()
        second.put(3)
        until(lambda: len(one.alerts) + len(other.alerts) == 3)
    assert sorted(one.all + other.all) == pods(1, 2, 3)


def test_a_server_that_goes_away_and_comes_back_costs_no_alert(postgres: Any) -> None:
    with held(locate(postgres.new_database())) as place:
        output = Flaky()
        with process(place, plan(("out", output))) as running:
            running.put(1)
            until(lambda: output.all == pods(1))
            postgres.stop()
            with pytest.raises(NotStored):
                running.put(2)
            until(lambda: output.all == pods(1, 2))
            postgres.start()
            running.put(2)
            running.put(3)
            until(lambda: len(output.alerts) == 3)
        assert output.all == pods(1, 2, 3), "what was delivered from memory is not delivered again"


# What cannot be stored


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Place, sqlite3.Connection]]:
    monkeypatch.setattr(database, "BUSY_S", 0.1)
    with held(locate(f"sqlite:///{tmp_path / 'alerts.db'}")) as found:
        other = sqlite3.connect(tmp_path / "alerts.db", isolation_level=None)
        yield found, other
        other.close()


@pytest.mark.parametrize("limits", [QueueLimits(), None])
def test_alerts_that_cannot_be_stored_are_delivered_once_not_acknowledged_and_told_of_once(
    locked: tuple[Place, sqlite3.Connection], limits: QueueLimits | None, caplog: pytest.LogCaptureFixture
) -> None:
    place, other = locked
    output = Flaky()
    with process(place, plan(("out", output)), limits) as running:
        running.put(1)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(NotStored, match="database is locked"):
                running.put(2, 3)
        until(lambda: output.all == pods(1, 2, 3))
        other.execute("ROLLBACK")
        with caplog.at_level(logging.INFO):
            running.put(2, 3)
        running.put(4)
        until(lambda: len(output.alerts) == 4)
        time.sleep(0.1)
        assert running.troubles == ["database is locked"]
        assert "alerts are stored again" in caplog.messages
        assert running.keeper.stats.refused == 6
    assert output.all == pods(1, 2, 3, 4)
    with process(place, plan(("out", output)), limits) as running:
        time.sleep(0.1)
    assert len(output.alerts) == 4, "also the cursor has moved on"


def test_memory_for_alerts_that_are_not_stored_is_bounded(locked: tuple[Place, sqlite3.Connection]) -> None:
    place, other = locked
    down = Flaky()
    down.error = OSError("away")
    found = plan(("down", down))
    found = replace(found, routes=(replace(found.routes[0], limits=QueueLimits(max_alerts=10)),))
    with process(place, found) as running:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotStored):
            running.put(*range(100))
        (stats,) = running.deliverer.stats()
        assert stats.waiting == 10
        assert stats.dropped == {"queue_full": 90}
        other.execute("ROLLBACK")
        down.error = None
        running.put(*range(100))
        until(lambda: len(down.alerts) == 100)
    assert sorted(down.all) == sorted(pods(*range(100)))


def test_alerts_about_the_program_itself_are_each_told(place: Place) -> None:
    output = Flaky()
    with process(place, plan(("out", output))) as running:
        for _ in range(3):
            running.keeper.raise_alert(finding(1).alert())
    assert output.all == pods(1, 1, 1)
