"""Files in parts that several processes read beside each other, each line in exactly one of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO

from lanner.sources import files
from lanner.sources.base import MIB, Delivery, Limits, SourceError, reason_of
from lanner.sources.lines import is_one_document
from lanner.sources.window import Failsafe, read_lines, read_some

PART_SIZE = 16 * MIB
"""Large enough that starting on a part costs nothing, small enough that its alerts fit in memory."""


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a file that start at or behind `start` and before `end`; the whole file without an `end`.

    `size` is the number of bytes of the file that it stands for.
    """

    path: str
    size: int
    start: int = 0
    end: int | None = None


def split(
    paths: Sequence[str], *, on_error: Callable[[SourceError], None], part_size: int = PART_SIZE
) -> Iterator[Part]:
    """The parts of all files that paths stand for, in the order in which `files.scan` reads them.

    Only a file with one document a line, and not compressed, can be read from the middle.
    """
    for path in files.expand(paths, on_error):
        size = _size(path)
        if size > part_size and _is_divisible(path):
            for start in range(0, size, part_size):
                yield Part(path, min(part_size, size - start), start, start + part_size)
        else:
            yield Part(path, size)


def read_part(part: Part, limits: Limits, *, on_error: Callable[[SourceError], None]) -> Iterator[Delivery]:
    """Read one part, in bounded memory, whatever the length of its lines."""
    if part.end is None:
        yield from files.scan([part.path], limits, on_error=on_error)
        return
    try:
        with open(part.path, "rb", buffering=0) as file:
            start = _line_start(file, part.start, limits.block_size)
            lines = Failsafe(_Range(file, _line_start(file, part.end, limits.block_size) - start))
            file.seek(start)
            first = read_some(lines, len(files.BOM) if start == 0 else 0).removeprefix(files.BOM)
            yield from read_lines(lines, part.path, limits, first)
    except OSError as error:
        on_error(SourceError(part.path, reason_of(error)))
    else:
        if lines.failure:
            on_error(SourceError(part.path, reason_of(lines.failure)))


def _line_start(file: FileIO, at: int, block_size: int) -> int:
    """Where the first line begins that begins at `at` or behind; the end of the file when none does."""
    if at == 0:
        return 0
    at -= 1  # the byte before: a newline there means that a line begins at `at`
    file.seek(at)
    while block := file.read(block_size):
        newline = block.find(b"\n") + 1
        at += newline or len(block)
        if newline:
            break
    return at


class _Range:
    """So many bytes of a file, from where it stands."""

    def __init__(self, file: FileIO, size: int) -> None:
        self._file = file
        self._left = size

    def readinto1(self, buffer: memoryview, /) -> int:
        number = self._file.readinto(buffer[: max(self._left, 0)]) or 0
        self._left -= number
        return number


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # reading it will say why


def _is_divisible(path: str) -> bool:
    try:
        with ExitStack() as stack:
            raw = files.open_file(path, stack)
            if files.decompressed(raw, stack) is not raw:
                return False
            return not is_one_document(raw.read(MIB))
    except (OSError, EOFError):
        return False
