"""Every row of the table of differences from Falco, shown. Each docstring says what a Falco does."""

import asyncio
import gzip
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import pytest

import lanner
from lanner.cli.main import execute
from lanner.config.load import load_config
from lanner.engine.alert import Finding
from lanner.engine.engine import DAMAGED_EVENT
from lanner.outputs.format import AlertFormat
from lanner.outputs.program import ProgramOptions, ProgramOutput
from lanner.outputs.sink import RefusedError
from lanner.plugins import k8saudit
from lanner.plugins.aks import records as aks
from lanner.plugins.aks.options import first_position
from lanner.plugins.eks import entries as eks
from lanner.plugins.eks.logs import Entry, Page, Place
from lanner.plugins.eks.poll import ClusterLog, Pace, Places
from lanner.plugins.gke import entry as gke
from lanner.plugins.gke import rebuilding
from lanner.plugins.gke.options import Options as GkeOptions
from lanner.plugins.ovh import envelope as ovh
from lanner.plugins.ovh.address import Address
from lanner.plugins.ovh.tail import TailSource, Timing
from lanner.plugins.texts import Content, deliveries
from lanner.server.pipeline import Pipeline
from lanner.sources.base import Delivery, Framing, Limits, NotStored, RejectedDelivery
from lanner.sources.batches import Message, cut, hand_over
from lanner.sources.files import scan
from lanner.sources.follow import FollowSource
from lanner.sources.plugin import Context, MemoryCheckpoint, Start
from lanner.sources.receiver import Receiver
from lanner.sources.several import Several

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "differences-from-falco.md"
_ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \| `(\w+)` \|$")


# Rules and events


def rule(name: str, condition: str, output: str = "x", more: str = "") -> str:
    return (
        f"- rule: {name}\n  desc: d\n  condition: {condition}\n  output: {output}\n"
        f"  priority: NOTICE\n  source: k8s_audit\n{more}"
    )


def event(**members: object) -> dict[str, object]:
    """An audit event: with these members, or without those that are given as `...`."""
    found: dict[str, object] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "942c3b97-6279-4dd7-b9d5-cdb0aa036245",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/pods",
        "verb": "create",
        "user": {"username": "alice"},
        "sourceIPs": ["203.0.113.7", "10.0.0.4"],
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "web"},
        "responseStatus": {"code": 201},
        "stageTimestamp": "2026-11-21T10:00:00.500000Z",
        **members,
    }
    return {key: value for key, value in found.items() if value is not ...}


def pod(*containers: object, **spec: object) -> dict[str, object]:
    return event(requestObject={"spec": {"containers": list(containers), **spec}})


def line(**members: object) -> bytes:
    return json.dumps(event(**members)).encode()


def load(tmp_path: Path, *texts: str) -> lanner.LoadResult:
    """Each text as a rule file."""
    paths = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return lanner.load_rules(paths)


def codes(result: lanner.LoadResult) -> list[str]:
    return [found.code.code for found in result.diagnostics]


def make_engine(tmp_path: Path, *texts: str) -> lanner.Engine:
    result = load(tmp_path, *texts)
    assert result.rules is not None, [found.message for found in result.diagnostics]
    return lanner.Engine(lanner.compile_rules(result.rules), hostname="vm")


def matched(tmp_path: Path, condition: str, *events: dict[str, object], before: str = "") -> list[str]:
    """Users of the events on which a rule with this condition raises an alert."""
    engine = make_engine(tmp_path, before + rule("A", condition, "'%ka.user.name'"))
    return [alert.message for alert in engine.process(b"\n".join(json.dumps(e).encode() for e in events)).alerts]


def shown(payload: bytes | dict[str, object], output: str) -> list[str | None]:
    """The output for each event of a payload."""
    found, diagnostics = lanner.compile_filter("evt.num exists", output)
    assert found is not None, [problem.message for problem in diagnostics]
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return [rendered for _, rendered in found.select(text)]


# The table itself


def test_every_row_has_its_test_and_every_test_has_its_row() -> None:
    rows = [match for text in TABLE.read_text().splitlines() if (match := _ROW.match(text))]
    assert len(rows) == sum(text.startswith("| `") for text in TABLE.read_text().splitlines())
    assert [match[4] for match in rows] == [f"test_{match[1]}" for match in rows]
    here = {name for name, value in globals().items() if name.startswith("test_") and callable(value)}
    assert {match[4] for match in rows} == here - {test_every_row_has_its_test_and_every_test_has_its_row.__name__}


# Fields


