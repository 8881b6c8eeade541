import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from lanner.plugins.eks import PLUGIN, Options
from lanner.plugins.eks.entries import CUT_MARK, content_of
from lanner.plugins.eks.logs import Entry, Place
from lanner.plugins.eks.poll import SLICE_MS, LogsSource, Pace
from lanner.plugins.eks.window import Seen
from lanner.plugins.texts import Standing
from lanner.rules.versions import PLUGINS
from lanner.sources.base import Delivery, Framing, Limits, SourceError
from lanner.sources.plugin import Finding, MemoryCheckpoint, Start, Trouble

from .cloudwatch import CLUSTER, REGION, STREAM, CloudWatch, cloudwatch
from .ldp import event
from .witness import Witness

PACE = Pace(interval=0.02, shift=60, late=120, batch=200, first_pause=0.01, last_pause=0.05)
GROUP = f"/aws/eks/{CLUSTER}/cluster"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatch]:
    with cloudwatch(monkeypatch) as found:
        yield found


@pytest.fixture
def now_ms() -> int:
    return int(time.time() * 1000)


def source(witness: Witness, pace: Pace = PACE, clusters: Sequence[str] = (CLUSTER,), **settings: Any) -> LogsSource:
    places = [Place(cluster, REGION, "") for cluster in clusters]
    return LogsSource(places, witness.limits, witness.context, pace, **settings)


def paced(**changes: Any) -> Pace:
    return Pace(**{name: getattr(PACE, name) for name in PACE.__slots__} | changes)


