"""Alerts as people watch them on a terminal: columns, colour by priority, long ones wrapped under their message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lanner.diagnostics.visible import unicode_escape, visible
from lanner.engine.alert import Alert
from lanner.outputs.format import COLORS, RESET, escaped, for_terminal, local_time, utc_time
from lanner.outputs.sink import Encoding
from lanner.rules.priority import Priority

_DIM = "\x1b[2m"
_PRIORITY_WIDTH = max(len(priority.short) for priority in Priority)
_GAP = "  "
_MIN_MESSAGE = 40
"""Columns that a message must have for itself; on a narrower terminal its further lines begin at the left."""

_SMALL_INDENT = 2
_MIN_FIRST = 10
"""Columns without which a message begins in the next row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalFormat:
    """How an alert becomes a line, or several, of a terminal.

    Every character that a terminal would not show as it is becomes an escape, before the alert gets its colours.

    Attributes:
        columns: How wide the terminal is; 0: long lines are not wrapped.
        iso8601: Date and time of day in UTC instead of the local time of day.
        color: Show the priority in colour, and what is not the alert's own darker.
    """

    columns: Callable[[], int]
    iso8601: bool = False
    color: bool = False

    @property
    def json(self) -> bool:
        """These lines are text."""
        return False

    def encode(self, alert: Alert) -> bytes:
        """The alert as UTF-8, with the line break at its end."""
        return self.encode_all((alert,))

    def encode_all(self, alerts: Sequence[Alert]) -> bytes:
        """The alerts, each as `encode` gives it."""
        columns = self.columns()
        return "".join([self._text(alert, columns) for alert in alerts]).encode()

    def _text(self, alert: Alert, columns: int) -> str:
        clock = f"{utc_time(alert.time_ns)[:-7]}Z" if self.iso8601 else local_time(alert.time_ns)[:-6]
        word = f"{alert.priority.short:<{_PRIORITY_WIDTH}}"
        indent = len(clock) + len(word) + 2 * len(_GAP)
        rows = wrap(visible(escaped(alert.message), unicode_escape), columns, indent)
        if self.color:
            rows = [*map(_with_dim_names, rows)]
            clock, word = f"{_DIM}{clock}{RESET}", f"{COLORS[alert.priority]}{word}{RESET}"
        left = " " * (indent if columns - indent >= _MIN_MESSAGE else _SMALL_INDENT)
        return f"{clock}{_GAP}{word}{_GAP}" + f"\n{left}".join(rows) + "\n"


@dataclass(frozen=True, slots=True)
class SafeLines:
    """Lines of another encoding, with every character that a terminal would not show as an escape."""

    encoding: Encoding

    @property
    def json(self) -> bool:
        """Whether a line is a JSON text."""
        return self.encoding.json

    def encode(self, alert: Alert) -> bytes:
        """The alert as one line of UTF-8, with its line break."""
        return for_terminal(self.encoding.encode(alert).removesuffix(b"\n")) + b"\n"

    def encode_all(self, alerts: Sequence[Alert]) -> bytes:
        """The alerts as lines."""
        return b"".join(map(self.encode, alerts))


def wrap(text: str, columns: int, indent: int) -> list[str]:
    """A text in rows that fit a terminal, broken at blanks where there are some; nothing is left out but these blanks.

    Args:
        text: Printable.
        columns: How wide the terminal is; 0: all in one row.
        indent: Where the first row begins. So do the others when there is enough room, else near the left edge.
    """
    room = columns - indent
    if columns == 0 or len(text) <= room // 2 or (text.isascii() and len(text) <= room):
        return [text]
    rest_room = room if room >= _MIN_MESSAGE else max(columns - _SMALL_INDENT, 1)
    rows, start = [], 0
    if room < _MIN_FIRST:
        rows, room = [""], rest_room
    while start < len(text):
        end = _row_end(text, start, room)
        rows.append(text[start:end].rstrip(" "))
        start = end
        room = rest_room
    return rows


def _row_end(text: str, start: int, room: int) -> int:
    """Where a row ends that begins at `start`: behind a blank, or within a word that has no room by itself."""
    end = start + room if text.isascii() else _cells_end(text, start, room)
    if end >= len(text):
        return len(text)
    blank = text.rfind(" ", start, end + 1)
    return blank + 1 if blank > start else end


def _cells_end(text: str, start: int, room: int) -> int:
    """The end of what fits, where characters may be two columns wide, or none."""
    from rich.cells import get_character_cell_size  # noqa: PLC0415 - few alerts hold such characters

    end = start
    while end < len(text):
        room -= get_character_cell_size(text[end])
        if room < 0 and end > start:
            break
        end += 1
    return end


def _with_dim_names(row: str) -> str:
    """The row with names in front of `=` darker than the values behind; by hand, in half the time of an expression."""
    *before, last = row.split("=")
    done = []
    for number, part in enumerate(before):
        at = max(part.rfind(" "), part.rfind("("), part.rfind(",")) + 1
        if (at or not number) and part[at:].replace(".", "").isidentifier():
            done.append(f"{part[:at]}{_DIM}{part[at:]}={RESET}")
        else:
            done.append(f"{part}=")
    return "".join(done) + last
