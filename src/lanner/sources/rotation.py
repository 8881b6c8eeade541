"""Where a reader of a log file was, and which files hold what came after that, whatever happened to them since.

A log is rotated by renaming (logrotate, a kube-apiserver), or by copying it and cutting it short (logrotate's
`copytruncate`). A file is known again by its first bytes, which hold times and ids: inodes are used again, and change
when a volume is moved.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from lanner.sources.files import decompressed, open_file

HEAD = 4096
"""Bytes at its start that a file is known by, at most."""

_MAX_NAMED = 5
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a reader was.

    Attributes:
        path: The file that is followed, absolute.
        inode: Of the file that was read.
        offset: Up to where it was read.
        head: How many bytes at its start the digest is of.
        digest: Of these.
        time_ns: When what was read of it was written, at the latest, in nanoseconds since the epoch.
    """

    path: str
    inode: int
    offset: int
    head: int
    digest: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class Part:
    """A file, and from where on it is to be read."""

    path: str
    offset: int


@dataclass(frozen=True, slots=True)
class Unread:
    """What is to be read after a position.

    Attributes:
        parts: Files that were rotated meanwhile, in order; they do not grow any more.
        offset: Where to begin in the file that has the name now.
        lost: What is missing, in words for people, unless that file was read to its end; empty: nothing.
        skipped: Which files came after it and were compressed before they were read, likewise.
    """

    parts: tuple[Part, ...] = ()
    offset: int = 0
    lost: str = ""
    skipped: str = ""


def digest_of(head: bytes) -> str:
    """What tells the beginning of a file from others."""
    return blake2b(head[:HEAD], digest_size=16).hexdigest()


def to_text(position: Position) -> str:
    """The position as a checkpoint."""
    return msgspec.json.encode(position).decode()


def from_text(text: str | None, path: str) -> Position | None:
    """The position that a checkpoint holds; None when it is of another file, or of something else."""
    try:
        found = msgspec.json.decode(text or "", type=Position)
    except msgspec.DecodeError:
        return None
    return found if found.path == os.path.abspath(path) else None


def unread(path: str, position: Position) -> Unread:
    """Which files hold what came after a position.

    Raises:
        OSError: The file, or its folder, cannot be looked at.
    """
    if _is_it(path, position):
        return Unread(offset=position.offset)
    rotated = sorted(_rotated(path), key=lambda found: found[1].st_mtime_ns)
    same = [found for found in rotated if _is_it(found[0], position)]
    if same:
        name, is_at = next((found for found in same if found[1].st_ino == position.inode), same[-1])
        later = [Part(other, 0) for other, at in rotated if at.st_mtime_ns > is_at.st_mtime_ns]
        return Unread((Part(name, position.offset), *later), skipped=_skipped(path, position, is_at.st_mtime_ns))
    later = [Part(other, 0) for other, at in rotated if at.st_mtime_ns > position.time_ns]
    skipped = _skipped(path, position, position.time_ns)
    return Unread(tuple(later), lost=_lost(path, position), skipped=skipped)


def _is_it(path: str, position: Position) -> bool:
    """Whether a file is the one that the position is in. Of one that was empty, the inode is all that is known."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size < position.offset:
            return False
        if not position.head:
            return found.st_ino == position.inode
        return digest_of(os.pread(fd, position.head, 0)) == position.digest
    finally:
        os.close(fd)


def _rotated(path: str, end: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """The files beside one that have the names which it gets when it is rotated: what follows begins with a digit.

    Args:
        path: The file.
        end: What a name ends with besides, as a pattern.
    """
    folder, name = os.path.split(os.path.abspath(path))
    stem, extension = os.path.splitext(name)
    mark = r"[.-]\d[\dT:.Z_-]*"
    pattern = re.compile(f"(?:{re.escape(name)}{mark}|{re.escape(stem)}{mark}{re.escape(extension)}){end}")
    for other in _names(folder):
        if pattern.fullmatch(other):
            try:
                found = os.stat(os.path.join(folder, other))
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield os.path.join(folder, other), found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _skipped(path: str, position: Position, after_ns: int) -> str:
    """What is missing when files that came after a position were compressed before they were read."""
    end = "(?:" + "|".join(map(re.escape, _COMPRESSED)) + ")"
    found = [
        os.path.basename(other)
        for other, at in _rotated(path, end)
        if at.st_mtime_ns > after_ns and not os.path.exists(os.path.splitext(other)[0]) and not _holds(other, position)
    ]
    if not found:
        return ""
    names = ", ".join(f"`{name}`" for name in sorted(found)[:_MAX_NAMED])
    return f"`{path}` was rotated and compressed before it was read; `lanner scan` reads it: {names}"


def _holds(packed: str, position: Position) -> bool:
    """Whether a compressed file is the one that the position is in."""
    with ExitStack() as stack:
        try:
            head = decompressed(open_file(packed, stack), stack).read(position.head)
        except (OSError, EOFError):
            return False
    return bool(position.head) and digest_of(head) == position.digest


def _lost(path: str, position: Position) -> str:
    """What may be missing when the file that was read is not there any more."""
    folder, name = os.path.split(os.path.abspath(path))
    stem = os.path.splitext(name)[0]
    packed = sorted(other for other in _names(folder) if other.startswith(stem) and other.endswith(_COMPRESSED))
    text = f"`{path}` was rotated, and the file that was read up to byte {position.offset} is not there any more"
    return f"{text}; `lanner scan` reads what is compressed, such as `{packed[-1]}`" if packed else text
