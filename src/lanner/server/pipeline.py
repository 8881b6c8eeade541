"""Deliveries to stored alerts: what stands between a source and the store."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Sequence
from typing import Protocol

import msgspec

from lanner.engine.alert import Finding
from lanner.engine.engine import Engine, Result
from lanner.events.context import parse_time
from lanner.events.decode import Payload
from lanner.server.snapshot import SourceCounts
from lanner.sources.base import Delivery, Framing, RejectedDelivery

MAX_INLINE_BYTES = 4 * 1024 * 1024
"""Payloads up to this size are evaluated in the event loop; a larger one would keep other connections waiting."""

_TAIL_BYTES = 4096
_TIME_KEY = b'"stageTimestamp"'
_TIME = re.compile(rb'\s*:\s*"([0-9T:.Z+-]{20,40})"')


class Keeper(Protocol):
    """Who stores alerts."""

    def put(self, findings: Sequence[Finding]) -> Awaitable[None]:
        """Store alerts; it raises `NotStored` if they are not."""


class Pipeline:
    """Evaluates the deliveries of a source, one at a time, and has the alerts stored.

    `handle` returns when the events were evaluated and the alerts are stored: the source may acknowledge.

    Attributes:
        engine: Evaluates; used by this pipeline alone, and exchanged when rules are read again, under the lock.
        counts: What came of the source.
    """

    def __init__(
        self, engine: Engine, keeper: Keeper, lock: asyncio.Lock, *, counts: SourceCounts | None = None
    ) -> None:
        """Connect the parts.

        Args:
            engine: Evaluates, and says what identifies an alert.
            keeper: Stores the alerts.
            lock: Held while a delivery is evaluated; pipelines share one, so that alerts stay in order.
            counts: Where to count.
        """
        self.engine = engine
        self.counts = counts or SourceCounts()
        self._keeper = keeper
        self._lock = lock

    async def handle(self, delivery: Delivery) -> None:
        """Evaluate a delivery and store its alerts.

        Raises:
            RejectedDelivery: A webhook's body is not JSON.
            NotStored: Its alerts are not stored; outputs get them all the same, as far as memory has room.
        """
        started = time.perf_counter()
        async with self._lock:
            if len(delivery.payload) > MAX_INLINE_BYTES:
                result = await asyncio.to_thread(self._evaluate, delivery)
            else:
                result = self._evaluate(delivery)
            stored = self._keeper.put(result.findings) if result.findings else None
            self._count(result, delivery.payload)
        if stored:
            await stored
        if delivery.framing is Framing.BODY and not result.events and not _is_json(delivery.payload):
            raise RejectedDelivery("the body is not JSON")
        self.counts.latency.add(time.perf_counter() - started)

    def _evaluate(self, delivery: Delivery) -> Result:
        return self.engine.process(
            delivery.payload,
            body=delivery.framing is Framing.BODY,
            truncated=delivery.truncated,
            size=delivery.size,
            origin=delivery.origin,
        )

    def _count(self, result: Result, payload: Payload) -> None:
        counts = self.counts
        counts.deliveries += 1
        if result.events:
            counts.events += result.events
            counts.last_at_s = time.time()
            if (newest := _last_time(payload)) is not None:
                counts.lag_s = counts.last_at_s - newest


def _last_time(payload: Payload) -> float | None:
    """The time that stands last in a payload, in seconds since the epoch; events are in order, so it is the newest.

    It is looked for in the text, because most events are not decoded so far. A body may hold another time; then the lag
    that is shown is wrong until the next delivery, and nothing else is.
    """
    tail = bytes(payload[-_TAIL_BYTES:])
    at = tail.rfind(_TIME_KEY)
    found = _TIME.match(tail, at + len(_TIME_KEY)) if at >= 0 else None
    time_ns = parse_time(found[1].decode("ascii")) if found else None
    return None if time_ns is None else time_ns / 1e9


def _is_json(payload: Payload) -> bool:
    """Whether the sender could send the same again to no avail; nesting beyond the decoder is no reason to refuse."""
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    except RecursionError:
        return True
    return True
