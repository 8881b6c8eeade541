"""Have files changed? Asked of what they hold, because editors, mounts and `touch` change them in many ways."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path

_LOG = logging.getLogger(__name__)

DEBOUNCE_MS = 300
"""Changes that follow each other so fast are one."""

LOOK_MS = 1000
"""How often it is looked whether other folders matter than before, because a link leads elsewhere."""

Digests = dict[str, str]


def digests(paths: Iterable[str]) -> Digests:
    """The SHA-256 of each file, and of each file of a folder; files that cannot be read are left out."""
    found: Digests = {}
    for path in paths:
        for file in _files(Path(path)):
            try:
                found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
            except OSError:
                continue
    return found


async def watch(paths: tuple[str, ...], on_change: Callable[[], None], seen: Mapping[str, str]) -> None:
    """Tell of changes until cancelled.

    Folders are watched, not files: a new file that takes the name of another would not be seen otherwise, nor would the
    link that Kubernetes exchanges when a ConfigMap changes.

    Args:
        paths: Files and folders; what does not exist is waited for.
        on_change: Called when one of them holds something else than before.
        seen: Their `digests` of before they were read, so that no change in between is missed.
    """
    known = seen
    try:
        while True:
            folders = await asyncio.to_thread(_folders, paths)
            async for may_be_new in _changes(folders):
                now = await asyncio.to_thread(digests, paths) if may_be_new else known
                if now != known:
                    known = now
                    on_change()
                if await asyncio.to_thread(_folders, paths) != folders:
                    break
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        _LOG.warning("changes of configuration and rules are not noticed: %s; SIGHUP has them read again", reason)


async def _changes(folders: frozenset[str]) -> AsyncIterator[bool]:
    """Whether there may be a change, every now and then: true after each, and once when they can be noticed."""
    from watchfiles import awatch  # noqa: PLC0415 - only a program that runs on needs it

    is_first = True
    async for found in awatch(
        *folders, debounce=DEBOUNCE_MS, recursive=False, rust_timeout=LOOK_MS, yield_on_timeout=True
    ):
        yield bool(found) or is_first
        is_first = False


def _files(path: Path) -> list[Path]:
    try:
        return sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    except OSError:
        return []


def _folders(paths: Iterable[str]) -> frozenset[str]:
    """The folders whose changes can change what is at the paths, under their real names."""
    return frozenset(str(folder) for path in paths for folder in _near(Path(path).absolute()))


def _near(path: Path) -> Iterator[Path]:
    """The folder itself, where its name stands, where each link on the way to it stands, and where that leads.

    A folder that does not exist stands for the nearest one above it that does.
    """
    try:
        names = [path, *(folder for folder in path.parents if folder.is_symlink())]
        wanted = [*([path] if path.is_dir() else []), *(name.parent for name in names)]
        wanted += [name.resolve().parent for name in names]
        for folder in wanted:
            yield next(each for each in (folder, *folder.parents) if each.is_dir()).resolve()
    except (OSError, RuntimeError):
        return
