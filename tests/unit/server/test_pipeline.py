import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from lanner.compiler.load import load
from lanner.compiler.ruleset import compile_rules
from lanner.diagnostics import SourceFile
from lanner.engine.alert import Alert
from lanner.engine.engine import Engine
from lanner.outputs.fanout import Fanout
from lanner.outputs.lane import Route
from lanner.outputs.sink import GoneError
from lanner.server import pipeline
from lanner.server.pipeline import MAX_INLINE_BYTES, Pipeline
from lanner.server.snapshot import SourceCounts
from lanner.sources.base import Delivery, Framing, RejectedDelivery, UnwrittenAlerts

RULES = """
- rule: Seen
  desc: d
  condition: ka.user.name exists
  output: seen %ka.user.name
  priority: NOTICE
  source: k8s_audit
"""
EVENT = b'{"kind":"Event","auditID":"1","stage":"ResponseComplete","verb":"get","user":{"username":"alice"}}'


@dataclass
class Memory:
    """An output that keeps alerts."""

    max_batch: ClassVar[int] = 100
    taken: list[str] = field(default_factory=list)
    failure: OSError | None = None
    reopened: int = 0
    is_closed: bool = False
    place: str = ""

    def write(self, alerts: Sequence[Alert]) -> None:
        if self.failure:
            raise self.failure
        self.taken += [alert.message for alert in alerts]

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def reopen(self) -> None:
        self.reopened += 1


def routes(*outputs: Memory) -> tuple[Route, ...]:
    """Routes that are awaited, as that to standard output is."""
    return tuple(
        Route(name=f"memory-{number}", output=output, is_awaited=True) for number, output in enumerate(outputs)
    )


def fanout(*outputs: Memory) -> Fanout:
    return Fanout(routes(*outputs), report=lambda text: None, close_timeout_s=0.1)


def engine() -> Engine:
    loaded = load([SourceFile("rules.yaml", RULES)]).rules
    assert loaded
    return Engine(compile_rules(loaded))


def deliver(payload: bytes, *outputs: Memory, framing: Framing = Framing.BODY) -> None:
    """Handle one delivery."""

    async def handle() -> None:
        await Pipeline(engine(), fanout(*outputs), asyncio.Lock()).handle(Delivery(payload, framing, "test"))

    asyncio.run(handle())


def test_when_it_returns_every_output_that_is_awaited_has_written_the_alerts() -> None:
    first, second = Memory(), Memory()
    deliver(EVENT, first, second)
    assert first.taken == second.taken == ["seen alice"]


@pytest.mark.parametrize("payload", [b"", b" ", b"nonsense", b'{"items": [', b"\xff", b"{} x"])
def test_a_body_that_is_no_json_is_rejected(payload: bytes) -> None:
    with pytest.raises(RejectedDelivery):
        deliver(payload, Memory())


@pytest.mark.parametrize(
    "payload", [b"[]", b"1", b'{"kind":"EventList","items":[]}', b"[" * 5000 + b"]" * 5000, b"[7, " + EVENT + b"]"]
)
def test_a_body_of_json_is_taken_even_without_events(payload: bytes) -> None:
    deliver(payload, Memory())


def test_a_cut_off_body_with_events_is_taken_because_they_are_evaluated() -> None:
    output = Memory()
    deliver(b'{"kind":"EventList","items":[' + EVENT + b",", output)
    assert "seen alice" in output.taken


def test_lines_that_are_no_json_are_counted_not_rejected() -> None:
    output = Memory()
    deliver(b"nonsense\n" + EVENT + b"\n", output, framing=Framing.LINES)
    assert output.taken == ["seen alice"]


