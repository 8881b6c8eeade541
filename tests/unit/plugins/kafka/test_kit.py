"""The conformance kit, on librdkafka's mock brokers."""

import asyncio
from collections.abc import Sequence

import pytest

from lanner.plugins.kafka import PLUGIN
from lanner.testing import Place, SourceKit
from tests.unit.plugins.kafka.cluster import Cluster, options

TOPIC = "audit"


class TopicPlace(Place):
    """A topic; events go to its partitions in turn."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.open_params = f"{cluster.brokers}/{TOPIC}"
        self.options = options()

    async def put(self, documents: Sequence[bytes]) -> None:
        for partition in range(2):
            await asyncio.to_thread(self._cluster.send, TOPIC, documents[partition::2], partition)

    async def put_damaged(self) -> None:
        for partition in range(2):
            await asyncio.to_thread(self._cluster.send, TOPIC, [b"\xff no JSON {", None, b"[1, {}]"], partition)

    async def acknowledged(self) -> int:
        return sum((await asyncio.to_thread(self._cluster.committed, TOPIC)).values())


class TestKafka(SourceKit):
    plugin = PLUGIN
    bad_open_params = ("", "broker:9092", "kafka://broker:9092/topic")

    @pytest.fixture
    def place(self, cluster: Cluster) -> TopicPlace:
        return TopicPlace(cluster)
