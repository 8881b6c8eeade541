"""The source with Azure's own client, against an AMQP peer and a blob server of the tests' own, over real sockets.

Neither is Azure: what the peers leave out stands at their heads.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from lanner.plugins.aks import PLUGIN
from lanner.plugins.aks.options import Options
from lanner.plugins.aks.source import AT_ONCE, Budget, RateLimit
from lanner.sources.base import Delivery, Handler, RejectedDelivery, SourceError
from lanner.sources.plugin import Start
from tests.unit.plugins import running
from tests.unit.plugins.aks.blobs import CONTAINER, Storage
from tests.unit.plugins.aks.hub import HUB, Hub
from tests.unit.plugins.running import Run, end, until

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the client, see conftest

RESOURCE = "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD-1"


def record(audit_id: str, category: str = "kube-audit") -> dict[str, Any]:
    log = json.dumps({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": audit_id, "verb": "get"}) + "\n"
    return {"category": category, "resourceId": RESOURCE, "properties": {"log": log, "stream": "stdout"}}


def message(*ids: str) -> bytes:
    return json.dumps({"records": [record(each) for each in ids]}).encode()


def messages(prefix: str, count: int) -> list[bytes]:
    return [message(f"{prefix}{number}") for number in range(count)]


def options(hub: Hub, storage: Storage, **values: Any) -> Options:
    given = {
        "event_hub_namespace_connection_string": hub.connection_string,
        "event_hub_name": HUB,
        "blob_storage_connection_string": storage.connection_string,
        "blob_storage_container_name": CONTAINER,
        "rate_limit_events_per_second": 0,
    }
    return Options(**{**given, **values})


async def run_until(given: Options, done: Callable[[], bool], run: Run, handle: Handler | None = None) -> None:
    await running.run_until(PLUGIN, "", given, done=done, run=run, handle=handle)


def test_events_of_all_partitions_are_delivered_and_the_checkpoint_is_kept(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 250), "0")
    hub.send([message("b0", "b1"), message("b2")], "1")
    run = Run()
    asyncio.run(run_until(options(hub, storage), lambda: len(run.events) == 253, run))
    assert [name for name in run.events if name[0] == "a"] == [f"a{number}" for number in range(250)]
    assert [name for name in run.events if name[0] == "b"] == ["b0", "b1", "b2"]
    assert storage.checkpoints == {"0": 249, "1": 1}
    assert sorted(run.started) == ["reading partition 0 of audit", "reading partition 1 of audit"]
    assert json.loads(bytes(run.deliveries[0].payload).splitlines()[0])["annotations"] == {"cluster_name": "prod-1"}
    assert run.troubles == []


def test_another_run_goes_on_behind_the_checkpoint(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 5))
    first, second = Run(), Run()
    asyncio.run(run_until(options(hub, storage), lambda: len(first.events) == 5, first))
    hub.send(messages("b", 5))
    asyncio.run(run_until(options(hub, storage), lambda: len(second.events) == 5, second))
    assert second.events == [f"b{number}" for number in range(5)]


def test_a_first_start_can_begin_with_what_comes_from_now_on(hub: Hub, storage: Storage) -> None:
    hub.send(messages("old", 5))
    run = Run(start=Start.NEW)

    async def scenario() -> None:
        task = asyncio.ensure_future(PLUGIN.open("", options(hub, storage), run.context()).run(run.handle))
        await until(lambda: len(run.started) == 2)
        for number in range(1000):  # until the receiver is there, what is sent is old as well
            hub.send([message(f"new{number}")])
            await asyncio.sleep(0.05)
            if run.events:
                break
        await end(task)

    asyncio.run(scenario())
    assert run.events[0].startswith("new")


def test_what_is_not_handled_comes_again_and_is_behind_no_checkpoint(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 10))
    run = Run()
    tries = 0

    async def fail_twice(delivery: Delivery) -> None:
        nonlocal tries
        tries += 1
        if tries <= 2:
            assert storage.checkpoints == {}
            raise OSError("the disk is full")
        await run.handle(delivery)

    asyncio.run(run_until(options(hub, storage), lambda: len(run.events) == 10, run, fail_twice))
    assert run.events == [f"a{number}" for number in range(10)]
    assert "audit/0@0: not handled, delivered again later: OSError: the disk is full" in run.told("retry")
    assert storage.checkpoints == {"0": 9}


def test_a_run_that_ends_while_nothing_can_be_stored_loses_nothing(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 10))
    failing, other = Run(), Run()

    async def fail(delivery: Delivery) -> None:
        raise OSError("the disk is full")

    asyncio.run(run_until(options(hub, storage), lambda: bool(failing.told("retry")), failing, fail))
    assert storage.checkpoints == {}
    asyncio.run(run_until(options(hub, storage), lambda: len(other.events) == 10, other))


def test_poison_is_set_aside_and_told_and_its_neighbours_are_handled(hub: Hub, storage: Storage) -> None:
    hub.send([message("a"), b"no JSON", message("b")])
    run = Run()

    async def handle(delivery: Delivery) -> None:
        if bytes(delivery.payload) == b"no JSON":
            raise RejectedDelivery("the body is not JSON")
        await run.handle(delivery)

    asyncio.run(run_until(options(hub, storage), lambda: len(run.events) == 2, run, handle))
    assert run.told("damaged") == ["audit/0@1: set aside: the body is not JSON"]
    assert storage.checkpoints == {"0": 2}


def test_other_categories_and_broken_logs_are_counted(hub: Hub, storage: Storage) -> None:
    broken = record("broken")
    broken["properties"]["log"] = broken["properties"]["log"][:-10]
    hub.send([json.dumps({"records": [record("x", "kube-scheduler"), record("y", "guard"), broken]}).encode()])
    hub.send([message("a")])
    run = Run()
    asyncio.run(run_until(options(hub, storage), lambda: storage.checkpoints == {"0": 1}, run))
    assert [(trouble, times) for trouble, _, times in run.troubles] == [("damaged", 1), ("ignored", 2)]
    assert any(b'"broken"' in bytes(each.payload) for each in run.deliveries)


def test_messages_that_were_deleted_unread_are_a_gap(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 3))
    first, second = Run(), Run()
    asyncio.run(run_until(options(hub, storage), lambda: len(first.events) == 3, first))
    hub.send(messages("b", 10))
    hub.delete(9)
    asyncio.run(run_until(options(hub, storage), lambda: len(second.events) == 4, second))
    assert second.told("gap") == ["audit/0: 6 messages were deleted before they were read"]
    assert second.events == ["b6", "b7", "b8", "b9"]


def test_a_connection_that_breaks_is_made_again_and_nothing_is_missed(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 5))
    run = Run()

    async def scenario() -> None:
        task = asyncio.ensure_future(PLUGIN.open("", options(hub, storage), run.context()).run(run.handle))
        await until(lambda: len(run.events) == 5)
        hub.disconnect()
        hub.send(messages("b", 5))
        await until(lambda: {*run.events} >= {f"b{number}" for number in range(5)})
        await end(task)

    asyncio.run(scenario())
    assert run.told("gap") == []


def test_two_members_share_the_partitions_and_one_that_ends_leaves_its_own(hub: Hub, storage: Storage) -> None:
    one, two = Run(), Run()

    async def scenario() -> None:
        given = options(hub, storage)
        first = asyncio.ensure_future(PLUGIN.open("", given, one.context()).run(one.handle))
        await until(lambda: len(one.started) == 2)
        second = asyncio.ensure_future(PLUGIN.open("", given, two.context()).run(two.handle))
        await until(lambda: bool(two.started))
        await end(first)
        hub.send(messages("a", 5), "0")
        hub.send(messages("b", 5), "1")
        await until(lambda: len({*two.events}) == 10)
        await end(second)

    asyncio.run(scenario())
    assert sorted(two.events) == [*(f"a{number}" for number in range(5)), *(f"b{number}" for number in range(5))]


def test_the_end_waits_for_what_is_being_handled_and_keeps_its_checkpoint(hub: Hub, storage: Storage) -> None:
    hub.send([message("a")])
    run = Run()

    async def scenario() -> None:
        begun, gate = asyncio.Event(), asyncio.Event()

        async def slow(delivery: Delivery) -> None:
            begun.set()
            await gate.wait()
            await run.handle(delivery)

        task = asyncio.ensure_future(PLUGIN.open("", options(hub, storage), run.context()).run(slow))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(2)  # longer than the client waits for the callback
        assert not task.done()
        gate.set()
        await end(task)

    asyncio.run(scenario())
    assert run.events == ["a"]
    assert storage.checkpoints == {"0": 0}


def test_a_token_that_is_refused_is_told_and_the_run_goes_on(hub: Hub, storage: Storage) -> None:
    hub.refuses_tokens = True
    hub.send([message("a")])
    run = Run()

    async def scenario() -> None:
        task = asyncio.ensure_future(PLUGIN.open("", options(hub, storage), run.context()).run(run.handle))
        await until(lambda: bool(run.told("retry")))
        hub.refuses_tokens = False
        await until(lambda: run.events == ["a"])
        await end(task)

    asyncio.run(scenario())
    assert "invalid signature" in run.told("retry")[0]


def test_a_checkpoint_that_cannot_be_kept_is_told(hub: Hub, storage: Storage) -> None:
    hub.send([message("a")])
    run = Run()

    async def handle(delivery: Delivery) -> None:
        storage.may_write = False
        await run.handle(delivery)

    asyncio.run(run_until(options(hub, storage), lambda: bool(run.told("retry")), run, handle))
    assert run.told("retry")[0].startswith("audit/0: the checkpoint is not kept: ")


def test_from_the_start_means_whatever_the_checkpoint_says(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 5))
    first, again = Run(), Run(start=Start.FIRST)
    asyncio.run(run_until(options(hub, storage), lambda: len(first.events) == 5, first))
    assert storage.checkpoints == {"0": 4}
    asyncio.run(run_until(options(hub, storage), lambda: len(again.events) == 5, again))
    assert again.events == first.events


def test_a_limit_that_holds_events_back_is_told(hub: Hub, storage: Storage) -> None:
    hub.send(messages("a", 5))
    run = Run()
    given = options(hub, storage, rate_limit_events_per_second=100, rate_limit_burst=1)
    asyncio.run(run_until(given, lambda: len(run.events) == 5, run))
    assert run.told("retry")[0].startswith("the limit of 100 records a second holds events back")


def test_partitions_share_the_bytes_that_are_in_hand() -> None:
    held: list[str] = []

    async def take(budget: Budget, name: str, size: int, gate: asyncio.Event) -> None:
        async with budget.hold(size):
            held.append(name)
            await gate.wait()

    async def scenario() -> None:
        budget, gate = Budget(10), asyncio.Event()
        tasks = [
            asyncio.ensure_future(take(budget, name, size, gate)) for name, size in (("a", 6), ("b", 6), ("c", 99))
        ]
        await until(lambda: bool(held))
        for _ in range(10):
            await asyncio.sleep(0)
        assert held == ["a"]
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert sorted(held) == ["a", "b", "c"]


@pytest.mark.parametrize("partitions", [1, 32])
def test_what_is_held_of_all_partitions_has_a_bound_however_many_there_are(storage: Storage, partitions: int) -> None:
    hub = Hub(partitions)
    each = 5 * AT_ONCE // partitions
    for partition in hub.partitions:
        hub.send(messages(f"{partition}-", each), partition)
    run = Run()

    async def scenario() -> None:
        gate = asyncio.Event()

        async def wait(delivery: Delivery) -> None:
            await gate.wait()
            await run.handle(delivery)

        task = asyncio.ensure_future(PLUGIN.open("", options(hub, storage), run.context()).run(wait))
        await until(lambda: hub.sent > AT_ONCE)
        await asyncio.sleep(1)
        assert hub.sent <= 3 * AT_ONCE
        gate.set()
        await until(lambda: len({*run.events}) == partitions * each)
        await end(task)

    asyncio.run(scenario())
    hub.close()


def test_the_limit_of_upstream_counts_records_after_a_burst() -> None:
    now, pauses = 0.0, []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def scenario() -> None:
        nonlocal now
        limit = RateLimit(100, 200, sleep, clock=lambda: now)
        await limit.take(200)
        await limit.take(50)
        now = 1.5
        await limit.take(100)
        await limit.take(1)
        await RateLimit(0, 1, sleep).take(10_000)

    asyncio.run(scenario())
    assert pauses == [0.5, 0.01]


def test_the_defaults_are_upstreams() -> None:
    assert (Options().rate_limit_events_per_second, Options().rate_limit_burst) == (100, 200)
    assert PLUGIN.version == "0.6.0"


@pytest.mark.parametrize("name", ["event_hub_name", "blob_storage_connection_string"])
def test_an_option_that_is_missing_is_named(name: str, hub: Hub, storage: Storage) -> None:
    with pytest.raises(SourceError, match=f"option `{name}` is not given"):
        PLUGIN.open("", options(hub, storage, **{name: ""}), Run().context())


@pytest.mark.parametrize("name", ["event_hub_namespace_connection_string", "blob_storage_connection_string"])
def test_a_connection_string_that_cannot_be_used_is_an_error_without_its_secret(
    name: str, hub: Hub, storage: Storage
) -> None:
    source = PLUGIN.open("", options(hub, storage, **{name: "AccountKey=hunter2;nonsense"}), Run().context())
    with pytest.raises(SourceError, match=name) as found:
        asyncio.run(source.run(Run().handle))
    assert "hunter2" not in str(found.value)
