"""A file that grows, or standard input, to deliveries as they come (`tail -F`)."""

from __future__ import annotations

import asyncio
import os
import select
import stat
from collections.abc import Awaitable, Callable, Iterator

from lanner.sources.base import (
    Delivery,
    Handler,
    Limits,
    RejectedDelivery,
    SourceError,
    UnwrittenAlerts,
    finish,
    reason_of,
)
from lanner.sources.files import STDIN_NAME
from lanner.sources.lines import LineCutter

Sleep = Callable[[float], Awaitable[object]]

_FIRST_RETRY_S = 0.5
_LAST_RETRY_S = 30.0
_STDIN_POLL_MS = 200


def _ignore(error: Exception) -> None:
    pass


def _untold(text: str, url: str) -> None:
    pass


class FollowSource:
    """Follows a log file by its name: waits for it to appear, and goes on with the new one when it is rotated.

    Rotation by rename (the old file is read to its end first) and by copy and truncate are both understood; a file that
    was truncated and has already grown beyond the old position again cannot be told from one that only grew. A last
    line without a newline waits for it; the end of its file ends it too. A delivery that the handler refuses by an
    exception is handed over again, after a pause that doubles up to 30 s, and nothing is read meanwhile.

    Args:
        path: The file.
        limits: Bounds of an event.
        from_start: Begin with the first line of a file that is already there, else with the first that follows.
        poll_interval_s: Pause before looking for more.
        on_started: Told in words for people that it takes events.
        on_error: Told when the file cannot be read (once for each reason), or a delivery fails or is rejected.
        sleep: How to pause.
    """

    def __init__(
        self,
        path: str,
        limits: Limits,
        *,
        from_start: bool = False,
        poll_interval_s: float = 0.2,
        on_started: Callable[[str, str], None] = _untold,
        on_error: Callable[[Exception], None] = _ignore,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._path = path
        self._limits = limits
        self._skip_existing = not from_start
        self._poll_interval_s = poll_interval_s
        self._on_started = on_started
        self._on_error = on_error
        self._sleep = sleep
        self._cutter = LineCutter(path, limits)
        self._fd: int | None = None
        self._offset = 0
        self._reported = ""

    @property
    def position(self) -> int:
        """Offset in the current file up to which every line has been handled."""
        return self._offset - self._cutter.waiting

    async def run(self, handle: Handler) -> None:
        """Deliver what is appended, until cancelled."""
        self._on_started(f"following {self._path}", "")
        try:
            while True:
                if not await self._advance(handle):
                    await self._sleep(self._poll_interval_s)
        finally:
            self._close()

    async def _advance(self, handle: Handler) -> bool:
        """Take one step; whether there may be more to take at once."""
        try:
            block = await finish(asyncio.to_thread(self._read))
            if not block:
                return await self._rotate(handle)
        except OSError as error:
            self._report(error)
            return False
        self._reported = ""
        await self._hand_over(handle, self._cutter.feed(block))
        self._offset += len(block)
        return True

    def _read(self) -> bytes:
        """The next block of the file, empty at its end."""
        if self._fd is None:
            self._fd = self._open()
        return os.pread(self._fd, self._cutter.block_size, self._offset)

    def _open(self) -> int:
        skip, self._skip_existing = self._skip_existing, False
        fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(0, "not a regular file")
            self._offset = _last_line(fd, found.st_size, self._cutter.block_size) if skip else 0
        except OSError:
            os.close(fd)
            raise
        return fd

    async def _rotate(self, handle: Handler) -> bool:
        """At the end of the file: find out whether it was truncated, or another has its name now."""
        assert self._fd is not None  # noqa: S101 - INVARIANT: a block was read from it
        here = await finish(asyncio.to_thread(os.fstat, self._fd))
        if here.st_size < self._offset:
            await self._hand_over(handle, self._cutter.finish())
            self._offset, self._cutter = 0, LineCutter(self._path, self._limits)
            return True
        try:
            there = await finish(asyncio.to_thread(os.stat, self._path))
        except FileNotFoundError:
            return False  # renamed: what still comes into the old file is read until there is a new one
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return False
        if os.fstat(self._fd).st_size > self._offset:
            return True  # it grew before it was replaced
        await self._hand_over(handle, self._cutter.finish())
        self._close()
        return True

    async def _hand_over(self, handle: Handler, deliveries: Iterator[Delivery]) -> None:
        await _deliver(handle, deliveries, self._on_error, self._sleep)

    def _report(self, error: OSError) -> None:
        reason = reason_of(error)
        if reason != self._reported:
            self._reported = reason
            self._on_error(SourceError(self._path, reason, "it is read as soon as it can be"))

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._cutter = LineCutter(self._path, self._limits)


class StdinSource:
    """Follows standard input, or another descriptor, to its end; refused deliveries as in `FollowSource`."""

    def __init__(
        self,
        limits: Limits,
        *,
        fd: int = 0,
        on_started: Callable[[str, str], None] = _untold,
        on_error: Callable[[Exception], None] = _ignore,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._fd = fd
        self._on_started = on_started
        self._on_error = on_error
        self._sleep = sleep

    async def run(self, handle: Handler) -> None:
        """Deliver lines as they come, until the end of the input.

        Raises:
            SourceError: standard input cannot be read.
        """
        self._on_started("reading standard input", "")
        cutter = LineCutter(STDIN_NAME, self._limits)
        while block := await self._block(cutter.block_size):
            await _deliver(handle, cutter.feed(block), self._on_error, self._sleep)
        await _deliver(handle, cutter.finish(), self._on_error, self._sleep)

    async def _block(self, size: int) -> bytes:
        try:
            # In short waits: a thread that is blocked in a read could not be cancelled.
            while (block := await asyncio.to_thread(self._read, size)) is None:
                pass
        except OSError as error:
            raise SourceError(STDIN_NAME, reason_of(error)) from error
        return block

    def _read(self, size: int) -> bytes | None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return os.read(self._fd, size) if poll.poll(_STDIN_POLL_MS) else None


async def _deliver(
    handle: Handler, deliveries: Iterator[Delivery], on_error: Callable[[Exception], None], sleep: Sleep
) -> None:
    """Hand over one after the other, each again and again until it is taken or rejected."""
    for delivery in deliveries:
        pause_s = _FIRST_RETRY_S
        while not await finish(_is_settled(handle, delivery, on_error)):
            await sleep(pause_s)
            pause_s = min(pause_s * 2, _LAST_RETRY_S)


async def _is_settled(handle: Handler, delivery: Delivery, on_error: Callable[[Exception], None]) -> bool:
    try:
        await handle(delivery)
    except UnwrittenAlerts:
        pass  # the output says what is wrong, and has the alerts
    except RejectedDelivery as error:
        on_error(error)
    except Exception as error:  # whatever kept it from being handled may pass
        on_error(error)
        return False
    return True


def _last_line(fd: int, size: int, block_size: int) -> int:
    """Where the last line begins that has no newline yet, the end of the file when it has."""
    end = size
    while end > 0:
        start = max(end - block_size, 0)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
