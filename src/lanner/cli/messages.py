"""What the command line says on standard error: errors that end a command, notes that do not."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

import click

from lanner.diagnostics.render import printable

if TYPE_CHECKING:
    from lanner.cli.log import Fields, Level

ColorChoice: TypeAlias = Literal["auto", "always", "never"]


class ExitCode(IntEnum):
    """How a command ends; the contract with scripts."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    ALERTS = 3
    INTERRUPTED = 130


class Failure(click.ClickException):
    """Ends the command: one fact, what to do about it, and the exit status.

    `detail` is for who reads the message alone: the first of the problems that were shown before.
    """

    def __init__(
        self, message: str, help: str | None = None, code: ExitCode = ExitCode.USAGE, *, detail: str = ""
    ) -> None:
        super().__init__(message)
        self.help = help
        self.status = code
        self.detail = detail

    def show(self, file: IO[Any] | None = None) -> None:
        """Say why the command ends."""
        _log("critical", self.message, status=int(self.status), help=self.help)


@dataclass(frozen=True, slots=True)
class Console:
    """What a terminal shows beside the results.

    Attributes:
        quiet: Say nothing but errors.
        progress: Show a progress bar where standard error is a terminal.
        color: Colour for a terminal only, always, or never.
        verbose: Show warnings of rule files in full.
    """

    quiet: bool = False
    progress: bool = True
    color: ColorChoice = "auto"
    verbose: bool = False

    def has_color(self, stream: IO[Any]) -> bool:
        """Whether text for the stream is coloured. Source: no-color.org for the variable NO_COLOR."""
        if self.color != "auto":
            return self.color == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def shows_progress(self) -> bool:
        """Whether standard error takes a progress bar or another status that is drawn anew."""
        return self.progress and not self.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def note(self, text: str, **fields: Unpack[Fields]) -> None:
        """Say what is going on."""
        self._say("info", text, fields)

    def notice(self, text: str, **fields: Unpack[Fields]) -> None:
        """Say what a user may not expect."""
        self._say("notice", text, fields)

    def warn(self, text: str, **fields: Unpack[Fields]) -> None:
        """Say what a user should look at."""
        self._say("warning", text, fields)

    def tell(self, text: str) -> None:
        """Print lines that are for people, however messages look."""
        if not self.quiet:
            say(text)

    def _say(self, level: Level, text: str, fields: Fields) -> None:
        if not self.quiet:
            _log(level, text, **fields)


def report(message: str, **fields: Unpack[Fields]) -> None:
    """Say what went wrong, and go on."""
    _log("error", message, **fields)


def say(text: str) -> None:
    """Print lines on standard error, characters that a terminal could obey made visible."""
    from lanner.cli.log import write  # noqa: PLC0415 - `--version` has nothing to say

    write("\n".join(map(printable, text.split("\n"))) + "\n")


def _log(level: Level, message: str, **fields: Unpack[Fields]) -> None:
    from lanner.cli.log import log  # noqa: PLC0415 - `--version` has nothing to say

    log(level, message, **fields)


def did_you_mean(word: str, known: list[str]) -> str | None:
    """The help for a misspelt word, or None when nothing is near."""
    near = get_close_matches(word[:200], known, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else None


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
