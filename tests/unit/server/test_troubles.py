import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from lanner.engine.alert import Alert
from lanner.server.internal import EVENTS_MISSING
from lanner.server.office import heard
from lanner.server.plan import Hooks
from lanner.server.station import Station
from lanner.server.troubles import INTERVAL_S, Troubles
from lanner.sources.base import Source
from lanner.sources.plugin import Context, Start, Trouble
from tests.unit.server.stations import Feed, plan, run, until


class Scene:
    """Troubles by a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.counts: Counter[str] = Counter()
        self.alerts: list[Alert] = []

    def play(self, scenario: Callable[[Troubles], Awaitable[None]]) -> None:
        async def main() -> None:
            troubles = Troubles("tail", self.counts, self.alerts.append, clock=lambda: self.now)
            await scenario(troubles)

        asyncio.run(main())


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if "tail" in record.getMessage()]


def test_a_kind_is_said_once_a_minute_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lanner.server")
    scene = Scene()

    async def scenario(troubles: Troubles) -> None:
        for _ in range(5):
            troubles.tell(Trouble.RETRY, "it does not answer")
        troubles.tell(Trouble.DAMAGED, "no event", 3)
        troubles.tell(Trouble.IGNORED, "of another kind")
        scene.now += INTERVAL_S
        troubles.tell(Trouble.RETRY, "it is away")

    scene.play(scenario)
    assert scene.counts == {"retry": 6, "damaged": 3, "ignored": 1}
    assert said(caplog) == [
        ("WARNING", "source `tail`: it does not answer"),
        ("WARNING", "source `tail`: no event (3 times)"),
        ("INFO", "source `tail`: of another kind"),
        ("WARNING", "source `tail`: it is away (5 times)"),
    ]
    assert scene.alerts == []


def test_lost_events_are_an_alert_that_says_what_to_do() -> None:
    scene = Scene()

    async def scenario(troubles: Troubles) -> None:
        troubles.tell(Trouble.GAP, "away for 3 s")
        troubles.tell(Trouble.GAP, "away for 4 s", 2)
        assert len(scene.alerts) == 1
        troubles.flush()
        troubles.flush()

    scene.play(scenario)
    first, last = scene.alerts
    assert (first.rule, first.output_fields) == (
        EVENTS_MISSING,
        {"reason": "away for 3 s", "source": "tail", "times": 1},
    )
    assert "what happened meanwhile was not evaluated: look at it where it is kept" in first.message
    assert last.output_fields["times"] == 2


def test_what_was_held_back_is_said_when_the_minute_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    monkeypatch.setattr("lanner.server.troubles.INTERVAL_S", 0.01)

    async def scenario(troubles: Troubles) -> None:
        troubles.tell(Trouble.RETRY, "one")
        troubles.tell(Trouble.RETRY, "two")
        troubles.tell(Trouble.RETRY, "three")
        async with asyncio.timeout(20):
            while len(said(caplog)) < 2:
                await asyncio.sleep(0.002)

    scene.play(scenario)
    assert [text for _, text in said(caplog)] == ["source `tail`: one", "source `tail`: three (2 times)"]


def test_it_may_be_told_from_any_thread() -> None:
    scene = Scene()
    ended: list[Troubles] = []

    async def scenario(troubles: Troubles) -> None:
        ended.append(troubles)
        threads = [threading.Thread(target=troubles.tell, args=(Trouble.GAP, "away")) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await asyncio.sleep(0)
        assert scene.counts == {"gap": 10}

    scene.play(scenario)
    ended[0].tell(Trouble.GAP, "too late")
    assert scene.counts == {"gap": 10}


def test_a_source_that_is_opened_again_goes_on_where_it_was() -> None:
    """`--from-start` is for the first time, and the checkpoint is the same each time."""
    feed = Feed()
    contexts: list[Context] = []

    async def then(station: Station) -> None:
        await until(lambda: feed.is_running)
        contexts[-1].tell(Trouble.STUCK, "for 5 minutes: odd")
        found = heard(station.snapshot())["feed"]
        assert (found.stuck, found.why_stuck) == (1, "for 5 minutes: odd")
        await contexts[-1].checkpoint.save("7")
        await feed.give(ValueError("odd"))
        await until(lambda: feed.opened == 2 and feed.is_running)
        assert await contexts[-1].checkpoint.load() == "7"
        await feed.give(None)

    source = feed.plan()

    def keep(hooks: Hooks) -> Source:
        contexts.append(hooks.context)
        return source.open(hooks)

    run(plan(replace(source, open=keep, start=Start.FIRST)), then)
    assert [context.start for context in contexts] == [Start.FIRST, Start.KEPT]
