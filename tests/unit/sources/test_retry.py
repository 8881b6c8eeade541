import asyncio
from itertools import islice

import pytest

from lanner.sources.base import Delivery, Framing, RejectedDelivery
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import insist, pauses

DELIVERY = Delivery(b"{}", Framing.LINES, "here")


def test_pauses_double_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    assert [*islice(pauses(1, 10), 6)] == [1, 2, 4, 8, 10, 10]


def test_pauses_differ_from_each_other_and_are_never_longer() -> None:
    found = [next(pauses(8, 8)) for _ in range(200)]
    assert len(set(found)) > 100
    assert 4 <= min(found) <= max(found) <= 8


def test_a_delivery_is_handed_over_until_it_is_taken_or_rejected() -> None:
    told: list[tuple[Trouble, str]] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def outcome(*errors: Exception) -> bool:
        failures = iter(errors)

        async def handle(delivery: Delivery) -> None:
            assert delivery is DELIVERY
            for error in failures:
                raise error

        context = Context(name="test", tell=lambda trouble, text, times=1: told.append((trouble, text)))
        return asyncio.run(insist(handle, DELIVERY, context, sleep))

    assert outcome()
    assert not slept
    assert not told
    assert outcome(OSError(28, "No space left on device"), ValueError("odd"))
    assert len(slept) == 2
    assert [text for _, text in told] == [
        "events were not taken: no space left on device; they are handed over again",
        "events were not taken: odd; they are handed over again",
    ]
    assert not outcome(RejectedDelivery("the body is not JSON"))
    assert told[-1] == (Trouble.DAMAGED, "events from `here` are set aside: the body is not JSON")


def test_a_handler_is_not_left_halfway() -> None:
    async def main() -> str:
        begun, go = asyncio.Event(), asyncio.Event()
        done = ""

        async def handle(delivery: Delivery) -> None:
            nonlocal done
            begun.set()
            await go.wait()
            done = "done"

        task = asyncio.create_task(insist(handle, DELIVERY, Context(name="test")))
        await begun.wait()
        task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return done

    assert asyncio.run(main()) == "done"


def test_what_was_taken_is_accounted_for_before_the_cancellation_goes_on() -> None:
    async def main() -> tuple[list[str], bool]:
        log: list[str] = []
        begun, go = asyncio.Event(), asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            begun.set()
            await go.wait()

        async def source() -> None:
            while True:
                await insist(handle, DELIVERY, Context(name="test"), on_settled=lambda: log.append("moved"))
                log.append("went on")

        task = asyncio.create_task(source())
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait([task])
        return log, task.cancelled()

    assert asyncio.run(main()) == (["moved"], True)


def test_what_fails_while_it_is_cancelled_is_not_accounted_for() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        begun, go = asyncio.Event(), asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            begun.set()
            await go.wait()
            raise ValueError("odd")

        context = Context(name="test")
        task = asyncio.create_task(insist(handle, DELIVERY, context, on_settled=lambda: log.append("moved")))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait([task])
        return log

    assert asyncio.run(main()) == []


def test_after_minutes_of_failures_it_is_told_that_a_source_is_stuck() -> None:
    told: list[str] = []
    now = 0.0
    failures = iter([OSError(28, "No space left on device")] * 45)

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += 30

    async def handle(delivery: Delivery) -> None:
        if error := next(failures, None):
            raise error

    def tell(trouble: Trouble, text: str, times: int = 1) -> None:
        if trouble is Trouble.STUCK:
            told.append(text)

    assert asyncio.run(insist(handle, DELIVERY, Context(name="test", tell=tell), sleep, clock=lambda: now))
    text = "events from `here` are not taken: no space left on device"
    assert told == [f"for {minutes} minutes: {text}" for minutes in range(5, 23)]
