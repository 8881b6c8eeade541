"""A cluster of librdkafka's own mock brokers, on loopback and ports of their own, and what the tests do with it.

The brokers live in this process, and are made by the library itself, since its Python client cannot say how long they
wait for members of a new group: three seconds otherwise, in almost every test. They speak Kafka's protocol, groups
included; what they do not have is authentication, authorisation, and a log on disk: of each partition they keep 5 MiB.
"""

from __future__ import annotations

import ctypes
import json
import logging
import weakref
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, Producer, TopicPartition, cimpl

from lanner.plugins.kafka import PLUGIN
from lanner.plugins.kafka.options import Options
from lanner.sources.base import Handler, Limits
from tests.unit.plugins import running
from tests.unit.plugins.running import Run

_PRODUCER = 0  # librdkafka's number for the kind of client

PARTITIONS = 4
"""Of a topic that the mock brokers make by themselves."""

QUICK = {"session.timeout.ms": 2500, "heartbeat.interval.ms": 250, "fetch.wait.max.ms": 50, "reconnect.backoff.ms": 50}


class Cluster:
    """The brokers."""

    def __init__(self) -> None:
        library = _library()
        client = library.rd_kafka_new(_PRODUCER, None, None, 0)
        brokers = library.rd_kafka_mock_cluster_new(client, 1)
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(brokers, 100)
        self.brokers: str = library.rd_kafka_mock_cluster_bootstraps(brokers).decode()
        silent = logging.Logger("librdkafka", logging.CRITICAL)
        self._producer = Producer({"bootstrap.servers": self.brokers, "linger.ms": 0}, logger=silent)
        weakref.finalize(self, _end, library, brokers, client)

    def send(self, topic: str, values: Iterable[bytes | None], partition: int = 0) -> None:
        """Append messages to a partition, in order."""
        for value in values:
            self._producer.produce(topic, value, partition=partition)
            self._producer.poll(0)
        assert self._producer.flush(20) == 0

    def committed(self, topic: str, group: str = "lanner") -> dict[int, int]:
        """The offsets that a group has committed."""
        with_group = {"bootstrap.servers": self.brokers, "group.id": group}
        consumer = Consumer(with_group, logger=logging.Logger("librdkafka", logging.CRITICAL))
        try:
            wanted = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            return {each.partition: each.offset for each in consumer.committed(wanted, timeout=10) if each.offset >= 0}
        finally:
            consumer.close()


def _library() -> ctypes.CDLL:
    """librdkafka, as the Python client has loaded it."""
    library = ctypes.CDLL(cimpl.__file__)
    library.rd_kafka_new.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = (ctypes.c_void_p,)
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = (ctypes.c_void_p, ctypes.c_int32)
    for function in (library.rd_kafka_mock_cluster_destroy, library.rd_kafka_destroy):
        function.argtypes, function.restype = (ctypes.c_void_p,), None
    return library


def _end(library: ctypes.CDLL, brokers: int, client: int) -> None:
    library.rd_kafka_mock_cluster_destroy(brokers)
    library.rd_kafka_destroy(client)


def event(audit_id: str) -> bytes:
    return json.dumps({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": audit_id, "verb": "get"}).encode()


def events(prefix: str, count: int) -> list[bytes]:
    return [event(f"{prefix}{number}") for number in range(count)]


def options(**values: object) -> Options:
    properties = {**QUICK, **values.pop("properties", {})}  # type: ignore[dict-item] # tests give mappings
    return Options(**values, properties=properties)  # type: ignore[arg-type] # of any option


async def run_until(
    place: str,
    done: Callable[[], bool],
    run: Run,
    handle: Handler | None = None,
    *,
    given: Options | None = None,
    limits: Limits | None = None,
) -> None:
    """Run a source until something holds, then end it as a run does."""
    await running.run_until(PLUGIN, place, given or options(), done=done, run=run, handle=handle, limits=limits)
