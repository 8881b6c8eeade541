"""What becomes of messages whose events cannot be stored."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from lanner.plugins.gke import source
from lanner.plugins.gke.inbox import Held, Inbox
from lanner.plugins.gke.rebuilding import Rebuilder
from lanner.plugins.gke.source import Worker
from lanner.sources.base import Delivery, NotStored
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import STUCK_AFTER_S
from tests.unit.plugins.gke.test_files import entry


class Message:
    """A message that remembers what was said of it."""

    def __init__(self, number: int, said: asyncio.Queue[tuple[int, str]]) -> None:
        self.number = number
        self.data = json.dumps(entry(number)).encode()
        self.size = len(self.data)
        self._said = said

    def ack_with_response(self) -> Any:
        self._said.put_nowait((self.number, "acknowledged"))
        return SimpleNamespace(done=lambda: True)

    def nack(self) -> None:
        self._said.put_nowait((self.number, "given back"))


def test_where_nothing_can_be_stored_messages_go_back_together_though_one_of_them_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that fails has each tried alone; the first that cannot be stored stands for all that follow."""
    monkeypatch.setattr(source, "PATIENCE_S", 0.0)
    handed: list[int] = []

    async def handle(delivery: Delivery) -> None:
        lines = len(bytes(delivery.payload).splitlines())
        handed.append(lines)
        if lines > 1:
            raise RuntimeError("a fault in the evaluation")
        if len(handed) > 2:
            raise NotStored("the disk is full")

    async def test() -> dict[int, str]:
        said: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        inbox = Inbox(asyncio.get_running_loop())
        messages: list[Any] = [Message(number, said) for number in range(6)]
        inbox.put([Held("p", each) for each in messages])
        context = Context(name="gke")
        worker = Worker(Rebuilder(context, 1 << 20), handle, context, asyncio.Event())
        running = asyncio.create_task(worker.run(inbox))
        async with asyncio.timeout(10):
            found = dict([await said.get() for _ in messages])
        running.cancel()
        await asyncio.wait([running])
        return found

    assert asyncio.run(test()) == {0: "acknowledged"} | dict.fromkeys(range(1, 6), "given back")
    assert handed == [6, 1, 1]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("a fault"), "for 5 minutes: messages go back again and again: a fault"),
        (
            NotStored("the disk is full"),
            "for 5 minutes: messages are not taken: alerts cannot be stored: the disk is full",
        ),
    ],
)
def test_messages_that_go_back_for_minutes_are_told_as_stuck(
    error: Exception, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PATIENCE_S", 0.0)
    told: list[str] = []
    now_s = 0.0

    async def handle(delivery: Delivery) -> None:
        raise error

    def tell(trouble: Trouble, text: str, times: int = 1) -> None:
        if trouble is Trouble.STUCK:
            told.append(text)

    async def test() -> None:
        nonlocal now_s
        said: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        inbox = Inbox(asyncio.get_running_loop())
        context = Context(name="gke", tell=tell)
        worker = Worker(Rebuilder(context, 1 << 20), handle, context, asyncio.Event(), clock=lambda: now_s)
        running = asyncio.create_task(worker.run(inbox))
        for number in range(2):
            assert told == []
            message: Any = Message(number, said)
            inbox.put([Held("p", message)])
            async with asyncio.timeout(10):
                await said.get()
            now_s += STUCK_AFTER_S
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(test())
    assert told[0] == text