def test_sourceips() -> None:
    """Falco reads `requestObject.rules[].sourceIPs`."""
    assert shown(event(), "%ka.sourceips") == ["(203.0.113.7,10.0.0.4)"]
    assert shown(event(), "%ka.sourceips[1]") == ["(10.0.0.4)"]
    assert shown(event(sourceIPs=..., requestObject={"rules": [{"sourceIPs": ["1.2.3.4"]}]}), "%ka.sourceips") == [
        "<NA>"
    ]


def test_add_capabilities(tmp_path: Path) -> None:
    """Falco gives `["SYS_ADMIN","NET_RAW"]` as a single text."""
    found = pod({"name": "a", "securityContext": {"capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]}}})
    assert shown(found, "%ka.req.pod.containers.add_capabilities") == ["(SYS_ADMIN,NET_RAW)"]
    condition = "ka.req.pod.containers.add_capabilities intersects (SYS_ADMIN)"
    assert matched(tmp_path, condition, found, pod({"name": "a"})) == ["alice"]


def test_image_repository() -> None:
    """Falco gives `registry` for the first, `reg` for the second."""
    found = pod({"image": "registry:5000/app:1"}, {"image": "reg:5000/a/b:1@sha256:0a1b"}, {"image": "docker.io/nginx"})
    assert shown(found, "%ka.req.pod.containers.image.repository") == [
        "(registry:5000/app,reg:5000/a/b,docker.io/nginx)"
    ]


def test_effective_ids() -> None:
    """Falco gives 0 for each."""
    found = pod({"securityContext": {"runAsUser": 7}}, {"name": "b"}, securityContext={"runAsUser": 8, "runAsGroup": 9})
    assert shown(found, "%ka.req.pod.containers.eff_run_as_user") == ["(7,8)"]
    assert shown(found, "%ka.req.pod.containers.eff_run_as_group") == ["(9,9)"]
    assert shown(pod({"name": "a"}), "%ka.req.pod.containers.eff_run_as_user") == ["(0)"]


def test_has_name(tmp_path: Path) -> None:
    """Falco gives `true`, whatever the binding's subjects are."""
    found = event(requestObject={"subjects": [{"kind": "User", "name": "carol"}]})
    assert shown(found, "%ka.req.binding.subject.has_name[carol]") == ["<NA>"]
    result = load(tmp_path, rule("A", "ka.req.binding.subject.has_name[carol] = true"))
    assert result.rules is not None
    assert codes(result) == ["has_name_is_missing"]
    assert result.diagnostics[0].help == "use `ka.req.binding.subjects.user_names`"


def test_container_without_value() -> None:
    """Falco gives `<NA>`."""
    found = pod({"image": "a"}, {"name": "no image"}, {"image": "c"})
    assert shown(found, "%ka.req.pod.containers.image") == ["(a,c)"]


def test_odd_container_member() -> None:
    """Falco gives `<NA>`."""
    found = pod({"command": "sh", "args": 5}, {"command": ["nc", "-l"], "args": ["1"]}, {"name": "neither"})
    assert shown(found, "%ka.req.pod.containers.command %ka.req.pod.containers.args") == ["(nc -l) (1)"]


def test_json_null(tmp_path: Path) -> None:
    """Falco takes it for the text `null`, which exists."""
    found = event(objectRef={"resource": "pods", "name": None})
    assert shown(found, "%ka.target.name") == ["<NA>"]
    assert matched(tmp_path, "not ka.target.name exists", found) == ["alice"]


def test_escaped_nul(tmp_path: Path) -> None:
    """For Falco the user is `ali`."""
    found = event(user={"username": "ali\0ce"})
    assert matched(tmp_path, "ka.user.name = ali", found) == []
    assert matched(tmp_path, "ka.user.name endswith ce", found) == ["ali\0ce"]


def test_uri_param_broken_pair() -> None:
    """Falco gives `<NA>` for all parameters of these URIs."""
    found = event(requestURI="/api/v1/pods?a=%zz&b=1;c=2&watch=true")
    assert shown(found, "%ka.uri.param[watch] %ka.uri.param[a] %ka.uri.param[b]") == ["true <NA> <NA>"]
    assert shown(event(requestURI="/broken%zzpath?watch=true"), "%ka.uri.param[watch]") == ["true"]


def test_uri_param_fragment() -> None:
    """Falco sees neither the rest of the first value nor the second parameter."""
    found = event(requestURI="/api/v1/pods?name=a#b&watch=true")
    assert shown(found, "%ka.uri.param[name] %ka.uri.param[watch]") == ["a#b true"]


def test_json_patch() -> None:
    """Falco has no value for fields about the body."""
    operation = {"op": "add", "path": "/spec/containers/0/securityContext/privileged", "value": True}
    found = event(verb="patch", requestObject=[operation])
    assert shown(found, "%ka.req.pod.containers.privileged %kx.pod.containers.privileged") == ["<NA> (true)"]


def test_missing_audit_id(tmp_path: Path) -> None:
    """Falco has no value for any `ka` field."""
    assert shown(event(auditID=...), "%ka.verb %ka.user.name") == ["create alice"]
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))
    assert len(engine.process(line(auditID=...) + b"\n" + line()).alerts) == 2
    assert engine.stats.missing_audit_id == 1


def test_equal_keys() -> None:
    """Falco gives `get a A`."""
    text = (
        b'{"kind":"Event","auditID":"1","verb":"get","verb":"create","objectRef":{"name":"a","name":"b"},'
        b'"requestObject":{"spec":{"type":"A","type":"B"}}}'
    )
    assert shown(text, "%ka.verb %ka.target.name %ka.req.service.type") == ["create b B"]


def test_long_list_in_text() -> None:
    """Falco prints the first 1,023 bytes."""
    assert shown(event(sourceIPs=["x" * 3000, "y"]), "%ka.sourceips") == [f"({'x' * 3000},y)"]


# Reading events


def test_long_line(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Falco ends with an error, and has not evaluated the event before the line either."""
    log = tmp_path / "audit.log"
    log.write_bytes(b"\n".join([line(), line(user={"username": "bob"}, pad="x" * 70_000), line()]))
    rules = tmp_path / "rules.yaml"
    rules.write_text(rule("A", "ka.verb = create", "'%ka.user.name'"))
    assert execute(["scan", "-r", str(rules), "--quiet", str(log)]) == 0
    out, _ = capfdbinary.readouterr()
    assert [text.rpartition(b" ")[2] for text in out.splitlines()] == [b"alice", b"bob", b"alice"]


def test_large_event(tmp_path: Path) -> None:
    """Falco drops the event."""
    engine = make_engine(tmp_path, rule("Body", "ka.req.service.type = NodePort"), rule("Verb", "ka.verb = create"))
    found = line(requestObject={"spec": {"type": "NodePort"}, "pad": "x" * 300_000})
    assert [alert.rule for alert in engine.process(found).alerts] == ["Body", "Verb"]

    log = tmp_path / "audit.log"
    log.write_bytes(line(requestObject={"spec": {"type": "NodePort"}, "pad": "x" * 3_000_000}) + b"\n" + line())
    deliveries = list(
        scan(
            [str(log)],
            Limits(max_event_size=1_000_000, block_size=4096),
            on_error=lambda error: pytest.fail(str(error)),
        )
    )
    alerts = [
        alert.rule
        for each in deliveries
        for alert in engine.process(each.payload, body=each.truncated, truncated=each.truncated, size=each.size).alerts
    ]
    assert alerts == ["Verb", DAMAGED_EVENT, "Verb"]
    assert engine.stats.truncated == 1
    assert Limits().max_event_size == 32 * 2**20


def test_deep_nesting(tmp_path: Path) -> None:
    """Falco drops the whole post."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create", "'%ka.user.name'"))
    deep = line(user={"username": "bob"})[:-1] + b',"requestObject":' + b'{"x":' * 2000 + b"1" + b"}" * 2001
    body = b'{"kind":"EventList","items":[' + b",".join([line(), deep, line()]) + b"]}"
    result = engine.process(body, body=True)
    assert [alert.message for alert in result.alerts if alert.rule == "A"] == ["alice", "bob", "alice"]
    assert DAMAGED_EVENT in [alert.rule for alert in result.alerts]
    assert engine.stats.truncated


