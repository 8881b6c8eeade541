import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from lanner.server import watch as watch_module
from lanner.server.watch import digests, watch

from .stations import TIMEOUT_S

Next = Callable[[], Awaitable[None]]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "DEBOUNCE_MS", 50)
    monkeypatch.setattr(watch_module, "LOOK_MS", 100)


def watched(paths: list[Path], then: Callable[[Next], Awaitable[None]], seen: dict[str, str] | None = None) -> int:
    """How often changes were told of, beside what happens to files; that can wait for the next time."""
    names = tuple(map(str, paths))

    async def main() -> int:
        told = asyncio.Semaphore(0)
        number = 0

        def on_change() -> None:
            nonlocal number
            number += 1
            told.release()

        async def next_() -> None:
            await told.acquire()

        watching = asyncio.ensure_future(watch(names, on_change, digests(names) if seen is None else seen))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await then(next_)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
        return number

    return asyncio.run(main())


def put(path: Path, text: str) -> None:
    """Let a file hold something else, at once."""
    with NamedTemporaryFile("w", dir=path.parents[1], delete=False) as new:
        new.write(text)
    os.rename(new.name, path)


def exchange(link: Path, target: str) -> None:
    """Let a link lead elsewhere, at once."""
    new = link.with_name("..new")
    new.symlink_to(target)
    new.rename(link)


def test_a_changed_file_is_told_of_and_one_that_was_only_touched_is_not(tmp_path: Path) -> None:
    path, other = tmp_path / "rules.yaml", tmp_path / "other.yaml"
    path.write_text("1")

    async def then(next_: Next) -> None:
        put(path, "2")
        await next_()
        os.utime(path)
        put(other, "nothing of ours")
        put(path, "2")
        put(path, "3")
        await next_()

    assert watched([path], then) == 2


def test_what_changed_between_reading_and_watching_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("1")
    seen = digests([str(path)])
    path.write_text("2")

    async def then(next_: Next) -> None:
        await next_()

    assert watched([path], then, seen) == 1


def test_files_of_a_folder_are_watched(tmp_path: Path) -> None:
    folder = tmp_path / "rules.d"
    folder.mkdir()

    async def then(next_: Next) -> None:
        put(folder / "new.yaml", "1")
        await next_()
        (folder / "new.yaml").unlink()
        await next_()

    assert watched([folder], then) == 2


@pytest.mark.parametrize("name", ["rules.yaml", "not/there/yet/rules.yaml"])
def test_a_file_that_does_not_exist_is_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name

    async def then(next_: Next) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, "1")
        await next_()
        put(path, "2")
        await next_()

    assert watched([path], then) == 2


def test_a_configmap_is_exchanged_by_a_link_again_and_again(tmp_path: Path) -> None:
    """As the kubelet does it: rules.yaml leads to ..data/rules.yaml, and ..data to a folder that is new each time."""
    for number in range(4):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "rules.yaml").write_text(str(number))
    (tmp_path / "..data").symlink_to("..0")
    path = tmp_path / "rules.yaml"
    path.symlink_to("..data/rules.yaml")

    async def then(next_: Next) -> None:
        for number in range(1, 4):
            exchange(tmp_path / "..data", f"..{number}")
            await next_()

    assert watched([path], then) == 3


@pytest.mark.parametrize("is_folder", [False, True])
def test_changes_where_a_link_leads_since_it_was_exchanged_are_told_of(tmp_path: Path, is_folder: bool) -> None:
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.yaml").write_text(name)
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / ("current" if is_folder else "rules.yaml")
    tail = "" if is_folder else "/rules.yaml"
    link.symlink_to(f"../v1{tail}")
    path = link / "rules.yaml" if is_folder else link

    async def then(next_: Next) -> None:
        exchange(link, f"../v2{tail}")
        await next_()
        put(tmp_path / "v2" / "rules.yaml", "v2, edited")
        await next_()

    assert watched([path], then) == 2


def test_where_changes_cannot_be_noticed_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(*folders: str, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("watchfiles.awatch", no_room)
    caplog.set_level(logging.WARNING, logger="lanner.server")
    asyncio.run(watch((str(tmp_path),), lambda: None, {}))
    assert caplog.messages == [
        "changes of configuration and rules are not noticed: no space left on device; SIGHUP has them read again"
    ]
