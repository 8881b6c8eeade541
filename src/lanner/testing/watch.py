"""What a piece of code asks of the operating system, by Python's audit events."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ASKS = (
    "open",
    "os.listdir",
    "os.scandir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.system",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "sqlite3.connect",
    "subprocess.Popen",
)


class _Hook:
    """The hook of this process, which cannot be taken away again; it looks at one thread while that is watched."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.found: list[str] = []
        sys.addaudithook(self)

    def __call__(self, name: str, arguments: tuple[object, ...]) -> None:
        if self.thread is not None and name in _ASKS and threading.get_ident() == self.thread:
            self.found.append(f"{name}({', '.join(map(repr, arguments[:2]))})")


_hooks: list[_Hook] = []


@contextmanager
def watched() -> Iterator[list[str]]:
    """Gives the files, connections and programs that this thread opens meanwhile."""
    hook = _hooks[0] if _hooks else _Hook()
    if not _hooks:
        _hooks.append(hook)
    hook.found, hook.thread = [], threading.get_ident()
    try:
        yield hook.found
    finally:
        hook.thread = None
