"""What an output that a worker serves does beyond every output, and what goes wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from lanner.engine.alert import Alert, Finding
from lanner.outputs.base import Output


class Encoding(Protocol):
    """How an alert becomes a line; `AlertFormat` and `AlertTemplate` are encodings."""

    @property
    def json(self) -> bool:
        """Whether a line is a JSON text."""

    def encode(self, alert: Alert) -> bytes:
        """The alert as one line of UTF-8, with its line break and without other control characters."""

    def encode_all(self, alerts: Sequence[Alert]) -> bytes:
        """The alerts as lines."""


class Sink(Output, Protocol):
    """An output that may wait for its place, for no longer than its options say; used by one thread at a time.

    After a `write` or `flush` that failed, the same alerts may be written again.

    Attributes:
        max_batch: How many alerts a `write` is given; all of them are written again when it fails.
    """

    max_batch: ClassVar[int]

    @property
    def place(self) -> str:
        """Where alerts go, for messages: no secret is in it. Empty where failures say it themselves."""

    def reopen(self) -> None:
        """Begin anew with the next `write`, as after SIGUSR1; safe to call from a signal handler and other threads."""


@runtime_checkable
class FindingSink(Protocol):
    """An output that writes findings as they are, which costs less than to make alerts of them."""

    def write_findings(self, findings: Sequence[Finding]) -> None:
        """As `write`, for the alerts of findings."""


class RefusedError(OSError):
    """The place is there and will not have this alert: to write it again is of no use."""


class GoneError(OSError):
    """The place is gone and does not come back, as standard output once its reader has left."""


class OptionError(ValueError):
    """An option of an output cannot be used.

    Attributes:
        option: The option's key.
        message: What is wrong.
        help: What to write instead, or None.
    """

    def __init__(self, option: str, message: str, help: str | None = None) -> None:
        super().__init__(f"`{option}`: {message}")
        self.option = option
        self.message = message
        self.help = help
