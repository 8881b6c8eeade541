"""Stored alerts as outputs read them: in order, from where each has come to."""

from __future__ import annotations

import msgspec

from lanner.engine.alert import Finding


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An alert that is stored.

    Attributes:
        seq: Its number, larger than that of every alert before it; some numbers may be missing.
        stored_ns: When it was stored, in nanoseconds since the epoch.
        total: About how many bytes it and all alerts before it take.
        finding: What is told.
    """

    seq: int
    stored_ns: int
    total: int
    finding: Finding
