"""The conformance kit, with Azure's client against an AMQP peer and a blob server of the tests' own."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from lanner.plugins.aks import PLUGIN
from lanner.testing import Place, SourceKit
from tests.unit.plugins.aks.blobs import Storage
from tests.unit.plugins.aks.hub import Hub
from tests.unit.plugins.aks.test_source import options

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the client, see conftest


class HubPlace(Place):
    """An event hub with two partitions; records go to them in turn."""

    def __init__(self, hub: Hub, storage: Storage) -> None:
        self._hub = hub
        self._storage = storage
        self.options = options(hub, storage)

    async def put(self, documents: Sequence[bytes]) -> None:
        for number, partition in enumerate(self._hub.partitions):
            records = [
                {"category": "kube-audit", "properties": {"log": each.decode()}} for each in documents[number::2]
            ]
            bodies = [json.dumps({"records": [record]}).encode() for record in records]
            await asyncio.to_thread(self._hub.send, bodies, partition)

    async def put_damaged(self) -> None:
        for partition in self._hub.partitions:
            await asyncio.to_thread(self._hub.send, [b"\xff", b'{"records": [7]}', b'{"records"'], partition)

    async def acknowledged(self) -> int:
        return sum(number + 1 for number in self._storage.checkpoints.values())


class TestAks(SourceKit):
    plugin = PLUGIN

    @pytest.fixture
    def place(self, hub: Hub, storage: Storage) -> HubPlace:
        return HubPlace(hub, storage)
