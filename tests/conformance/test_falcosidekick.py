"""falcosidekick takes Lanner's alerts unchanged, going by what its source says it does with a post.

Read in falcosecurity/falcosidekick at commit 8807ab7b (August 2026, after release 2.34.1). Each rule names the file and
the function, or the type, that it was read in.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import lanner
from lanner.cli.main import execute
from lanner.demo import recording
from lanner.engine.alert import Alert
from lanner.engine.engine import DAMAGED_EVENT
from lanner.outputs.format import AlertFormat
from lanner.outputs.http import HttpOptions, HttpOutput
from lanner.outputs.rate import HELD_BACK, Limiter, RateLimit
from lanner.server.internal import METRICS, internal_alert, reload_refused, source_failed, unsafe, worker_lost
from tests.unit.outputs.receivers import Post, alert, web_server

Body = dict[str, Any]
RECORDING = Path(lanner.__file__).parent / "data" / "demo" / "posts.jsonl.gz"
JSON = AlertFormat(json=True)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a post has to be like.

    Attributes:
        says: The rule.
        source: Where it was read.
        holds: Whether it does, for the decoded body.
        broken_by: A change to a good body that breaks it.
    """

    says: str
    source: str
    holds: Callable[[Body], bool]
    broken_by: Body

    def __str__(self) -> str:
        return self.says


_MEMBERS = ("uuid", "output", "priority", "rule", "time", "output_fields", "source", "tags", "hostname")
_TEXTS = ("uuid", "output", "rule", "source", "hostname")
_PRIORITIES = {
    "emergency", "alert", "critical", "error", "warning", "notice", "informational", "info", "debug"
}  # fmt: skip
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_OUTPUT_LINE = re.compile(
    r"[0-9:]+\.[0-9]+: (debug|informational|notice|warning|error|critical|alert|emergency) .*", re.IGNORECASE
)


