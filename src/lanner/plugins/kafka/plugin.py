"""The plugin."""

from __future__ import annotations

from collections.abc import Sequence

from lanner.plugins.common import needing
from lanner.plugins.kafka.options import Options, consumer_properties, read_place
from lanner.plugins.kafka.shapes import converter
from lanner.sources.base import Source
from lanner.sources.plugin import Context, Finding, Plugin


def open_source(open_params: str, options: Options, context: Context) -> Source:
    """A member of the consumer group.

    Raises:
        SourceError: The parameters or options cannot be used, or the library is not installed.
    """
    place = read_place(open_params)
    consumer_properties(place, options)
    with needing("kafka"):
        from lanner.plugins.kafka.consumer import Member  # noqa: PLC0415 - see `needing`
        from lanner.plugins.kafka.source import KafkaSource  # noqa: PLC0415 - likewise
    return KafkaSource(Member(place, options, context), converter(options.format, context.limits), context)


async def check(open_params: str, options: Options) -> Sequence[Finding]:
    """Whether brokers answer, topics exist, and the group may read them.

    Raises:
        SourceError: The parameters or options cannot be used, or the library is not installed.
    """
    place = read_place(open_params)
    with needing("kafka"):
        from lanner.plugins.kafka.check import findings  # noqa: PLC0415 - see `needing`
    return await findings(place, options)


PLUGIN = Plugin(
    name="kafka",
    description="Topics of Kafka, read as a member of a consumer group.",
    version="0.1.0",
    open=open_source,
    open_params="brokers and topics: `BROKER:PORT[,…]/TOPIC[,…]`; a topic that begins with `^` is a pattern of names",
    options=Options,
    extra="kafka",
    check=check,
)
