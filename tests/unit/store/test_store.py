import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lanner.engine.alert import Finding
from lanner.outputs.window import Entry
from lanner.sources.base import NotStored
from lanner.store import alerts, database, delivery, writer
from lanner.store.place import Place, held, locate
from lanner.store.store import MAX_CHECKPOINT, Store
from lanner.store.writer import Bounds

from .findings import KIND, finding, findings


@contextmanager
def store_at(place: Place, bounds: Bounds | None = None, **more: Any) -> Iterator[Store]:
    found = Store(place, bounds, **more)
    try:
        yield found
    finally:
        found.close()


def put(store: Store, found: Sequence[Finding]) -> None:
    async def wait() -> None:
        await store.put(found)

    asyncio.run(wait())


def messages(entries: Sequence[Entry]) -> list[str]:
    return [entry.finding.message for entry in entries]


def test_what_is_stored_is_there_for_another_process_in_order_and_as_it_was(place: Place) -> None:
    with store_at(place) as first:
        put(first, findings(1, 2))
        put(first, findings(3))
    with store_at(place) as second:
        found = second.after(0, 10)
        assert [entry.finding for entry in found] == findings(1, 2, 3)
        assert [entry.seq for entry in found] == [1, 2, 3]
        assert found[0].stored_ns <= found[2].stored_ns
        assert found[0].total < found[1].total < found[2].total
        assert second.last() == (3, found[2].total)


def test_reading_goes_on_from_where_it_was(place: Place) -> None:
    with store_at(place) as store:
        put(store, findings(*range(100)))
        read: list[str] = []
        seq = 0
        while entries := store.after(seq, 7):
            assert len(entries) <= 7
            read += messages(entries)
            seq = entries[-1].seq
        assert read == [f"pod {number}" for number in range(100)]