def test_events_of_the_log_are_delivered_with_the_name_of_their_cluster(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make(streams=(STREAM, "kube-apiserver-0123456789abcdef", "authenticator-0123456789abcdef"))
    cloud.put(*(event(number) for number in range(450)), at_ms=now_ms - 1000)
    cloud.put("I1121 starting", event(999), at_ms=now_ms - 1000, stream="kube-apiserver-0123456789abcdef")
    witness = Witness()
    witness.watch(source(witness), lambda: len(witness.numbers) >= 450)
    assert sorted(witness.numbers) == [*range(450)]
    assert all(each["annotations"] == {"cluster_name": CLUSTER} for each in witness.events)
    assert len(witness.deliveries) == 3
    assert witness.started == [(f"reading {GROUP} in CloudWatch Logs", "")]
    asked = cloud.asked()[0]
    assert asked["logGroupName"] == GROUP
    assert asked["logStreamNamePrefix"] == "kube-apiserver-audit"
    assert asked["startTime"] >= now_ms - 60_000 - 1000
    assert not witness.told


def test_an_events_own_annotations_stay_and_cannot_forge_the_clusters_name(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    own = {"authorization.k8s.io/decision": "allow", "cluster_name": "other"}
    cloud.put(event(1, annotations=own), at_ms=now_ms)
    witness = Witness()
    witness.watch(source(witness), lambda: bool(witness.events))
    assert witness.events == [event(1, annotations={**own, "cluster_name": CLUSTER})]


def test_new_events_are_found_each_once(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), event(1), at_ms=now_ms - 2000)

    def goes_on() -> bool:
        count = len(witness.numbers)
        if 2 <= count < 6 and count not in put:
            put.add(count)
            cloud.put(event(count), at_ms=now_ms - 1000 + count)
        return count >= 6 and len(cloud.asked()) >= polls_then + 5

    put: set[int] = set()
    polls_then = 8
    witness = Witness()
    witness.watch(source(witness), lambda: _again(witness, goes_on))
    assert witness.numbers == [*range(6)]


def _again(witness: Witness, holds: Any) -> bool:
    """Look again soon, whether or not the source has delivered anything."""
    asyncio.get_running_loop().call_later(0.02, witness.changed.set)
    return bool(holds())


def test_late_events_are_found_behind_newer_ones(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms - 1000)
    witness = Witness(checkpoint=MemoryCheckpoint(json.dumps({CLUSTER: now_ms - 20_000})))

    def goes_on() -> bool:
        if witness.numbers == [0] and not put:
            cloud.put(event(1), at_ms=now_ms - 9000)
            put.append(1)
        return 1 in witness.numbers

    # Polls begin five seconds before the newest event; a second passes from one to the next.
    put: list[int] = []
    seconds = itertools.count(time.time())
    pace = paced(shift=5, late=10)
    witness.watch(source(witness, pace, clock=lambda: next(seconds)), lambda: _again(witness, goes_on))
    assert witness.numbers == [0, 1]


def test_an_event_is_found_that_appears_late_just_after_a_look_back(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms - 1000)
    witness = Witness(checkpoint=MemoryCheckpoint(json.dumps({CLUSTER: now_ms - 20_000})))

    def goes_on() -> bool:
        if witness.numbers == [0] and not put:
            cloud.put(event(1), at_ms=now_ms - 10_000)
            cloud.put(event(2), at_ms=now_ms + 4000)
            put.append(1)
        return 1 in witness.numbers or len(cloud.asked()) > 20

    # At the next look back, five polls later, the newest event is fourteen seconds newer than the late one.
    put: list[int] = []
    seconds = itertools.count(time.time())
    pace = paced(shift=1, late=10)
    witness.watch(source(witness, pace, clock=lambda: next(seconds)), lambda: _again(witness, goes_on))
    assert witness.numbers == [0, 2, 1]


def test_a_place_whose_events_are_gone_is_a_gap(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms - 500_000)
    checkpoint = MemoryCheckpoint(json.dumps({CLUSTER: now_ms - 3_600_000}))
    witness = Witness(checkpoint=checkpoint)
    witness.watch(source(witness), lambda: bool(witness.events))
    assert witness.numbers == [0]
    (said,) = witness.texts(Trouble.GAP)
    assert said.startswith(f"{GROUP} has no event any more of ")
    again = Witness(checkpoint=MemoryCheckpoint(json.dumps({CLUSTER: now_ms - 400_000})))
    cloud.put(event(1), at_ms=now_ms - 1000)
    again.watch(source(again), lambda: 1 in again.numbers)
    assert not again.texts(Trouble.GAP)


def test_an_event_ahead_of_the_clock_is_seen_and_hides_none_behind_it(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms + 200_000)
    witness = Witness()

    def goes_on() -> bool:
        if witness.numbers == [0] and not put:
            cloud.put(event(1), at_ms=int(time.time() * 1000))
            put.append(1)
        return 1 in witness.numbers

    put: list[int] = []
    witness.watch(source(witness, paced(late=30)), lambda: _again(witness, goes_on))
    assert witness.numbers == [0, 1]


def test_all_pages_are_read(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(*(event(number) for number in range(25)), at_ms=now_ms - 1000)
    witness = Witness()
    witness.watch(source(witness, paced(page=10)), lambda: len(witness.numbers) == 25)
    assert witness.numbers == [*range(25)]
    assert [bool(asked.get("nextToken")) for asked in cloud.asked()[:3]] == [False, True, True]


def test_a_run_goes_on_where_the_last_one_ended(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    behind_ms = 3 * 3_600_000
    cloud.put(event(0), event(1), at_ms=now_ms - behind_ms)
    checkpoint = MemoryCheckpoint(json.dumps({CLUSTER: now_ms - behind_ms - 1}))
    first = Witness(checkpoint=checkpoint)
    is_there = partial(_has_come_to, checkpoint, now_ms - SLICE_MS)
    first.watch(source(first, paced(interval=30)), lambda: _again(first, is_there))
    assert first.numbers == [0, 1]
    # Behind by hours, it has read parts of them one after the other, without pauses.
    spans = [asked["endTime"] - asked["startTime"] for asked in cloud.asked() if asked["startTime"]]
    assert len(spans) >= behind_ms // SLICE_MS - 1
    assert max(spans) <= SLICE_MS + 1.5 * PACE.late * 1000 + 30_000
    cloud.put(event(2), event(3), at_ms=now_ms)
    second = Witness(checkpoint=checkpoint)
    second.watch(source(second), lambda: len(second.numbers) >= 2)
    assert second.numbers == [2, 3]


def _has_come_to(checkpoint: MemoryCheckpoint, at_ms: int) -> bool:
    return bool(json.loads(checkpoint.value or "{}").get(CLUSTER, 0) >= at_ms)


def test_a_log_can_be_read_from_its_beginning(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms - 2 * SLICE_MS)
    cloud.put(event(1), at_ms=now_ms - 1000)
    witness = Witness(checkpoint=MemoryCheckpoint(json.dumps({CLUSTER: now_ms})), start=Start.FIRST)
    witness.watch(source(witness), lambda: len(witness.numbers) == 2)
    assert witness.numbers == [0, 1]
    empty = Witness(start=Start.FIRST)
    cloud.make("empty")
    empty.watch(source(empty, clusters=["empty"]), lambda: bool(empty.started))


def test_the_place_is_kept_only_when_all_before_it_was_taken(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), event(1), at_ms=now_ms)

    class Full(Witness):
        async def handle(self, delivery: Delivery) -> None:
            raise OSError(28, "No space left on device")

    checkpoint = MemoryCheckpoint()
    full = Full(checkpoint=checkpoint)
    full.watch(source(full), lambda: bool(full.texts(Trouble.RETRY)))
    assert checkpoint.value is None
    witness = Witness(checkpoint=checkpoint)
    witness.watch(source(witness), lambda: bool(witness.events))
    assert witness.numbers == [0, 1]


def test_a_damaged_checkpoint_is_told(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms)
    witness = Witness(checkpoint=MemoryCheckpoint("half a pla"))
    witness.watch(source(witness), lambda: bool(witness.events))
    assert witness.texts(Trouble.GAP) == ["what was kept of the place in the log is damaged; it begins anew"]


def test_a_line_that_was_cut_is_delivered_alone_as_far_as_it_goes(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cut = json.dumps(event(1, requestObject={"data": "x" * 100}))[:300] + CUT_MARK
    cloud.put(event(0), cut, event(2), "not an event", at_ms=now_ms)
    witness = Witness()
    witness.watch(source(witness), lambda: len(witness.deliveries) == 3)
    first, alone, last = witness.deliveries
    assert [each.framing for each in (first, alone, last)] == [Framing.LINES, Framing.BODY, Framing.LINES]
    assert bytes(alone.payload).startswith(b'{"annotations":{"cluster_name":"prod"},"kind": "Event"')
    assert not bytes(alone.payload).endswith(b"]")
    assert witness.count(Trouble.DAMAGED) == 1
    assert witness.count(Trouble.IGNORED) == 1


def test_an_event_beyond_the_limit_is_delivered_with_what_can_be_kept(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(1, requestObject={"data": "x" * 5000}), at_ms=now_ms)
    witness = Witness(limits=Limits(max_event_size=4000))
    witness.watch(source(witness), lambda: bool(witness.deliveries))
    assert witness.deliveries[0].truncated
    assert json.loads(bytes(witness.deliveries[0].payload))["annotations"] == {"cluster_name": CLUSTER}


def test_several_clusters_are_read_each_with_its_place(cloud: CloudWatch, now_ms: int) -> None:
    clusters = ("prod", "staging")
    for number, cluster in enumerate(clusters):
        cloud.make(cluster)
        cloud.put(event(number), at_ms=now_ms + number, cluster=cluster)
    checkpoint = MemoryCheckpoint()
    witness = Witness(checkpoint=checkpoint)
    witness.watch(
        source(witness, clusters=clusters),
        lambda: _again(witness, lambda: set(json.loads(checkpoint.value or "{}")) == {*clusters}),
    )
    assert {each["annotations"]["cluster_name"] for each in witness.events} == {*clusters}


def test_a_cluster_without_a_log_does_not_stop_the_others(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make("prod")

    def goes_on() -> bool:
        if witness.texts(Trouble.GAP) and not witness.events and not put:
            put.append(True)
            cloud.put(event(1), at_ms=now_ms, cluster="prod")
        return witness.numbers == [1]

    put: list[bool] = []
    witness = Witness()
    witness.watch(source(witness, clusters=("absent", "prod")), goes_on)
    said = witness.texts(Trouble.GAP)[0]
    assert "there is no log group /aws/eks/absent/cluster" in said
    assert "aws eks update-cluster-config" in said


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "ThrottlingException"), (503, "ServiceUnavailableException"), (500, "InternalFailure")],
)
def test_a_service_that_does_not_answer_now_is_asked_again(
    cloud: CloudWatch, now_ms: int, status: int, name: str
) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms)
    cloud.answers += [(status, name)] * 3
    witness = Witness()
    witness.watch(source(witness), lambda: bool(witness.events))
    assert witness.numbers == [0]
    # Botocore asks twice by itself.
    (said,) = witness.texts(Trouble.RETRY)
    assert said.startswith(f"{GROUP}: FilterLogEvents: {name}: not now; it is asked again in 0.0")


