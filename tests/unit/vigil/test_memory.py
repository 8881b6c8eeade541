"""What is usual is known again after a restart."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from lanner.sources.plugin import MemoryCheckpoint
from lanner.vigil.apiserver import Server, answered, server_concerns
from lanner.vigil.hush import DAY_S, Hush, limit_of
from lanner.vigil.memory import MAX_CHARS, recalled, remembered
from lanner.vigil.plan import MetricsPlan, SilencePlan, VigilPlan
from lanner.vigil.scrape import Scrape, Totals
from lanner.vigil.sight import Sight
from lanner.vigil.sources import Heard, Source
from lanner.vigil.watch import Watch

NOW_S = 1_800_000_000.0
PLAN = SilencePlan()


def source(*gaps: float, age_s: float = 2 * DAY_S, clock: float = 0.0) -> Source:
    hush = Hush(began=clock - age_s, since=clock, day=clock, count=7, gaps=gaps)
    return Source(hush=hush, limit_s=1.0, refused={}, refused_since={})


def test_what_was_usual_is_usual_again() -> None:
    before = Sight(clock=9e5, sources={"webhook": source(60, 4000, clock=9e5), "never": source()})
    after = recalled(remembered(before, NOW_S), NOW_S + 60)
    hushes = {name: each.hush for name, each in after.sources.items()}
    assert hushes["webhook"].gaps == (60, 4000)
    assert limit_of(hushes["webhook"], PLAN, 10) == 12_000
    assert hushes["never"].gaps == ()
    assert limit_of(hushes["never"], PLAN, 10) == 600


def test_days_that_passed_meanwhile_are_days_too() -> None:
    text = remembered(Sight(sources={"webhook": source(5000, 60)}), NOW_S)
    assert max(recalled(text, NOW_S + 3 * DAY_S).sources["webhook"].hush.gaps) == 5000
    assert max(recalled(text, NOW_S + 7 * DAY_S).sources["webhook"].hush.gaps) == 60
    assert recalled(text, NOW_S + 9 * DAY_S).sources["webhook"].hush.gaps == ()


def test_what_an_api_server_lost_meanwhile_is_told_of() -> None:
    url, silence = "https://api:6443", SilencePlan()
    server = Server.start(0, NOW_S - 1000)
    server = answered(server, Scrape(NOW_S - 9e6, Totals(events=5, errors={"webhook": 3}, levels=9)), 0, silence)
    after = recalled(remembered(Sight(servers={url: server}), NOW_S), NOW_S + 600).servers[url]
    after = answered(after, Scrape(NOW_S - 9e6, Totals(events=900, errors={"webhook": 64}, levels=2000)), 1, silence)
    [lost] = [each for each in server_concerns(url, after, 1, MetricsPlan()) if each.kind == "lost"]
    assert lost.fields["lost"] == 61


def test_an_api_server_that_was_started_again_meanwhile_is_counted_from_its_start() -> None:
    url = "https://api:6443"
    server = answered(Server.start(0, NOW_S), Scrape(NOW_S - 9e6, Totals(events=5, levels=9)), 0, SilencePlan())
    after = recalled(remembered(Sight(servers={url: server}), NOW_S), NOW_S + 600).servers[url]
    errors = {"buffered": 4}
    after = answered(after, Scrape(NOW_S + 300, Totals(events=9, errors=errors, levels=9)), 1, SilencePlan())
    assert after.counted.errors == errors


@pytest.mark.parametrize(
    "text", [None, "", "nonsense", "{}", '{"saved_s": "x"}', '{"saved_s": 1, "sources": {"a": 5}}']
)
def test_what_cannot_be_read_is_learned_anew(text: str | None) -> None:
    assert recalled(text, NOW_S) == Sight()


def test_it_fits_into_a_checkpoint_however_much_there_is() -> None:
    many = {f"https://api-{n}:6443": replace(Server.start(0, 0), processes=PROCESSES) for n in range(400)}
    text = remembered(Sight(sources={f"source-{n}": source(*range(8)) for n in range(400)}, servers=many), NOW_S)
    assert 0 < len(text) <= MAX_CHARS
    assert len(recalled(text, NOW_S).sources) == 400


PROCESSES = {float(n): Totals(events=n, errors={"webhook": n}) for n in range(32)}


def test_a_watch_keeps_it_at_its_end_and_begins_with_it() -> None:
    async def watched(watch: Watch, ticks: int) -> None:
        watch.checkpoint = kept
        running = asyncio.ensure_future(watch.run(VigilPlan()))
        for _ in range(ticks):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])

    kept = MemoryCheckpoint()
    heard = {"webhook": Heard(refused={})}
    first = Watch(lambda: heard, lambda notice: None, Sight(clock=1.0, sources={"webhook": source(60, 4000)}))
    asyncio.run(watched(first, 5))
    second = Watch(lambda: heard, lambda notice: None)
    asyncio.run(watched(second, 5))
    assert second.sight.sources["webhook"].hush.gaps == (60, 4000)


def test_a_store_that_fails_is_no_reason_to_stop_watching(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    class Broken(MemoryCheckpoint):
        async def load(self) -> str | None:
            raise OSError("the disk is gone")

        async def save(self, value: str) -> None:
            raise OSError("the disk is full")

    async def main() -> None:
        watch = Watch(dict, lambda notice: None)
        watch.checkpoint = Broken()
        running = asyncio.ensure_future(watch.run(VigilPlan()))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())
    assert "the disk is full" in caplog.text
    assert "the disk is gone" in caplog.text
