import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tenacity import wait_fixed

from lanner.engine.alert import Finding
from lanner.outputs import lane
from lanner.outputs.fanout import Fanout
from lanner.outputs.rate import HELD_BACK, RateLimit
from lanner.outputs.route import DropReason, Route, RouteStats
from lanner.outputs.selection import OutputFilter
from lanner.outputs.sink import RefusedError
from lanner.outputs.window import QueueLimits
from lanner.rules.priority import Priority

from .receivers import TIMEOUT_S, Fan, ScriptedSink, alert, failing


class Said:
    """Keeps what is reported, and lets a test wait for it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.changed = threading.Condition()

    def __call__(self, text: str) -> None:
        with self.changed:
            self.texts.append(text)
            self.changed.notify_all()

    def wait_for(self, number: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.texts) >= number, TIMEOUT_S)


class Clock:
    """Stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stuck:
    """An action that begins and does not end before it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.freed = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.freed.wait(TIMEOUT_S)


def fan(*routes: Route, said: Callable[[str], None] = lambda _: None, **options: Any) -> Fan:
    return Fan(routes, report=said, close_timeout_s=options.pop("close_timeout_s", TIMEOUT_S), **options)


def only(fanout: Fanout) -> RouteStats:
    (stats,) = fanout.stats()
    return stats


def test_every_route_gets_the_alerts_that_its_filter_takes_in_order() -> None:
    everything, errors = ScriptedSink(), ScriptedSink()
    fanout = fan(
        Route(name="all", output=everything),
        Route(name="errors", output=errors, filter=OutputFilter(min_priority=Priority.ERROR)),
    )
    fanout.write([alert(1), alert(2, priority=Priority.CRITICAL)])
    fanout.write([])
    fanout.write([alert(3)])
    fanout.close()
    found = [each for batch in everything.taken.queue for each in batch]
    assert found == [alert(1), alert(2, priority=Priority.CRITICAL), alert(3)]
    assert list(errors.taken.queue) == [[alert(2, priority=Priority.CRITICAL)]]
    assert [(each.name, each.delivered, each.filtered) for each in fanout.stats()] == [("all", 3, 0), ("errors", 1, 2)]
    assert everything.closed.is_set()
    assert errors.closed.is_set()


def test_closing_delivers_what_waits_and_may_be_repeated() -> None:
    sink = ScriptedSink()
    fanout = fan(Route(name="a", output=sink))
    fanout.write([alert(number) for number in range(1000)])
    fanout.close()
    fanout.close()
    assert only(fanout).delivered == 1000
    assert max(map(len, sink.taken.queue)) <= ScriptedSink.max_batch


def test_what_is_stored_in_close_succession_is_delivered_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_GATHER_S", 10 * TIMEOUT_S)
    sink = ScriptedSink()
    fanout = fan(Route(name="a", output=sink))
    fanout.journal.is_durable = True
    for number in range(4):
        fanout.write([alert(number)])
        if number == 0:
            assert sink.next() == ["pod 0"]  # it comes at once
    fanout.close()
    assert sink.next() == ["pod 1", "pod 2", "pod 3"]


def test_what_is_in_memory_alone_is_delivered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_GATHER_S", 10 * TIMEOUT_S)
    sink = ScriptedSink()
    fanout = fan(Route(name="a", output=sink, limits=QueueLimits(max_alerts=1)))
    fanout.journal.is_durable = True
    fanout.write([alert(0)])
    assert sink.next() == ["pod 0"]
    fanout.pass_on([Finding.of(alert(1), b"1")])
    assert sink.next() == ["pod 1"]
    fanout.close()
    assert only(fanout).dropped == {}


def test_an_output_without_alerts_is_closed_too() -> None:
    sink = ScriptedSink()
    fan(Route(name="a", output=sink)).close()
    assert sink.closed.is_set()


def test_an_output_that_hangs_holds_up_neither_detection_nor_another_output() -> None:
    stuck, other = Stuck(), ScriptedSink()
    said = Said()
    limits = QueueLimits(max_alerts=10)
    fanout = fan(
        Route(name="hung", output=ScriptedSink(script=[stuck]), limits=limits),
        Route(name="good", output=other, limits=limits),
        said=said,
        close_timeout_s=0.05,
    )
    fanout.write([alert(0)])
    assert stuck.begun.wait(TIMEOUT_S)
    received = other.next()
    for number in range(1, 100):
        fanout.write([alert(number)])
        received += other.next()
    assert received == [f"pod {number}" for number in range(100)]
    fanout.close()
    hung, good = fanout.stats()
    assert (hung.delivered, hung.dropped, hung.waiting) == (0, {DropReason.CLOSED: 100}, 0)
    assert (good.delivered, good.dropped) == (100, {})
    assert said.texts == ["output `hung`: the end came before they were delivered (dropped so far: 100)"]
    stuck.freed.set()


@pytest.mark.parametrize(
    ("limits", "text"), [(QueueLimits(max_alerts=16), ""), (QueueLimits(max_bytes=1_000_000), "x" * 100_000)]
)
def test_what_memory_has_no_room_for_while_an_output_hangs_is_lost_and_counted(limits: QueueLimits, text: str) -> None:
    stuck, said = Stuck(), Said()
    sink = ScriptedSink(script=[stuck])
    fanout = fan(Route(name="hung", output=sink, limits=limits), said=said)
    fanout.write([alert(0)])
    assert stuck.begun.wait(TIMEOUT_S)
    for number in range(1, 100):
        fanout.write([alert(number, message=f"pod {number} {text}")])
    stuck.freed.set()
    fanout.close()
    lost = only(fanout).dropped[DropReason.QUEUE_FULL]
    assert only(fanout).delivered == 100 - lost > 1
    assert lost > 80
    assert said.texts == [f"output `hung`: it is too slow, and memory is full (dropped so far: {lost})"]
    taken = [each.time_ns for batch in sink.taken.queue for each in batch]
    assert taken == sorted(taken), "the newest are left"
    assert taken[-1] == alert(99).time_ns


def test_what_failed_is_written_again_until_it_is_taken() -> None:
    sink = ScriptedSink(script=[failing(ConnectionRefusedError(111, "Connection refused")), failing(OSError("again"))])
    said = Said()
    fanout = fan(Route(name="a", output=sink), said=said)
    fanout.write([alert(1), alert(2)])
    assert sink.next() == ["pod 1", "pod 2"]
    fanout.close()
    stats = only(fanout)
    assert (stats.delivered, stats.failures, stats.dropped) == (2, 2, {})
    assert said.texts == ["output `a`: connection refused (alerts waiting: 2)"]


def test_only_the_alert_that_is_refused_is_given_up() -> None:
    sink = ScriptedSink()

    def refuse() -> None:
        # The batch, the first alert by itself, and then the second by itself.
        sink.script[:0] = [lambda: None, failing(RefusedError("no such thing"))]
        raise RefusedError("one of them")

    sink.script.append(refuse)
    said = Said()
    fanout = fan(Route(name="a", output=sink), said=said)
    fanout.write([alert(1), alert(2), alert(3)])
    fanout.close()
    assert [sink.next(), sink.next()] == [["pod 1"], ["pod 3"]]
    stats = only(fanout)
    assert (stats.delivered, stats.dropped, stats.waiting) == (2, {DropReason.REFUSED: 1}, 0)
    assert "output `a`: no such thing (dropped so far: 1)" in said.texts


def test_a_mistake_in_an_output_costs_that_alert_and_not_the_output() -> None:
    sink = ScriptedSink(script=[failing(ZeroDivisionError("oops"))])
    fanout = fan(Route(name="a", output=sink))
    fanout.write([alert(1)])
    fanout.write([alert(2)])
    fanout.close()
    stats = only(fanout)
    assert stats.delivered + stats.dropped.get(DropReason.REFUSED, 0) == 2
    assert stats.failures == 1
    assert stats.delivered >= 1


def test_an_output_that_is_away_is_tried_until_the_end_and_no_longer() -> None:
    class Away(ScriptedSink):
        def write(self, alerts: Any) -> None:
            raise ConnectionRefusedError

    sink = Away()
    fanout = fan(Route(name="a", output=sink), close_timeout_s=0.3)
    fanout.write([alert(1), alert(2)])
    begin = time.monotonic()
    fanout.close()
    assert time.monotonic() - begin < TIMEOUT_S / 2
    assert sink.closed.wait(TIMEOUT_S)
    stats = only(fanout)
    assert (stats.delivered, stats.waiting, stats.dropped) == (0, 0, {DropReason.CLOSED: 2})
    assert stats.failures >= 2


def test_the_end_does_not_wait_for_the_pause_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_PAUSES", wait_fixed(3600))
    sink, said = ScriptedSink(script=[failing(OSError("once"))]), Said()
    fanout = fan(Route(name="a", output=sink), said=said)
    fanout.write([alert(1)])
    said.wait_for(1)
    fanout.close()
    assert (only(fanout).delivered, only(fanout).dropped) == (1, {})


def test_alerts_after_the_end_are_counted_as_dropped() -> None:
    sink = ScriptedSink()
    fanout = fan(Route(name="a", output=sink))
    fanout.close()
    fanout.write([alert(1)])
    assert sink.taken.empty()


def test_the_same_trouble_is_told_once_a_minute() -> None:
    clock, said = Clock(), Said()
    sink = ScriptedSink(script=[failing(RefusedError("no"))] * 5)
    fanout = fan(Route(name="a", output=sink), said=said, clock=clock)
    for seconds in (0, 59, 1, 59, 1):
        clock.now += seconds
        before = only(fanout).dropped.get(DropReason.REFUSED, 0)
        fanout.write([alert(1)])
        wait_for(lambda before=before: only(fanout).dropped.get(DropReason.REFUSED, 0) > before)  # type: ignore[misc]
    fanout.close()
    assert [text for text in said.texts if "dropped" in text] == [
        f"output `a`: no (dropped so far: {number})" for number in (1, 3, 5)
    ]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_nobody_who_listens_to_reports_can_stop_an_output() -> None:
    def deaf(text: str) -> None:
        raise BrokenPipeError

    sink = ScriptedSink(script=[failing(OSError("once"))])
    fanout = fan(Route(name="a", output=sink), said=deaf)
    fanout.write([alert(1)])
    assert sink.next() == ["pod 1"]
    fanout.close()


def test_what_is_over_the_rate_is_summed_up_when_the_time_has_come_though_no_alert_comes() -> None:
    sink = ScriptedSink()
    route = Route(name="a", output=sink, rate=RateLimit(rate=0.001, max_burst=2, summary_s=0.2))
    fanout = fan(route)
    fanout.write([alert(number) for number in range(10)])
    messages = sink.next()
    while len(messages) < 3:
        messages += sink.next()
    assert messages == ["pod 0", "pod 1", f"{HELD_BACK}: 8 over the rate limit of this output (Pod created: 8)"]
    fanout.close()
    assert (only(fanout).held_back, only(fanout).delivered) == (8, 3)


def test_what_is_over_the_rate_is_summed_up_at_the_end() -> None:
    sink = ScriptedSink()
    route = Route(
        name="a",
        output=sink,
        filter=OutputFilter(sources=frozenset({"k8s_audit"})),
        rate=RateLimit(rate=0.001, max_burst=1, summary_s=3600),
    )
    fanout = fan(route)
    fanout.write([alert(number) for number in range(3)])
    fanout.close()
    messages = [each.message for batch in sink.taken.queue for each in batch]
    assert messages == ["pod 0", f"{HELD_BACK}: 2 over the rate limit of this output (Pod created: 2)"]


def test_the_signal_to_reopen_reaches_every_output() -> None:
    sinks = [ScriptedSink(), ScriptedSink()]
    fanout = fan(*(Route(name=str(number), output=sink) for number, sink in enumerate(sinks)))
    fanout.reopen()
    assert [sink.reopened for sink in sinks] == [1, 1]
    fanout.close()


def test_no_thread_begins_before_the_first_alert() -> None:
    before = threading.active_count()
    fanout = fan(Route(name="a", output=ScriptedSink()))
    fanout.write([])
    assert threading.active_count() == before
    fanout.write([alert()])
    fanout.close()
    assert threading.active_count() == before


def test_every_alert_of_many_threads_is_counted_once() -> None:
    slow = ScriptedSink()
    fanout = fan(Route(name="a", output=slow, limits=QueueLimits(max_alerts=50)))

    def write() -> None:
        for number in range(300):
            fanout.write([alert(number)])

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    fanout.close()
    stats = only(fanout)
    assert stats.delivered + sum(stats.dropped.values()) == 300 * len(writers)
    assert sum(map(len, slow.taken.queue)) == stats.delivered


@pytest.mark.parametrize("count", [0, 3])
def test_a_fanout_has_any_number_of_routes(count: int) -> None:
    sinks = [ScriptedSink() for _ in range(count)]
    fanout = fan(*(Route(name=str(number), output=sink) for number, sink in enumerate(sinks)))
    fanout.write([alert(1)])
    fanout.close()
    assert [list(sink.taken.queue) for sink in sinks] == [[[alert(1)]]] * count
