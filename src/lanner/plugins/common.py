"""What the plugins that come with Lanner have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from msgspec import Meta

from lanner.sources.base import SourceError, reason_of

MaxEventSize = Annotated[
    int, Meta(description="Largest event in bytes; a larger one is evaluated on its metadata.", ge=1)
]
"""The option that bounds an event."""


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Import what needs a library that an extra brings, and costs start-up time.

    Raises:
        SourceError: The library is missing; it says what to install.
    """
    try:
        yield
    except ImportError as error:
        raise missing(extra, reason_of(error)) from None


def missing(extra: str, reason: str) -> SourceError:
    """That a library is missing."""
    return SourceError(f"lanner[{extra}]", reason, f"pip install 'lanner[{extra}]'", action="use")
