"""Files that are exchanged while a run goes on: certificates, and secrets that Kubernetes mounts and renews."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from lanner.sources.base import SourceError

T = TypeVar("T")

_FRESH_NS = 2_000_000_000
"""What was written so lately may be written again within the same tick of the file system's clock."""


class Rotating(Generic[T]):
    """A value that is made of files, and made anew once these hold something else."""

    def __init__(
        self,
        paths: Sequence[str],
        make: Callable[[], T],
        *,
        without: Callable[[T], T],
        tell: Callable[[str, str | None], None] = lambda text, help: None,
    ) -> None:
        """Make it for the first time.

        Args:
            paths: The files; links are followed, so that an exchanged link is noticed.
            make: Reads them. It raises `SourceError` when they cannot be used.
            without: The value to go on with then, of the one before.
            tell: Told, in words for people and with what to do, each time that they have changed and cannot be used.

        Raises:
            SourceError: They cannot be used.
        """
        self._paths = tuple(paths)
        self._make = make
        self._without = without
        self._tell = tell
        self._stamp = self._stamps()
        self._digest = self._digests()
        self.value = make()
        self.changes = 0
        """How many times another value has taken its place."""

    def get(self) -> T:
        """The value of what the files hold now; nearly free while they stay as they are."""
        stamp = self._stamps()
        if stamp != self._stamp or _is_fresh(stamp):
            self._stamp = stamp
            digest = self._digests()
            if digest != self._digest:
                self._digest = digest
                self._renew()
        return self.value

    def _renew(self) -> None:
        before = self.value
        try:
            self.value = self._make()
        except SourceError as error:
            self.value = self._without(before)
            self._tell(str(error), error.help)
        self.changes += self.value is not before

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp, self._paths))

    def _digests(self) -> tuple[bytes, ...]:
        return tuple(map(_digest, self._paths))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _is_fresh(stamps: tuple[tuple[int, int, int] | None, ...]) -> bool:
    now = time.time_ns()
    return any(stamp is not None and abs(now - stamp[0]) < _FRESH_NS for stamp in stamps)


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""