def test_an_output_that_hangs_is_waited_for_once_and_not_again_before_it_has_caught_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "PATIENCE_S", 0.05)
    is_free = threading.Event()

    class Hanging(Memory):
        def write(self, alerts: Sequence[Alert]) -> None:
            is_free.wait(50)
            super().write(alerts)

    hanging, other = Hanging(), Memory()
    out = fanout(hanging, other)

    async def handle() -> None:
        found = Pipeline(engine(), out, asyncio.Lock())
        for _ in range(3):
            await found.handle(Delivery(EVENT, Framing.BODY, "test"))
        assert (hanging.taken, other.taken) == ([], ["seen alice"] * 3)
        monkeypatch.setattr(pipeline, "PATIENCE_S", 50)
        await found.handle(Delivery(EVENT, Framing.BODY, "test"))  # it is known to lag behind
        is_free.set()
        while out.stats()[0].waiting:
            await asyncio.sleep(0.001)
        await found.handle(Delivery(EVENT, Framing.BODY, "test"))
        assert hanging.taken == ["seen alice"] * 5

    asyncio.run(handle())


def test_when_nobody_takes_alerts_any_more_it_is_told() -> None:
    told = []

    async def handle() -> None:
        out = fanout(Memory(failure=GoneError(32, "nobody reads it any more")))
        found = Pipeline(engine(), out, asyncio.Lock(), on_gone=lambda: told.append(True))
        with pytest.raises(UnwrittenAlerts):
            await found.handle(Delivery(EVENT, Framing.BODY, "test"))

    asyncio.run(handle())
    assert told == [True]


def test_while_one_output_is_left_the_others_may_go() -> None:
    left = Memory()

    async def handle() -> None:
        out = fanout(Memory(failure=GoneError(32, "nobody reads it any more")), left)
        found = Pipeline(engine(), out, asyncio.Lock(), on_gone=lambda: pytest.fail("one is left"))
        await found.handle(Delivery(EVENT, Framing.BODY, "test"))

    asyncio.run(handle())
    assert left.taken == ["seen alice"]


@pytest.mark.parametrize("space", ["", " "])
def test_the_lag_is_counted_from_the_newest_event_of_a_delivery(space: str) -> None:
    counts = SourceCounts()
    old, new = (
        EVENT[:-1] + f',"stageTimestamp":{space}"2026-11-21T10:00:0{second}.000000Z"}}'.encode() for second in (1, 3)
    )

    async def handle() -> None:
        found = Pipeline(engine(), fanout(), asyncio.Lock(), counts=counts)
        await found.handle(Delivery(old + b"\n" + new + b"\n", Framing.LINES, "test"))

    asyncio.run(handle())
    assert counts.last_at_s is not None
    assert counts.lag_s == pytest.approx(counts.last_at_s - 1795255203.0)
    assert (counts.events, counts.deliveries, sum(counts.latency.numbers)) == (2, 1, 1)


@pytest.mark.parametrize(("size", "is_elsewhere"), [(0, False), (MAX_INLINE_BYTES, True)])
def test_only_large_payloads_are_evaluated_beside_the_event_loop(size: int, is_elsewhere: bool) -> None:
    threads = []

    def clock() -> int:
        threads.append(threading.get_ident())
        return time.time_ns()

    loaded = load([SourceFile("rules.yaml", RULES)]).rules
    assert loaded
    used = Engine(compile_rules(loaded), clock=clock)

    async def handle() -> None:
        await Pipeline(used, fanout(), asyncio.Lock()).handle(Delivery(b" " * size + EVENT, Framing.BODY, "test"))

    asyncio.run(handle())
    assert (threading.get_ident() not in threads) is is_elsewhere


def test_deliveries_at_the_same_time_are_evaluated_one_after_the_other() -> None:
    output = Memory()
    used = engine()

    async def all_at_once() -> None:
        one = Pipeline(used, fanout(output), asyncio.Lock())
        body = b"[" + b",".join([EVENT] * 50) + b"]" + b" " * MAX_INLINE_BYTES
        await asyncio.gather(*(one.handle(Delivery(body, Framing.BODY, "test")) for _ in range(8)))

    asyncio.run(all_at_once())
    assert output.taken == ["seen alice"] * 400
    assert used.stats.events == 400
