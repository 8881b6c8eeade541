"""Events out of files: all of them, or the one on a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lanner.events.decode import FLAWS, Batch, EventDecoder
from lanner.events.schema import EventSchema
from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.files import scan

MAX_EVENTS = 100_000
"""Events that are taken from one file when no line is named."""

_DECODER = EventDecoder(EventSchema(()))


@dataclass(eq=False)
class PickError(Exception):
    """No event can be had: why, what to do, and which key of an event's description is to blame, if one is.

    `is_unreadable` tells files that cannot be read from files without the event that is wanted.
    """

    message: str
    help: str | None = None
    key: str = ""
    is_unreadable: bool = False


def pick_events(path: str, line: int | None = None) -> list[bytes]:
    """The JSON texts of a file's events, in order; at least one. A damaged event is what could be read of it.

    Args:
        path: A file as `lanner scan` reads it, or `-` for standard input.
        line: Only what is on this line, from 1; in a file with one JSON document, the event of this number.

    Raises:
        PickError: The file cannot be read, has no such line, or what is there is no audit event.
    """
    errors: list[SourceError] = []
    found: list[bytes] = []
    first = 1  # the number of the next block's first line
    for delivery in scan([path], Limits(), on_error=errors.append):
        if delivery.truncated:
            raise PickError(f"`{path}` holds an event of more than {Limits().max_event_size:,} bytes")
        if delivery.framing is Framing.BODY:
            events = list(_raws(_DECODER.body(delivery.payload), path))
            found += events if line is None else events[line - 1 : line]
        elif line is None:
            found += _raws(_DECODER.lines(delivery.payload), path)
        else:
            lines = bytes(delivery.payload).splitlines()
            if first <= line < first + len(lines):
                found += _raws(_DECODER.piecewise(lines[line - first]), path)
                break
            first += len(lines)
        if len(found) > MAX_EVENTS:
            raise PickError(f"`{path}` has more than {MAX_EVENTS:,} events", "name one of its lines")
    if errors:
        raise PickError(str(errors[0]), errors[0].help, is_unreadable=True)
    if not found and line is None:
        raise PickError(f"`{path}` has no event", "give an audit log, or one event as JSON")
    if not found:
        raise PickError(
            f"`{path}` has no event on line {line:,}", "lines are counted from 1; `lanner grep` finds events"
        )
    return found


def is_audit_event(text: bytes) -> bool:
    """Whether a JSON text is one audit event."""
    batch = _DECODER.piecewise(text)
    return len(batch.events) == 1 and not batch.problems


def _raws(batch: Batch, origin: str) -> Iterator[bytes]:
    problem = next((each for each in batch.problems if each.event is None), None)
    if problem is not None:
        raise PickError(f"`{origin}` holds what is no audit event: {FLAWS[problem.flaw]}", f"it is `{problem.sample}`")
    yield from map(batch.raw, range(len(batch.events)))
