"""JSON of any size and depth to a small document of what is worth keeping of it (before step 7 of the data flow).

For what the decoder must not be given whole: an event beyond the size limit, one nested too deeply, a line cut off in
the middle. An audit event's metadata are small members of the top-level object, its bodies are the large ones, so that
the members that fit are an event which rules on metadata can still judge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

MAX_VALUE_BYTES = 1 << 20
"""Default bound of one member: an API server bounds every metadatum well below it."""

MAX_DEPTH = 200
"""Default bound of nesting: a Kubernetes object stays below forty, the decoder takes a few hundred from any caller."""

_MAX_VALUES = 4  # the whole document is bounded by so many of the largest values
_MAX_NAMES = 64
_MAX_NAME_BYTES = 256
_CHUNK = 1 << 20
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_CLOSERS = {b"{": b"}", b"[": b"]"}

# Whole runs of text are matched at once, never a byte at a time. Repeats are possessive: no text makes them go back.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT = rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+"
_LEAF = rb"\{" + _FLAT + rb"\}|\[" + _FLAT + rb"\]"
_DEEP = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb"|" + _LEAF + rb')*+(?:([\[{]++)|([\]}]++)|("))', re.DOTALL)
_SHALLOW = re.compile(
    rb'(?:[^"\[\]{},]++|' + _STRING + rb"|" + _LEAF + rb')*+(?:([\[{]++)|([\]}]++)|(")|(,))', re.DOTALL
)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_PIECE = re.compile(_STRING + rb'|["\[\]{},]', re.DOTALL)
_KEY = re.compile(rb'\s*+"((?:[^"\\]++|\\.)*+)', re.DOTALL)
_OPENED, _CLOSED, _QUOTED = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Skimmed:
    """What was kept of a JSON text.

    `document` is a JSON object or array of the kept members, each as sent; `{}` when the text is neither. `size` is the
    number of bytes seen. `complete` says that the text closed what it opened and nothing followed. `dropped` names the
    members that are missing, wholly or in part (elements of an array as `[index]`; the first 64).
    """

    document: bytes
    size: int
    complete: bool
    dropped: tuple[str, ...]


class Skimmer:
    """Walks one JSON object, or array, given in chunks; memory is bounded, time is linear, no input makes it raise.

    A member whose value is larger than `max_value_bytes` is left out. A container within more than `max_depth` others
    becomes `null` in its place (one that holds no container is let through). Of a text that ends too early the last
    member is kept up to its last complete part. A member that is not JSON is left out.
    """

    def __init__(self, max_value_bytes: int = MAX_VALUE_BYTES, *, max_depth: int = MAX_DEPTH) -> None:
        self._max_value = max_value_bytes
        self._max_document = max_value_bytes * _MAX_VALUES
        self._max_depth = max(max_depth, 2)
        self._document = bytearray()
        self._dropped: list[str] = []
        self._size = 0
        self._depth = 0
        self._member = 0  # where the current member starts in the document
        self._count = 0
        self._is_closed = False
        self._is_sound = True
        self._in_string = False
        self._is_escaped = False
        self._is_pruning = False  # inside of a container that is too deep
        self._is_too_large = False
        self._is_full = False  # nothing that follows is kept
        self._is_cut = False  # the current member misses something

    def feed(self, chunk: bytes) -> None:
        """Take the next part of the text."""
        self._size += len(chunk)
        at = self._open(chunk) if not self._document else 0
        mark = at
        while self._depth and at < len(chunk):
            if self._in_string:
                at = self._leave_string(chunk, at)
                continue
            found = (_SHALLOW if self._depth == 1 and not self._is_full else _DEEP).match(chunk, at)
            if found is None:
                break
            at = found.end()
            if found.lastindex == _QUOTED:
                self._in_string = True
            elif found.lastindex == _OPENED:
                mark = self._deepen(chunk, mark, found.start(1), at)
            elif found.lastindex == _CLOSED:
                mark = self._rise(chunk, mark, found.start(2), at)
            else:
                self._keep(chunk[mark : at - 1])
                self._end_member()
                mark = at
        if self._depth:
            self._keep(chunk[mark:])
        elif self._is_closed and chunk[mark:].strip(_BLANK):
            self._is_sound = False

    def finish(self) -> Skimmed:
        """What was kept of the text; the skimmer is used up."""
        complete = self._is_closed and self._is_sound
        if self._depth:
            self._is_cut = True
            self._document[self._member :] = _closed(bytes(self._document[self._member :]))
            self._end_member()
        document = bytes(self._document)
        if document:
            document = document.removesuffix(b",") + _CLOSERS[document[:1]]
        return Skimmed(document or b"{}", self._size, complete, tuple(self._dropped))

    def _open(self, chunk: bytes) -> int:
        """Take what the text starts with; where to go on."""
        start = chunk.lstrip(_BOM + _BLANK)
        if self._is_sound and start:
            if start[:1] in _CLOSERS:
                self._document += start[:1]
                self._member = self._depth = 1
                return len(chunk) - len(start) + 1
            self._is_sound = False
        return len(chunk)

    def _leave_string(self, chunk: bytes, at: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            return at + 1
        found = _IN_STRING.match(chunk, at)
        end = found.end() if found else at
        if end < len(chunk):  # at the closing quote, or at a backslash whose other half is yet to come
            self._in_string = chunk[end : end + 1] != b'"'
            self._is_escaped = self._in_string
        return end + 1

    def _deepen(self, chunk: bytes, mark: int, start: int, end: int) -> int:
        """Enter containers, opened by `chunk[start:end]`; from where text is now to be kept."""
        depth, self._depth = self._depth, self._depth + end - start
        if not self._is_pruning and self._depth > self._max_depth:
            self._keep(chunk[mark : start + self._max_depth - depth])
            self._keep(b"null")
            self._is_pruning = self._is_cut = True
        return mark

    def _rise(self, chunk: bytes, mark: int, start: int, end: int) -> int:
        """Leave containers, closed by `chunk[start:end]`; from where text is now to be kept."""
        depth, self._depth = self._depth, max(self._depth - (end - start), 0)
        if self._is_pruning and self._depth <= self._max_depth:
            self._is_pruning = False
            mark = start + depth - self._max_depth
        if self._depth:
            return mark
        last = start + depth - 1
        self._keep(chunk[mark:last])
        self._end_member()
        self._is_closed = True
        self._is_sound = chunk[last : last + 1] == _CLOSERS[bytes(self._document[:1])]
        return last + 1

    def _keep(self, text: bytes) -> None:
        if self._is_pruning or self._is_too_large:
            return
        size = len(self._document) - self._member + len(text)
        is_too_large = size > self._max_value
        self._is_full = not is_too_large and self._member + size > self._max_document
        self._is_too_large = is_too_large or self._is_full
        self._document += text[:_MAX_NAME_BYTES] if self._is_too_large else text

    def _end_member(self) -> None:
        member = bytes(self._document[self._member :])
        if member.strip(_BLANK):
            is_kept = not self._is_too_large and self._is_json(member)
            if self._is_cut or not is_kept:
                self._note(member)
            if is_kept:
                self._document += b","
                self._member = len(self._document)
        del self._document[self._member :]
        self._count += 1
        self._is_too_large, self._is_cut = self._is_full, False

    def _note(self, member: bytes) -> None:
        if len(self._dropped) < _MAX_NAMES:
            key = _KEY.match(member[:_MAX_NAME_BYTES]) if self._document[:1] == b"{" else None
            self._dropped.append(key[1].decode("utf-8", "replace") if key else f"[{self._count}]")

    def _is_json(self, member: bytes) -> bool:
        opener = bytes(self._document[:1])
        try:
            msgspec.json.decode(opener + member + _CLOSERS[opener], type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


def skim(payload: bytes, *, max_value_bytes: int | None = None, max_depth: int = MAX_DEPTH) -> Skimmed:
    """Skim a text that is in memory; no bound on its values unless one is given."""
    skimmer = Skimmer(len(payload) if max_value_bytes is None else max_value_bytes, max_depth=max_depth)
    for start in range(0, len(payload), _CHUNK):
        skimmer.feed(payload[start : start + _CHUNK])
    return skimmer.finish()


def _closed(start: bytes) -> bytes:
    """The start of a value up to its last complete part, with the containers closed that are open there."""
    closers: list[bytes] = []
    end = 0
    for piece in _PIECE.finditer(start):
        text = piece[0]
        if text == b'"':
            break
        if text in _CLOSERS:
            closers.append(_CLOSERS[text])
            end = piece.end()
        elif text == b",":
            end = piece.start()
        elif text in b"}]":
            if not closers:
                break
            closers.pop()
            end = piece.end()
    return start[:end] + b"".join(reversed(closers))
