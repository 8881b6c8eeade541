"""The followed file does what every source has to do, and goes on over restarts whatever happened to its file."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from lanner.plugins import k8saudit
from lanner.sources.base import SourceError
from lanner.sources.follow import FollowSource
from lanner.sources.plugin import Context, Start, Trouble
from lanner.testing import Place, Session, SourceKit, event
from lanner.testing.session import Saves


class Log(Place):
    """A log file that is written by whoever puts events there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open_params = str(path)

    async def put(self, documents: Sequence[bytes]) -> None:
        self.write(*documents)

    async def put_damaged(self) -> None:
        self.write(b'{"kind":"Event","auditID"')

    def write(self, *documents: bytes) -> None:
        with self.path.open("ab") as file:
            file.writelines(document + b"\n" for document in documents)


@pytest.fixture
def place(tmp_path: Path) -> Log:
    return Log(tmp_path / "audit.log")


class TestFollowedFile(SourceKit):
    plugin = k8saudit.PLUGIN
    uses_checkpoint = True
    bad_open_params: ClassVar[tuple[str, ...]] = ("ftp://host/x", "file://elsewhere/x", "http://host/none")


JSON = {"Content-Type": "application/json"}


class ApiServer(Place):
    """Posts each event, as an API server does: again, until it is taken or found to be none."""

    open_params = "http://127.0.0.1:0/k8s-audit"

    def __init__(self) -> None:
        self.url = ""
        self.answered = 0
        self.posting: set[asyncio.Task[None]] = set()

    def started(self, url: str) -> None:
        self.url = url

    async def put(self, documents: Sequence[bytes]) -> None:
        list_of = [documents[at : at + 20] for at in range(0, len(documents), 20)]
        for each in list_of:
            self.posting.add(asyncio.create_task(self._post(each)))

    async def put_damaged(self) -> None:
        self.posting.add(asyncio.create_task(self._post([b'{"kind":"Event","auditID"'])))

    async def acknowledged(self) -> int:
        return self.answered

    async def close(self) -> None:
        for task in self.posting:
            task.cancel()
        await asyncio.gather(*self.posting, return_exceptions=True)

    async def _post(self, documents: Sequence[bytes]) -> None:
        body = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[%s]}' % b",".join(documents)
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            while True:
                try:
                    answer = await client.post(self.url or "http://127.0.0.1:1", content=body, headers=JSON)
                except httpx.HTTPError:
                    await asyncio.sleep(0.01)
                    continue
                if answer.status_code in (200, 400):
                    self.answered += len(documents)
                    return
                await asyncio.sleep(0.01)


class TestWebhook(SourceKit):
    plugin = k8saudit.PLUGIN
    count = 60

    @pytest.fixture
    def place(self) -> ApiServer:
        return ApiServer()


@pytest.mark.parametrize(
    ("open_params", "path"),
    [
        ("/var/log/audit.log", "/var/log/audit.log"),
        ("audit.log", "audit.log"),
        ("file:///var/log/audit%20log", "/var/log/audit log"),
        ("file://localhost/var/log/x", "/var/log/x"),
        ("FILE:///x", "/x"),
    ],
)
def test_a_file_is_named_by_its_path_or_address(open_params: str, path: str) -> None:
    told: list[str] = []

    async def main() -> None:
        source = k8saudit.open_source(
            open_params, k8saudit.Options(), Context(name="x", started=lambda text, url: told.append(text))
        )
        assert isinstance(source, FollowSource)
        running = asyncio.ensure_future(source.run(_never))
        while not told:
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())
    assert told == [f"following {path}"]


async def _never(delivery: object) -> None:
    raise AssertionError("nothing is there")


def test_a_file_of_another_machine_is_refused() -> None:
    with pytest.raises(SourceError, match="it names no file of this machine"):
        k8saudit.open_source("file://host", k8saudit.Options(), Context(name="x"))


# Over restarts


def run(place: Log, checkpoint: Saves, *expected: str, start: Start = Start.KEPT) -> list[tuple[Trouble, str]]:
    """Follow the file until these events came, and no others; what was told."""

    async def main() -> list[tuple[Trouble, str]]:
        async with Session(k8saudit.PLUGIN, place, checkpoint, start=start) as session:
            await session.until(lambda: {*expected} <= session.dealt_with, f"{expected} are delivered")
            await session.until(lambda: session.started, "it has started")
        assert session.seen == [*expected]
        return [(trouble, text) for trouble, text, _ in session.told]

    return asyncio.run(main())


