"""A request whose audit event must come back, through a real webhook, from an API server that behaves as recorded."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from lanner import Engine, compile_rules, load_rules
from lanner.rules.priority import Priority
from lanner.vigil.concern import CANARY, MUTE, OVER
from lanner.vigil.plan import CanaryPlan, SilencePlan

from .fake import FakeApiServer, metadata
from .world import World, run

PLAN = CanaryPlan(interval_s=300, within_s=120)


def only(world: World) -> None:
    """Watch for canaries alone."""
    world.plan = replace(world.plan, metrics=None, silence=None, canary=PLAN)


def canaries(cluster: FakeApiServer) -> list[str]:
    return [path for path in cluster.asked if "canary" in path]


def test_canaries_come_back_and_say_how_long_it_took(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        only(world)
        assert await world.passes(1510) == []
        canary = world.watch.sight.canaries[world.cluster.url]
        assert (canary.returned, canary.missed, canary.failed) == (6 - 1, 0, 0) or canary.returned == 6
        assert canary.round_trip_s is not None
        assert 0 < canary.round_trip_s <= 40

    run(tmp_path, then)


def test_no_two_canaries_are_alike_and_nobody_can_guess_one(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        only(world)
        await world.passes(1510)
        asked = canaries(world.cluster)
        assert len({*asked}) == len(asked) >= 5
        form = r"/api/v1/namespaces/lanner/configmaps/lanner-canary\?lanner-canary=[0-9a-f]{32}"
        assert all(re.fullmatch(form, path) for path in asked)

    run(tmp_path, then)


def test_a_batch_that_is_lost_takes_the_canary_with_it_and_is_told_of(tmp_path: Path) -> None:
    """An apply in YAML within the same half minute: the API server's own blind spot, without a look at its metrics."""

    async def then(world: World) -> None:
        only(world)
        await world.passes(300)
        world.cluster.is_applied_in_yaml()
        assert await world.passes(140) == [CANARY]
        notice = world.said[-1]
        assert notice.priority is Priority.CRITICAL
        assert "may be lost" in notice.message
        assert 250 < int(str(notice.fields["last_back_s"])) < 450
        assert await world.passes(310) == [OVER]
        assert world.watch.sight.canaries[world.cluster.url].missed == 1

    run(tmp_path, then)


def test_a_policy_that_leaves_the_request_out_is_told_of_with_the_right_guess(tmp_path: Path) -> None:
    def blind(user: str, path: str) -> str:
        return "None" if "serviceaccount" in user else "Metadata"

    async def then(world: World) -> None:
        only(world)
        assert await world.passes(600) == [CANARY]
        assert "none has ever come back: see whether the audit policy records the request" in world.said[-1].message
        assert world.said[-1].fields["last_back_s"] is None
        world.cluster.policy = metadata
        assert await world.passes(400) == [OVER]

    run(tmp_path, then, FakeApiServer(policy=blind))


def test_one_that_comes_late_is_told_of_and_then_that_it_came(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        only(world)
        world.plan = replace(world.plan, canary=replace(PLAN, within_s=20))
        world.cluster.webhook, webhook = None, world.cluster.webhook
        assert await world.passes(55, chatter=0) == [CANARY]
        world.cluster.webhook = webhook
        assert await world.passes(60, chatter=0) == [OVER]
        canary = world.watch.sight.canaries[world.cluster.url]
        assert (canary.returned, canary.missed) == (0, 1)
        assert canary.round_trip_s is not None
        assert canary.round_trip_s > 20

    run(tmp_path, then)


@pytest.mark.parametrize(
    ("change", "help_text"),
    [
        ({"token": "another"}, "token_file"),
        ({"grants": ("/metrics",)}, "Role with `get`"),
        ({"is_down": True}, "the API server's log"),
    ],
)
def test_a_canary_that_cannot_be_sent_is_told_of_after_a_while(
    tmp_path: Path, change: dict[str, object], help_text: str
) -> None:
    async def then(world: World) -> None:
        only(world)
        await world.passes(300)
        before = {name: getattr(world.cluster, name) for name in change}
        for name, value in change.items():
            setattr(world.cluster, name, value)
        assert await world.passes(160) == []
        assert await world.passes(60) == [MUTE]
        assert help_text in str(world.said[-1].fields["help"])
        for name, value in before.items():
            setattr(world.cluster, name, value)
        assert await world.passes(60) == [OVER]

    run(tmp_path, then)


def test_each_of_several_api_servers_has_its_turn(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        only(world)
        urls = (world.cluster.url, world.cluster.url.replace("127.0.0.1", "localhost"))
        world.plan = replace(world.plan, access=replace(world.plan.access, urls=urls))
        await world.passes(1210)
        sent = [world.watch.sight.canaries[url].returned for url in urls]
        assert sum(sent) >= 7
        assert abs(sent[0] - sent[1]) <= 1

    run(tmp_path, then)


def test_canaries_that_are_not_wanted_any_more_are_forgotten(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        only(world)
        world.cluster.webhook = None
        assert await world.passes(300) == [CANARY]
        world.plan = replace(world.plan, canary=None)
        assert await world.passes(300) == []
        assert world.watch.sight.canaries == {}
        assert len(canaries(world.cluster)) <= 2

    run(tmp_path, then)


@pytest.fixture
def default_engine() -> Engine:
    loaded = load_rules([Path(str(files("lanner") / "data" / "rules"))])
    assert loaded.rules
    return Engine(compile_rules(loaded.rules))


@pytest.mark.parametrize("code", [200, 404])
def test_the_default_rules_let_canaries_fly(default_engine: Engine, code: int) -> None:
    event = (
        b'{"kind":"Event","level":"Metadata","auditID":"1","stage":"ResponseComplete","verb":"get",'
        b'"requestURI":"/api/v1/namespaces/lanner/configmaps/lanner-canary?lanner-canary=%s",'
        b'"user":{"username":"system:serviceaccount:lanner:lanner","groups":["system:serviceaccounts",'
        b'"system:serviceaccounts:lanner","system:authenticated"]},"sourceIPs":["10.0.0.9"],"userAgent":"lanner",'
        b'"objectRef":{"resource":"configmaps","namespace":"lanner","name":"lanner-canary","apiVersion":"v1"},'
        b'"responseStatus":{"metadata":{},"code":%d},"requestReceivedTimestamp":"2026-11-21T10:00:00.000000Z",'
        b'"stageTimestamp":"2026-11-21T10:00:00.000000Z","annotations":{"authorization.k8s.io/decision":"allow"}}'
    ) % (b"0" * 32, code)
    assert [alert.rule for alert in default_engine.process(event, body=True).alerts] == []


def test_the_watch_of_silence_is_the_same_beside_canaries(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        world.plan = replace(world.plan, canary=PLAN, silence=SilencePlan())
        assert await world.passes(1200) == []

    run(tmp_path, then)
