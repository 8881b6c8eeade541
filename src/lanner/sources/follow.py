"""A file that grows, or standard input, to deliveries as they come (`tail -F`)."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from lanner.sources.base import Delivery, Handler, Limits, SourceError, finish, reason_of
from lanner.sources.files import STDIN_NAME
from lanner.sources.lines import LineCutter
from lanner.sources.plugin import Context, Start, Trouble
from lanner.sources.retry import Patience, Sleep, insist
from lanner.sources.rotation import HEAD, Position, digest_of, from_text, to_text, unread

SAVE_EVERY_S = 1.0
"""How often its position is saved at most, but for the end."""

SAY_EVERY_S = 60.0
"""How often it is said again that it cannot be read."""

_STDIN_POLL_MS = 200


class FollowSource:
    """Follows a log file by its name: waits for it to appear, and goes on with the new one when it is rotated.

    Rotation by rename (the old file is read to its end first) and by copy and truncate (what was not read yet is read
    from the copy, if there is one) are both understood; a file that was truncated and has already grown beyond the old
    position again cannot be told from one that only grew. A last line without a newline waits for it; the end of its
    file ends it too.

    Its position is saved once what comes before it has been handled. Another run goes on there, also when the file was
    rotated meanwhile; where the file is not there any more, that is told. A delivery that the handler refuses is handed
    over again, after pauses, and nothing is read meanwhile.

    Args:
        path: The file.
        limits: Bounds of an event.
        context: Where to begin, where it has come to, and whom to tell.
        poll_interval_s: Pause before looking for more.
        sleep: How to pause.
        clock: Seconds, from any start.
    """

    def __init__(
        self,
        path: str,
        limits: Limits,
        context: Context,
        *,
        poll_interval_s: float = 0.2,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._limits = limits
        self._context = context
        self._poll_interval_s = poll_interval_s
        self._sleep = sleep
        self._clock = clock
        self._skip_existing = context.start is Start.NEW
        self._was_away = True
        self._cutter = LineCutter(path, limits)
        self._fd: int | None = None
        self._inode = 0
        self._is_old = False
        self._offset = 0
        self._done = 0
        self._head = b""
        self._read_ns = 0
        self._left: Position | None = None
        self._saved: Position | None = None
        self._saved_at = clock()
        self._reported = ""
        self._reported_at = clock()
        self._patience = Patience(context, clock)
        self._has_begun = False

    @property
    def position(self) -> int:
        """Offset in the current file up to which every line has been handled."""
        return self._done

    async def run(self, handle: Handler) -> None:
        """Deliver what is appended, until cancelled."""
        if self._context.start is not Start.FIRST:
            self._left = self._saved = from_text(await self._context.checkpoint.load(), self._path)
        self._context.started(f"following {self._path}", "")
        try:
            while True:
                if not await self._advance(handle):
                    await self._sleep(self._poll_interval_s)
        finally:
            await finish(self._save(is_now=True))
            self._close()

    async def _advance(self, handle: Handler) -> bool:
        """Take one step; whether there may be more to take at once."""
        try:
            block = await finish(asyncio.to_thread(self._read))
            if not block:
                await self._begin_to_save()
                await self._save()
                is_more = await self._rotate(handle)
                self._recover()
                return is_more
        except OSError as error:
            self._give_way(error)
            return False
        self._recover()
        await self._begin_to_save()
        self._keep_head(block)
        self._offset += len(block)
        await self._hand_over(handle, self._cutter.feed(block))
        await self._save()
        return True

    # Files

    def _read(self) -> bytes:
        """The next block of the file, empty at its end."""
        if self._fd is None:
            self._open()
        assert self._fd is not None  # noqa: S101 - INVARIANT: it was opened
        # When what was read was written, at the latest: a handler may be held up while files come and go.
        self._read_ns = min(time.time_ns(), os.fstat(self._fd).st_mtime_ns)
        return os.pread(self._fd, self._cutter.block_size, self._offset)

    def _open(self) -> None:
        """Open the file that holds what comes next: one that was rotated meanwhile, or the one that has the name."""
        skip, self._skip_existing = self._skip_existing, False
        if self._left is None:
            fd, offset = _opened(self._path), 0
            if skip:
                offset = _last_line(fd, os.fstat(fd).st_size, self._cutter.block_size)
            self._begin(fd, offset)
            return
        found = unread(self._path, self._left)
        if lost := found.lost if found.lost and self._was_away else found.skipped:
            self._context.tell(Trouble.GAP, lost)
        self._was_away = False
        for part in found.parts:
            fd = _opened(part.path)
            if os.fstat(fd).st_size > part.offset:
                self._begin(fd, part.offset, is_old=True)
                return
            os.close(fd)
        self._begin(_opened(self._path), found.offset)

    def _begin(self, fd: int, offset: int, *, is_old: bool = False) -> None:
        try:
            inode, head = os.fstat(fd).st_ino, os.pread(fd, HEAD, 0)
        except OSError:
            os.close(fd)
            raise
        self._fd, self._offset, self._done, self._is_old = fd, offset, offset, is_old
        self._inode, self._head = inode, head
        self._was_away = False

    async def _rotate(self, handle: Handler) -> bool:
        """At the end of the file: find out whether it was truncated, or another comes after it."""
        assert self._fd is not None  # noqa: S101 - INVARIANT: a block was read from it
        here = await finish(asyncio.to_thread(os.fstat, self._fd))
        if here.st_size < self._offset:
            copy = await finish(asyncio.to_thread(unread, self._path, self._where()))
            if not copy.parts:
                await self._hand_over(handle, self._cutter.finish())
            self._close()
            return True
        if not self._is_old and not await self._is_replaced(here):
            return False
        if os.fstat(self._fd).st_size > self._offset:
            return True  # it grew before it was replaced
        await self._hand_over(handle, self._cutter.finish())
        self._close()
        return True

    async def _is_replaced(self, here: os.stat_result) -> bool:
        try:
            there = await finish(asyncio.to_thread(os.stat, self._path))
        except FileNotFoundError:
            return False  # renamed: what still comes into the old file is read until there is a new one
        return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)

    async def _hand_over(self, handle: Handler, deliveries: Iterator[Delivery]) -> None:
        """Hand over what a block has completed, and move the position behind it."""
        found = [*deliveries]
        done = self._offset - self._cutter.waiting

        def move() -> None:
            self._done = done

        for delivery in found[:-1]:
            await insist(handle, delivery, self._context, self._sleep)
        for delivery in found[-1:]:
            await insist(handle, delivery, self._context, self._sleep, move)

    def _give_way(self, error: OSError) -> None:
        """Let go of the file, whose descriptor may be dead, to open it again; tell now and then, and after minutes."""
        self._was_away = self._was_away or self._fd is not None
        self._close()
        problem, now = SourceError(self._path, reason_of(error)), self._clock()
        if problem.reason != self._reported or now - self._reported_at >= SAY_EVERY_S:
            self._reported, self._reported_at = problem.reason, now
            self._context.tell(Trouble.RETRY, f"{problem}; it is read as soon as it can be")
        self._patience.failed(str(problem))

    def _recover(self) -> None:
        self._reported = ""
        self._patience.passed()

    def _close(self) -> None:
        if self._fd is not None:
            self._left = self._where()
            fd, self._fd = self._fd, None
            with suppress(OSError):  # nothing was written
                os.close(fd)
        self._cutter = LineCutter(self._path, self._limits)

    # Where it is

    def _where(self) -> Position:
        return Position(
            path=os.path.abspath(self._path),
            inode=self._inode,
            offset=self._done,
            head=len(self._head),
            digest=digest_of(self._head),
            time_ns=self._read_ns,
        )

    def _keep_head(self, block: bytes) -> None:
        """Keep what the file is known again by, where it was too short so far."""
        if self._offset <= len(self._head) < HEAD:
            self._head += block[len(self._head) - self._offset : HEAD - self._offset]

    async def _begin_to_save(self) -> None:
        """Save where it begins, before anything is handled: after a crash, a file that was rotated is looked for."""
        if not self._has_begun:
            self._has_begun = True
            if self._saved is None:
                await self._save(is_now=True)

    async def _save(self, *, is_now: bool = False) -> None:
        """Save the position, if it is another one and the last time was long enough ago."""
        if self._fd is None or not (is_now or self._clock() - self._saved_at >= SAVE_EVERY_S):
            return
        found = self._where()
        if self._saved and (found.inode, found.offset) == (self._saved.inode, self._saved.offset):
            return
        self._saved_at = self._clock()
        try:
            await self._context.checkpoint.save(to_text(found))
        except Exception as error:  # it is tried again; what was handled is then delivered twice at worst
            self._context.tell(Trouble.RETRY, f"its position is not saved: {reason_of(error)}")
        else:
            self._saved = found


class StdinSource:
    """Follows standard input, or another descriptor, to its end; refused deliveries as in `FollowSource`."""

    def __init__(self, limits: Limits, context: Context, *, fd: int = 0, sleep: Sleep = asyncio.sleep) -> None:
        self._limits = limits
        self._context = context
        self._fd = fd
        self._sleep = sleep

    async def run(self, handle: Handler) -> None:
        """Deliver lines as they come, until the end of the input.

        Raises:
            SourceError: standard input cannot be read.
        """
        self._context.started("reading standard input", "")
        cutter = LineCutter(STDIN_NAME, self._limits)
        while block := await self._block(cutter.block_size):
            await self._hand_over(handle, cutter.feed(block))
        await self._hand_over(handle, cutter.finish())

    async def _hand_over(self, handle: Handler, deliveries: Iterator[Delivery]) -> None:
        for delivery in deliveries:
            await insist(handle, delivery, self._context, self._sleep)

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


def _opened(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(0, "not a regular file")


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
