"""Log entries from files: for trying out rules, and for what was exported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from lanner.events.elements import documents, elements
from lanner.plugins.gke.options import Options
from lanner.plugins.gke.rebuilding import Event, Rebuilder, deliveries
from lanner.sources.base import Delivery, Framing, Handler, Limits, SourceError
from lanner.sources.files import scan
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import insist

_BLANK = b" \t\r\n"


class FileSource:
    """Files, a folder or a pattern, compressed or not, read once: an entry a line, one over several lines, or a list.

    `gcloud logging read --format=json` writes a list.
    """

    def __init__(self, path: str, options: Options, context: Context) -> None:
        """Prepare; nothing is opened yet."""
        self._path = path
        self._max_size = min(options.max_event_size, context.limits.max_event_size)
        self._context = context

    async def run(self, handle: Handler) -> None:
        """Deliver all entries, then end.

        Raises:
            SourceError: Nothing can be read.
        """
        errors: list[SourceError] = []
        rebuilder = Rebuilder(self._context, self._max_size)
        limits = self._context.limits
        # A line within the bound of a batch comes whole: the limit of an event is for what becomes of it.
        found = scan(
            [self._path],
            Limits(limits.max_batch_size, limits.max_batch_size, limits.block_size),
            on_error=errors.append,
        )
        self._context.started(f"reading {self._path}", "")
        number = 0
        while block := await asyncio.to_thread(next, found, None):
            events: list[Event | None] = await rebuilder.rebuild(list(_entries(block)))
            for delivery in deliveries((event for event in events if event), block.origin):
                await insist(handle, delivery, self._context)
            number += len(events)
        for error in errors:
            if not number:
                raise error
            self._context.tell(Trouble.DAMAGED, str(error))


def _entries(block: Delivery) -> Iterator[bytes]:
    payload = bytes(block.payload)
    for text in payload.splitlines() if block.framing is Framing.LINES else [payload]:
        inner = elements(text) if text.lstrip(_BLANK).startswith(b"[") else None
        yield from documents(text) if inner is None else inner