def test_bad_item_in_list(tmp_path: Path) -> None:
    """Falco drops what follows the item."""
    engine = make_engine(tmp_path, rule("A", "ka.verb exists", "'%ka.user.name'"))
    found = b'[%s,5,{"a":1},%s]' % (line(), line(user={"username": "bob"}))
    assert [alert.message for alert in engine.process(found, origin="audit.log").alerts] == ["alice", "bob"]
    assert engine.stats.malformed == 2
    assert engine.stats.samples == [
        "audit.log: not an audit event: 5",
        'audit.log: not an audit event: {"a":1}',
    ]


def test_missing_kind(tmp_path: Path) -> None:
    """Falco drops the line."""
    assert matched(tmp_path, "ka.verb = create", event(kind=..., apiVersion=...)) == ["alice"]


def test_event_time() -> None:
    """Falco drops these events."""
    received = "2026-11-21T09:00:00.000000Z"
    for stage in (..., None, "yesterday", 5):
        found = event(stageTimestamp=stage, requestReceivedTimestamp=received)
        assert shown(found, "%evt.time.iso8601") == ["2026-11-21T09:00:00.000000000+0000"]
    assert shown(event(stageTimestamp=..., timestamp=received), "%evt.rawtime") == ["1795251600000000000"]


def test_zero_time() -> None:
    """For Falco the event happened in 1970."""
    found = event(stageTimestamp="1970-01-01T00:00:00Z", requestReceivedTimestamp="2026-11-21T09:00:00Z")
    assert shown(found, "%evt.time.iso8601") == ["2026-11-21T09:00:00.000000000+0000"]


