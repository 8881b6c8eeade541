"""What several API servers record is compared with what arrives, however they are asked and whatever comes twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lanner.vigil.balance import FEWEST_STEPS, SUBJECT, Balance, balance_concerns, reckon, record
from lanner.vigil.concern import LOST, MISSING, OVER, UNHEARD
from lanner.vigil.plan import MetricsPlan
from lanner.vigil.scrape import Scrape, Totals

from .fake import FakeApiServer
from .world import World, run

PLAN = MetricsPlan()
SCRAPE_S = 30
RATE = 10
"""Events that each API server records in a second."""

Answers = Callable[[int, dict[str, int]], dict[tuple[str, float], Totals]]


def everyone(now: int, recorded: dict[str, int]) -> dict[tuple[str, float], Totals]:
    return {(name, 1.0): Totals(events=number) for name, number in recorded.items()}


def told(
    arriving: Callable[[int, str], int], seconds: int = 2 * 3600, answers: Answers = everyone, plan: MetricsPlan = PLAN
) -> list[int]:
    """When it was told that events are missing, of three API servers.

    Args:
        arriving: How many events of an API server arrive in a second.
        seconds: For how long.
        answers: What is answered to questions.
        plan: How it is watched.
    """
    balance, recorded, found = Balance(), dict.fromkeys("abc", 0), []
    for now in range(seconds):
        for name in recorded:
            recorded[name] += RATE
        balance = reckon(balance, sum(arriving(now, name) for name in recorded), now, plan)
        if now % SCRAPE_S == 0:
            for (url, started_s), totals in answers(now, recorded).items():
                balance = record(balance, url, Scrape(started_s, totals))
        found += [now for _ in balance_concerns(balance)]
    assert len(balance.moments) <= 62, "memory is bounded"
    return found


def test_nothing_is_missing_where_all_arrives_in_time() -> None:
    assert told(lambda now, name: RATE) == []
    late = 170
    assert told(lambda now, name: RATE if now >= late else 0) == []
    assert told(lambda now, name: RATE * 60 if now % 60 == 0 and now >= late else 0) == []


def test_one_of_three_that_is_cut_off_is_told_of_and_that_its_events_come_again() -> None:
    found = told(lambda now, name: 0 if name == "b" and 3600 <= now < 7200 else RATE, seconds=4 * 3600)
    assert 3600 + PLAN.arrival_s < found[0] < 3600 + 1500
    assert 7200 < found[-1] < 7200 + 3600
    assert found == [*range(found[0], found[-1] + 1)], "once, without a gap"


def test_one_that_was_cut_off_from_the_start_is_told_of_before_long() -> None:
    assert told(lambda now, name: 0 if name == "b" else RATE)[0] <= FEWEST_STEPS * PLAN.arrival_s / 3


def test_what_arrives_twice_now_and_then_hides_no_lasting_loss() -> None:
    assert told(lambda now, name: 0 if name == "b" and now > 3600 else RATE * (1 + (now < 300)), seconds=3 * 3600)


def test_what_api_servers_count_as_lost_is_not_missing_besides() -> None:
    def lossy(now: int, recorded: dict[str, int]) -> dict[tuple[str, float], Totals]:
        lost = {"webhook": recorded["b"]}
        return {**everyone(now, recorded), ("b", 1.0): Totals(events=recorded["b"], errors=lost)}

    assert told(lambda now, name: 0 if name == "b" else RATE, answers=lossy) == []


def test_behind_a_balancer_all_that_was_recorded_between_two_answers_of_a_process_arrived_then_too() -> None:
    def balanced(now: int, recorded: dict[str, int]) -> dict[tuple[str, float], Totals]:
        name = "aaaaaaaaaabccccccc"[now // SCRAPE_S % 18]  # some answer rarely
        return {("balancer", float(ord(name))): Totals(events=recorded[name])}

    assert told(lambda now, name: RATE, answers=balanced) == []
    assert told(lambda now, name: 0 if name == "c" else RATE, answers=balanced)


def test_processes_that_start_again_are_not_missing() -> None:
    def restarting(now: int, recorded: dict[str, int]) -> dict[tuple[str, float], Totals]:
        start = now // 1000 * 1000
        return {(name, float(start)): Totals(events=(now - start) * RATE) for name in recorded}

    def silent(now: int, recorded: dict[str, int]) -> dict[tuple[str, float], Totals]:
        return {(name, 0.0): Totals(events=now % 1000 * RATE) for name in recorded}

    assert told(lambda now, name: RATE, answers=restarting) == []
    assert told(lambda now, name: RATE, answers=silent) == []


def test_how_much_may_be_missing_is_the_users_choice() -> None:
    assert told(lambda now, name: RATE * 3 // 4, plan=replace(PLAN, missing_percent=5))
    assert told(lambda now, name: RATE * 3 // 4, plan=replace(PLAN, missing_percent=40)) == []
    assert told(lambda now, name: 0, plan=replace(PLAN, missing_percent=100)) == []


def test_one_of_two_api_servers_that_posts_elsewhere_is_told_of_though_events_arrive(tmp_path: Path) -> None:
    other = FakeApiServer()

    async def then(world: World) -> None:
        (tmp_path / "other").mkdir()
        async with other.serving(tmp_path / "other"):
            other.webhook = world.cluster.webhook
            both = tmp_path / "both.crt"
            both.write_text(Path(world.cluster.ca_file).read_text() + Path(other.ca_file).read_text())
            access = replace(world.plan.access, urls=(world.cluster.url, other.url), ca_file=str(both))
            world.plan = replace(world.plan, access=access, metrics=MetricsPlan(arrival_s=45))

            async def passes(seconds: float) -> list[str]:
                told = []
                for _ in range(int(seconds // 5)):
                    other.happens()
                    await other.passes(5)
                    told += await world.passes(5)
                return told

            assert await passes(300) == []
            other.webhook = None
            other.errors = _Uncounted()  # a proxy in between took the posts
            told = await passes(500)
            assert told == [MISSING]
            [notice] = [notice for notice in world.said if notice.rule == MISSING]
            assert notice.fields["subject"] == SUBJECT
            assert "recorded" in notice.message
            other.webhook = world.cluster.webhook
            await passes(1000)
            assert [notice.fields["was"] for notice in world.said if notice.rule == OVER] == [MISSING]
            assert not {UNHEARD, LOST} & {notice.rule for notice in world.said}

    run(tmp_path, then)


class _Uncounted(Counter[str]):
    """Errors that nobody counts."""

    def __getitem__(self, name: str) -> int:
        return 0

    def __setitem__(self, name: str, number: int) -> None:
        pass
