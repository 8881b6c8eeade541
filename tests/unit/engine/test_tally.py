"""Counting in bounded memory."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.engine import tally as module
from lanner.engine.tally import MAX_COMBINATIONS, MAX_VALUE, Key, Tally, ranked

keys = st.tuples(st.sampled_from(["a", "b", "c", "d", None, 7]), st.sampled_from(["x", "y", None]))


def counted(rows: list[Key], max_keys: int) -> Tally:
    tally = Tally(max_keys)
    for row in rows:
        tally.add(row)
    return tally


@given(st.lists(keys), st.integers(1, 20))
def test_what_is_kept_is_exact_and_the_rest_is_counted(rows: list[Key], max_keys: int) -> None:
    tally = counted(rows, max_keys)
    exact = Counter(rows)
    assert len(tally.counts) == min(max_keys, len(exact))
    assert all(exact[key] == number for key, number in tally.counts.items())
    assert sum(tally.counts.values()) + tally.folded == len(rows)


@given(st.lists(keys), st.lists(keys), st.integers(1, 20))
def test_a_part_that_was_counted_by_itself_adds_what_its_events_would(
    first: list[Key], second: list[Key], max_keys: int
) -> None:
    part = counted(second, max_keys)
    together = counted(first, max_keys)
    if part.is_closed:
        return
    together.merge(part)
    whole = counted([*first, *second], max_keys)
    assert list(together.counts.items()) == list(whole.counts.items())
    assert (together.folded, together.is_closed) == (whole.folded, whole.is_closed)


def test_a_list_counts_under_each_of_its_elements_once() -> None:
    tally = Tally(10)
    tally.add([["a", "b", "a"], "get"])
    tally.add([["b"], "get"])
    assert tally.counts == {("a", "get"): 1, ("b", "get"): 2}


def test_two_lists_count_under_each_combination() -> None:
    tally = Tally(10)
    tally.add([["a", "b"], ["x", "y"]])
    assert [*tally.counts] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_an_event_cannot_ask_for_more_than_so_many_combinations() -> None:
    tally = Tally(10**6)
    names = [str(n) for n in range(1000)]
    tally.add([names, names, names])
    assert len(tally.counts) == MAX_COMBINATIONS
    assert tally.folded == 1000**3 - MAX_COMBINATIONS
    assert not tally.is_closed


def test_a_long_value_is_kept_by_its_start_and_told_from_others() -> None:
    tally = Tally(10)
    long = "x" * 10 * MAX_VALUE
    for value in (long + "a", long + "b", long + "a", [long + "a"], "x" * MAX_VALUE):
        tally.add([value])
    assert sorted(tally.counts.values()) == [1, 1, 3]
    assert all(len(str(key[0])) <= MAX_VALUE for key in tally.counts)
    assert "(10,241 characters, sha256 " in str(next(iter(tally.counts))[0])


def test_long_values_close_the_table_before_their_number_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 100)
    tally = Tally(1000)
    for n in range(30):
        tally.add([f"{n:010}"])
    tally.add(["1"])
    assert (len(tally.counts), tally.folded, tally.is_closed) == (10, 21, True)


def test_the_most_frequent_come_first_then_in_order_and_missing_ones_last() -> None:
    counts: dict[Key, int] = {(None,): 1, ("b",): 1, ("a",): 1, (10,): 1, (9,): 1, ("z",): 5}
    assert [key for (key,), _ in ranked(counts)] == ["z", 9, 10, "a", "b", None]
