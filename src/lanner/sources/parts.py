"""Files in parts that several processes read beside each other, each line in exactly one of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from lanner.sources import files
from lanner.sources.base import MIB, Delivery, Limits, SourceError, reason_of
from lanner.sources.lines import LineCutter, is_one_document

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
    cutter = LineCutter(part.path, limits)
    try:
        for at, block in _blocks(part.path, part.start, part.end, cutter.block_size):
            yield from cutter.feed(block if at else block.removeprefix(files.BOM))
    except OSError as error:
        on_error(SourceError(part.path, reason_of(error)))
    yield from cutter.finish()


def _blocks(path: str, start: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The bytes from the first line that starts at or behind `start` to the end of the last that starts before `end`.

    Each block comes with its place in the file.
    """
    with open(path, "rb", buffering=0) as file:
        at = max(start - 1, 0)  # the byte before: a newline there means that a line starts at `start`
        file.seek(at)
        is_inside = start == 0
        while block := file.read(size):
            if not is_inside:
                skipped = block.find(b"\n") + 1
                is_inside = bool(skipped)
                at += skipped or len(block)
                block = block[skipped:] if skipped else b""
                if at >= end:  # no line starts in this part
                    return
            last = block.find(b"\n", max(end - at - 1, 0)) + 1
            if last:
                yield at, block[:last]
                return
            if block:
                yield at, block
            at += len(block)


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
