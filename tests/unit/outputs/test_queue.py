import tracemalloc

import pytest

from lanner.outputs.queue import MemoryQueue, QueueLimits, size_of

from .receivers import alert


def test_alerts_stay_until_they_are_forgotten() -> None:
    queue = MemoryQueue(QueueLimits())
    for number in range(3):
        assert queue.put(alert(number), 10)
    assert queue.first(2) == [alert(0), alert(1)]
    assert queue.first(5) == [alert(0), alert(1), alert(2)]
    queue.forget(2)
    assert queue.first(5) == [alert(2)]
    assert (queue.alerts, queue.bytes) == (1, 10)


def test_a_queue_is_full_by_number_and_by_bytes() -> None:
    by_number = MemoryQueue(QueueLimits(max_alerts=2))
    assert [by_number.put(alert(), 1) for _ in range(3)] == [True, True, False]
    by_bytes = MemoryQueue(QueueLimits(max_bytes=100))
    assert [by_bytes.put(alert(), size) for size in (60, 41, 40, 1)] == [True, False, True, False]
    by_bytes.forget(1)
    assert by_bytes.put(alert(), 60)


def test_one_alert_may_be_larger_than_all_that_may_wait() -> None:
    queue = MemoryQueue(QueueLimits(max_bytes=100))
    assert queue.put(alert(), 1000)
    assert not queue.put(alert(), 1)


@pytest.mark.parametrize("limits", [{"max_alerts": 0}, {"max_bytes": 0}])
def test_a_queue_that_holds_nothing_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        QueueLimits(**limits)


@pytest.mark.parametrize("text", ["x", "é", "文", "\U0001f600"])
@pytest.mark.parametrize("length", [1, 1000, 100_000])
def test_the_size_of_an_alert_is_about_what_it_occupies(text: str, length: int) -> None:
    tracemalloc.start()
    fields = {"a": text * length + "a", "b": [text * length + "b"], "c": None}
    found = alert(message=text * length, output_fields=fields)
    occupied = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert occupied * 0.7 < size_of(found) < occupied * 1.3 + 1000
