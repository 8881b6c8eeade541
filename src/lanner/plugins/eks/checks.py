"""Whether the audit log of a cluster can be read: credentials, the log group, its streams, the permission."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lanner.plugins.eks.logs import Failure, Logs, Place, logging_command
from lanner.sources.plugin import Finding

_AN_HOUR_MS = 3_600_000


def findings(place: Place) -> Iterator[Finding]:
    """What is well and what is missing, in the order in which it matters; requests are made as it is iterated."""
    try:
        logs = Logs(place)
        yield Finding("credentials", True, f"they are those of {logs.caller()}")
    except Failure as error:
        yield _missing("credentials", error)
        return
    group = f"log group {place.group}"
    now_ms = int(time.time() * 1000)
    try:
        logs.page(now_ms - _AN_HOUR_MS, now_ms, limit=1)
    except Failure as error:
        yield _missing(group, error)
        return
    yield Finding(group, True, "its events can be read (logs:FilterLogEvents)")
    try:
        if logs.has_streams():
            yield Finding(group, True, "it has streams of the audit log")
        else:
            yield Finding(group, False, "it has no stream of the audit log", logging_command(place))
    except Failure as error:
        text = f"whether it has streams of the audit log cannot be told: {error}"
        yield Finding(group, True, text, error.help)  # it can be read without that permission


def _missing(subject: str, error: Failure) -> Finding:
    return Finding(subject, False, str(error), error.help)
