"""Sources on platforms, by the tests that any source has to pass."""

import itertools
import json
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from lanner.plugins import eks, ovh
from lanner.testing import Place, SourceKit

from .cloudwatch import CLUSTER, CloudWatch, cloudwatch
from .ldp import Platform, frame, platform


class Tail(Place):
    """A tail that keeps for its one reader what was not read yet, as no platform does."""

    def __init__(self, found: Platform) -> None:
        self.open_params = found.address
        self._platform = found
        self._frames: queue.SimpleQueue[str] = queue.SimpleQueue()
        found.follow(*[self._send] * 10)

    async def put(self, documents: Sequence[bytes]) -> None:
        for document in documents:
            self._frames.put(frame(document.decode()))

    async def put_damaged(self) -> None:
        self._frames.put("\x00 no JSON")

    def _send(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while not self._platform.ended.is_set() and connection.protocol.state.name == "OPEN":
                with suppress(queue.Empty):
                    connection.send(self._frames.get(timeout=0.05))


class TestTail(SourceKit):
    plugin = ovh.PLUGIN
    keeps_place = False
    bad_open_params = ("", "gra1.logs.ovh.com/tail/", "http://gra1.logs.ovh.com/tail/?tk=x")

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
        with platform(tmp_path, monkeypatch) as found:
            yield Tail(found)


class Log(Place):
    """The log of a cluster; events are written with the time at which they are put there."""

    open_params = CLUSTER
    options = eks.Options(polling_interval=0.05, shift=60)

    def __init__(self, found: CloudWatch) -> None:
        self._cloud = found
        self._times = itertools.count(int(time.time() * 1000) - 30_000)
        found.make()

    async def put(self, documents: Sequence[bytes]) -> None:
        start = next(self._times)
        self._times = itertools.count(start + len(documents))
        self._cloud.put(*(document.decode() for document in documents), at_ms=start)

    async def put_damaged(self) -> None:
        self._cloud.put("no JSON", json.dumps({"kind": "Event"})[:-1], at_ms=next(self._times))
        next(self._times)


class TestLog(SourceKit):
    plugin = eks.PLUGIN
    uses_checkpoint = True
    max_repeats = SourceKit.count  # those of the last two minutes
    bad_open_params = ("", "a b")

    @pytest.fixture
    def place(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
        with cloudwatch(monkeypatch) as found:
            yield Log(found)
