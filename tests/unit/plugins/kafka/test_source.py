"""The source against librdkafka's mock brokers, over real sockets."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from lanner.plugins.kafka import PLUGIN
from lanner.plugins.kafka.consumer import Member, Partition
from lanner.plugins.kafka.options import read_place
from lanner.plugins.kafka.source import AT_ONCE, KafkaSource
from lanner.sources.base import Delivery, Framing, Limits, RejectedDelivery, SourceError
from lanner.sources.batches import Converted, Message
from lanner.sources.plugin import Start
from tests.unit.plugins.kafka.cluster import Cluster, event, events, options, run_until
from tests.unit.plugins.running import Run, end, until


def test_messages_of_all_partitions_are_delivered_in_order_and_committed(cluster: Cluster) -> None:
    for partition in range(4):
        cluster.send("audit", events(f"{partition}-", 50), partition)
    run = Run()
    asyncio.run(run_until(f"{cluster.brokers}/audit", lambda: len(run.events) == 200, run))
    for partition in range(4):
        of_partition = [name for name in run.events if name.startswith(f"{partition}-")]
        assert of_partition == [f"{partition}-{number}" for number in range(50)]
    assert cluster.committed("audit") == {0: 50, 1: 50, 2: 50, 3: 50}
    assert run.troubles == []
    assert run.started[-1] == f"reading audit/0, audit/1, audit/2, audit/3 of {cluster.brokers} as group lanner"


def test_many_messages_make_one_delivery(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 100))
    run = Run()
    asyncio.run(run_until(f"{cluster.brokers}/audit", lambda: len(run.events) == 100, run))
    assert len(run.deliveries) < 10
    assert run.deliveries[0].framing is Framing.LINES
    assert run.deliveries[0].origin.startswith("audit/0@0-")


def test_a_delivery_is_bounded_by_count_and_bytes(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 100))
    by_count, by_bytes = Run(), Run()
    place = f"{cluster.brokers}/audit"
    few = options(batch_messages=7, group="a")
    asyncio.run(run_until(place, lambda: len(by_count.events) == 100, by_count, given=few))
    assert max(len(each.payload.splitlines()) for each in by_count.deliveries) == 7  # type: ignore[union-attr] # bytes
    small = options(batch_bytes=3 * len(event("a00")), group="b")
    asyncio.run(run_until(place, lambda: len(by_bytes.events) == 100, by_bytes, given=small))
    assert max(len(each.payload.splitlines()) for each in by_bytes.deliveries) <= 4  # type: ignore[union-attr] # bytes


def test_what_is_not_handled_is_not_committed_and_comes_again_from_the_same_offset(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 10), partition=1)
    run, other = Run(), Run()

    async def fail(delivery: Delivery) -> None:
        await run.handle(delivery)
        raise OSError("the disk is full")

    place = f"{cluster.brokers}/audit"
    asyncio.run(run_until(place, lambda: run.events.count("a0") == 3, run, fail))
    assert cluster.committed("audit") == {}
    assert run.troubles[0][0] == "retry"
    assert "audit/1@0: not handled, delivered again later: OSError: the disk is full" in run.troubles[0][1]
    asyncio.run(run_until(place, lambda: len(other.events) >= 10, other))
    assert other.events == [f"a{number}" for number in range(10)]
    assert cluster.committed("audit") == {1: 10}


def test_a_partition_that_fails_holds_up_no_other_and_loses_nothing(cluster: Cluster) -> None:
    cluster.send("audit", events("bad", 20), partition=0)
    cluster.send("audit", events("good", 20), partition=1)
    run = Run()
    is_away = True

    async def handle(delivery: Delivery) -> None:
        if is_away and b"bad" in bytes(delivery.payload):
            raise OSError("away")
        await run.handle(delivery)

    async def scenario() -> None:
        nonlocal is_away
        source = PLUGIN.open(f"{cluster.brokers}/audit", options(batch_messages=5), run.context())
        task = asyncio.ensure_future(source.run(handle))
        await until(lambda: len(run.events) == 20)
        assert all(name.startswith("good") for name in run.events)
        is_away = False
        await until(lambda: len(run.events) == 40)
        await end(task)

    asyncio.run(scenario())
    assert run.events[20:] == [f"bad{number}" for number in range(20)]
    assert cluster.committed("audit") == {0: 20, 1: 20}


def test_a_poison_message_is_set_aside_and_told_and_its_neighbours_are_handled(cluster: Cluster) -> None:
    cluster.send("audit", [event("a"), event("poison"), event("b")], partition=2)
    run = Run()

    async def handle(delivery: Delivery) -> None:
        if b"poison" in bytes(delivery.payload):
            raise RejectedDelivery("no JSON")
        await run.handle(delivery)

    asyncio.run(run_until(f"{cluster.brokers}/audit", lambda: len(run.events) == 2, run, handle))
    assert run.events == ["a", "b"]
    assert ("damaged", "audit/2@1: set aside: no JSON", 1) in run.troubles
    assert cluster.committed("audit") == {2: 3}


def test_what_is_no_document_is_delivered_by_itself(cluster: Cluster) -> None:
    cluster.send("audit", [event("a"), b'{"kind":"Event","annotations":{', event("b"), b"", None, event("c")])
    run = Run()
    asyncio.run(run_until(f"{cluster.brokers}/audit", lambda: cluster_end(run, b'"c"'), run))
    assert [bytes(each.payload).count(b"auditID") for each in run.deliveries if each.framing is Framing.LINES]
    broken = [each for each in run.deliveries if each.framing is Framing.BODY]
    assert [(bytes(each.payload), each.origin) for each in broken] == [
        (b'{"kind":"Event","annotations":{', "audit/0@1")
    ]
    assert sum(times for trouble, _, times in run.troubles if trouble == "ignored") == 2
    assert cluster.committed("audit") == {0: 6}


def test_few_partitions_are_evaluated_at_a_time() -> None:
    """However many messages of how many partitions were taken: each may unpack to a batch."""
    most = 3 * AT_ONCE
    run, open_now = Run(), set()

    class Taken(Member):
        is_empty = False

        def open(self) -> None:
            pass

        def take(self) -> Mapping[Partition, Sequence[Message]]:
            if self.is_empty:
                raise SourceError("it", "has no more")
            self.is_empty = True
            return {Partition("audit", number): [Message(0, event(str(number)))] for number in range(most)}

        def settle(self, handled: Mapping[Partition, int], failed: Mapping[Partition, int]) -> None:
            assert (len(handled), failed) == (most, {})

        def close(self) -> None:
            pass

    async def scenario() -> None:
        gate = asyncio.Event()

        async def wait(delivery: Delivery) -> None:
            open_now.add(delivery.origin)
            await gate.wait()
            await run.handle(delivery)

        source = KafkaSource(Taken(read_place("b:1/audit"), options(), run.context()), convert, run.context())
        task = asyncio.ensure_future(source.run(wait))
        await until(lambda: len(open_now) >= AT_ONCE)
        await asyncio.sleep(0.1)
        assert len(open_now) == len(converted) == AT_ONCE
        gate.set()
        with pytest.raises(SourceError, match="has no more"):
            await task

    converted: list[bytes] = []

    def convert(value: bytes) -> Converted:
        converted.append(value)
        return Converted((value,))

    asyncio.run(scenario())
    assert len(run.events) == most


def cluster_end(run: Run, last: bytes) -> bool:
    return any(last in bytes(each.payload) for each in run.deliveries)


def test_a_message_beyond_the_limit_is_evaluated_on_its_metadata(cluster: Cluster) -> None:
    large = event("large")[:-1] + b', "requestObject": {"pad": "' + b"x" * 5000 + b'"}}'
    cluster.send("audit", [event("a"), large, event("b")])
    run = Run()
    limits = Limits(max_event_size=2000)
    asyncio.run(run_until(f"{cluster.brokers}/audit", lambda: cluster_end(run, b'"b"'), run, limits=limits))
    truncated = [each for each in run.deliveries if each.truncated]
    assert [(each.size, b'"large"' in bytes(each.payload)) for each in truncated] == [(len(large), True)]


def test_a_first_start_can_begin_with_what_comes_from_now_on(cluster: Cluster) -> None:
    cluster.send("audit", events("old", 10))
    run = Run()
    latest = options(start="latest")

    async def scenario() -> None:
        source = PLUGIN.open(f"{cluster.brokers}/audit", latest, run.context())
        task = asyncio.ensure_future(source.run(run.handle))
        async with asyncio.timeout(60):
            while await asyncio.to_thread(cluster.committed, "audit") != {0: 10, 1: 0, 2: 0, 3: 0}:
                await asyncio.sleep(0.1)
        cluster.send("audit", events("new", 3))
        await until(lambda: len(run.events) == 3)
        await end(task)

    asyncio.run(scenario())
    assert run.events == ["new0", "new1", "new2"]


def test_a_run_can_begin_with_what_is_there_whatever_was_committed(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 5))
    first, again = Run(), Run(start=Start.FIRST)
    place = f"{cluster.brokers}/audit"
    asyncio.run(run_until(place, lambda: len(first.events) == 5, first))
    asyncio.run(run_until(place, lambda: len(again.events) == 5, again))
    assert again.events == first.events


def test_messages_that_were_deleted_unread_are_a_gap(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 5))
    first, second = Run(), Run()
    place = f"{cluster.brokers}/audit"
    asyncio.run(run_until(place, lambda: len(first.events) == 5, first))
    large = [event(f"b{number}")[:-1] + b', "pad": "' + b"x" * 100_000 + b'"}' for number in range(100)]
    cluster.send("audit", large)  # the brokers keep 5 MiB
    asyncio.run(run_until(place, lambda: "b99" in second.events[-1:], second))
    gaps = [text for trouble, text, _ in second.troubles if trouble == "gap"]
    missing = 100 - len(second.events)
    assert gaps == [f"audit/0: {missing} messages were deleted before they were read"]
    assert second.events == [f"b{number}" for number in range(missing, 100)]


@pytest.mark.parametrize(
    ("open_params", "reason"),
    [
        ("", "names no broker"),
        ("broker:9092", "names no topic"),
        ("broker:9092/", "names no topic"),
        ("kafka://broker:9092/topic", "without a scheme"),
        ("bro ker:9092/topic", "names no broker"),
        ("broker:9092/to pic", "cannot be the name of a topic"),
    ],
)
def test_parameters_that_cannot_be_used_are_errors(open_params: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        PLUGIN.open(open_params, options(), Run().context())


def test_a_property_that_lanner_sets_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"`enable\.auto\.commit` cannot be set"):
        PLUGIN.open("b:1/t", options(properties={"enable.auto.commit": True}), Run().context())


def test_a_property_that_does_not_exist_is_an_error() -> None:
    source = PLUGIN.open("b:1/t", options(properties={"no.such.thing": 1}), Run().context())
    with pytest.raises(SourceError, match=r"no\.such\.thing"):
        asyncio.run(source.run(Run().handle))
