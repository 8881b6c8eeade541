import asyncio
import threading
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from lanner.compiler.load import load
from lanner.compiler.ruleset import compile_rules
from lanner.diagnostics import SourceFile
from lanner.engine.alert import Alert, Finding
from lanner.engine.engine import Engine
from lanner.server.pipeline import MAX_INLINE_BYTES, Pipeline
from lanner.server.snapshot import SourceCounts
from lanner.sources.base import Delivery, Framing, NotStored, RejectedDelivery

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


@dataclass
class Shelf:
    """A keeper that keeps findings, or fails."""

    kept: list[Finding] = field(default_factory=list)
    failure: NotStored | None = None

    async def put(self, findings: Sequence[Finding]) -> None:
        if self.failure:
            raise self.failure
        self.kept += findings

    @property
    def messages(self) -> list[str]:
        return [finding.message for finding in self.kept]


def engine() -> Engine:
    loaded = load([SourceFile("rules.yaml", RULES)]).rules
    assert loaded
    return Engine(compile_rules(loaded), identifies=True)


def deliver(payload: bytes, keeper: Shelf, *, framing: Framing = Framing.BODY) -> None:
    """Handle one delivery."""

    async def handle() -> None:
        await Pipeline(engine(), keeper, asyncio.Lock()).handle(Delivery(payload, framing, "test"))

    asyncio.run(handle())


def test_when_it_returns_the_alerts_are_stored_each_with_an_identity() -> None:
    shelf = Shelf()
    deliver(EVENT, shelf)
    assert shelf.messages == ["seen alice"]
    assert len(shelf.kept[0].identity) == 40


def test_alerts_that_cannot_be_stored_are_not_acknowledged() -> None:
    with pytest.raises(NotStored, match="the disk is full"):
        deliver(EVENT, Shelf(failure=NotStored("the disk is full")))


def test_nothing_is_stored_where_there_is_no_alert() -> None:
    deliver(b'{"kind":"EventList","items":[]}', Shelf(failure=NotStored("nobody is to ask")))


def test_alerts_are_handed_to_the_store_in_the_order_of_evaluation() -> None:
    class Slow(Shelf):
        def put(self, findings: Sequence[Finding]) -> Awaitable[None]:  # type: ignore[override]
            self.kept += findings

            async def wait() -> None:
                await asyncio.sleep(0.01 if "first" in findings[0].message else 0)
                done.append(findings[0].message)

            return wait()

    done: list[str] = []
    shelf = Slow()

    async def both() -> None:
        found = Pipeline(engine(), shelf, asyncio.Lock())
        events = [EVENT.replace(b"alice", name) for name in (b"first", b"second")]
        await asyncio.gather(*(found.handle(Delivery(event, Framing.BODY, "test")) for event in events))

    asyncio.run(both())
    assert shelf.messages == ["seen first", "seen second"]
    assert done == ["seen second", "seen first"], "and nobody waits for another one"


@pytest.mark.parametrize("payload", [b"", b" ", b"nonsense", b'{"items": [', b"\xff", b"{} x"])
def test_a_body_that_is_no_json_is_rejected(payload: bytes) -> None:
    with pytest.raises(RejectedDelivery):
        deliver(payload, Shelf())


@pytest.mark.parametrize(
    "payload", [b"[]", b"1", b'{"kind":"EventList","items":[]}', b"[" * 5000 + b"]" * 5000, b"[7, " + EVENT + b"]"]
)
def test_a_body_of_json_is_taken_even_without_events(payload: bytes) -> None:
    deliver(payload, Shelf())


def test_a_cut_off_body_with_events_is_taken_because_they_are_evaluated() -> None:
    shelf = Shelf()
    deliver(b'{"kind":"EventList","items":[' + EVENT + b",", shelf)
    assert "seen alice" in shelf.messages


def test_lines_that_are_no_json_are_counted_not_rejected() -> None:
    shelf = Shelf()
    deliver(b"nonsense\n" + EVENT + b"\n", shelf, framing=Framing.LINES)
    assert shelf.messages == ["seen alice"]


@pytest.mark.parametrize("space", ["", " "])
def test_the_lag_is_counted_from_the_newest_event_of_a_delivery(space: str) -> None:
    counts = SourceCounts()
    old, new = (
        EVENT[:-1] + f',"stageTimestamp":{space}"2026-11-21T10:00:0{second}.000000Z"}}'.encode() for second in (1, 3)
    )

    async def handle() -> None:
        found = Pipeline(engine(), Shelf(), asyncio.Lock(), counts=counts)
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
        await Pipeline(used, Shelf(), asyncio.Lock()).handle(Delivery(b" " * size + EVENT, Framing.BODY, "test"))

    asyncio.run(handle())
    assert (threading.get_ident() not in threads) is is_elsewhere


def test_deliveries_at_the_same_time_are_evaluated_one_after_the_other() -> None:
    shelf = Shelf()
    used = engine()

    async def all_at_once() -> None:
        one = Pipeline(used, shelf, asyncio.Lock())
        body = b"[" + b",".join([EVENT] * 50) + b"]" + b" " * MAX_INLINE_BYTES
        await asyncio.gather(*(one.handle(Delivery(body, Framing.BODY, "test")) for _ in range(8)))

    asyncio.run(all_at_once())
    assert shelf.messages == ["seen alice"] * 400
    assert used.stats.events == 400
