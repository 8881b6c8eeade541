import asyncio
import copy
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lanner.plugins.gke import PLUGIN, source
from lanner.plugins.gke.options import Options
from lanner.sources.base import Delivery, NotStored, RejectedDelivery, SourceError
from lanner.sources.plugin import Context, Finding, Trouble
from lanner.testing import Place, SourceKit, ids_of
from tests.e2e.conftest import PROGRAM, Program, Start
from tests.e2e.pubsub import PROJECT, Emulator, running_emulator

CASES = Path(__file__).parents[1] / "unit" / "plugins" / "gke" / "entries.yaml"
PATIENCE_S = 45.0

SUCCESSORS = 4
"""How many sources take over from one that has ended: the emulator does not notice that a stream is gone.

It goes on sending to it, too, and what was lost on it comes again ten seconds later. The more others there are, the
less that is.
"""


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator for all tests of this process."""
    with running_emulator(tmp_path_factory.mktemp("pubsub")) as found:
        yield found


@pytest.fixture(scope="session")
def cases() -> list[dict[str, Any]]:
    """Log entries with their events."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[dict[str, Any]] = yaml.load(CASES.read_text(), Loader=loader)
    return [each for each in found if not {"cluster_labels", "with_bodies"} & set(each)]


def entry(number: int, *, identity: str = "") -> bytes:
    """A log entry whose event has the number for its ID, or another one."""
    payload = {
        "serviceName": "k8s.io",
        "methodName": "io.k8s.core.v1.secrets.list",
        "resourceName": "core/v1/secrets",
        "authenticationInfo": {"principalEmail": "alice@example.com"},
    }
    labels = {"cluster_name": "shop-prod", "location": "europe-west4", "project_id": "shop-412"}
    members = {"insertId": identity or str(number), "protoPayload": payload, "timestamp": "2026-11-01T10:00:00Z"}
    return json.dumps(members | {"resource": {"type": "k8s_cluster", "labels": labels}}).encode()


def quiet_entry(number: int) -> bytes:
    """A log entry that no rule of these tests asks for."""
    return entry(number).replace(b"secrets", b"configmaps")


@dataclass(slots=True)
class Received:
    """What a source delivered and told; `fail` is asked about each delivery first, and raises for those that fail."""

    fail: Callable[[Sequence[str]], None] = lambda ids: None
    events: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[Trouble, str, int]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def ids(self) -> list[str]:
        return [event["auditID"] for event in self.events]

    async def handle(self, delivery: Delivery) -> None:
        events = [json.loads(line) for line in bytes(delivery.payload).splitlines()]
        async with self.news:
            self.news.notify_all()
            self.fail([event["auditID"] for event in events])
            self.events += events

    def context(self) -> Context:
        def tell(trouble: Trouble, text: str, times: int = 1) -> None:
            self.told.append((trouble, text, times))

        return Context(name="k8saudit-gke", tell=tell, started=lambda text, url: self.places.append(text))

    async def wait_for(self, is_so: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s), self.news:
            await self.news.wait_for(is_so)