def put(place: Log, *names: str) -> None:
    place.write(*map(event, names))


def rename(place: Log) -> None:
    """Shift the files as logrotate does."""
    for number in (3, 2, 1):
        if (old := Path(f"{place.path}.{number}")).exists():
            old.rename(f"{place.path}.{number + 1}")
    place.path.rename(f"{place.path}.1")


def stamped(place: Log) -> None:
    """As a kube-apiserver does."""
    place.path.rename(place.path.with_name("audit-2026-11-21T19-12-52.123.log"))


def dated(place: Log) -> None:
    """As logrotate does with `dateext`."""
    place.path.rename(f"{place.path}-20261121")


def copy_and_truncate(place: Log) -> None:
    shutil.copyfile(place.path, f"{place.path}.1")
    os.truncate(place.path, 0)


ROTATIONS = [rename, stamped, dated, copy_and_truncate]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_what_came_into_a_file_that_was_rotated_meanwhile_is_read_first(
    place: Log, rotate: Callable[[Log], None]
) -> None:
    checkpoint = Saves()
    put(place, "a", "b")
    run(place, checkpoint, "a", "b")
    put(place, "c")
    rotate(place)
    put(place, "d")
    told = run(place, Saves(checkpoint.value), "c", "d")
    assert told == []


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_rotation_without_new_events_repeats_nothing(place: Log, rotate: Callable[[Log], None]) -> None:
    checkpoint = Saves()
    put(place, "a", "b")
    run(place, checkpoint, "a", "b")
    rotate(place)
    put(place, "c")
    checkpoint = Saves(checkpoint.value)
    assert run(place, checkpoint, "c") == []
    put(place, "d")
    assert run(place, Saves(checkpoint.value), "d") == []


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_crash_before_anything_was_dealt_with_loses_nothing(place: Log, rotate: Callable[[Log], None]) -> None:
    async def crash() -> str | None:
        async def fail(handed: object) -> None:
            raise RuntimeError("not stored")

        async with Session(k8saudit.PLUGIN, place, Saves(), fail) as session:
            await session.until(lambda: session.handed, "something is delivered")
            return session.checkpoint.value  # what is there when the process is killed now

    put(place, "a", "b")
    value = asyncio.run(crash())
    put(place, "c")
    rotate(place)
    put(place, "d")
    assert run(place, Saves(value), "a", "b", "c", "d") == []


def test_several_rotations_are_read_in_order(place: Log) -> None:
    checkpoint = Saves()
    put(place, "old")
    rename(place)
    put(place, "a")
    run(place, checkpoint, "a")
    for name in "bcd":
        put(place, name)
        rename(place)
    put(place, "e")
    assert run(place, Saves(checkpoint.value), "b", "c", "d", "e") == []


def test_a_rotation_while_older_files_are_read_loses_nothing(place: Log) -> None:
    checkpoint = Saves()
    put(place, "a")
    run(place, checkpoint, "a")
    put(place, "b")
    rename(place)
    put(place, "c")

    async def main() -> list[str]:
        gate = asyncio.Event()

        async def wait(handed: object) -> None:
            await gate.wait()

        async with Session(k8saudit.PLUGIN, place, Saves(checkpoint.value), wait) as session:
            await session.until(lambda: session.handed, "the older file is read")
            rename(place)
            put(place, "d")
            gate.set()
            await session.until(lambda: "d" in session.dealt_with, "the newest file is read")
        return session.seen

    assert asyncio.run(main()) == ["b", "c", "d"]


def test_another_run_goes_on_within_an_older_file(place: Log) -> None:
    checkpoint = Saves()
    put(place, "a")
    run(place, checkpoint, "a")
    put(place, *(f"b{number}" for number in range(2000)))
    rename(place)
    put(place, "c")

    async def main() -> tuple[list[str], str | None]:
        async def fail_later(handed: object) -> None:
            if len(session.handed) > 1:
                raise RuntimeError("not stored")

        kept = Saves(checkpoint.value)
        async with Session(k8saudit.PLUGIN, place, kept, fail_later) as session:
            await session.until(lambda: len(session.handed) > 1, "two blocks are handed over")
        return session.seen, kept.value

    seen, value = asyncio.run(main())
    first = len({*seen}) - len({*seen[seen.index(seen[-1]) :]})
    assert 0 < first < 2000

    async def rest() -> None:
        async with Session(k8saudit.PLUGIN, place, Saves(value)) as session:
            await session.until(lambda: "c" in session.dealt_with, "the rest is delivered")
        assert {*seen, *session.seen} == {*(f"b{number}" for number in range(2000)), "c"}
        assert "b0" not in session.seen

    asyncio.run(rest())