def test_a_log_group_that_is_not_there_ends_the_source_and_says_how_it_is_made(cloud: CloudWatch) -> None:
    witness = Witness()
    with pytest.raises(SourceError) as caught:
        witness.watch(source(witness), lambda: False)
    assert str(caught.value) == f"cannot read `{GROUP}`: there is no log group {GROUP}"
    assert caught.value.help == (
        f"aws eks update-cluster-config --region {REGION} --name {CLUSTER} "
        """--logging '{"clusterLogging":[{"types":["audit"],"enabled":true}]}'"""
    )


def test_a_permission_that_is_missing_is_named(cloud: CloudWatch) -> None:
    cloud.make()
    cloud.answers.append((400, "AccessDeniedException"))
    witness = Witness()
    with pytest.raises(SourceError) as caught:
        witness.watch(source(witness), lambda: False)
    assert caught.value.reason == "logs:FilterLogEvents is not allowed"
    assert f"allow logs:FilterLogEvents on arn:aws:logs:{REGION}:*:log-group:{GROUP}:*" in str(caught.value.help)


def test_a_permission_that_is_withdrawn_later_is_waited_for(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(0), at_ms=now_ms)
    witness = Witness()

    def goes_on() -> bool:
        if witness.numbers == [0] and not cloud.answers and not witness.texts(Trouble.RETRY):
            cloud.answers.append((400, "AccessDeniedException"))
            cloud.put(event(1), at_ms=now_ms + 1)
        return witness.numbers == [0, 1]

    witness.watch(source(witness), goes_on)
    assert len(witness.texts(Trouble.RETRY)) <= 1


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AWS_ACCESS_KEY_ID", None, "there are no credentials"),
        ("AWS_PROFILE", "nobody", "there is no profile `nobody`"),
    ],
)
def test_what_amazons_tools_need_is_named(
    cloud: CloudWatch, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, reason: str
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    witness = Witness()
    with pytest.raises(SourceError) as caught:
        witness.watch(LogsSource([Place(CLUSTER, REGION, value or "")], Limits(), witness.context, PACE), lambda: False)
    assert caught.value.reason == reason
    assert caught.value.help


def test_a_region_is_needed(cloud: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    witness = Witness()
    with pytest.raises(SourceError) as caught:
        witness.watch(PLUGIN.open(CLUSTER, Options(), witness.context), lambda: False)
    assert caught.value.reason == "there is no region"
    assert caught.value.help == "set `region` in `init_config`, or AWS_REGION"


def test_the_plugin_opens_clusters_of_its_parameters(cloud: CloudWatch, now_ms: int) -> None:
    cloud.make()
    cloud.put(event(7), at_ms=now_ms)
    witness = Witness()
    options = Options(region=REGION, shift=10, polling_interval=10, use_async=False, buffer_size=500)
    witness.watch(PLUGIN.open(f" {CLUSTER}, ", options, witness.context), lambda: bool(witness.events))
    assert witness.numbers == [7]
    assert PLUGIN.version == PLUGINS[PLUGIN.name]


def test_options_have_the_names_and_defaults_of_falcos_plugin() -> None:
    found = Options()
    assert (found.shift, found.polling_interval, found.buffer_size, found.use_async) == (1, 5, 200, True)
    assert (found.profile, found.region) == ("", "")


@pytest.mark.parametrize("text", ["", " , ", "a b", "../etc", "-x", "x" * 101, "prod,/aws/eks"])
def test_a_name_that_can_be_no_clusters_is_refused(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        PLUGIN.open(text, Options(), Witness().context)
    assert caught.value.help == "write the name of the cluster, or several with commas between them"


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lanner.plugins.eks.logs")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SourceError) as caught:
        PLUGIN.open(CLUSTER, Options(), Witness().context)
    assert "boto3" in caught.value.reason
    assert caught.value.help == "pip install 'lanner[eks]'"


def checked(open_params: str = CLUSTER) -> list[tuple[str, bool, str, str | None]]:
    async def main() -> Sequence[Finding]:
        assert PLUGIN.check is not None
        return await PLUGIN.check(open_params, Options())

    return [(found.subject, found.is_well, found.text, found.help) for found in asyncio.run(main())]


def test_a_check_says_who_asks_and_what_is_missing(cloud: CloudWatch) -> None:
    who = ("credentials", True, "they are those of arn:aws:sts::123456789012:user/moto", None)
    enable = (
        f"aws eks update-cluster-config --region {REGION} --name {CLUSTER} "
        """--logging '{"clusterLogging":[{"types":["audit"],"enabled":true}]}'"""
    )
    group = f"log group {GROUP}"
    assert checked() == [who, (group, False, f"there is no log group {GROUP}", enable)]
    cloud.make(streams=("authenticator-1",))
    readable = (group, True, "its events can be read (logs:FilterLogEvents)", None)
    assert checked() == [who, readable, (group, False, "it has no stream of the audit log", enable)]
    cloud.client().create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    assert checked() == [who, readable, (group, True, "it has streams of the audit log", None)]
    cloud.answers.append((400, "AccessDeniedException"))
    *_, (_, is_well, text, help_text) = checked()
    assert (is_well, text) == (False, "logs:FilterLogEvents is not allowed")
    assert "lanner init --provider eks" in str(help_text)


def test_a_check_of_parameters_that_cannot_be_used_says_so(cloud: CloudWatch) -> None:
    assert [each[1:3] for each in checked("")] == [(False, "there is no name of a cluster")]


def test_of_what_was_seen_a_bounded_part_is_kept() -> None:
    seen = Seen(3)
    entries = [Entry(str(number), number, "") for number in range(5)]
    assert seen.new([entries[0], entries[0]]) == [entries[0]]
    seen.add(entries)
    assert len(seen) == 3
    assert seen.new(entries) == entries[:2]
    seen.forget(4)
    assert seen.new(entries) == entries[:4]
    assert seen.new([Entry("", 9, "a"), Entry("", 9, "b")]) == [Entry("", 9, "a"), Entry("", 9, "b")]


def test_odd_lines_make_nothing_raise() -> None:
    deep = '{"auditID":"1","requestObject":' + "[" * 3000 + "]" * 3000 + "}"
    assert content_of(deep, "c").standing is Standing.EVENT
    assert content_of('{"auditID":"1","annotations":[1]}', "c").text == b'{"auditID":"1","annotations":[1]}'
    assert content_of('{"auditID":"1","annotations":null}', "c").standing is Standing.EVENT
    assert json.loads(content_of('{"auditID":"\ud800"}', "c").text)["auditID"] == "?"
    assert content_of(CUT_MARK, "c").standing is Standing.OTHER
    assert content_of('{"audi' + CUT_MARK, "c").text.startswith(b'{"annotations"')