def is_moment(text: object) -> bool:
    """Whether Go reads the text as a time, and not as its zero time, that of the year 1."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        return False
    return datetime.fromisoformat(text) != datetime.fromisoformat("0001-01-01T00:00:00Z")


RULES = (
    Rule(
        "members that falcosidekick knows are spelt as it spells them, because Go overlooks case",
        "types/types.go, FalcoPayload; encoding/json",
        lambda body: all(name in _MEMBERS or name.lower() not in _MEMBERS for name in body),
        {"Rule": "x"},
    ),
    Rule(
        "texts are texts, or left out",
        "types/types.go, FalcoPayload",
        lambda body: all(isinstance(body.get(name, ""), str) for name in _TEXTS),
        {"hostname": 1},
    ),
    Rule(
        "tags are a list of texts, or left out",
        "types/types.go, FalcoPayload",
        lambda body: isinstance(tags := body.get("tags", []), list) and all(isinstance(tag, str) for tag in tags),
        {"tags": "k8s"},
    ),
    Rule(
        "the priority is one of Falco's words",
        "types/priority.go, PriorityType.UnmarshalJSON; types/types.go, Check",
        lambda body: isinstance(body.get("priority"), str) and body["priority"].lower() in _PRIORITIES,
        {"priority": "high"},
    ),
    Rule("the rule has a name", "types/types.go, Check", lambda body: bool(body.get("rule")), {"rule": ""}),
    Rule(
        "the time is one of RFC 3339, and not zero",
        "types/types.go, FalcoPayload and Check; time.Time.UnmarshalJSON",
        lambda body: is_moment(body.get("time")),
        {"time": "2026-11-21T10:00:00.5+0000"},
    ),
    Rule(
        "there are output fields, and at least one",
        "types/types.go, FalcoPayload and Check",
        lambda body: isinstance(body.get("output_fields"), dict) and bool(body["output_fields"]),
        {"output_fields": {}},
    ),
    Rule(
        "fields with the names of Kubernetes labels are texts or null, because they are taken for texts without a look",
        "handlers.go, newFalcoPayload",
        lambda body: all(
            isinstance(body["output_fields"].get(name), str | None) for name in ("k8s.ns.name", "k8s.pod.name")
        ),
        {"output_fields": {"k8s.ns.name": ["shop"]}},
    ),
    Rule(
        "there is a source, because a missing one becomes `syscalls`",
        "handlers.go, newFalcoPayload",
        lambda body: bool(body.get("source")),
        {"source": ""},
    ),
    Rule(
        "the rule is not that of falcosidekick's own test, which passes every filter",
        "handlers.go, newFalcoPayload and forwardEvent",
        lambda body: body["rule"] != "Test rule",
        {"rule": "Test rule"},
    ),
)

GOOD: Body = {
    "hostname": "vm",
    "output": "10:00:00.500000000: Warning x",
    "output_fields": {"evt.time": 1},
    "priority": "Warning",
    "rule": "x",
    "source": "k8s_audit",
    "tags": ["k8s"],
    "time": "2026-11-21T10:00:00.500000000Z",
}


def broken_rules(line: bytes) -> list[str]:
    """The rules that a body breaks."""
    body = json.loads(line)
    assert isinstance(body, dict)
    return [rule.says for rule in RULES if not rule.holds(body)]


def broken_by_request(post: Post) -> list[str]:
    """The rules that a post breaks, those of its body among them.

    Source: main.go, main (`routes`); handlers.go, mainHandler, which reads the body as it is.
    """
    found = broken_rules(post.body) if "Content-Encoding" not in post.headers else ["the body is not compressed"]
    is_taken = post.path.partition("?")[0] not in ("/ping", "/healthz", "/test", "/metrics")
    return found if is_taken else [*found, "the path is that of posts"]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_each_rule_can_be_broken(rule: Rule) -> None:
    assert broken_rules(json.dumps(GOOD).encode()) == []
    assert rule.says in broken_rules(json.dumps(GOOD | rule.broken_by).encode())


def scanned(capfdbinary: pytest.CaptureFixture[bytes], *words: str) -> list[bytes]:
    assert execute(["scan", "-q", "--format", "json", *words, str(RECORDING)]) == 0
    return capfdbinary.readouterr().out.splitlines()


def test_all_alerts_of_a_scan_are_taken(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    lines = scanned(capfdbinary)
    assert len(lines) > 150
    assert {broken for line in lines for broken in broken_rules(line)} == set()


_OPTIONS = (
    "json_include_output_property=false",
    "json_include_tags_property=false",
    "json_include_message_property=true",
    "time_format_iso_8601=true",
)


@pytest.mark.parametrize("options", tuple(itertools.combinations(_OPTIONS, 2)), ids="+".join)
def test_options_of_json_change_nothing_about_that(
    capfdbinary: pytest.CaptureFixture[bytes], options: tuple[str, ...]
) -> None:
    words = [word for option in options for word in ("-o", option)]
    lines = scanned(capfdbinary, "-p", "error", *words)
    assert lines
    assert {broken for line in lines for broken in broken_rules(line)} == set()


def test_without_output_fields_alerts_are_refused(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    lines = scanned(capfdbinary, "-p", "critical", "-o", "json_include_output_fields_property=false")
    assert lines
    for line in lines:
        body = json.loads(line)
        assert not next(rule for rule in RULES if rule.says.startswith("there are output fields")).holds(body)


def test_lines_can_be_taken_apart_by_an_output_format(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Source: main.go, init (`regOutputFormat`); handlers.go, newFalcoPayload. As in Falco, ISO 8601 does not fit."""
    for line in scanned(capfdbinary, "-p", "error"):
        output = json.loads(line)["output"]
        assert _OUTPUT_LINE.search(output)
        assert output.split(" ")[1] == json.loads(line)["priority"]


