"""The line below everything else on a terminal: what it is made of, and how it fits."""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from rich.console import Console as RichConsole
from rich.progress_bar import ProgressBar as RichBar
from rich.text import Text

from lanner.cli.messages import Console, counted
from lanner.engine.stats import Stats
from lanner.outputs.screen import Screen
from lanner.rules.priority import Priority

STYLES = {
    Priority.EMERGENCY: "bold bright_white on red",
    Priority.ALERT: "bold bright_red",
    Priority.CRITICAL: "bold red",
    Priority.ERROR: "red",
    Priority.WARNING: "yellow",
    Priority.NOTICE: "cyan",
    Priority.INFORMATIONAL: "green",
    Priority.DEBUG: "dim",
}
"""How priorities look; the same as those of alerts on a terminal."""

_WINDOW_S = 3.0
_BAR_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the line.

    Attributes:
        text: What it says.
        rank: What there is no room for is left out from the highest rank on.
        is_close: It goes on with the part before it, without a separator.
    """

    text: Text
    rank: int
    is_close: bool = False


class StatusLine:
    """Draws parts below what a screen shows, as many as fit into one row."""

    def __init__(self, screen: Screen, console: Console) -> None:
        color = console.has_color(sys.stderr)
        self._screen = screen
        self._has_symbols = _can_say("●━╸─·", sys.stderr.encoding)
        self._rich = RichConsole(
            file=io.StringIO(),
            force_terminal=True,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
            width=10_000,
        )

    def draw(self, parts: Sequence[Part]) -> None:
        """Show the parts in place of those of the last time."""
        separator = " · " if self._has_symbols else " | "
        line = fit(parts, self._screen.columns - 1, separator)
        if not self._has_symbols:
            line.plain = line.plain.encode("ascii", "replace").decode()
        with self._rich.capture() as captured:
            self._rich.print(line, end="", no_wrap=True, soft_wrap=True)
        self._screen.show(captured.get())

    def light(self, *, is_well: bool) -> Text:
        """A sign that is green when all is well."""
        return Text("●" if self._has_symbols else "*", "green" if is_well else "red")

    def bar(self, done: int, total: int) -> Text:
        """How much of something is done, as a bar."""
        cells = RichBar(
            total=max(total, 1),
            completed=min(done, total),
            width=_BAR_WIDTH,
            style="bright_black",
            complete_style="cyan",
            finished_style="green",
        )
        options = replace(self._rich.options, max_width=_BAR_WIDTH, encoding="utf-8" if self._has_symbols else "ascii")
        return Text.assemble(*((cell.text, cell.style or "") for cell in self._rich.render(cells, options)))


class Rate:
    """How fast a number grows, by what it was during the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, number: int, now: float) -> float:
        """Take the number as it is now, and say how fast it has grown.

        Args:
            number: Never smaller than the last time.
            now: Seconds of a clock that never goes back.
        """
        self._seen.append((now, number))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW_S:
            self._seen.popleft()
        then, before = self._seen[0]
        return (number - before) / (now - then) if now > then else 0.0


def fit(parts: Sequence[Part], width: int, separator: str) -> Text:
    """The parts in a row, those of the highest ranks left out when there is not enough room for all."""
    kept = [part for part in parts if part.text.plain]
    gap = Text(separator, "dim")
    while True:
        line = Text(" ")
        for at, part in enumerate(kept):
            line.append_text(Text(" ") if part.is_close or at == 0 else gap)
            line.append_text(part.text)
        line = line[1:]
        if line.cell_len <= width or len(kept) <= 1:
            line.truncate(max(width, 0), overflow="crop")
            return line
        worst = max(kept, key=lambda part: part.rank)
        kept.remove(worst)


def rate_text(rate: float, noun: str) -> str:
    """`1,234 events/s`; with one digit behind the point when it is slow."""
    return f"{rate:,.0f} {noun}/s" if rate >= 10 or rate == 0 else f"{rate:.1f} {noun}/s"


def duration(seconds: float) -> str:
    """`12s`, `3m05s`, `2h07m`, `4d03h`."""
    whole = int(seconds)
    for unit, size, below, smaller in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // smaller:02}{below}"
    return f"{whole}s"


def found_parts(stats: Stats, lost: Mapping[str, int] = MappingProxyType({})) -> Iterator[Part]:
    """Alerts, those of each priority, and what was lost.

    Args:
        stats: What was counted.
        lost: What else was lost, by what is said of it.
    """
    yield Part(Text(counted(stats.alerts, "alert"), "bold" if stats.alerts else "dim"), 2)
    for priority in Priority:
        if number := stats.by_priority.get(priority, 0):
            yield Part(Text(f"{number:,} {priority.short}", STYLES[priority]), 10 + priority.level, is_close=True)
    read = {"malformed": stats.malformed, "truncated": stats.truncated, "dropped": sum(stats.dropped.values())}
    losses = [f"{number:,} {what}" for what, number in {**read, **lost}.items() if number]
    yield Part(Text(", ".join(losses), "yellow"), 3)


def _can_say(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return (encoding or "").lower().replace("-", "") == "utf8"
