"""Several members of one group, and what becomes of partitions that change hands."""

import asyncio
import time
from collections.abc import Sequence

from confluent_kafka import TopicPartition

from lanner.plugins.kafka import PLUGIN
from lanner.plugins.kafka.consumer import Member, Partition
from lanner.plugins.kafka.options import Options, Place
from lanner.sources.base import Delivery
from tests.unit.plugins.kafka.cluster import Cluster, event, events, options, run_until
from tests.unit.plugins.running import Run, end, until


def _partitions(run: Run) -> set[str]:
    return {each.origin.partition("@")[0] for each in run.deliveries}


def test_two_members_share_a_topic_and_each_message_is_handled_once(cluster: Cluster) -> None:
    cluster.send("audit", events("before", 1))
    one, two = Run(), Run()

    async def scenario() -> None:
        place = f"{cluster.brokers}/audit"
        first = asyncio.ensure_future(PLUGIN.open(place, options(), one.context()).run(one.handle))
        await until(lambda: bool(one.events))
        second = asyncio.ensure_future(PLUGIN.open(place, options(), two.context()).run(two.handle))
        await until(lambda: any("audit/" in text for text in two.started))
        for partition in range(4):
            cluster.send("audit", events(f"{partition}-", 100), partition)
        await until(lambda: len(one.events) + len(two.events) == 401)
        await end(second)
        for partition in range(4):
            cluster.send("audit", events(f"{partition}+", 10), partition)
        await until(lambda: len(one.events) + len(two.events) == 441)
        await end(first)

    asyncio.run(scenario())
    assert len({*one.events, *two.events}) == 441
    assert _partitions(two)
    assert sum(name.startswith(tuple("0123")) and "-" in name for name in one.events) < 400
    assert cluster.committed("audit") == {0: 111, 1: 110, 2: 110, 3: 110}


def test_what_a_member_had_in_hand_when_it_failed_is_handled_by_the_next(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 30))
    crashed, other = Run(), Run()

    async def crash_after_ten(delivery: Delivery) -> None:
        if len(crashed.events) >= 10:
            raise ConnectionError("the store is away")
        await crashed.handle(delivery)

    place = f"{cluster.brokers}/audit"
    few = options(batch_messages=5)
    asyncio.run(run_until(place, lambda: bool(crashed.troubles), crashed, crash_after_ten, given=few))
    asyncio.run(run_until(place, lambda: len(crashed.events) + len(other.events) >= 30, other, given=few))
    assert crashed.events + other.events == [f"a{number}" for number in range(30)]


def test_the_end_of_a_run_waits_for_what_is_in_hand_and_commits_it(cluster: Cluster) -> None:
    cluster.send("audit", [event("a")])
    run = Run()
    begun = asyncio.Event()

    async def slow(delivery: Delivery) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        await run.handle(delivery)

    async def scenario() -> None:
        task = asyncio.ensure_future(PLUGIN.open(f"{cluster.brokers}/audit", options(), run.context()).run(slow))
        await begun.wait()
        await end(task)

    asyncio.run(scenario())
    assert run.events == ["a"]
    assert cluster.committed("audit") == {0: 1}


def test_a_run_ends_soon_when_no_broker_answers() -> None:
    run = Run()
    started = time.monotonic()
    asyncio.run(run_until("127.0.0.1:1/audit", lambda: bool(run.troubles), run))
    assert time.monotonic() - started < 30
    assert run.troubles[0][0] == "retry"


class _Client:
    """Stands in for librdkafka's consumer, to say when partitions are given up; no broker can be told to."""

    def __init__(self) -> None:
        self.commits: list[tuple[dict[int, int], bool]] = []

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> Sequence[TopicPartition] | None:
        self.commits.append(({each.partition: each.offset for each in offsets}, asynchronous))
        return None if asynchronous else offsets

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        pass


def _member(client: _Client) -> Member:
    member = Member(Place("b:1", ("t",)), Options(), Run().context())
    member._consumer = client  # type: ignore[assignment] # as far as it is needed
    member._on_assign(client, [TopicPartition("t", 0), TopicPartition("t", 1)])  # type: ignore[arg-type] # likewise
    return member


def test_what_was_handled_is_committed_before_a_partition_is_given_up() -> None:
    client = _Client()
    member = _member(client)
    member.settle({Partition("t", 0): 5, Partition("t", 1): 7}, {})
    member._on_revoke(client, [TopicPartition("t", 1)])  # type: ignore[arg-type] # as far as it is needed
    assert client.commits == [({0: 5, 1: 7}, True), ({1: 7}, False)]


def test_a_commit_that_was_confirmed_is_not_made_again() -> None:
    client = _Client()
    member = _member(client)
    member.settle({Partition("t", 0): 5}, {})
    member._on_commit(None, [TopicPartition("t", 0, 5)])
    member.settle({Partition("t", 1): 7}, {})
    member._on_revoke(client, [TopicPartition("t", 0)])  # type: ignore[arg-type] # as far as it is needed
    assert client.commits == [({0: 5}, True), ({1: 7}, True)]


def test_nothing_is_committed_for_a_partition_that_was_lost() -> None:
    client = _Client()
    member = _member(client)
    member.settle({Partition("t", 0): 5}, {Partition("t", 1): 3})
    member._on_lost(client, [TopicPartition("t", 0), TopicPartition("t", 1)])  # type: ignore[arg-type] # likewise
    member.settle({}, {})
    assert client.commits == [({0: 5}, True)]
