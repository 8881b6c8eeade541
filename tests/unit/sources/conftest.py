"""Fixtures for tests of sources."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from lanner.sources.connection import Bounds


@pytest.fixture(params=["in parts", "in place"])
def intake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Receives bodies in parts with Python's event loop, then to where they are decoded with the one of the program."""
    if request.param == "in parts":
        yield
        return
    monkeypatch.setitem(Bounds.__init__.__kwdefaults__, "direct_size", 1)  # type: ignore[arg-type]  # it has some
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    yield
    asyncio.set_event_loop_policy(None)