def test_damaged_json(tmp_path: Path) -> None:
    """Falco drops the line."""
    engine = make_engine(tmp_path, rule("A", "ka.req.service.type = NodePort", "'%ka.user.name'"))
    found = line(requestObject={"spec": {"type": "NodePort"}}, responseObject={"a": "b"})[:-4]
    assert [alert.rule for alert in engine.process(found).alerts] == ["A", DAMAGED_EVENT]
    assert engine.stats.malformed == 1


def test_documents_in_one_line(tmp_path: Path) -> None:
    """Falco drops the line."""
    found = line() + b" " + line(user={"username": "bob"})
    assert shown(found, "%ka.user.name") == ["alice", "bob"]


def test_lists_in_lists(tmp_path: Path) -> None:
    """Falco evaluates the event in five lists too."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))
    assert len(engine.process(b"[" * 4 + line() + b"]" * 4).alerts) == 1
    assert engine.stats.malformed == 0
    assert engine.process(b"[" * 5 + line() + b"]" * 5).alerts == []
    assert engine.stats.malformed == 1


def test_half_written_line(tmp_path: Path) -> None:
    """Falco reads the first half as a line, and later the second half as another."""
    log = tmp_path / "audit.log"
    log.write_bytes(line()[:100])
    delivered: list[Delivery] = []
    steps = [lambda: log.write_bytes(line() + b"\n")]

    async def handle(delivery: Delivery) -> None:
        delivered.append(delivery)

    async def pause(_seconds: float) -> None:
        if not steps:
            raise asyncio.CancelledError
        assert not delivered
        steps.pop()()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(FollowSource(str(log), Limits(), Context(name="log"), sleep=pause).run(handle))
    assert [bytes(delivery.payload).strip() for delivery in delivered] == [line()]


# The webhook


class Shelf:
    """Stores nothing until there is room."""

    def __init__(self, *, has_room: bool) -> None:
        self.has_room = has_room
        self.kept: list[Finding] = []

    async def put(self, findings: Sequence[Finding]) -> None:
        if not self.has_room:
            raise NotStored("the disk is full")
        self.kept += findings


def served(engine: lanner.Engine, keeper: Shelf, client: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Run a client against the webhook's application, whose alerts go to a keeper."""

    async def main() -> None:
        pipeline = Pipeline(engine, keeper, asyncio.Lock())
        receiver = Receiver("/k8s-audit", pipeline.handle, Limits())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(receiver), base_url="http://lanner") as requests:
            await client(requests)

    asyncio.run(main())


async def post(requests: httpx.AsyncClient, body: bytes, **headers: str) -> int:
    response = await requests.post(
        "/k8s-audit?timeout=30s", content=body, headers={"Content-Type": "application/json", **headers}
    )
    return response.status_code


