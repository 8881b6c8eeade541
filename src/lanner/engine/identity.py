"""What tells a match from every other, and is the same when its event comes again.

An audit ID does not tell events apart: a client can choose it, and repeat it. So all counts that an alert says: what is
taken for a repetition would have told nobody anything new.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from lanner.engine.alert import AlertKind, FieldValue

_LAST_NS = 2**63 - 1
_ENCODE = msgspec.msgpack.Encoder().encode


def of_match(kind: AlertKind, time_ns: int, said: tuple[str, str | None, str, tuple[FieldValue, ...]]) -> bytes:
    """The identity of a match: 40 bytes.

    It begins with the event's own time, so that those of the same time stand together in an index.

    Args:
        kind: Whose rule counts.
        time_ns: The event's own time, in nanoseconds since the epoch.
        said: Audit ID and stage of the event, message and values of the alert.
    """
    try:
        content = _ENCODE((kind.rule, said))
    except (UnicodeEncodeError, OverflowError):
        content = repr((kind.rule, said)).encode()  # what UTF-8 cannot say, or a number of more than 64 bits
    return _moment(time_ns) + sha256(content).digest()


def of_text(kind: AlertKind, text: bytes) -> bytes:
    """The same where the text of the event has to tell it: it has no time or audit ID, or alerts number events."""
    return _moment(0) + sha256(b"%b\0%b" % (kind.rule.encode("utf-8", "surrogatepass"), text)).digest()


def _moment(time_ns: int) -> bytes:
    return (time_ns if 0 <= time_ns <= _LAST_NS else 0).to_bytes(8)
