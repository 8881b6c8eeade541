"""Deliveries to alerts: what stands between a source and the outputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from lanner.engine.engine import Engine, Result
from lanner.events.decode import Payload
from lanner.outputs.base import Output
from lanner.sources.base import Delivery, Framing, RejectedDelivery

MAX_INLINE_BYTES = 1024 * 1024
"""Payloads up to this size are evaluated in the event loop; a larger one would keep other connections waiting."""


class Pipeline:
    """Evaluates deliveries one at a time and hands the alerts to all outputs.

    `handle` returns when the events were evaluated and every output has taken the alerts: the source may acknowledge.
    """

    def __init__(self, engine: Engine, outputs: Sequence[Output], *, on_failure: Callable[[OSError], None]) -> None:
        """Connect the parts.

        Args:
            engine: Evaluates; used by this pipeline alone.
            outputs: Take the alerts, in this order.
            on_failure: Told when an output cannot take alerts.
        """
        self._engine = engine
        self._outputs = outputs
        self._on_failure = on_failure
        self._lock = asyncio.Lock()

    async def handle(self, delivery: Delivery) -> None:
        """Evaluate a delivery and write its alerts.

        Raises:
            RejectedDelivery: A webhook's body is not JSON.
            OSError: An output could not take the alerts; the delivery is not acknowledged.
        """
        async with self._lock:
            if len(delivery.payload) > MAX_INLINE_BYTES:
                result = await asyncio.to_thread(self._evaluate, delivery)
            else:
                result = self._evaluate(delivery)
            self._write(result)
        if delivery.framing is Framing.BODY and not result.events and not _is_json(delivery.payload):
            raise RejectedDelivery("the body is not JSON")

    def _evaluate(self, delivery: Delivery) -> Result:
        return self._engine.process(
            delivery.payload,
            body=delivery.framing is Framing.BODY,
            truncated=delivery.truncated,
            size=delivery.size,
            origin=delivery.origin,
        )

    def _write(self, result: Result) -> None:
        try:
            for output in self._outputs:
                output.write(result.alerts)
                output.flush()
        except OSError as error:
            self._on_failure(error)
            raise


def _is_json(payload: Payload) -> bool:
    """Whether the sender could send the same again to no avail; nesting beyond the decoder is no reason to refuse."""
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    except RecursionError:
        return True
    return True
