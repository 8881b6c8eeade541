"""Outputs of a scan: it waits for those that are slow, whatever the alerts weigh."""

import os
import threading

import pytest

from lanner.cli.delivery import BATCH, BATCH_BYTES, RoutedOutput
from lanner.engine.alert import Finding
from lanner.outputs.route import Route
from lanner.outputs.window import QueueLimits

from ..outputs.receivers import ScriptedSink, alert


@pytest.mark.parametrize(
    ("limits", "number", "length"),
    [
        (QueueLimits(max_bytes=1_000_000), 50, 400_000),
        (QueueLimits(max_bytes=1_000_000), 5, 3_000_000),
        (QueueLimits(), 20, BATCH_BYTES),
        (QueueLimits(max_alerts=10), 3 * BATCH, 10),
        (QueueLimits(), 3 * BATCH, 10),
    ],
)
def test_none_is_dropped_of_alerts_of_any_size(limits: QueueLimits, number: int, length: int) -> None:
    begun = threading.Event()
    slow = ScriptedSink(script=[lambda: _wait(begun)])
    routes = [Route(name=name, output=sink, limits=limits) for name, sink in (("slow", slow), ("good", ScriptedSink()))]
    output = RoutedOutput(routes)
    threading.Timer(0.2, begun.set).start()
    output.write_findings([Finding.of(alert(at, message="x" * length), os.urandom(8)) for at in range(number)])
    assert output.close() == {}
    assert sum(map(len, slow.taken.queue)) == number


def _wait(event: threading.Event) -> None:
    event.wait(20)
