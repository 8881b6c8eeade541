"""What every output does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lanner.engine.alert import Alert


class Output(Protocol):
    """A place that alerts are written to.

    An alert counts as delivered when `flush` has returned after the `write` that took it; both raise `OSError` when
    the place cannot take more.
    """

    def write(self, alerts: Sequence[Alert]) -> None:
        """Take alerts, in order; they may stay in a buffer until `flush`."""

    def flush(self) -> None:
        """Hand on everything taken so far."""

    def close(self) -> None:
        """Flush and let go of the place; safe to call twice."""