BODY = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[' + line() + b"]}\n"


def aks_message(log: str) -> bytes:
    """A message of an event hub with one diagnostic record."""
    resource = "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD-1"
    return json.dumps(
        {"records": [{"category": "kube-audit", "resourceId": resource, "properties": {"log": log}}]}
    ).encode()


def test_aks_damaged_record(tmp_path: Path) -> None:
    """Falco's plugin goes on with the next record."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))
    found = aks.converter()(aks_message(line().decode()[:-20]))
    assert found.damaged == 1
    assert [alert.rule for alert in engine.process(found.documents[0]).alerts] == ["A", DAMAGED_EVENT]


def test_aks_cluster_name(tmp_path: Path) -> None:
    """Falco's plugin hands the event on as it is."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create", "'%ka.cluster.name'"))
    named = [aks.converter(names)(aks_message(line().decode())) for names in ((), ("Prod-1",))]
    messages = [alert.message for each in named for alert in engine.process(each.documents[0]).alerts]
    assert messages == ["prod-1", "Prod-1"]


def test_aks_start() -> None:
    """Without a checkpoint, the client of Falco's plugin begins with the latest message."""
    assert first_position(Start.KEPT) == "-1"
    assert first_position(Start.NEW) == "@latest"


def test_aks_checkpoint() -> None:
    """Falco's plugin hands records to a queue, then keeps the checkpoint; JSON that it cannot read ends its loop."""
    told: list[str] = []

    async def handle(delivery: Delivery) -> None:
        if b"full" in bytes(delivery.payload):
            raise OSError("the disk is full")
        if delivery.framing is Framing.BODY:
            raise RejectedDelivery("the body is not JSON")

    context = Context(name="aks", tell=lambda trouble, text, _: told.append(trouble.value))
    bodies = [aks_message(line().decode()), b"no JSON", aks_message(line(full=True).decode())]
    messages = [Message(number, body) for number, body in enumerate(bodies)]
    pieces = [*cut("hub/0", messages, aks.converter(), Limits())]
    progress = asyncio.run(hand_over("hub/0", pieces, aks.converter(), handle, context))
    assert (progress.handled, progress.failed) == (2, 2), "what may be checkpointed, and what comes again"
    assert told == ["damaged", "retry"]


def told_by_platforms(contents: list[Content], engine: lanner.Engine) -> list[str]:
    """The alerts for texts that came from a platform's log."""
    found = [engine.process(bytes(each.payload), body=True).alerts for each in deliveries(contents, Limits(), "log")]
    return [alert.rule for alerts in found for alert in alerts]


def test_eks_cut_line(tmp_path: Path) -> None:
    """Falco's plugin drops each line that ends with these words."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))
    cut_line = line().decode()[:-20] + "[Truncated...]"
    assert told_by_platforms([eks.content_of(cut_line, "prod")], engine) == ["A", DAMAGED_EVENT]


def test_eks_cluster_name(tmp_path: Path) -> None:
    """Falco's plugin hands the event on as it is."""
    engine = make_engine(tmp_path, rule("A", "ka.cluster.name = prod"))
    assert told_by_platforms([eks.content_of(line().decode(), "prod")], engine) == ["A"]


def test_eks_restart() -> None:
    """Falco's plugin keeps the time of the newest event in memory, and asks for all from it on."""
    asked: list[int] = []

    class Log:
        place = Place("prod", "eu-west-3", "")

        def page(self, start_ms: int, end_ms: int, token: str | None, limit: int | None) -> Page:
            asked.append(start_ms)
            return Page((Entry("1", 1_000_000, line().decode()),), None)

    async def handle(delivery: Delivery) -> None:
        delivered.append(delivery)

    async def main(checkpoint: MemoryCheckpoint) -> None:
        context = Context(name="eks", checkpoint=checkpoint)
        pace = Pace(interval=5, shift=1, late=120, batch=200)
        places = Places(context)
        kept = await places.load()
        several = Several(1, context)
        log = ClusterLog(Log.place, Limits(), context, pace, places=places, several=several, clock=lambda: 1001.0)
        log._opened = Log  # type: ignore[assignment,method-assign] # answers as CloudWatch does
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await log.run(handle, kept.get("prod"))

    delivered: list[Delivery] = []
    checkpoint = MemoryCheckpoint()
    asyncio.run(main(checkpoint))
    assert (len(delivered), asked, checkpoint.value) == (1, [1_000_000], '{"prod":1000000}')
    asyncio.run(main(checkpoint))
    assert asked[1] == 1_000_000 - 185_000, "from where the last one ended, and a look back for late events"


def test_ovh_envelopes(tmp_path: Path) -> None:
    """Falco's plugin makes the text `{{._appID}}> {{.short_message}}`, and cuts it at the first `> `."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))
    log = json.dumps({"_appID": "a> b", "short_message": line().decode()})
    assert told_by_platforms([ovh.content_of(json.dumps({"message": log}).encode())], engine) == ["A"]


def test_ovh_gaps() -> None:
    """Falco's plugin says that it was disconnected, and connects again."""
    told: list[tuple[str, str]] = []
    context = Context(name="ovh", tell=lambda trouble, text, times=1: told.append((trouble.value, text)))
    source = TailSource(Address.parse("gra1.logs.ovh.com/tail/?tk=x"), Limits(), context, Timing(quiet=30))
    source._away, source._seen_at_s = "the connection broke off", time.time() - 90
    source._begin()
    assert [trouble for trouble, _ in told] == ["gap"]
    assert told[0][1].startswith("the tail was not read for 90.")


def gke_event(tmp_path: Path, output: str, **entry: object) -> str:
    """What an alert says of a log entry of GKE."""
    payload: dict[str, object] = {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.secrets.list"}
    payload |= {key: entry.pop(key) for key in [*entry] if key not in ("labels", "timestamp", "receiveTimestamp")}
    found = gke.read_entry(json.dumps({"protoPayload": payload, **entry}).encode())
    assert isinstance(found, gke.Entry)
    (alert,) = make_engine(tmp_path, rule("A", "ka.verb exists", f"'{output}'")).process(gke.to_event(found)).alerts
    return alert.message


def test_gke_status(tmp_path: Path) -> None:
    """Falco's plugin looks at the verb alone: 201 for create, else 200."""
    output = "%ka.response.code %ka.response.reason"
    assert gke_event(tmp_path, output, status={"code": 7, "message": "no"}) == "403 Forbidden"
    assert gke_event(tmp_path, output, status={}) == "200 <NA>"


def test_gke_resource_name(tmp_path: Path) -> None:
    """Falco's plugin knows names of four parts and more, and puts a slash before them for the URI."""
    output = "%ka.target.resource %ka.target.namespace %ka.uri"
    assert gke_event(tmp_path, output, resourceName="core/v1/secrets") == "secrets <NA> /api/v1/secrets"
    named = gke_event(
        tmp_path, output, resourceName="core/v1/namespaces/shop", methodName="io.k8s.core.v1.namespaces.get"
    )
    assert named == "namespaces shop /api/v1/namespaces/shop"


def test_gke_impersonation(tmp_path: Path) -> None:
    """Falco's plugin takes the principal's address, and the labels as annotations."""
    caller = {"principalEmail": "alice@example.com", "authoritySelector": "system:admin"}
    assert gke_event(tmp_path, "%ka.user.name %ka.impuser.name", authenticationInfo=caller) == (
        "alice@example.com system:admin"
    )
    method = {"methodName": "io.k8s.core.v1.pods.exec.create", "resourceName": "core/v1/namespaces/a/pods/b/exec"}
    assert gke_event(tmp_path, "%kx.exec.command", **method, labels={"command.gke.io/command": "sh -i"}) == "sh -i"


def test_gke_large_entry(tmp_path: Path) -> None:
    """Falco's plugin logs the size and goes on."""
    assert GkeOptions().max_event_size == 32 << 20
    payload = {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.create", "request": {"padding": "x" * 5000}}
    entry = json.dumps({"protoPayload": payload}).encode()
    events = asyncio.run(rebuilding.Rebuilder(Context(name="gke"), 1000).rebuild([entry]))
    (delivery,) = rebuilding.deliveries([each for each in events if each], "gke")
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))
    found = engine.process(delivery.payload, body=True, truncated=delivery.truncated, size=delivery.size)
    assert [alert.rule for alert in found.alerts] == ["A", DAMAGED_EVENT]


def test_gke_time(tmp_path: Path) -> None:
    """Falco's plugin takes `receiveTimestamp`."""
    times = {"timestamp": "2026-11-01T10:00:00Z", "receiveTimestamp": "2026-11-01T10:01:30Z"}
    assert gke_event(tmp_path, "%evt.time.iso8601", **times).startswith("2026-11-01T10:00:00")


def test_acknowledgement(tmp_path: Path) -> None:
    """Falco answers 200, then begins to parse."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create", "'%ka.user.name'"))
    shelf = Shelf(has_room=False)

    async def client(requests: httpx.AsyncClient) -> None:
        assert await post(requests, BODY) == 429
        assert shelf.kept == []
        shelf.has_room = True
        assert await post(requests, BODY) == 200, "an API server sends it again, too"
        assert [finding.message for finding in shelf.kept] == ["alice"]

    served(engine, shelf, client)


def test_body_that_is_no_json(tmp_path: Path) -> None:
    """Falco answers 200, and says in its log that it could not parse the body."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))

    async def client(requests: httpx.AsyncClient) -> None:
        assert await post(requests, b"hello") == 400
        assert await post(requests, BODY) == 200

    served(engine, Shelf(has_room=True), client)
    assert engine.stats.malformed == 1
    assert engine.stats.alerts == 1


def test_gzip_body(tmp_path: Path) -> None:
    """Falco answers 200 and drops the body, which is no JSON to it."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create"))

    async def client(requests: httpx.AsyncClient) -> None:
        assert await post(requests, gzip.compress(BODY), **{"Content-Encoding": "gzip"}) == 200

    served(engine, Shelf(has_room=True), client)
    assert engine.stats.alerts == 1


def test_use_async() -> None:
    """Falco extracts fields in a second thread, which fights with the first for two cores."""
    url = "http://127.0.0.1:9765/k8s-audit"
    plugin = k8saudit.PLUGIN
    assert plugin.listening
    with_it, without = (plugin.listening(url, k8saudit.Options(use_async=value)) for value in (True, False))
    assert with_it == without


# Rules


def test_rule_matching(tmp_path: Path, shared: Path) -> None:
    """Falco raises an alert for the first of the two rules only, and 32 alerts on the traces."""
    engine = make_engine(tmp_path, rule("First", "ka.verb = create"), rule("Second", "ka.verb exists"))
    assert [alert.rule for alert in engine.process(line()).alerts] == ["First", "Second"]

    loaded = lanner.load_rules([shared / "upstream" / "k8s_audit_rules.yaml"]).rules
    assert loaded is not None
    counts = []
    for rules in (lanner.compile_rules(loaded), lanner.compile_rules(loaded, matching="first")):
        traces = sorted((shared / "upstream" / "traces").iterdir())
        counts.append(sum(len(lanner.Engine(rules).process(trace.read_bytes()).alerts) for trace in traces))
    assert counts == [48, 32]


def test_nested_lists(tmp_path: Path) -> None:
    """For Falco `outer` holds the text `inner`, and not `alice`."""
    lists = "- list: inner\n  items: [alice]\n- list: middle\n  items: [inner]\n- list: outer\n  items: [middle]\n"
    condition = "ka.user.name in (outer)"
    assert matched(tmp_path, condition, event(), event(user={"username": "inner"}), before=lists) == ["alice"]


def test_list_name_in_quotes(tmp_path: Path) -> None:
    """Falco compares with `may alice, bob pass`."""
    lists = "- list: friends\n  items: [alice, bob]\n"
    condition = (
        "'ka.verb in (get, create) and ka.useragent contains \"may friends pass\" and ka.user.name in (friends)'"
    )
    found = event(userAgent="may friends pass")
    assert matched(tmp_path, condition, found, event(), before=lists) == ["alice"]


def test_byte_operators(tmp_path: Path) -> None:
    """Falco refuses them too, without a word on what to use."""
    result = load(tmp_path, rule("A", "ka.verb bcontains 6161 or ka.verb bstartswith 6161"))
    assert codes(result) == ["LN0205", "LN0205"]
    assert {found.help for found in result.diagnostics} == {"use `contains` or `startswith`"}


def test_all_errors(tmp_path: Path) -> None:
    """Falco reports the first of the four."""
    broken = rule("A", "ka.verbs = get and ka.target.nam = x") + rule("B", "ka.verb =", "'%ka.user.nam'")
    result = load(tmp_path, broken)
    assert codes(result) == ["LN0203", "LN0203", "LN0201", "LN0302"]


def test_positions(tmp_path: Path) -> None:
    """Falco points at the rule, with an offset into a text that is in no file."""
    text = "- macro: m\n  condition: >\n    ka.verb = get\n    and ka.target.nam = x\n" + rule(
        "A", "ka.verb = get and m"
    )
    (found,) = load(tmp_path, text).diagnostics
    assert found.span is not None
    assert found.span.text == "ka.target.nam"
    assert found.span.position == (4, 9)
    assert [label.span.position for label in found.related] == [(7, 32)]


def test_plugin_versions(tmp_path: Path) -> None:
    """Falco ends, and says which version it has."""
    result = load(
        tmp_path,
        "- required_plugin_versions:\n    - name: k8saudit\n      version: 0.99.0\n" + rule("A", "ka.verbs = get"),
    )
    assert codes(result) == ["LN0403", "LN0203"]
    assert result.diagnostics[0].place == (2, 13)


def test_parenthesis_behind_or(tmp_path: Path) -> None:
    """Falco expects nothing but `or` behind the parenthesis."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = get or(ka.verb = create) and ka.user.name exists"))
    assert len(engine.process(line()).alerts) == 1


