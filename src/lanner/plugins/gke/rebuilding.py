"""Log entries, as they come, to deliveries of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lanner.plugins.gke.entry import Entry, SetAside, read_entry, to_event
from lanner.plugins.gke.labels import ClusterLabels
from lanner.sources.base import Delivery, Framing
from lanner.sources.plugin import Context, Trouble

_PARTIAL = "a log entry that is damaged: evaluated as far as it could be read"
_BLANK = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Event:
    """An event, in one line of JSON; of one whose entry was beyond the limit, the size of that."""

    text: bytes
    size: int = 0


class Rebuilder:
    """Makes events of log entries; says what it sets aside, each kind once for all entries that come together."""

    def __init__(self, context: Context, max_entry_size: int, labels: ClusterLabels | None = None) -> None:
        """Prepare.

        Args:
            context: To be told of entries that are no events.
            max_entry_size: Bytes beyond which an entry becomes an event without its bodies.
            labels: The labels of clusters; None: they are not wanted.
        """
        self._context = context
        self._max_size = max_entry_size
        self._labels = labels

    async def rebuild(self, entries: Sequence[bytes]) -> list[Event | None]:
        """The event of each entry; None where it is none."""
        read = [read_entry(data) for data in entries]
        found: list[Event | None] = []
        troubles: Counter[tuple[Trouble, str]] = Counter()
        clusters = {entry.cluster for entry in read if isinstance(entry, Entry) and entry.cluster}
        labels = await self._labels.of_all(clusters) if self._labels and clusters else {}
        for data, entry in zip(entries, read, strict=True):
            if isinstance(entry, SetAside):
                troubles[entry.trouble, entry.reason] += 1
                found.append(None)
                continue
            if not entry.is_whole:
                troubles[Trouble.DAMAGED, _PARTIAL] += 1
            is_small = len(data) <= self._max_size
            text = to_event(entry, labels.get(entry.cluster) if entry.cluster else None, with_bodies=is_small)
            found.append(Event(text, 0 if is_small else len(data)))
        for (trouble, reason), times in troubles.items():
            self._context.tell(trouble, reason, times)
        return found


def deliveries(events: Iterable[Event], origin: str) -> Iterator[Delivery]:
    """Deliveries of events: one of all that are whole, and one for each that is reduced."""
    whole = []
    for event in events:
        if event.size:
            yield Delivery(event.text, Framing.BODY, origin, truncated=True, size=event.size)
        else:
            whole.append(event.text)
    if whole:
        yield Delivery(b"\n".join(whole), Framing.LINES, origin)
