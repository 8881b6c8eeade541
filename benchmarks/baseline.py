"""Decoding alone, the measure that everything else is compared with: `python -m benchmarks.baseline HOW PATH…`.

A typed decoder for all members that Falco's official rules touch, on the same bytes. It shares no code with Lanner, and
reads the files by itself, in the way that was found to be the fastest: decoding is what nobody can do without.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import BinaryIO

import msgspec
from xopen import xopen

_BUFFER_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 16  # larger ones are given back to the system and zeroed anew each time


class User(msgspec.Struct, gc=False):
    """Who asked."""

    username: str | None = None
    groups: list[str] | None = None


class ObjectReference(msgspec.Struct, gc=False, rename="camel"):
    """What was asked for."""

    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    api_group: str | None = None
    api_version: str | None = None
    subresource: str | None = None


class Status(msgspec.Struct, gc=False):
    """What was answered."""

    code: int | None = None
    reason: str | None = None


class Event(msgspec.Struct, gc=False, rename="camel"):
    """An audit event; the bodies stay raw."""

    audit_id: str | None = msgspec.field(default=None, name="auditID")
    stage: str | None = None
    verb: str | None = None
    request_uri: str | None = msgspec.field(default=None, name="requestURI")
    user_agent: str | None = None
    user: User | None = None
    impersonated_user: User | None = None
    object_ref: ObjectReference | None = None
    response_status: Status | None = None
    annotations: dict[str, str] | None = None
    source_ips: list[str] | None = msgspec.field(default=None, name="sourceIPs")
    request_received_timestamp: str | None = None
    stage_timestamp: str | None = None
    request_object: msgspec.Raw = msgspec.Raw()
    response_object: msgspec.Raw = msgspec.Raw()


_DECODER = msgspec.json.Decoder(Event)


def by_line(paths: Iterable[str]) -> None:
    """Decode line by line; no event outlives the next."""
    for path in paths:
        with _open(path, _BUFFER_BYTES) as file:
            deque(map(_DECODER.decode, file), maxlen=0)


def by_block(paths: Iterable[str]) -> None:
    """Decode blocks of whole lines, in one call each."""
    for path in paths:
        with _open(path, 0) as file:
            waiting: list[bytes] = []
            while block := file.read(_BLOCK_BYTES):
                cut = block.rfind(b"\n") + 1
                if cut:
                    _DECODER.decode_lines(b"".join([*waiting, block[:cut]]))
                    waiting.clear()
                waiting.append(block[cut:])
            _DECODER.decode_lines(b"".join(waiting))


def by_map(paths: Iterable[str]) -> None:
    """Decode line by line where the file lies in memory, without a copy; what is compressed lies nowhere."""
    for path in paths:
        if path.endswith(".gz") or not os.path.isfile(path):
            by_line([path])
        elif os.path.getsize(path):
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                _decode_mapped(mapped)


def _decode_mapped(mapped: mmap.mmap) -> None:
    at = 0
    with memoryview(mapped) as view:
        while at < len(view):
            end = mapped.find(b"\n", at) + 1 or len(view)
            _DECODER.decode(view[at:end])
            at = end


HOWS: Mapping[str, Callable[[Iterable[str]], None]] = MappingProxyType(
    {"by-line": by_line, "by-block": by_block, "by-map": by_map}
)


def _open(path: str, buffering: int) -> BinaryIO:
    if path.endswith(".gz"):
        return xopen(path, "rb", threads=0)
    return open(path, "rb", buffering=buffering)


if __name__ == "__main__":
    HOWS[sys.argv[1]](sys.argv[2:])
