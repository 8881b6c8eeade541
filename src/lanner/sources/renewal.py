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

_RETRY_S = 1.0
"""How long it is not tried again to read files that cannot be used and stay as they are: what failed may be passing,
such as want of open files."""

_REMIND_S = 600.0
"""How long it is not told again that they cannot be used."""

_Stamp = tuple[int, int, int, int, int]
"""Of a file: its times of change, of itself first, its number, size and mode."""


class Rotating(Generic[T]):
    """A value that is made of files, and made anew once these hold something else."""

    def __init__(
        self,
        paths: Sequence[str],
        make: Callable[[], T],
        *,
        without: Callable[[T], T],
        tell: Callable[[str, str | None], None] = lambda text, help: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make it for the first time.

        Args:
            paths: The files; links are followed, so that an exchanged link is noticed.
            make: Reads them. It raises `SourceError` when they cannot be used.
            without: The value to go on with then, of the one before.
            tell: Told, in words for people and with what to do, when they have changed and cannot be used, and now and
                then while that lasts.
            clock: Seconds.

        Raises:
            SourceError: They cannot be used.
        """
        self._paths = tuple(paths)
        self._make = make
        self._without = without
        self._tell = tell
        self._clock = clock
        self._stamp = self._stamps()
        self._digest = self._digests()
        self._failed_at: float | None = None
        """When they were last tried and could not be used; None: they can."""
        self._told: tuple[str, float] = "", 0.0
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
                self._failed_at = None
                self._told = "", 0.0
                self._renew()
        if self._failed_at is not None and self._clock() - self._failed_at >= _RETRY_S:
            self._renew()
        return self.value

    def _renew(self) -> None:
        before = self.value
        try:
            self.value = self._make()
            self._failed_at = None
        except SourceError as error:
            self.value = self._without(before)
            self._failed_at = self._clock()
            self._remind(str(error), error.help)
        self.changes += self.value is not before

    def _remind(self, text: str, help_text: str | None) -> None:
        now = self._clock()
        told, told_at = self._told
        if text != told or now - told_at >= _REMIND_S:
            self._told = text, now
            self._tell(text, help_text)

    def _stamps(self) -> tuple[_Stamp | None, ...]:
        return tuple(map(_stamp, self._paths))

    def _digests(self) -> tuple[bytes, ...]:
        return tuple(map(_digest, self._paths))


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ctime_ns, found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode


def _is_fresh(stamps: tuple[_Stamp | None, ...]) -> bool:
    now = time.time_ns()
    return any(stamp is not None and abs(now - stamp[0]) < _FRESH_NS for stamp in stamps)


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""