@asynccontextmanager
async def pulling(received: Received, open_params: str, **options: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """A source that runs."""
    opened = PLUGIN.open(open_params, Options(project_id=PROJECT, **options), received.context())
    task = asyncio.ensure_future(opened.run(received.handle))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def run(test: Awaitable[None]) -> None:
    async def main() -> None:
        await test

    asyncio.run(main())


def test_entries_become_events_and_are_acknowledged(emulator: Emulator, cases: list[dict[str, Any]]) -> None:
    path = emulator.subscription()
    emulator.publish(path, [json.dumps(each["entry"]).encode() for each in cases])
    received = Received()

    async def test() -> None:
        async with pulling(received, path.rpartition("/")[2]):
            await received.wait_for(lambda: len(received.events) == len(cases))

    run(test())
    expected = {each["event"]["auditID"]: each["event"] for each in cases}
    assert {event["auditID"]: event for event in received.events} == expected
    assert received.places == [f"pulling from {path}"]
    assert received.told == []
    assert emulator.left(path) == []


def test_what_is_no_event_is_acknowledged_and_told(emulator: Emulator) -> None:
    path = emulator.subscription()
    foreign = b'{"protoPayload":{"serviceName":"container.googleapis.com"}}'
    emulator.publish(path, [b"no JSON", foreign, b"[]", entry(1)])
    received = Received()

    async def test() -> None:
        async with pulling(received, path):
            await received.wait_for(lambda: received.ids == ["1"] and sum(times for *_, times in received.told) == 3)

    run(test())
    found: dict[Trouble, int] = {}
    for trouble, _, times in received.told:
        found[trouble] = found.get(trouble, 0) + times
    assert found == {Trouble.DAMAGED: 2, Trouble.IGNORED: 1}
    assert emulator.left(path) == []


def test_several_subscriptions_of_several_projects_are_one_source(emulator: Emulator) -> None:
    first, second = emulator.subscription(), emulator.subscription(project="another")
    emulator.publish(first, [entry(1)])
    emulator.publish(second, [entry(2)])
    received = Received()

    async def test() -> None:
        async with pulling(received, f"{first.rpartition('/')[2]}, {second}"):
            await received.wait_for(lambda: len(received.events) == 2)

    run(test())
    assert sorted(received.ids) == ["1", "2"]
    assert sorted(received.places) == sorted([f"pulling from {first}", f"pulling from {second}"])
    assert emulator.left(first) == emulator.left(second) == []


def test_with_exactly_once_delivery_each_comes_once(emulator: Emulator) -> None:
    path = emulator.subscription(enable_exactly_once_delivery=True)
    emulator.publish(path, map(entry, range(200)))
    received = Received()

    async def test() -> None:
        async with pulling(received, path):
            await received.wait_for(lambda: len(received.events) >= 200)

    run(test())
    assert sorted(received.ids) == sorted(map(str, range(200)))
    assert received.told == []
    assert emulator.left(path) == []


def test_a_message_that_cannot_be_evaluated_goes_to_the_dead_letters_alone(emulator: Emulator) -> None:
    dead = emulator.subscription()
    policy = {"dead_letter_topic": emulator.topic_of(dead), "max_delivery_attempts": 5}
    path = emulator.subscription(dead_letter_policy=policy)
    emulator.publish(path, map(entry, range(20)))
    attempts: list[Sequence[str]] = []

    def fail(ids: Sequence[str]) -> None:
        if "7" in ids:
            attempts.append(ids)
            raise RuntimeError("a fault in the evaluation")

    received = Received(fail)

    async def test() -> None:
        async with pulling(received, path):
            await received.wait_for(lambda: attempts.count(["7"]) >= 5 and len(received.events) >= 19)
            async with asyncio.timeout(PATIENCE_S):
                while not (left := await asyncio.to_thread(emulator.left, dead)):
                    await asyncio.sleep(0.05)
            assert left == [entry(7)]

    run(test())
    assert sorted(set(received.ids)) == sorted(str(number) for number in range(20) if number != 7)
    assert any(trouble is Trouble.RETRY and "a fault in the evaluation" in text for trouble, text, _ in received.told)
    assert emulator.left(path) == []


def test_while_nothing_can_be_stored_messages_wait_without_counting_as_attempts(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_PAUSE_S", source.MIN_PAUSE_S)
    dead = emulator.subscription()
    policy = {"dead_letter_topic": emulator.topic_of(dead), "max_delivery_attempts": 5}
    path = emulator.subscription(dead_letter_policy=policy)
    emulator.publish(path, [entry(1)])
    refusals: list[Sequence[str]] = []

    def fail(ids: Sequence[str]) -> None:
        if len(refusals) < 6:
            refusals.append(ids)
            raise NotStored("the disk is full")

    received = Received(fail)

    async def test() -> None:
        async with pulling(received, path):
            await received.wait_for(lambda: received.ids == ["1"])

    run(test())
    assert len(refusals) == 6
    assert (Trouble.RETRY, "alerts cannot be stored: the disk is full", 1) in received.told
    assert emulator.left(path) == emulator.left(dead) == []


def test_what_was_not_stored_at_the_end_comes_again(emulator: Emulator) -> None:
    signal.alarm(200)
    path = emulator.subscription()
    emulator.publish(path, map(entry, range(5)))

    def fail(ids: Sequence[str]) -> None:
        refused.extend(ids)
        raise NotStored("the disk is full")

    refused: list[str] = []
    first, second = Received(fail), Received()

    async def test() -> None:
        async with AsyncExitStack() as ending:
            await ending.enter_async_context(pulling(first, path))
            await first.wait_for(lambda: bool(refused))
            async with AsyncExitStack() as others:
                for _ in range(SUCCESSORS):
                    await others.enter_async_context(pulling(second, path))
                async with asyncio.timeout(PATIENCE_S):
                    while len(second.places) < SUCCESSORS:
                        await asyncio.sleep(0.02)
                await ending.aclose()
                await second.wait_for(lambda: len(set(second.ids)) == 5, patience_s=180)

    run(test())
    assert first.events == []
    assert emulator.left(path) == []


def test_what_no_retry_makes_readable_is_acknowledged(emulator: Emulator) -> None:
    path = emulator.subscription()
    emulator.publish(path, [entry(1)])

    def fail(ids: Sequence[str]) -> None:
        raise RejectedDelivery("strange")

    received = Received(fail)

    async def test() -> None:
        async with pulling(received, path):
            await received.wait_for(lambda: bool(received.told))

    run(test())
    assert received.told == [(Trouble.DAMAGED, "strange", 1)]
    assert emulator.left(path) == []


def test_an_entry_beyond_the_limit_is_evaluated_on_its_metadata(emulator: Emulator) -> None:
    path = emulator.subscription()
    large = json.loads(entry(1))
    large["protoPayload"]["request"] = {"kind": "Pod", "padding": "x" * 5000}
    emulator.publish(path, [json.dumps(large).encode(), entry(2)])
    truncated: list[Delivery] = []
    received = Received()

    async def test() -> None:
        async def handle(delivery: Delivery) -> None:
            if delivery.truncated:
                truncated.append(copy.copy(delivery))
            await received.handle(delivery)

        options = Options(project_id=PROJECT, max_event_size=2000)
        opened = PLUGIN.open(path, options, received.context())
        task = asyncio.ensure_future(opened.run(handle))
        await received.wait_for(lambda: len(received.events) == 2)
        task.cancel()
        await asyncio.wait([task])

    run(test())
    assert sorted(received.ids) == ["1", "2"]
    (delivery,) = truncated
    assert delivery.size > 5000 > len(delivery.payload)
    assert b"requestObject" not in delivery.payload
    assert emulator.left(path) == []


def test_a_subscription_that_is_not_there_ends_the_source_with_what_to_do(emulator: Emulator) -> None:
    received = Received()
    opened = PLUGIN.open("absent", Options(project_id=PROJECT), received.context())
    with pytest.raises(SourceError, match="there is no such subscription") as caught:
        run(opened.run(received.handle))
    assert caught.value.help == f"gcloud pubsub subscriptions create absent --project={PROJECT} --topic=TOPIC"
    assert received.places == []


def test_a_subscription_that_vanishes_is_pulled_from_again_when_it_is_back(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SETTLED_S", 0)  # what delivers something was opened
    path = emulator.subscription()
    emulator.publish(path, [entry(1)])
    received = Received()

    async def test() -> None:
        async with pulling(received, path):
            await received.wait_for(lambda: received.ids == ["1"])
            await asyncio.to_thread(emulator.subscriber.delete_subscription, subscription=path)
            async with asyncio.timeout(PATIENCE_S):
                while not received.told:
                    await asyncio.sleep(0.05)
            request = {"name": path, "topic": emulator.topic_of(path)}
            await asyncio.to_thread(emulator.subscriber.create_subscription, request=request)
            await asyncio.to_thread(emulator.publish, path, [entry(2)])
            await received.wait_for(lambda: received.ids == ["1", "2"])

    run(test())
    assert all(trouble in (Trouble.RETRY, Trouble.GAP) and path in text for trouble, text, _ in received.told)
    assert received.places == [f"pulling from {path}"] * 2


def test_a_subscription_that_is_not_there_does_not_stop_another(emulator: Emulator) -> None:
    path = emulator.subscription()
    late = f"{path}-late"
    received = Received()

    async def test() -> None:
        async with pulling(received, f"{late},{path}"):
            async with asyncio.timeout(PATIENCE_S):
                while Trouble.GAP not in {trouble for trouble, *_ in received.told}:
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(emulator.publish, path, [entry(1)])
            await received.wait_for(lambda: received.ids == ["1"])
            request = {"name": late, "topic": emulator.topic_of(path)}
            await asyncio.to_thread(emulator.subscriber.create_subscription, request=request)
            await asyncio.to_thread(emulator.publish, path, [entry(2)])
            await received.wait_for(lambda: received.ids.count("2") == 2)

    run(test())
    gap = next(text for trouble, text, _ in received.told if trouble is Trouble.GAP)
    assert late in gap
    assert "gcloud pubsub subscriptions create" in gap


def test_the_check_finds_what_is_well_and_what_is_missing(emulator: Emulator) -> None:
    path = emulator.subscription(ack_deadline_seconds=10)

    async def test() -> None:
        assert PLUGIN.check is not None
        found.extend(await PLUGIN.check(f"{path},absent", Options(project_id=PROJECT)))

    found: list[Finding] = []
    run(test())
    assert [(each.subject.rpartition("/")[2], each.is_well) for each in found] == [
        ("credentials", True),
        (path.rpartition("/")[2], True),
        (path.rpartition("/")[2], True),
        (path.rpartition("/")[2], True),
        (path.rpartition("/")[2], True),
        ("absent", False),
    ]
    assert f"gcloud pubsub subscriptions create absent --project={PROJECT} --topic=TOPIC" == found[-1].help
    assert any(each.help and "--ack-deadline=60" in each.help for each in found)
    assert any(each.help and "--dead-letter-topic" in each.help for each in found)
    assert emulator.left(path) == []


# What every source has to do


class SubscriptionPlace(Place):
    """A subscription of the emulator.

    To a stream that was closed, it sends what was left for minutes: a test above has a run of its own for that.
    """

    options = Options(project_id=PROJECT)

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.open_params = emulator.subscription()

    async def put(self, documents: Sequence[bytes]) -> None:
        await self._publish([entry(0, identity=ids_of(each)[0]) for each in documents])

    async def put_damaged(self) -> None:
        await self._publish([b"no JSON", b"[]", b"\xff"])

    async def _publish(self, messages: Sequence[bytes]) -> None:
        await asyncio.to_thread(self._emulator.publish, self.open_params, messages)


class TestPubSub(SourceKit):
    plugin = PLUGIN
    keeps_place = False
    bad_open_params = ("", "a b!")

    @pytest.fixture
    def place(self, emulator: Emulator) -> Place:
        return SubscriptionPlace(emulator)


# The program as a whole


RULES = """
- rule: Secrets Listed
  desc: Somebody listed secrets.
  condition: ka.verb = list and ka.target.resource = secrets
  output: >-
    secrets listed (id=%ka.auditid user=%ka.user.name cluster=%ka.cluster.name
    named=%jevt.value[/annotations/cluster_name] location=%jevt.value[/annotations/location]
    project=%jevt.value[/annotations/project_id])
  priority: WARNING
  source: k8s_audit
"""

SEED = """
plugins:
- init_config:
    project_id: "your-gcp-project-id"
    max_event_size: 8000000
    set_cluster_labels: true
  library_path: libk8saudit-gke.so
  name: k8saudit-gke
  open_params: "your-gcp-subscription-id"

load_plugins: [k8saudit-gke, json]
"""


@pytest.fixture
def without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There are no credentials, and nobody is asked over the network whether there are."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


def configured(folder: Path, text: str) -> Path:
    """A configuration with the rules above."""
    (folder / "rules.yaml").write_text(RULES)
    path = folder / "falco.yaml"
    path.write_text(f"{text}\njson_output: true\nrules_files: [{folder / 'rules.yaml'}]\n")
    return path


def alerts_of(*programs: Program) -> list[dict[str, Any]]:
    """The alerts of the rule above that programs have printed whole."""
    lines = [line for each in programs for line in each.out.read_bytes().splitlines(keepends=True)]
    found = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [each for each in found if each["rule"] == "Secrets Listed"]


def wait_for(is_so: Callable[[], bool], *programs: Program, patience_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < until, [program.out.read_text()[-2000:] for program in programs]
        assert programs[-1].process.poll() is None, programs[-1].process.communicate()
        time.sleep(0.05)


@pytest.mark.usefixtures("without_credentials")
def test_falcos_block_of_configuration_runs_as_it_is_printed(emulator: Emulator, start: Start, tmp_path: Path) -> None:
    path = "projects/your-gcp-project-id/subscriptions/your-gcp-subscription-id"
    emulator.publisher.create_topic(name=emulator.topic_of(path))
    emulator.subscriber.create_subscription(request={"name": path, "topic": emulator.topic_of(path)})
    emulator.publish(path, [entry(1)])
    program = start("run", "-c", configured(tmp_path, SEED))
    program.wait_for(f"pulling from {path}")
    wait_for(lambda: len(alerts_of(program)) == 1, program)
    (alert,) = alerts_of(program)
    assert alert["output"].endswith(
        "secrets listed (id=1 user=alice@example.com cluster=shop-prod named=shop-prod location=europe-west4 "
        "project=shop-412)"
    )
    assert alert["output_fields"]["jevt.value[/annotations/cluster_name]"] == "shop-prod"
    assert program.stop(signal.SIGTERM) == 0
    assert "the labels of projects/shop-412/locations/europe-west4/clusters/shop-prod are not to be had" in program.err
    assert emulator.left(path) == []


def test_after_a_kill_messages_come_again_and_each_alert_is_stored_once(
    emulator: Emulator, start: Start, tmp_path: Path
) -> None:
    signal.alarm(200)
    path = emulator.subscription(ack_deadline_seconds=10)
    place = f"plugin: k8saudit-gke, open_params: {path}"
    keeping = f"store: {{url: 'sqlite:///{tmp_path}/alerts.db'}}\nsources:\n"
    first = start("run", "-c", configured(tmp_path, f"{keeping}- {{name: only, {place}}}"))
    first.wait_for(f"pulling from {path}")
    emulator.publish(path, map(entry, range(30)))
    wait_for(lambda: len(alerts_of(first)) == 30, first)
    first.process.send_signal(signal.SIGSTOP)  # so that it holds messages that it has not dealt with
    emulator.publish(path, map(entry, range(30, 60)))
    first.process.kill()
    first.process.wait()
    several = "".join(f"- {{name: successor-{number}, {place}}}\n" for number in range(SUCCESSORS))
    second = start("run", "-c", configured(tmp_path, keeping + several))

    def ids() -> set[str]:
        return {alert["output_fields"]["ka.auditid"] for alert in alerts_of(first, second)}

    wait_for(lambda: len(ids()) == 60, first, second, patience_s=180)
    assert second.stop(signal.SIGTERM) == 0
    with closing(sqlite3.connect(tmp_path / "alerts.db")) as store:
        bodies = [json.loads(body) for (body,) in store.execute("SELECT body FROM lanner_alerts")]
    stored = [dict(zip(each["kind"]["keys"], each["values"], strict=True))["ka.auditid"] for each in bodies]
    assert sorted(stored) == sorted(map(str, range(60)))
    assert emulator.left(path) == []


def test_the_check_of_a_run_looks_at_the_subscription(emulator: Emulator, tmp_path: Path) -> None:
    path = emulator.subscription()
    for name, status, words in ((path, 0, "is there"), ("projects/p/subscriptions/absent", 1, "there is no such")):
        config = configured(
            tmp_path, f"plugins:\n- {{name: k8saudit-gke, open_params: {name}}}\nload_plugins: [k8saudit-gke, json]"
        )
        command = [*PROGRAM, "run", "-c", str(config), "--check"]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)
        assert ran.returncode == status, ran
        assert words in ran.stdout + ran.stderr
    assert emulator.left(path) == []


def test_many_messages_are_evaluated_and_acknowledged(emulator: Emulator, start: Start, tmp_path: Path) -> None:
    path = emulator.subscription()
    number = int(os.environ.get("LANNER_TEST_MESSAGES", "10000"))
    emulator.publish(path, (entry(each) if each % 100 == 0 else quiet_entry(each) for each in range(number)))
    config = configured(
        tmp_path, f"plugins:\n- {{name: k8saudit-gke, open_params: {path}}}\nload_plugins: [k8saudit-gke, json]"
    )
    program = start("run", "-c", config)
    wait_for(lambda: len(alerts_of(program)) >= number // 100, program)
    wait_for(lambda: emulator.left(path) == [], program)
    assert program.stop(signal.SIGTERM) == 0
    found = sorted(int(alert["output_fields"]["ka.auditid"]) for alert in alerts_of(program))
    assert found == list(range(0, number, 100))
    assert f"Events detected: {number // 100}" in program.err
