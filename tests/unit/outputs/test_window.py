import tracemalloc

import pytest

from lanner.engine.alert import Finding
from lanner.outputs.window import Entry, QueueLimits, Window, size_of

from .receivers import alert


def entry(seq: int, size: int = 10) -> Entry:
    return Entry(seq, 0, seq * size, Finding.of(alert(seq)))


def entries(*numbers: int, size: int = 10) -> list[Entry]:
    return [entry(number, size) for number in numbers]


def numbers(found: object) -> list[int] | None:
    return None if found is None else [each.seq for each in found]  # type: ignore[attr-defined]


def test_alerts_are_given_behind_any_number_that_it_reaches_back_to() -> None:
    window = Window(QueueLimits(), top=(4, 40))
    assert numbers(window.after(4, 10)) == []
    window.extend(4, entries(5, 7))
    window.extend(7, entries(8))
    assert window.top == (8, 80)
    assert [numbers(window.after(seq, 10)) for seq in (3, 4, 5, 6, 7, 8, 9)] == [
        None,
        [5, 7, 8],
        [7, 8],
        [7, 8],
        [8],
        [],
        [],
    ]
    assert numbers(window.after(4, 2)) == [5, 7]


def test_when_others_came_in_between_it_begins_anew() -> None:
    window = Window(QueueLimits())
    window.extend(0, entries(1, 2))
    window.extend(5, entries(6))
    assert numbers(window.after(2, 10)) is None
    assert numbers(window.after(5, 10)) == [6]


@pytest.mark.parametrize(("limits", "size"), [(QueueLimits(max_alerts=8), 1), (QueueLimits(max_bytes=800), 100)])
def test_the_oldest_are_forgotten_where_there_are_too_many(limits: QueueLimits, size: int) -> None:
    window = Window(limits)
    for number in range(1, 101):
        window.extend(number - 1, entries(number, size=size))
        kept = numbers(window.rest(1000))
        assert kept
        assert kept[-1] == number
        assert len(kept) <= 9
        assert numbers(window.after(kept[0] - 1, 100)) == kept
        assert kept[0] == 1 or numbers(window.after(kept[0] - 2, 100)) is None


def test_one_alert_may_be_larger_than_all_that_may_wait() -> None:
    window = Window(QueueLimits(max_bytes=100))
    window.extend(0, entries(1, size=1000))
    assert numbers(window.after(0, 10)) == [1]
    window.extend(1, entries(2, size=1000))
    assert numbers(window.after(1, 10)) == [2]


def test_what_all_have_seen_is_forgotten() -> None:
    window = Window(QueueLimits())
    window.extend(0, entries(*range(1, 11)))
    window.follow("slow", 2)
    window.follow("quick", 10)
    assert numbers(window.after(2, 10)) == [*range(3, 11)]
    window.follow("slow", 10)
    assert numbers(window.rest(100)) == []
    assert numbers(window.after(10, 10)) == []
    assert window.after(9, 10) is None


def test_a_reader_that_has_left_keeps_nothing() -> None:
    window = Window(QueueLimits())
    window.follow("gone", 0)
    window.extend(0, entries(*range(1, 11)))
    window.leave("gone")
    window.leave("never came")
    window.follow("other", 9)
    assert numbers(window.rest(100)) == [10]


@pytest.mark.parametrize("limits", [{"max_alerts": 0}, {"max_bytes": 0}])
def test_a_window_that_holds_nothing_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        QueueLimits(**limits)


@pytest.mark.parametrize("length", [1000, 100_000])
def test_the_size_of_an_alert_is_about_what_it_occupies(length: int) -> None:
    tracemalloc.start()
    fields = {"a": "x" * length + "a", "b": ["x" * length + "b"], "c": None}
    found = Finding.of(alert(message="x" * length, output_fields=fields))
    occupied = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert occupied * 0.7 < size_of(found) < occupied * 1.3 + 1000