def test_glob_limit(tmp_path: Path) -> None:
    """Falco takes any length."""
    assert codes(load(tmp_path, rule("A", f"ka.verb glob {'x' * 1025}"))) == ["LN0206"]
    assert load(tmp_path, rule("A", f"ka.verb glob {'x' * 1024}")).rules is not None


def test_condition_limits(tmp_path: Path) -> None:
    """Falco takes 1,000 levels; the lists it would write out, all 100,000,000 items."""
    nested = load(tmp_path, rule("A", "(" * 151 + "ka.verb = get" + ")" * 151))
    assert codes(nested) == ["LN0201"]
    assert load(tmp_path, rule("A", "(" * 150 + "ka.verb = get" + ")" * 150)).rules is not None
    lists = "- list: l0\n  items: [a]\n" + "".join(
        f"- list: l{n + 1}\n  items: [{', '.join([f'l{n}'] * 10)}]\n" for n in range(8)
    )
    assert codes(load(tmp_path, lists + rule("A", "ka.verb in (l8)"))) == ["LN0210"]


def test_more_warnings(tmp_path: Path) -> None:
    """Falco says nothing."""
    text = "- list: l\n  items: ['a,b']\n" + rule("A", "ka.verb in (l)", "'%ka.verbs'")
    result = load(tmp_path, text)
    assert result.rules is not None
    assert sorted(codes(result)) == ["shortened_field", "split_item"]
    assert {found.code.falco for found in result.diagnostics} == {None}


