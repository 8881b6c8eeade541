"""Have files changed? Asked of what they hold, because editors, mounts and `touch` change them in many ways."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

_LOG = logging.getLogger(__name__)

DEBOUNCE_MS = 300
"""Changes that follow each other so fast are one."""

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


async def watch(paths: tuple[str, ...], on_change: Callable[[], Awaitable[None] | None]) -> None:
    """Tell of changes until cancelled.

    Folders are watched, not files: a new file that takes the name of another would not be seen otherwise, nor would the
    link that Kubernetes exchanges when a ConfigMap changes.

    Args:
        paths: Files and folders; what does not exist is waited for.
        on_change: Called when one of them holds something else than before.
    """
    from watchfiles import awatch  # noqa: PLC0415 - only a program that runs on needs it

    known = await asyncio.to_thread(digests, paths)
    folders = {str(folder) for path in paths for folder in _folders(Path(path))}
    try:
        async for _ in awatch(*folders, debounce=DEBOUNCE_MS, recursive=False, rust_timeout=1000):
            now = await asyncio.to_thread(digests, paths)
            if now != known:
                known = now
                if (waiting := on_change()) is not None:
                    await waiting
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        _LOG.warning("changes of configuration and rules are not noticed: %s; SIGHUP has them read again", reason)


def _files(path: Path) -> list[Path]:
    try:
        return sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    except OSError:
        return []


def _folders(path: Path) -> list[Path]:
    """The folders whose changes can change what is at the path: where its name stands, and where its link leads."""
    try:
        nearby = [path.parent, path.resolve().parent, *([path] if path.is_dir() else [])]
        return [folder for folder in nearby if folder.is_dir()]
    except (OSError, RuntimeError):
        return []
