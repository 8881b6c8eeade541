"""Files, folders, patterns and standard input to deliveries, read once from start to end."""

from __future__ import annotations

import errno
import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from io import BufferedReader
from typing import cast

from xopen import xopen

from lanner.sources.ahead import ReadAhead
from lanner.sources.base import Delivery, Framing, Limits, SourceError, reason_of
from lanner.sources.lines import is_one_document
from lanner.sources.window import Failsafe, Readable, read_lines, read_some

STDIN = "-"
STDIN_NAME = "<stdin>"

BOM = b"\xef\xbb\xbf"
_AHEAD_BYTES = 1 << 17  # of each block that is read ahead; larger ones are memory that the system has to map anew
_DAMAGED = "the file is damaged or incomplete"
_DAMAGED_HELP = "what could be decompressed before the damage was read"
_TOO_LARGE_HELP = "write one event per line, as `jq -c '.items[]'` does, or raise `webhookMaxBatchSize`"


def scan(
    paths: Sequence[str],
    limits: Limits,
    *,
    on_error: Callable[[SourceError], None],
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Delivery]:
    """Read every path, in order, in memory that does not depend on the size of a file.

    A path is a file (compressed with gzip, zstd, bzip2 or xz, which its content tells, or plain), a folder (its
    regular files that are not hidden, oldest first), a pattern such as `logs/*.gz`, or `-` for standard input. A file
    holds JSON Lines, or one JSON document over several lines. A byte order mark is left out.

    A payload may be a view of memory that is used again for the next one.

    Args:
        paths: What to read.
        limits: Bounds; beyond `max_event_size` an event is reduced, beyond `max_batch_size` a document is an error.
        on_error: Called for every path that cannot be read, or not to its end; the next path follows.
        on_progress: Called after every block with the bytes read so far from all files, before decompression.

    Source: Falco plugins, k8saudit source.go (order within a folder).
    """
    done = 0
    for path in expand(paths, on_error):
        with ExitStack() as stack:
            try:
                raw = open_file(path, stack)
                plain = decompressed(raw, stack)
                file = Failsafe(raw if plain is raw else ReadAhead(plain, min(limits.block_size, _AHEAD_BYTES), stack))
            except (OSError, EOFError) as error:
                on_error(_source_error(path, error))
                continue
            is_sized = raw.seekable()
            for block in _deliveries(file, path, limits, on_error):
                if on_progress and is_sized:
                    on_progress(done + raw.tell())
                yield block
            if file.failure:
                on_error(_source_error(path, file.failure))
            done += raw.tell() if is_sized else 0
            if on_progress:
                on_progress(done)


def total_size(paths: Sequence[str]) -> int | None:
    """Bytes that `scan` will report as read in the end; None when that cannot be known, as for a pipe."""
    total = 0
    for path in expand(paths, lambda error: None):
        if path == STDIN:
            return None
        try:
            found = os.stat(path)
        except OSError:
            continue
        if not stat.S_ISREG(found.st_mode):
            return None
        total += found.st_size
    return total


def expand(paths: Sequence[str], on_error: Callable[[SourceError], None]) -> Iterator[str]:
    """The files that paths stand for; a name that exists is taken as it is, even if it could be a pattern."""
    for path in paths:
        is_pattern = path != STDIN and glob.has_magic(path) and not os.path.lexists(path)
        found = sorted(glob.glob(path)) if is_pattern else [path]
        if not found:
            on_error(SourceError(path, "no file matches"))
        for name in found:
            yield from _listed(name, on_error) if os.path.isdir(name) else [name]


def _listed(folder: str, on_error: Callable[[SourceError], None]) -> Iterator[str]:
    """The regular files in a folder that are not hidden, by time of modification, then by name."""
    try:
        with os.scandir(folder) as entries:
            files = [entry for entry in entries if entry.is_file() and not entry.name.startswith(".")]
        files.sort(key=lambda entry: (entry.stat().st_mtime_ns, entry.name))
    except OSError as error:
        on_error(_source_error(folder, error))
        return
    if not files:
        on_error(SourceError(folder, "the folder has no files"))
    yield from (entry.path for entry in files)


def open_file(path: str, stack: ExitStack) -> BufferedReader:
    """Open a file, or standard input for `-`, as it is stored; the stack closes it."""
    if path == STDIN:
        if sys.stdin is None:
            raise OSError(errno.EBADF, "standard input is closed")
        return cast(BufferedReader, sys.stdin.buffer)
    # Opened by descriptor, the file has no name for xopen to go by, only content: rotated logs are often misnamed.
    return stack.enter_context(open(os.open(path, os.O_RDONLY), "rb"))


def decompressed(raw: BufferedReader, stack: ExitStack) -> BufferedReader:
    """The content of a file that may be compressed; the same object when it is not."""
    file = xopen(raw, "rb", threads=0)
    if file is not raw:
        stack.enter_context(file)
    return cast(BufferedReader, file)


def _deliveries(
    file: Readable, path: str, limits: Limits, on_error: Callable[[SourceError], None]
) -> Iterator[Delivery]:
    origin = STDIN_NAME if path == STDIN else path
    first = read_some(file, min(limits.block_size, limits.max_event_size)).removeprefix(BOM)
    if not is_one_document(first):
        yield from read_lines(file, origin, limits, first)
        return
    document = bytearray(first)
    while block := read_some(file, limits.block_size):
        document += block
        if len(document) > limits.max_batch_size:
            on_error(
                SourceError(path, f"one JSON document of more than {limits.max_batch_size:,} bytes", _TOO_LARGE_HELP)
            )
            return
    yield Delivery(bytes(document), Framing.BODY, origin)


def _source_error(path: str, error: Exception) -> SourceError:
    if isinstance(error, OSError) and error.errno is not None:
        return SourceError(path, reason_of(error))
    return SourceError(path, _DAMAGED, _DAMAGED_HELP)