def test_large_alerts_are_read_a_few_at_a_time_and_none_is_too_large(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MAX_READ_BYTES", 1500)
    with store_at(place) as store:
        put(store, [finding(number, message="x" * 600) for number in range(3)] + [finding(3, message="y" * 5000)])
        assert [len(store.after(seq, 10)) for seq in range(4)] == [2, 2, 1, 1]


@pytest.mark.parametrize("number", [1, 8, 9, 63, 64, 65, 200])
def test_any_number_of_alerts_is_stored_and_those_that_come_again_are_not_stored_again(
    place: Place, number: int
) -> None:
    with store_at(place) as store:
        put(store, findings(*range(0, number, 2)))
        put(store, findings(*range(number), *range(number)))
        entries = store.after(0, 1000)
        assert sorted(entry.finding.time_ns for entry in entries) == [finding(each).time_ns for each in range(number)]
        assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})
        assert (store.stats.stored, store.stats.repeated) == (number, number + (number + 1) // 2)


def test_only_what_is_new_is_told_with_its_numbers(place: Place) -> None:
    told: list[tuple[int, list[int]]] = []
    changed = threading.Semaphore(0)

    def on_stored(begins_after: int, entries: Sequence[Entry]) -> None:
        told.append((begins_after, [entry.seq for entry in entries]))
        changed.release()

    with store_at(place) as store:
        store.on_stored = on_stored
        for each in ((1, 2), (2, 3, 1, 4), (3, 4), (5,)):
            put(store, findings(*each))
    # Numbers of alerts that were there already are used again when nothing follows them.
    assert told == [(0, [1, 2]), (2, [4, 6]), (6, [7])]


def test_alerts_of_posts_that_wait_share_a_transaction(place: Place) -> None:
    with store_at(place) as store:

        async def at_once() -> None:
            await asyncio.gather(*(store.put(findings(number)) for number in range(50)))

        asyncio.run(at_once())
        assert store.stats.stored == 50
        assert store.stats.commits < 50
        assert sorted(messages(store.after(0, 100))) == sorted(f"pod {number}" for number in range(50))


def test_stores_of_several_processes_number_alerts_one_after_the_other(place: Place) -> None:
    def write(store: Store, first: int) -> None:
        for number in range(first, first + 40):
            put(store, findings(number, 1000 + number % 7))

    with store_at(place) as one, store_at(place) as other:
        threads = [threading.Thread(target=write, args=(each, at)) for each, at in ((one, 0), (other, 40))]
        for thread in threads:
            thread.start()
        seen: list[int] = []
        while any(thread.is_alive() for thread in threads):
            seen += [entry.seq for entry in one.after(seen[-1] if seen else 0, 100)]
        for thread in threads:
            thread.join()
        seen += [entry.seq for entry in one.after(seen[-1], 200)]
        assert seen == [entry.seq for entry in other.after(0, 200)], "who reads on from the last number skips none"
        assert len(seen) == 87


@pytest.mark.parametrize("text", ["\ud800 half", "nul \0 inside", "\U0001f600", '"\\', "\x1b[31m"])
def test_whatever_an_event_or_a_rule_says_can_be_stored(place: Place, text: str) -> None:
    kind = KIND.__class__(text, KIND.priority, KIND.source, (text,), text, ("ka.target.name", text))
    with store_at(place) as store:
        put(store, [Finding(kind, 10**25, text, (text, [text]), b"x"), finding(1)])
        odd, usual = store.after(0, 10)
        clean = text.replace("\ud800", "\ufffd")
        assert (odd.finding.message, odd.finding.values) == (clean, (clean, [clean]))
        assert odd.finding.time_ns == 10**25
        assert usual.finding == finding(1)


def test_what_cannot_be_written_does_not_keep_the_rest_from_it(place: Place) -> None:
    def wrong(connection: Any) -> None:
        raise ZeroDivisionError("division by zero")

    async def together(store: Store) -> None:
        with store._writer._changed:  # so that both go into one transaction
            bad = store._writer.do(wrong)
            good = store._writer.put(findings(1))
        await asyncio.wrap_future(good)
        assert messages(store.after(0, 10)) == ["pod 1"]
        with pytest.raises(NotStored, match="division by zero"):
            await asyncio.wrap_future(bad)

    with store_at(place) as store:
        asyncio.run(together(store))


# Where outputs have come to


def test_an_output_begins_with_what_is_stored_from_then_on(place: Place) -> None:
    with store_at(place) as store:
        put(store, findings(1, 2))
        store.begin(["stdout"])
        put(store, findings(3))
        assert store.cursor("stdout")[0] == 2
        store.begin(["stdout", "http"])
        assert (store.cursor("stdout")[0], store.cursor("http")[0]) == (2, 3)


def test_cursors_are_kept_and_never_go_back(place: Place) -> None:
    with store_at(place) as store:
        store.begin(["stdout", "http"])
        put(store, findings(*range(10)))
        store.move("stdout", 7)
        store.move("http", 3)
        store.move("stdout", 9)
    with store_at(place) as again:
        assert (again.cursor("stdout")[0], again.cursor("http")[0]) == (9, 3)
        again.move("stdout", 4)
    with store_at(place) as last:
        assert last.cursor("stdout")[0] == 9


def test_a_cursor_is_written_soon_though_nothing_else_is(place: Place) -> None:
    with store_at(place) as store, store_at(place) as other:
        store.begin(["stdout"])
        put(store, findings(1))
        store.move("stdout", 1)
        wait_for(lambda: other.cursor("stdout")[0] == 1)


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never holds")


# Alerts that outputs do not get


def test_dead_letters_are_kept_once_listed_sent_again_and_forgotten(place: Place) -> None:
    with store_at(place) as store:
        store.bury("http", finding(1), "404")
        store.bury("http", finding(1), "404 again \0")
        store.bury("file", finding(1), "disk full")
        store.bury("http", finding(2), "404")
        with store.database.reading() as connection:
            found = delivery.dead_letters(connection, output="http")
            assert [(letter.finding, letter.is_wanted) for letter in found] == [
                (finding(1), False),
                (finding(2), False),
            ]
            assert found[0].reason == "404 again \ufffd"
            assert len(delivery.dead_letters(connection)) == 3
        with store.database.writing() as connection:
            assert delivery.resurrect(connection, [found[0].id, 10**6], 5) == 1
            (wanted,) = delivery.dead_letters(connection, wanted=True)
            assert (wanted.output, wanted.finding) == ("http", finding(1))
            delivery.discard(connection, wanted.id)
            assert len(delivery.dead_letters(connection)) == 2


# Checkpoints


def test_checkpoints_are_kept_by_source(place: Place) -> None:
    async def first(store: Store) -> None:
        assert await store.checkpoint("a").load() is None
        await store.checkpoint("a").save("1")
        await store.checkpoint("a").save("2 \U0001f600")
        await store.checkpoint("b").save("")
        with pytest.raises(ValueError, match="65536 are the most"):
            await store.checkpoint("b").save("x" * (MAX_CHECKPOINT + 1))

    async def second(store: Store) -> None:
        assert [await store.checkpoint(name).load() for name in "abc"] == ["2 \U0001f600", "", None]

    for each in (first, second):
        with store_at(place) as store:
            asyncio.run(each(store))


# Bounds


def test_delivered_alerts_make_room_and_others_do_not(place: Place) -> None:
    size = len(alerts.encode(finding(10))) + alerts.ROW_BYTES
    with store_at(place, Bounds(max_bytes=10 * size)) as store:
        store.begin(["stdout"])
        for number in range(10, 20):
            put(store, findings(number))
        with pytest.raises(NotStored, match="full of alerts that outputs have not got yet"):
            put(store, findings(20, 21))
        assert not store.stats.is_well
        assert messages(store.after(0, 100)) == [f"pod {number}" for number in range(10, 20)]
        store._writer.do(lambda connection: delivery.move(connection, {"stdout": 5}, 1)).result()
        put(store, findings(20, 21))
        assert store.stats.is_well
        kept = messages(store.after(0, 100))
        assert kept[-7:] == [f"pod {number}" for number in range(15, 22)], "what is not delivered stays"
        assert len(kept) <= 11
        assert store.stats.refused == 2


def test_a_store_takes_an_alert_of_any_size_when_it_is_empty(place: Place) -> None:
    with store_at(place, Bounds(max_bytes=100)) as store:
        put(store, [finding(1, message="x" * 1000)])
        put(store, [finding(2, message="x" * 1000)])
        assert len(store.after(0, 10)) <= 2


def test_what_is_too_old_goes_once_it_is_delivered_and_the_newest_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TIDY_S", 0.01)
    monkeypatch.setattr(alerts, "_FORGET", 3)
    with store_at(place, tidies=False) as store:
        store.begin(["stdout"])
        put(store, findings(*range(10)))
        store.bury("stdout", finding(1), "no")
        store.move("stdout", 8)
    with store_at(place, Bounds(retention_s=0)) as store:
        store.move("stdout", 8)
        wait_for(lambda: messages(store.after(0, 100)) == ["pod 8", "pod 9"])
        store.move("stdout", 10)
        wait_for(lambda: messages(store.after(0, 100)) == ["pod 9"])
        put(store, findings(10))
        assert store.last()[0] == 11, "numbers go on"
        with store.database.reading() as connection:
            assert delivery.dead_letters(connection) == []


def test_an_output_that_no_run_has_any_more_keeps_nothing_from_being_forgotten(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TIDY_S", 0.01)
    with store_at(place, tidies=False) as store:
        store.begin(["gone", "stdout"])
        put(store, findings(1, 2, 3))
    with store_at(place, Bounds(retention_s=0, absence_s=0)) as store:
        wait_for(lambda: messages(store.after(0, 100)) == ["pod 3"])


def test_an_output_that_a_run_has_keeps_its_place_though_nothing_comes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TIDY_S", 0.01)
    with store_at(place, Bounds(retention_s=0, absence_s=0.5)) as store:
        put(store, findings(0))
        store.begin(["stdout"])
        put(store, findings(1, 2, 3))
        threading.Event().wait(1)
        assert store.cursor("stdout")[0] == 1
        assert messages(store.after(1, 100)) == ["pod 1", "pod 2", "pod 3"]


# What goes wrong


def test_a_file_that_another_program_locks_stores_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    with held(locate(f"sqlite:///{tmp_path}/alerts.db")) as place, store_at(place) as store:
        put(store, findings(1))
        other = sqlite3.connect(tmp_path / "alerts.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotStored, match="database is locked"):
            put(store, findings(2))
        assert messages(store.after(0, 10)) == ["pod 1"]
        other.execute("ROLLBACK")
        other.close()
        put(store, findings(2))
        assert messages(store.after(0, 10)) == ["pod 1", "pod 2"]


def test_what_the_store_itself_is_writing_does_not_keep_outputs_from_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    def slow(*words: Any, **more: Any) -> bool:
        begun.set()
        go_on.wait(20)
        return False

    monkeypatch.setattr(alerts, "forget", slow)
    with held(locate(f"sqlite:///{tmp_path}/alerts.db")) as place, store_at(place) as store:
        assert begun.wait(20), "it tidies up at its start"
        threading.Timer(0.2, go_on.set).start()
        store.begin(["http"])
        assert store.cursor("http")[0] == 0


def test_a_full_disk_stores_nothing_and_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with held(locate(f"sqlite:///{tmp_path}/alerts.db")) as place, store_at(place) as store:

        def limit(pages: int) -> None:
            with store.database.writing() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        limit(30)
        put(store, findings(1))
        with pytest.raises(NotStored, match="disk is full"):
            put(store, [finding(2), finding(3, message="x" * 200_000)])
        assert messages(store.after(0, 10)) == ["pod 1"], "all of a post, or nothing"
        put(store, findings(4))
        limit(10_000)
        put(store, [finding(2), finding(3, message="x" * 200_000)])
        assert len(store.after(0, 10)) == 4
