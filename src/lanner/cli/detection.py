"""Settings to a running detection: rules compiled, output made."""

from __future__ import annotations

import io
import sys
from functools import partial
from typing import TYPE_CHECKING

from lanner.cli.loading import load_rules
from lanner.cli.messages import Console
from lanner.cli.screens import shows
from lanner.cli.settings import Settings
from lanner.compiler.ruleset import RuleSet, Selection, compile_rules
from lanner.outputs.format import AlertFormat
from lanner.outputs.screen import Screen, columns
from lanner.outputs.sink import Encoding
from lanner.outputs.stdout import StdoutOutput, Stream
from lanner.outputs.terminal import TerminalFormat

if TYPE_CHECKING:
    from typing_extensions import Buffer


def compile_settings(settings: Settings, console: Console) -> RuleSet:
    """Load and compile the rules that the settings select.

    Raises:
        Failure: The rules have errors, or none of them is left.
    """
    loaded = load_rules(settings, console)
    selection = Selection(
        min_priority=settings.priority,
        tags=settings.tags,
        not_tags=settings.not_tags,
        disabled=settings.disabled,
    )
    compiled = compile_rules(loaded, matching=settings.rule_matching, selection=selection)
    if not compiled.rules:
        console.warn("no rule is selected")
    return compiled


def open_stdout(settings: Settings, console: Console, screen: Screen | None = None) -> StdoutOutput:
    """Standard output for alerts as the settings want them; above the status of a screen that is the same terminal."""
    stream: Stream = sys.stdout.buffer if settings.stdout_output else io.BufferedWriter(_Nowhere())
    if screen and settings.stdout_output and shows(screen, sys.stdout):
        stream = screen
    return StdoutOutput(stream, encoding_of(settings, console))


def encoding_of(settings: Settings, console: Console) -> Encoding:
    """How alerts on standard output look: for people on a terminal, else as Falco prints them."""
    has_color = console.has_color(sys.stdout)
    if sys.stdout.isatty() and not settings.json_output:
        width = partial(columns, sys.stdout.fileno())
        return TerminalFormat(columns=width, iso8601=settings.time_format_iso_8601, color=has_color)
    return alert_format(settings, terminal=sys.stdout.isatty(), color=has_color)


def alert_format(settings: Settings, *, terminal: bool = False, color: bool = False) -> AlertFormat:
    """Alerts as Falco prints them, as the settings want them; for a terminal, made safe and coloured."""
    return AlertFormat(
        json=settings.json_output,
        include_output=settings.json_include_output_property,
        include_tags=settings.json_include_tags_property,
        include_message=settings.json_include_message_property,
        include_fields=settings.json_include_output_fields_property,
        iso8601=settings.time_format_iso_8601,
        terminal=terminal,
        color=color,
    )


class _Nowhere(io.RawIOBase):
    """Takes what is written, and forgets it."""

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        return memoryview(data).nbytes