def test_where_the_rotated_file_is_gone_that_is_told(place: Log) -> None:
    checkpoint = Saves()
    put(place, "a")
    run(place, checkpoint, "a")
    size = place.path.stat().st_size
    put(place, "b")
    with gzip.open(f"{place.path}.1.gz", "wb") as file:
        file.write(place.path.read_bytes())
    place.path.unlink()
    put(place, "c")
    told = run(place, Saves(checkpoint.value), "c")
    text = f"`{place.path}` was rotated, and the file that was read up to byte {size} is not there any more"
    assert told == [(Trouble.GAP, f"{text}; `lanner scan` reads what is compressed, such as `audit.log.1.gz`")]


def test_files_rotated_after_the_one_that_is_gone_are_read(place: Log) -> None:
    checkpoint = Saves()
    put(place, "old")
    rename(place)
    put(place, "a")
    run(place, checkpoint, "a")
    place.path.unlink()
    put(place, "b")
    rename(place)
    put(place, "c")
    told = run(place, Saves(checkpoint.value), "b", "c")
    assert [trouble for trouble, _ in told] == [Trouble.GAP]


def test_a_log_that_was_cut_short_without_a_copy_is_told_of(place: Log) -> None:
    checkpoint = Saves()
    put(place, "a", "b")
    run(place, checkpoint, "a", "b")
    os.truncate(place.path, 0)
    put(place, "c")
    assert [trouble for trouble, _ in run(place, Saves(checkpoint.value), "c")] == [Trouble.GAP]


def test_a_file_that_is_not_the_old_one_is_read_from_its_start_even_if_it_is_longer(place: Log) -> None:
    """Its inode may be that of the old one: file systems use them again."""
    checkpoint = Saves()
    put(place, "a")
    run(place, checkpoint, "a")
    place.path.write_bytes(b"")
    put(place, "b", "c", "d")
    assert [trouble for trouble, _ in run(place, Saves(checkpoint.value), "b", "c", "d")] == [Trouble.GAP]


def test_the_start_that_is_asked_for_holds(place: Log) -> None:
    checkpoint = Saves()
    put(place, "a")
    assert run(place, checkpoint, start=Start.NEW) == []
    put(place, "b")
    run(place, checkpoint, "b", start=Start.NEW)
    run(place, checkpoint, "a", "b", start=Start.FIRST)
    put(place, "c")
    run(place, checkpoint, "c")


@pytest.mark.parametrize("value", ["", "junk", "{}", '{"path": 5}', "[1]"])
def test_a_checkpoint_of_something_else_is_none(place: Log, value: str) -> None:
    put(place, "a")
    run(place, Saves(value), "a")


def test_a_checkpoint_of_another_file_is_none(place: Log, tmp_path: Path) -> None:
    checkpoint, other = Saves(), Log(tmp_path / "other.log")
    put(place, "a")
    put(other, "b")
    run(place, checkpoint, "a")
    run(other, checkpoint, "b")


def test_a_copy_made_by_a_rotation_while_it_runs_is_read_to_its_end(place: Log) -> None:
    put(place, "a")

    async def main() -> list[str]:
        gate = asyncio.Event()

        async def wait(handed: object) -> None:
            await gate.wait()

        async with Session(k8saudit.PLUGIN, place, Saves(), wait) as session:
            await session.until(lambda: session.handed, "the first one is handed over")
            put(place, "b")
            copy_and_truncate(place)
            gate.set()
            await session.until(lambda: "b" in session.dealt_with, "the copy is read")
            put(place, "c")
            await session.until(lambda: "c" in session.dealt_with, "the file is read again")
        return session.seen

    assert asyncio.run(main()) == ["a", "b", "c"]


def test_a_checkpoint_that_cannot_be_saved_is_told_of_and_costs_no_events(place: Log) -> None:
    class Full(Saves):
        async def save(self, value: str) -> None:
            raise OSError(28, "No space left on device")

    put(place, "a")
    told = run(place, Full(), "a")
    assert {*told} == {(Trouble.RETRY, "its position is not saved: no space left on device")}
    run(place, Full(), "a")