HOSTILE = (
    {"user": {"username": 'eve" \\ \x00\x1b[31m\u2028\ud800'}},
    {"user": {"username": "x" * 100_000}},
    {"user": {"username": None}},
    {"objectRef": {"name": ["a", {"b": 1}]}},
    {"stageTimestamp": "0001-01-01T00:00:00Z"},
    {"stageTimestamp": "9999-12-31T23:59:59.999999Z"},
    {"stageTimestamp": "1601-01-01T00:00:00Z"},
    {"stageTimestamp": "soon"},
    {"auditID": None},
)
CATCH_ALL = """
- rule: Anything
  desc: Whatever happens.
  condition: ka.verb exists
  output: verb=%ka.verb user=%ka.user.name name=%ka.target.name time=%jevt.time groups=%ka.user.groups all=%jevt.obj
  priority: INFO
  source: k8s_audit
"""


def alerts_of(tmp_path: Path, text: bytes) -> list[Alert]:
    path = tmp_path / "rules.yaml"
    path.write_text(CATCH_ALL)
    loaded = lanner.load_rules([path]).rules
    assert loaded is not None
    return lanner.Engine(lanner.compile_rules(loaded)).process(text).alerts


@pytest.mark.parametrize("changes", HOSTILE, ids=lambda changes: str(changes)[:40])
def test_alerts_of_hostile_events_are_taken(tmp_path: Path, changes: Body) -> None:
    event = {"kind": "Event", "auditID": "1", "stage": "ResponseComplete", "verb": "get", **changes}
    [found] = alerts_of(tmp_path, json.dumps(event).encode() + b"\n")
    assert broken_rules(JSON.encode(found)) == []


def internal_alerts(tmp_path: Path) -> Iterator[Alert]:
    yield from alerts_of(tmp_path, b'{"kind":"Event","verb":"get","user":{"username":"ev\n')
    limiter = Limiter(RateLimit(rate=1, max_burst=1), now=0)
    assert limiter.admits(alert(1), 0)
    assert not limiter.admits(alert(2), 0)
    held_back = limiter.summary()
    assert held_back is not None
    yield held_back
    yield reload_refused("the rules have 1 error", None)
    yield source_failed("webhook", "address already in use", 0.5)
    yield unsafe("webhook", "nothing asks who posts")
    yield worker_lost("killed by SIGKILL", None)
    yield internal_alert(METRICS, lanner.Priority.INFORMATIONAL, "Falco metrics snapshot", {"evt.time": 1})


def test_alerts_about_lanner_itself_are_taken(tmp_path: Path) -> None:
    found = list(internal_alerts(tmp_path))
    assert {DAMAGED_EVENT, HELD_BACK} <= {each.rule for each in found}
    assert [broken for each in found for broken in broken_rules(JSON.encode(each))] == []


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("keep_alive", [False, True])
def test_posts_of_the_http_output_are_taken(keep_alive: bool) -> None:
    loaded = lanner.load_rules([Path(lanner.__file__).parent / "data" / "rules"]).rules
    assert loaded is not None
    engine = lanner.Engine(lanner.compile_rules(loaded, selection=lanner.Selection(lanner.Priority.ERROR)))
    alerts = [found for body in recording() for found in engine.process(body, body=True).alerts]
    with web_server() as web:
        output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{web.port}/", keep_alive=keep_alive), JSON)
        output.write(alerts)
        output.close()
        posts = [web.next() for _ in alerts]
    assert len(posts) >= 40
    assert {broken for post in posts for broken in broken_by_request(post)} == set()
    assert [json.loads(post.body)["rule"] for post in posts] == [found.rule for found in alerts]


@pytest.mark.usefixtures("no_proxy")
def test_compressed_posts_would_not_be_taken() -> None:
    with web_server() as web:
        output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{web.port}/ping", compress_uploads=True), JSON)
        output.write([alert()])
        output.close()
        post = web.next()
    assert broken_by_request(post) == ["the body is not compressed", "the path is that of posts"]
