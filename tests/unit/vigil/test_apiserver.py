"""API servers that lose events, record none, or are not watched, as they are seen in their metrics."""

from dataclasses import replace
from pathlib import Path

import pytest

from lanner.rules.priority import Priority
from lanner.vigil.apiserver import EPISODE_S, MAX_PROCESSES, Server, answered
from lanner.vigil.concern import LOST, OVER, REJECTED, SILENT, STARTED, UNHEARD, UNRECORDED, UNWATCHED
from lanner.vigil.kube import Unanswered
from lanner.vigil.plan import SilencePlan
from lanner.vigil.scrape import Scrape, Totals, read

from .fake import BUFFER, EPOCH_S, FakeApiServer, nothing
from .world import World, run

LOSES_SOON = 15 + 82 + 30 + 30
"""A batch waits for 30 seconds at most, is tried for 82, and the metrics are asked for every 30."""


def test_a_cluster_in_which_all_is_well_is_left_alone(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        assert await world.passes(1200) == []
        server = world.watch.sight.servers[world.cluster.url]
        assert server.answers == 40
        assert server.counted.events > 200
        assert world.station.snapshot().stats.events > 200

    run(tmp_path, then)


def test_one_apply_in_yaml_loses_a_batch_and_is_told_of_with_the_number_of_its_events(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        world.cluster.is_applied_in_yaml()
        world.cluster.happens(58)
        assert await world.passes(LOSES_SOON) == [LOST]
        lost = world.cluster.errors["webhook"]
        assert lost > 58
        notice = world.said[-1]
        assert (notice.priority, notice.fields["lost"], notice.fields["by"]) == (
            Priority.CRITICAL,
            lost,
            [f"webhook={lost}"],
        )
        assert notice.message.startswith(f"the API server {world.cluster.url} lost {lost} events (webhook {lost}); ")
        assert "server-side apply in YAML" in notice.message
        assert "record `patch` at Metadata" in notice.message
        assert await world.passes(EPISODE_S + 30) == [OVER]

    run(tmp_path, then)


def test_who_loses_batches_again_and_again_is_told_of_now_and_then_with_the_sum(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        told = []
        for _ in range(20):
            world.cluster.is_applied_in_yaml()
            told += await world.passes(120)
        assert {*told} == {LOST}
        assert 3 <= len(told) <= 5
        sums = [int(str(notice.fields["lost"])) for notice in world.said]
        assert sums == sorted(sums)
        assert sums[-1] > sums[0]

    run(tmp_path, then)


def test_a_full_buffer_is_another_loss_with_other_advice(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        world.cluster.happens(BUFFER + 500)
        assert await world.passes(60) == [LOST]
        assert "its buffer was full" in world.said[-1].message
        assert "YAML" not in world.said[-1].message

    run(tmp_path, then)


def test_a_plugin_that_nobody_knows_loses_events_too(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        world.cluster.errors["quantum"] += 3
        assert await world.passes(60) == [LOST]
        assert "(quantum 3)" in world.said[-1].message

    run(tmp_path, then)


def test_what_was_lost_before_it_was_watched_is_not_told_of(tmp_path: Path) -> None:
    cluster = FakeApiServer()
    cluster.errors["webhook"] = 61
    cluster.rejected = 5

    async def then(world: World) -> None:
        assert await world.passes(600) == []

    run(tmp_path, then, cluster)


def test_an_api_server_that_was_started_again_counts_from_the_beginning(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        world.cluster.errors["webhook"] = 1000
        await world.passes(300)
        world.cluster.restart()
        assert await world.passes(120) == [STARTED]
        assert "may be lost" in world.said[-1].message
        world.cluster.errors["webhook"] += 7
        assert await world.passes(60) == [LOST]
        assert world.said[-1].fields["lost"] == 7
        world.cluster.restart()
        world.cluster.errors["webhook"] = 5
        await world.passes(60)
        assert world.watch.sight.servers[world.cluster.url].counted.errors == {"webhook": 12}
        told = await world.passes(2 * EPISODE_S)
        assert told.count(STARTED) == 1
        assert told.count(OVER) == 1, "of a start nothing is told when it is over"

    run(tmp_path, then)


def test_a_process_that_does_not_say_when_it_started_is_followed_through_its_start_all_the_same(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        world.cluster.hidden = ("process_start_time_seconds",)
        world.cluster.errors["webhook"] = 1000
        await world.passes(300)
        world.cluster.restart()
        world.cluster.errors["webhook"] = 4
        assert await world.passes(60) == [LOST]
        assert world.said[-1].fields["lost"] == 4

    run(tmp_path, then)


def test_several_servers_behind_one_address_are_told_apart() -> None:
    server = Server.start(0, EPOCH_S)
    for now in range(1, 40):
        for number in range(3):
            errors = {"webhook": 100 * number + (5 if now > 20 and number == 2 else 0)}
            totals = Totals(events=1000 * number + now, errors=errors, levels=now)
            server = answered(server, Scrape(EPOCH_S - number, totals), now, SilencePlan())
    assert server.counted.errors == {"webhook": 5}
    assert server.counted.events == 3 * 38


def test_processes_that_come_and_go_take_no_more_and_more_memory() -> None:
    server = Server.start(0, EPOCH_S)
    for number in range(1000):
        server = answered(server, Scrape(EPOCH_S + number, Totals(events=1, levels=1)), number, SilencePlan())
    assert len(server.processes) == MAX_PROCESSES
    assert server.counted.events == 999


def test_events_that_are_recorded_and_do_not_arrive_are_told_of_soon(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(300)
        webhook, world.cluster.webhook = world.cluster.webhook, None
        assert UNHEARD in await world.passes(300)
        assert [notice.rule for notice in world.said].count(UNHEARD) == 1
        world.cluster.webhook = webhook
        await world.passes(120)
        assert UNHEARD in {notice.fields["was"] for notice in world.said if notice.rule == OVER}

    run(tmp_path, then)


def test_a_silence_in_which_nothing_was_recorded_is_not_taken_for_a_broken_webhook(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        world.cluster.policy = nothing
        assert UNHEARD not in await world.passes(1200)

    run(tmp_path, then)


def test_a_policy_that_records_nothing_any_more_is_told_of(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(300)
        world.plan = replace(world.plan, silence=SilencePlan(at_most_s=900, at_least_s=600))
        world.cluster.policy = nothing
        told = await world.passes(1200)
        assert sorted(told) == sorted([UNRECORDED, SILENT])
        [notice] = [notice for notice in world.said if notice.rule == UNRECORDED]
        assert "policy was replaced" in notice.message
        assert int(str(notice.fields["unrecorded"])) > 100

    run(tmp_path, then)


def test_an_api_server_without_a_policy_is_found_at_once(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        assert await world.passes(120) == [UNRECORDED]
        assert "audits no request" in world.said[-1].message
        world.cluster.policy = lambda user, path: "Metadata"
        assert await world.passes(60) == [OVER]

    run(tmp_path, then, FakeApiServer(policy=None))


def test_a_policy_that_vanishes_with_the_flags_is_found_at_once(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(300)
        world.cluster.policy = None
        assert await world.passes(150) == [UNRECORDED]

    run(tmp_path, then)


def test_requests_that_are_rejected_for_want_of_auditing_are_told_of(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        world.cluster.rejected += 12
        assert await world.passes(60) == [REJECTED]
        assert world.said[-1].fields["rejected"] == 12

    run(tmp_path, then)


@pytest.mark.parametrize(
    ("change", "reason", "help_text"),
    [
        ({"token": "another"}, "with status 401", "`blindness.apiserver.token_file`"),
        ({"grants": ("/api",)}, "with status 403", "nonResourceURLs: [/metrics]"),
        ({"is_down": True}, "with status 503", "the API server's log"),
        ({"hidden": ("apiserver_audit_event_total",)}, "lack `apiserver_audit_event_total`", "filters metrics"),
    ],
)
def test_an_api_server_that_gives_no_metrics_is_told_of_after_a_while(
    tmp_path: Path, change: dict[str, object], reason: str, help_text: str
) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        before = {name: getattr(world.cluster, name) for name in change}
        for name, value in change.items():
            setattr(world.cluster, name, value)
        assert await world.passes(120) == []
        assert await world.passes(120) == [UNWATCHED]
        assert reason in world.said[-1].message
        assert help_text in str(world.said[-1].fields["help"])
        assert await world.passes(600) == []
        for name, value in before.items():
            setattr(world.cluster, name, value)
        assert await world.passes(60) == [OVER]
        assert "is watched again" in world.said[-1].message

    run(tmp_path, then)


def test_a_token_that_was_renewed_is_the_one_that_is_sent(tmp_path: Path) -> None:
    async def then(world: World) -> None:
        await world.passes(60)
        world.cluster.token = "renewed"
        Path(world.plan.access.token_file).write_text("renewed")
        await world.passes(120)
        assert world.watch.sight.servers[world.cluster.url].failures == 0

    run(tmp_path, then)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"token_file": "/nowhere/token"}, "cannot read `/nowhere/token`: no such file"),
        ({"token_file": "/dev/null"}, "`/dev/null` holds no token"),
        ({"ca_file": "/nowhere/ca"}, "cannot read `/nowhere/ca`: no such file"),
        ({"ca_file": "/etc/hostname"}, "cannot read `/etc/hostname`: no certificates in PEM"),
        ({"server_name": "another.example"}, "its certificate is not trusted: "),
        ({"ca_file": ""}, "its certificate is not trusted: "),
        ({"urls": ("https://127.0.0.1:1",)}, "connection refused"),
        ({"urls": ("https://nowhere.invalid",)}, ""),
    ],
)
def test_what_keeps_it_from_being_asked_is_said_clearly(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    async def then(world: World) -> None:
        world.plan = replace(world.plan, access=replace(world.plan.access, **change))  # type: ignore[arg-type]  # as above
        await world.passes(10)
        [server] = world.watch.sight.servers.values()
        assert server.failing is not None
        assert server.failing[0].startswith(reason)
        assert server.failing[1]

    run(tmp_path, then)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"apiserver_audit_event_total{ 5\n",
        b"apiserver_audit_event_total\n",
        b"apiserver_audit_event_total NaN\n",
        b"apiserver_audit_event_total +Inf\n",
        b"\xff\xfe apiserver_audit_event_total\n",
    ],
)
def test_what_is_no_metrics_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(Unanswered) as raised:
        read(text)
    assert "metrics" in raised.value.reason


def test_an_api_server_cannot_make_more_and_more_series() -> None:
    lines = b"".join(b'apiserver_audit_error_total{plugin="%s%d"} 1\n' % (b"x" * 500, n) for n in range(500))
    totals = read(b"apiserver_audit_event_total 1\n" + lines).totals
    assert len(totals.errors) <= 16
    assert all(len(name) <= 64 for name in totals.errors)
