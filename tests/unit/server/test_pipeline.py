import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from lanner.compiler.load import load
from lanner.compiler.ruleset import compile_rules
from lanner.diagnostics import SourceFile
from lanner.engine.alert import Alert
from lanner.engine.engine import Engine
from lanner.server.pipeline import MAX_INLINE_BYTES, Pipeline
from lanner.sources.base import Delivery, Framing, RejectedDelivery

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
    """An output that keeps alerts, and what was flushed of them."""

    taken: list[str] = field(default_factory=list)
    flushed: int = 0
    failure: OSError | None = None

    def write(self, alerts: Sequence[Alert]) -> None:
        if self.failure:
            raise self.failure
        self.taken += [alert.message for alert in alerts]

    def flush(self) -> None:
        self.flushed = len(self.taken)

    def close(self) -> None:
        self.flush()


def engine() -> Engine:
    loaded = load([SourceFile("rules.yaml", RULES)]).rules
    assert loaded
    return Engine(compile_rules(loaded))


def deliver(payload: bytes, *outputs: Memory, framing: Framing = Framing.BODY) -> list[OSError]:
    """Handle one delivery and give the failures that were told."""
    failures: list[OSError] = []
    pipeline = Pipeline(engine(), outputs, on_failure=failures.append)
    asyncio.run(pipeline.handle(Delivery(payload, framing, "test")))
    return failures


def test_when_it_returns_every_output_has_taken_and_flushed_the_alerts() -> None:
    first, second = Memory(), Memory()
    assert deliver(EVENT, first, second) == []
    assert first.taken == second.taken == ["seen alice"]
    assert (first.flushed, second.flushed) == (1, 1)


@pytest.mark.parametrize("payload", [b"", b" ", b"nonsense", b'{"items": [', b"\xff", b"{} x"])
def test_a_body_that_is_no_json_is_rejected(payload: bytes) -> None:
    with pytest.raises(RejectedDelivery):
        deliver(payload, Memory())


@pytest.mark.parametrize(
    "payload", [b"[]", b"1", b'{"kind":"EventList","items":[]}', b"[" * 5000 + b"]" * 5000, b"[7, " + EVENT + b"]"]
)
def test_a_body_of_json_is_taken_even_without_events(payload: bytes) -> None:
    assert deliver(payload, Memory()) == []


def test_a_cut_off_body_with_events_is_taken_because_they_are_evaluated() -> None:
    output = Memory()
    deliver(b'{"kind":"EventList","items":[' + EVENT + b",", output)
    assert "seen alice" in output.taken


def test_lines_that_are_no_json_are_counted_not_rejected() -> None:
    output = Memory()
    assert deliver(b"nonsense\n" + EVENT + b"\n", output, framing=Framing.LINES) == []
    assert output.taken == ["seen alice"]


def test_an_output_that_fails_keeps_the_delivery_from_being_acknowledged() -> None:
    failure = OSError(28, "No space left on device")
    failures: list[OSError] = []
    pipeline = Pipeline(engine(), [Memory(failure=failure)], on_failure=failures.append)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(pipeline.handle(Delivery(EVENT, Framing.BODY, "test")))
    assert failures == [failure]


@pytest.mark.parametrize(("size", "is_elsewhere"), [(0, False), (MAX_INLINE_BYTES, True)])
def test_only_large_payloads_are_evaluated_beside_the_event_loop(size: int, is_elsewhere: bool) -> None:
    threads = []

    def clock() -> int:
        threads.append(threading.get_ident())
        return time.time_ns()

    loaded = load([SourceFile("rules.yaml", RULES)]).rules
    assert loaded
    pipeline = Pipeline(Engine(compile_rules(loaded), clock=clock), [], on_failure=lambda error: None)
    asyncio.run(pipeline.handle(Delivery(b" " * size + EVENT, Framing.BODY, "test")))
    assert (threading.get_ident() not in threads) is is_elsewhere


def test_deliveries_at_the_same_time_are_evaluated_one_after_the_other() -> None:
    output = Memory()
    used = engine()

    async def all_at_once() -> None:
        pipeline = Pipeline(used, [output], on_failure=lambda error: None)
        body = b"[" + b",".join([EVENT] * 50) + b"]" + b" " * MAX_INLINE_BYTES
        await asyncio.gather(*(pipeline.handle(Delivery(body, Framing.BODY, "test")) for _ in range(8)))

    asyncio.run(all_at_once())
    assert output.taken == ["seen alice"] * 400
    assert used.stats.events == 400
