"""Whether the brokers answer, the topics exist, and the group may read them. Takes no message, joins no group."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from lanner.plugins.kafka.consumer import text_of
from lanner.plugins.kafka.options import Options, Place, consumer_properties
from lanner.sources.plugin import Finding

if TYPE_CHECKING:
    from confluent_kafka.admin._metadata import ClusterMetadata

TIMEOUT_S = 10.0
_READ_S = 3.0
_POLL_S = 0.1


async def findings(place: Place, options: Options) -> Sequence[Finding]:
    """What was found, brokers first.

    Raises:
        SourceError: A property is one that Lanner sets.
    """
    properties = consumer_properties(place, options)
    return await asyncio.to_thread(lambda: [*_find(place, options, properties)])


def _find(place: Place, options: Options, properties: dict[str, object]) -> Iterator[Finding]:
    said: list[str] = []
    subject = f"brokers {place.brokers}"
    silent = logging.Logger("librdkafka", logging.CRITICAL)
    try:
        consumer = Consumer({**properties, "error_cb": lambda error: said.append(text_of(error))}, logger=silent)
    except KafkaException as error:
        yield Finding(subject, False, text_of(error.args[0]), "look at the options and `properties`")
        return
    try:
        try:
            known = consumer.list_topics(timeout=TIMEOUT_S)
        except KafkaException as error:
            consumer.poll(0)  # has it say why
            reason = said[0] if said else text_of(error.args[0])
            yield Finding(subject, False, reason, "look at addresses, ports, `tls` and `sasl_…`")
            return
        yield Finding(subject, True, f"{len(known.brokers)} answer")
        for topic in place.topics:
            yield from _find_topic(consumer, known, topic, options)
    finally:
        consumer.close()


def _find_topic(consumer: Consumer, known: ClusterMetadata, topic: str, options: Options) -> Iterator[Finding]:
    subject = f"topic {topic}"
    if topic.startswith("^"):
        names = [name for name in known.topics if re.match(topic, name)]
        text = f"matches {', '.join(sorted(names))}" if names else "matches no topic that may be described"
        yield Finding(subject, bool(names), text, None if names else _may_describe(topic, options))
        return
    found = known.topics.get(topic)
    if found is None or found.error is not None:
        text = text_of(found.error) if found and found.error else "it does not exist, or may not be described"
        yield Finding(subject, False, text, f"create it, or allow it: {_may_describe(topic, options)}")
        return
    yield Finding(subject, True, f"has {len(found.partitions)} partitions")
    partitions = [TopicPartition(topic, number) for number in sorted(found.partitions)]
    yield _find_group(consumer, partitions, options)
    yield _find_read(consumer, topic, partitions)


def _may_describe(topic: str, options: Options) -> str:
    return f"the principal needs Describe and Read on topic {topic}, and Read on group {options.group}"


def _find_group(consumer: Consumer, partitions: Sequence[TopicPartition], options: Options) -> Finding:
    subject = f"group {options.group}"
    help_text = f"kafka-acls.sh … --add --allow-principal User:NAME --operation Read --group {options.group}"
    try:
        committed = consumer.committed(list(partitions), timeout=TIMEOUT_S)
    except KafkaException as error:
        return Finding(subject, False, text_of(error.args[0]), help_text)
    failed = next((each.error for each in committed if each.error), None)
    if failed is not None:
        return Finding(subject, False, text_of(failed), help_text)
    begun = sum(each.offset >= 0 for each in committed)
    return Finding(subject, True, f"has offsets of {begun} of {len(committed)} partitions")


def _find_read(consumer: Consumer, topic: str, partitions: Sequence[TopicPartition]) -> Finding:
    """Try to read at the end of each partition, where nothing is taken."""
    subject = f"reading {topic}"
    consumer.assign([TopicPartition(topic, each.partition, OFFSET_END) for each in partitions])
    until_s = monotonic() + _READ_S
    while monotonic() < until_s:
        message = consumer.poll(_POLL_S)
        error: KafkaError | None = message.error() if message else None
        if error is not None:
            help_text = f"kafka-acls.sh … --add --allow-principal User:NAME --operation Read --topic {topic}"
            return Finding(subject, False, text_of(error), help_text)
        if message is not None:
            break
    consumer.unassign()
    return Finding(subject, True, "allowed")
