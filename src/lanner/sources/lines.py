"""Blocks of a file to deliveries of whole lines, in bounded memory and without a step per line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lanner.events.skim import Skimmer, skim
from lanner.sources.base import Delivery, Framing, Limits

_BLANK = b" \t\r\n"
_HEAD_BYTES = 1 << 16
# Such a line holds many events, each within its own limit, so that the limit of a batch applies to it. An event cannot
# pretend to be one: quotes within its texts are escaped.
_LIST_HEAD = re.compile(rb'\s*(?:\[|\{[^{}\[\]]*"(?:kind"\s*:\s*"EventList"|items"\s*:))')


class LineCutter:
    """Cuts the blocks of one file at line ends; the rest of a block waits for its newline.

    A line beyond the limit is never held: it is skimmed as it comes and delivered as truncated.
    """

    def __init__(self, origin: str, limits: Limits) -> None:
        self._origin = origin
        self._limits = limits
        self._waiting: list[bytes] = []
        self._size = 0
        self._skimmer: Skimmer | None = None
        self._limit = limits.max_event_size

    @property
    def waiting(self) -> int:
        """Bytes of a last line that has no newline yet."""
        return self._size

    @property
    def block_size(self) -> int:
        """How much to feed at most: no line that lies within a block is beyond the limit."""
        return max(1, min(self._limits.block_size, self._limits.max_event_size))

    def feed(self, block: bytes) -> Iterator[Delivery]:
        """Take the next block, of `block_size` at most; yield the lines that are complete."""
        end = block.find(b"\n") + 1
        if not end or self._is_too_large(end):
            self._wait(block[:end] if end else block)
            if not end:
                return
            yield from self.finish()
            block = block[end:]
        cut = block.rfind(b"\n") + 1
        if cut:
            payload = b"".join([*self._waiting, memoryview(block)[:cut]])  # no second copy of the block
            yield self._delivery(payload)
        if cut < len(block):
            self._wait(block[cut:])

    def finish(self) -> Iterator[Delivery]:
        """Yield the last line, which has no newline, or what could be kept of it; begin anew."""
        if self._skimmer:
            skimmed, size = self._skimmer.finish(), self._size
            yield self._delivery(skimmed.document, truncated=True, size=size)
        elif self._size:
            yield self._delivery(b"".join(self._waiting))

    def _is_too_large(self, more: int) -> bool:
        size = self._size + more
        if size > self._limit == self._limits.max_event_size and not self._skimmer:
            head = b"".join(self._waiting)[:_HEAD_BYTES]
            self._limit = self._limits.max_batch_size if _LIST_HEAD.match(head) else self._limit
        return size > self._limit

    def _wait(self, part: bytes) -> None:
        is_too_large = self._is_too_large(len(part))
        self._waiting.append(part)
        self._size += len(part)
        if is_too_large:
            self._skimmer = self._skimmer or Skimmer()
            for waiting in self._waiting:
                self._skimmer.feed(waiting)
            self._waiting.clear()

    def _delivery(self, payload: bytes, *, truncated: bool = False, size: int = 0) -> Delivery:
        self._waiting, self._size, self._skimmer = [], 0, None
        self._limit = self._limits.max_event_size
        framing = Framing.BODY if truncated else Framing.LINES
        return Delivery(payload, framing, self._origin, truncated, size)


def is_one_document(start: bytes) -> bool:
    """Whether a file that starts so is one JSON document over several lines, rather than one a line.

    It is when its first line that is not blank leaves open what it opens and ends between two tokens, as printers do,
    and the next does not begin an object where only a member can follow; or when the next begins with what can only
    go on with a list or object. A line that was cut off ends anywhere.
    """
    line, newline, rest = start.lstrip(_BLANK).partition(b"\n")
    line, rest = line.rstrip(_BLANK), rest.lstrip(_BLANK)
    if not newline or not line.startswith((b"{", b"[")):
        return False
    if rest.startswith((b",", b"]", b"}")):
        return not skim(line).complete
    if not line.endswith((b"{", b"[", b",", b":")):
        return False
    can_be_followed_by_object = line.endswith((b"[", b":", b"},", b"],"))
    return (can_be_followed_by_object or not rest.startswith(b"{")) and not skim(line).complete
