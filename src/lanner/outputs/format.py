"""Alerts to lines: the text and the JSON that Falco 0.44.1 prints, byte for byte.

Source: Falco, formats.cpp; Falco libs, utils.cpp (`ts_to_string`, `ts_to_iso_8601`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from lanner.diagnostics.visible import unicode_escape, visible
from lanner.engine.alert import Alert, FieldValue
from lanner.rules.priority import Priority

SECOND_NS = 1_000_000_000
ENCODE = msgspec.json.Encoder().encode
ENCODE_LINES = msgspec.json.Encoder().encode_lines
_CONTROLS = re.compile(r"[\x00-\x1f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
RESET = "\x1b[0m"
COLORS = {
    Priority.EMERGENCY: "\x1b[1;97;41m",
    Priority.ALERT: "\x1b[1;91m",
    Priority.CRITICAL: "\x1b[1;31m",
    Priority.ERROR: "\x1b[31m",
    Priority.WARNING: "\x1b[33m",
    Priority.NOTICE: "\x1b[36m",
    Priority.INFORMATIONAL: "\x1b[32m",
    Priority.DEBUG: "\x1b[2m",
}


class Line(msgspec.Struct, gc=False):
    """A JSON alert; the members stand in the order of the alphabet, as Falco prints them, and may be unset."""

    hostname: str
    message: str | msgspec.UnsetType
    output: str | msgspec.UnsetType
    output_fields: dict[str, FieldValue] | msgspec.Struct | msgspec.UnsetType
    priority: str
    rule: str
    source: str
    tags: tuple[str, ...] | msgspec.Raw | msgspec.UnsetType
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFormat:
    """How an alert becomes a line.

    Attributes:
        json: An object a line instead of text.
        include_output: Whether JSON has `output`, the line that the text form would be.
        include_tags: Whether JSON has `tags`.
        include_message: Whether JSON has `message`, the output without time and priority.
        include_fields: Whether JSON has `output_fields`.
        iso8601: Date and time of day in UTC instead of the local time of day.
        terminal: Escape what a terminal could obey or hide beyond JSON's own escapes: C1 controls, bidirectional marks.
        color: Show the priority of a text line in colour.
    """

    json: bool = False
    include_output: bool = True
    include_tags: bool = True
    include_message: bool = False
    include_fields: bool = True
    iso8601: bool = False
    terminal: bool = False
    color: bool = False

    def encode(self, alert: Alert) -> bytes:
        """The alert as one line of UTF-8, with its line break."""
        try:
            line = self._json(alert) if self.json else escape(self._output(alert))
        except UnicodeEncodeError:
            return self.encode(without_surrogates(alert))
        if self.terminal:
            line = for_terminal(line)
        if self.color and not self.json:
            word = alert.priority.value
            line = line.replace(word.encode(), f"{COLORS[alert.priority]}{word}{RESET}".encode(), 1)
        return line + b"\n"

    def encode_all(self, alerts: Sequence[Alert]) -> bytes:
        """The alerts as lines, each with its line break; the same as `encode` for each, in less time."""
        if self.json and not self.terminal:
            try:
                return ENCODE_LINES([self._line(alert) for alert in alerts])
            except UnicodeEncodeError:
                pass  # one of them holds what UTF-8 cannot say
        return b"".join(map(self.encode, alerts))

    @property
    def time_key(self) -> str:
        """The name of the alert's time among the output fields."""
        return "evt.time.iso8601" if self.iso8601 else "evt.time"

    def _output(self, alert: Alert) -> str:
        clock = iso_time(alert.time_ns) if self.iso8601 else local_time(alert.time_ns)
        return f"{clock}: {alert.priority} {alert.message}"

    def _json(self, alert: Alert) -> bytes:
        return ENCODE(self._line(alert))

    def _line(self, alert: Alert) -> Line:
        unset = msgspec.UNSET
        message, priority = alert.message, alert.priority
        seconds, rest = divmod(alert.time_ns, SECOND_NS)
        fraction = f".{rest:09}"
        utc = f"{utc_second(seconds)}{fraction}"
        clock = f"{utc}+0000" if self.iso8601 else f"{local_second(seconds)}{fraction}"
        return Line(
            alert.hostname,
            message if self.include_message else unset,
            f"{clock}: {priority} {message}" if self.include_output else unset,
            self._fields(alert) if self.include_fields else unset,
            priority.value,
            alert.rule,
            alert.source,
            alert.tags if self.include_tags else unset,
            f"{utc}Z",
        )

    def _fields(self, alert: Alert) -> dict[str, FieldValue]:
        """The alert's fields and its time, whose key and type are those of Falco's line prefix, by name."""
        key = self.time_key
        fields = alert.output_fields
        if key < next(iter(fields), "~"):
            return {key: alert.time_ns, **fields}
        return dict(sorted({key: alert.time_ns, **fields}.items()))


def escape(text: str) -> bytes:
    """The text as UTF-8 on one line: control characters as JSON escapes them, quotes and backslashes as they are."""
    return escaped(text).encode()


def escaped(text: str) -> str:
    """The text with control characters as JSON escapes them."""
    return _CONTROLS.sub(_json_escape, text)


def for_terminal(line: bytes) -> bytes:
    r"""The line with every character that a terminal would not show as `\uXXXX`, as JSON reads it back.

    Args:
        line: UTF-8 whose ASCII control characters are escaped already; what is no UTF-8 is replaced by U+FFFD.
    """
    text = line.decode("utf-8", "replace")
    return visible(text, unicode_escape).encode()


def local_time(time_ns: int) -> str:
    """The local time of day, `HH:MM:SS.nnnnnnnnn`, of nanoseconds since the epoch."""
    seconds, rest = divmod(time_ns, SECOND_NS)
    return f"{local_second(seconds)}.{rest:09}"


def utc_time(time_ns: int) -> str:
    """Date and time in UTC, `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`, of nanoseconds since the epoch."""
    seconds, rest = divmod(time_ns, SECOND_NS)
    return f"{utc_second(seconds)}.{rest:09}Z"


def iso_time(time_ns: int) -> str:
    """Date and time in UTC as `evt.time.iso8601` prints them: `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`."""
    return f"{utc_time(time_ns)[:-1]}+0000"


@lru_cache(maxsize=256)
def local_second(seconds: int) -> str:
    """`HH:MM:SS` in the time zone of the process, of seconds since the epoch."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


@lru_cache(maxsize=256)
def utc_second(seconds: int) -> str:
    """`YYYY-MM-DDTHH:MM:SS` in UTC, of seconds since the epoch."""
    moment = time.gmtime(seconds)
    return f"{moment.tm_year:04}-{time.strftime('%m-%dT%H:%M:%S', moment)}"


def _json_escape(control: re.Match[str]) -> str:
    return ENCODE(control[0]).decode()[1:-1]


def without_surrogates(alert: Alert) -> Alert:
    """The alert with U+FFFD for what UTF-8 cannot say, as Falco replaces it."""

    def clean(value: FieldValue) -> FieldValue:
        if isinstance(value, str):
            return _SURROGATES.sub("\ufffd", value)
        return [_SURROGATES.sub("\ufffd", item) for item in value] if isinstance(value, list) else value

    texts = {
        name: _SURROGATES.sub("\ufffd", getattr(alert, name)) for name in ("rule", "source", "message", "hostname")
    }
    fields = {_SURROGATES.sub("\ufffd", key): clean(value) for key, value in alert.output_fields.items()}
    tags = tuple(_SURROGATES.sub("\ufffd", tag) for tag in alert.tags)
    return msgspec.structs.replace(alert, **texts, output_fields=fields, tags=tags)