def test_other_sources(tmp_path: Path) -> None:
    """Falco evaluates the first rule on system calls."""
    text = rule("A", "evt.type = execve").replace("  source: k8s_audit\n", "") + rule("B", "ka.verb = create")
    result = load(tmp_path, text)
    assert result.rules is not None
    assert [found.name for found in result.rules.others] == ["A"]
    assert result.rules.not_evaluated == {"syscall": 1}
    assert [found.name for found in lanner.compile_rules(result.rules).rules] == ["B"]


# Output and exit


def test_terminal_characters(tmp_path: Path) -> None:
    """Falco prints U+009B, which begins an escape sequence, and U+202E, which turns the text around, as they are."""
    engine = make_engine(tmp_path, rule("A", "ka.verb = create", "'%ka.user.name'"))
    (alert,) = engine.process(line(user={"username": "a\x1b[2K\x9b1A\u202eb"})).alerts
    assert AlertFormat(terminal=True).encode(alert).endswith(b" a\\u001b[2K\\u009b1A\\u202eb\n")
    assert AlertFormat().encode(alert).endswith(" a\\u001b[2K\x9b1A\u202eb\n".encode())


def test_exit_status(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Falco exits with 1 for each."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(rule("A", "ka.verbs = get"))
    assert execute(["rules", "check", str(broken)]) == 2
    assert execute(["scan", "-r", str(broken), str(tmp_path / "missing.log")]) == 2
    assert execute(["scan", str(tmp_path / "missing.log")]) == 1
    assert execute(["scan", "--no-such-flag"]) == 2
    assert capfdbinary.readouterr().err


def test_messages(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Prints `Fri … Opening event source` on standard error with `log_stderr`, and sends it to syslog by default."""
    rules, config = tmp_path / "rules.yaml", tmp_path / "falco.yaml"
    rules.write_text(rule("A", "ka.verb=create"))
    config.write_text("engine: {kind: kmod}\n")
    words = ["run", "--dry-run", "-r", str(rules), "-c", str(config)]
    assert execute(words) == 0
    line = json.loads(capfd.readouterr().err)
    assert (line["level"], line["message"]) == ("notice", "without effect: engine")
    assert execute([*words, "-o", "log_stderr=false"]) == 0
    assert capfd.readouterr().err == ""
    assert not load_config(str(config)).config.log_syslog  # type: ignore[union-attr]  # it has no errors


def test_summary_stream(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Falco prints the summary behind the last alert on standard output."""
    log = tmp_path / "audit.log"
    log.write_bytes(line())
    rules = tmp_path / "rules.yaml"
    rules.write_text(rule("A", "ka.verb = create", "'%ka.user.name'"))
    assert execute(["scan", "-r", str(rules), str(log)]) == 0
    out, err = capfdbinary.readouterr()
    assert out.endswith(b" Notice alice\n")
    assert out.count(b"\n") == 1
    assert err.startswith(b"Events detected: 1\n")


def test_unknown_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Falco logs `schema validation: failed for <root>`, as a warning."""
    path = tmp_path / "falco.yaml"
    path.write_text("json_outptu: true\n")
    assert execute(["run", "--dry-run", "-c", str(path)]) == 2
    message = json.loads(capsys.readouterr().err.splitlines()[0])
    assert (message["message"], message["line"]) == ("unknown key `json_outptu`", 1)
    assert message["help"] == "did you mean `json_output`?"


def test_stdout_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Falco reads `stdout_output.enabled` as false when it is missing."""
    (tmp_path / "falco.yaml").write_text("json_output: false\n")
    (tmp_path / "rules.yaml").write_text(rule("A", "ka.verb = create", "'%ka.user.name'"))
    (tmp_path / "audit.log").write_bytes(line())
    words = [f"{tmp_path}/{name}" for name in ("falco.yaml", "rules.yaml", "audit.log")]
    assert execute(["scan", "-c", words[0], "-r", words[1], words[2]]) == 0
    assert capsys.readouterr().out.endswith(" Notice alice\n")


def test_no_rule_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Falco says `You must specify at least one rules file/directory`."""
    path = tmp_path / "falco.yaml"
    path.write_text("rules_files: []\n")
    assert execute(["-c", str(path), "-L"]) == 0
    assert "Attach/Exec Pod" in capsys.readouterr().out


def test_no_flags(capsys: pytest.CaptureFixture[str]) -> None:
    """Falco reads `/etc/falco/falco.yaml` and starts."""
    assert execute([]) == 0
    assert capsys.readouterr().out.startswith("Usage: lanner")


def test_program_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Falco starts the program with its own standard output, and does not look at what `pclose` gives."""
    alerts = make_engine(tmp_path, rule("A", "ka.verb = create", "'%ka.user.name'")).process(line()).alerts
    output = ProgramOutput(ProgramOptions(program="grep -o alice; exit 3"), AlertFormat())
    with pytest.raises(RefusedError, match="status 3"):
        output.write(alerts)
    output.close()
    assert capfd.readouterr() == ("", "alice\n")
