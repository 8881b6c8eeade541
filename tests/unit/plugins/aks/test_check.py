import asyncio
from typing import Any

import pytest

from lanner.plugins.aks import PLUGIN, clients
from lanner.plugins.aks import check as checking
from lanner.plugins.aks.options import Options
from lanner.sources.plugin import Finding
from tests.unit.plugins.aks.blobs import Storage
from tests.unit.plugins.aks.hub import Hub
from tests.unit.plugins.aks.test_source import message, options, run_until
from tests.unit.plugins.running import Run, end, until

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the client, see conftest


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """An event hub with a message, so that whoever may read reads it."""
    hub.send([message("a")])
    return hub


def check(hub: Hub, storage: Storage, **values: Any) -> list[Finding]:
    assert PLUGIN.check is not None
    return [*asyncio.run(PLUGIN.check("", options(hub, storage, **values)))]  # type: ignore[arg-type] # a coroutine


def test_what_is_well_is_said_and_nothing_is_left_behind(hub: Hub, storage: Storage) -> None:
    found = check(hub, storage)
    assert [each.is_well for each in found] == [True, True, True]
    assert [each.text for each in found] == [
        "has 2 partitions",
        "can be read from",
        "has checkpoints of 0 partitions, and can be written",
    ]
    assert storage.blobs == {}
    run = Run()
    asyncio.run(run_until(options(hub, storage), lambda: len(run.events) == 1, run))
    assert check(hub, storage)[2].text == "has checkpoints of 1 partitions, and can be written"
    assert storage.checkpoints == {"0": 0}


def test_of_an_empty_hub_it_is_said_that_nobody_was_refused(
    hub: Hub, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "QUIET_S", 0.1)
    hub.delete(1)
    found = check(hub, storage)[1]
    assert (found.is_well, found.text) == (True, "has nothing to read yet, and is not refused")


def test_a_consumer_group_that_is_not_there_is_a_finding(hub: Hub, storage: Storage) -> None:
    found = check(hub, storage, consumer_group="lanner")
    assert [each.is_well for each in found] == [True, False, True]
    assert found[1].subject == "consumer group lanner"
    assert found[1].text.startswith("the consumer group lanner could not be found")
    assert (found[1].help or "").startswith("`az eventhubs eventhub consumer-group create … --name lanner`, or ")
    hub.groups.add("lanner")
    assert check(hub, storage, consumer_group="lanner")[1].is_well


def test_a_check_takes_no_partition_from_those_who_read(hub: Hub, storage: Storage) -> None:
    run = Run()

    async def scenario() -> list[Finding]:
        task = asyncio.ensure_future(PLUGIN.open("", options(hub, storage), run.context()).run(run.handle))
        await until(lambda: run.events == ["a"])
        assert PLUGIN.check is not None
        found = [*await PLUGIN.check("", options(hub, storage))]
        hub.send([message("b")])
        await until(lambda: run.events == ["a", "b"])
        await end(task)
        return found

    assert asyncio.run(scenario())[1].text == "is there, and somebody reads from it"
    assert run.told("retry") == []


def test_a_rate_limit_is_named_with_what_to_do(hub: Hub, storage: Storage) -> None:
    found = check(hub, storage, rate_limit_events_per_second=100)[-1]
    assert (found.subject, found.is_well, found.help) == ("limit", True, "set `rate_limit_events_per_second` to 0")


def test_a_token_that_is_refused_is_a_finding(hub: Hub, storage: Storage) -> None:
    hub.refuses_tokens = True
    found = check(hub, storage)
    assert [each.is_well for each in found] == [False, True]
    assert "Data Receiver" in (found[0].help or "")


def test_a_hub_that_does_not_answer_is_a_finding(hub: Hub, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "TIMEOUT_S", 3.0)
    away = hub.connection_string.replace(hub.address, "127.0.0.1:1")
    found = check(hub, storage, event_hub_namespace_connection_string=away)
    assert [each.is_well for each in found] == [False, True]


def test_a_container_that_cannot_be_used_is_a_finding(hub: Hub, storage: Storage) -> None:
    storage.may_write = False
    assert [(each.is_well, each.text) for each in check(hub, storage)][2] == (False, "it can be read, but not written")
    storage.may_read = False
    (_, _, found) = check(hub, storage)
    assert not found.is_well
    assert "Storage Blob Data Contributor" in (found.help or "")
    storage.has_container = False
    assert "ContainerNotFound" in check(hub, storage)[2].text


def test_a_credential_of_the_environment_takes_the_place_of_connection_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    class Credential:
        is_closed = False

        async def get_token(self, *scopes: str, **options: Any) -> None:
            raise AssertionError("nothing is asked of Azure yet")

        async def close(self) -> None:
            self.is_closed = True

    credential = Credential()
    monkeypatch.setattr(clients, "_credential", lambda: credential)
    given = Options(
        event_hub_namespace="n.servicebus.windows.net",
        event_hub_name="audit",
        blob_storage_account_url="https://s.blob.core.windows.net",
        blob_storage_container_name="checkpoints",
    )

    async def scenario() -> None:
        async with clients.connected(given) as connected:
            assert connected.hub.eventhub_name == "audit"
            assert not credential.is_closed

    asyncio.run(scenario())
    assert credential.is_closed
