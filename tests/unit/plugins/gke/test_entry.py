import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lanner.compiler.load import load
from lanner.compiler.ruleset import compile_rules
from lanner.diagnostics.source import SourceFile
from lanner.engine.engine import Engine
from lanner.plugins.gke.entry import Cluster, Entry, SetAside, read_entry, to_event
from lanner.plugins.gke.target import read_method, read_target
from lanner.policy.check import Status, check_policy
from lanner.policy.providers import PROVIDERS
from lanner.sources.plugin import Trouble
from tests.unit.policy.making import make_rules

CASES = Path(__file__).with_name("entries.yaml")

RULES = """
- rule: Any
  desc: Every event.
  condition: ka.verb exists
  output: "%ka.cluster.name %ka.impuser.name %kx.exec.command %kx.dry_run %ka.auth.decision %evt.time.iso8601"
  priority: NOTICE
  source: k8s_audit
"""


@cache
def cases() -> list[dict[str, Any]]:
    return yaml.load(CASES.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # type: ignore[no-any-return]


def case(name: str) -> dict[str, Any]:
    return next(each for each in cases() if each["name"] == name)


def entry_of(data: bytes) -> Entry:
    found = read_entry(data)
    assert isinstance(found, Entry)
    return found


def fields_of(event: bytes) -> dict[str, Any]:
    """The output fields of the event, as Lanner's own fields read it."""
    loaded = load([SourceFile("rules.yaml", RULES)])
    assert loaded.rules is not None, loaded.diagnostics
    (alert,) = Engine(compile_rules(loaded.rules)).process(event).alerts
    return dict(alert.output_fields)


def some_entry(**members: Any) -> bytes:
    payload = {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.create"} | members
    return json.dumps({"insertId": "1", "protoPayload": payload}).encode()


@pytest.mark.parametrize("name", [each["name"] for each in cases()])
def test_an_entry_becomes_the_event_that_is_written_beside_it(name: str) -> None:
    found = case(name)
    entry = entry_of(json.dumps(found["entry"]).encode())
    event = to_event(entry, found.get("cluster_labels"), with_bodies=found.get("with_bodies", True))
    assert json.loads(event) == found["event"]
    assert b"\n" not in event
    assert entry.is_whole


def test_the_name_of_the_cluster_is_a_field() -> None:
    entry = case("a pod that was created, with request and response")["entry"]
    assert fields_of(to_event(entry_of(json.dumps(entry).encode())))["ka.cluster.name"] == "shop-prod"


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        (
            "exec, the entry of its start, with the command",
            "kx.exec.command",
            "cat /var/run/secrets/kubernetes.io/serviceaccount/token",
        ),
        ("a change that is only tried", "kx.dry_run", "true"),
        (
            "an impersonated user",
            "ka.impuser.name",
            "system:serviceaccount:kube-system:clusterrole-aggregation-controller",
        ),
        ("exec that was refused", "ka.auth.decision", "forbid"),
    ],
)
def test_what_the_log_has_as_labels_is_in_the_fields(name: str, field: str, value: str) -> None:
    assert fields_of(to_event(entry_of(json.dumps(case(name)["entry"]).encode())))[field] == value


def test_a_command_cannot_add_parameters_to_the_query() -> None:
    entry = case("exec, the entry of its start, with the command")["entry"]
    entry = entry | {"labels": {"command.gke.io/command": "sh -c 'a&dryRun=All'"}}
    fields = fields_of(to_event(entry_of(json.dumps(entry).encode())))
    assert (fields["kx.exec.command"], fields["kx.dry_run"]) == ("sh -c 'a&dryRun=All'", None)


FORBIDDEN = {"status": "Failure", "reason": "Forbidden", "code": 403}


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (FORBIDDEN | {"@type": "core.k8s.io/v1.Status", "kind": "Status", "apiVersion": "v1"}, 403),
        (FORBIDDEN | {"@type": "core.k8s.io/v1.Status"}, 403),
        ({"@type": "core.k8s.io/v1.Status", "code": 404}, 404),
        ({"@type": "core.k8s.io/v1.Status", "status": "Failure"}, 500),
        (FORBIDDEN, 403),
        (FORBIDDEN | {"apiVersion": "v1"}, 403),
        ({"@type": "core.k8s.io/v1.Status", "status": "Success"}, 201),
    ],
)
def test_a_status_that_the_log_shortened_is_no_success(response: dict[str, Any], code: int) -> None:
    event = json.loads(to_event(entry_of(some_entry(response=response))))
    assert event["responseStatus"]["code"] == code


@pytest.mark.parametrize("kind", ["Status", "Stats"])
def test_a_resource_of_an_own_kind_cannot_pass_for_a_failure(kind: str) -> None:
    response = FORBIDDEN | {"@type": "example.com/v1.Status", "apiVersion": "example.com/v1", "kind": kind}
    event = json.loads(to_event(entry_of(some_entry(response=response))))
    assert event["responseStatus"] == {"status": "Success", "message": "inferred", "code": 201}


EXEC = "exec, the entry of its start, with the command"


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        (EXEC, "ka.stage = ResponseStarted and ka.target.subresource = exec and ka.response.code = 101"),
        (EXEC, "kx.exec.command contains token and ka.target.subresource = exec"),
        (EXEC, "ka.uri.param[command] exists and ka.target.resource = pods"),
        ("attach", "ka.stage = ResponseStarted and ka.target.subresource = attach"),
        ("port-forward", "ka.stage = ResponseStarted and ka.target.subresource = portforward"),
        ("an impersonated user", "ka.impuser.name startswith system:serviceaccount:kube-system"),
        ("a change that is only tried", "kx.dry_run = true"),
    ],
)
def test_what_an_entry_fills_is_not_said_to_be_missing(name: str, condition: str) -> None:
    """`lanner policy check --provider gke` and what the source makes of entries say the same."""
    rules = make_rules(condition)
    event = to_event(entry_of(json.dumps(case(name)["entry"]).encode()))
    loaded = load([SourceFile("rules.yaml", RULES)]).rules
    assert loaded is not None
    found = Engine(compile_rules(replace(loaded, rules=rules))).process(event).alerts
    assert [each.rule for each in found] == ["R0"]
    gke = PROVIDERS["gke"]
    (verdict,) = check_policy(gke.policy(), rules, [part.path for part in gke.absent])
    assert verdict.status is not Status.NEVER


def test_no_entry_fills_what_is_said_to_be_missing() -> None:
    absent = [part.path for part in PROVIDERS["gke"].absent if "?" not in part.path]
    assert absent
    for each in cases():
        event = json.loads(to_event(entry_of(json.dumps(each["entry"]).encode())))
        for path in absent:
            value: Any = event
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            assert value is None, (each["name"], path)


def test_an_entry_says_which_cluster_it_is_from() -> None:
    entry = entry_of(json.dumps(case("a node that was read")["entry"]).encode())
    assert entry.cluster == Cluster("shop-412", "europe-west4", "shop-prod")
    assert entry.cluster.path == "projects/shop-412/locations/europe-west4/clusters/shop-prod"
    assert entry_of(some_entry()).cluster is None


@pytest.mark.parametrize(
    ("data", "trouble", "reason"),
    [
        (b"", Trouble.DAMAGED, "not a log entry in JSON"),
        (b"no JSON", Trouble.DAMAGED, "not a log entry in JSON"),
        (b"[]", Trouble.DAMAGED, "not a log entry in JSON"),
        (b"17", Trouble.DAMAGED, "not a log entry in JSON"),
        (b'{"protoPayload":"text"}', Trouble.DAMAGED, "not a log entry in JSON"),
        (b'{"insertId":"1","protoPa', Trouble.DAMAGED, "not a log entry in JSON"),
        (b"{}", Trouble.IGNORED, "a log entry that is no audit log"),
        (b'{"textPayload":"hello"}', Trouble.IGNORED, "a log entry that is no audit log"),
        (b'{"protoPayload":{}}', Trouble.IGNORED, "a log entry of the service without a name"),
        (
            b'{"protoPayload":{"serviceName":"container.googleapis.com"}}',
            Trouble.IGNORED,
            "a log entry of the service container.googleapis.com",
        ),
    ],
)
def test_what_is_no_event_is_set_aside(data: bytes, trouble: Trouble, reason: str) -> None:
    assert read_entry(data) == SetAside(trouble, reason)


def test_an_entry_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = json.dumps(case("a pod that was created, with request and response")["entry"]).encode()
    at = whole.index(b'"response"') + 40
    entry = entry_of(whole[:at])
    event = json.loads(to_event(entry))
    assert not entry.is_whole
    assert event["user"] == {"username": "alice@example.com"}
    assert event["requestObject"]["spec"]["hostPID"] is True


def test_broken_characters_hide_nothing() -> None:
    entry = entry_of(some_entry(resourceName="core/v1/namespaces/X/pods/a").replace(b"/X/", b"/\xff\xfe/"))
    assert not entry.is_whole
    assert json.loads(to_event(entry))["objectRef"]["namespace"] == "\ufffd\ufffd"
    entry = entry_of(some_entry(request={"kind": "Pod", "bad": "X"}).replace(b'"X"', b'"\xff\xfe"'))
    assert fields_of(to_event(entry))["evt.time.iso8601"]


@pytest.mark.parametrize("depth", [300, 2_000, 100_000])
def test_nesting_hides_nothing(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    event = to_event(entry_of(some_entry(request={"a": "X", "kind": "Pod"}).replace(b'"X"', nested)))
    assert b'"verb":"create"' in event
    assert b'"kind":"Pod"' in event


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    read_entry(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
METHODS = st.sampled_from(["io.k8s.core.v1.pods.create", "io.k8s.get", "a.v1.b.get", "v1.v1.v1.v1", "...", "v1"])
NAMES = st.lists(st.sampled_from(["core", "v1", "namespaces", "a", "", "watch", "apis", "api"]), max_size=7)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["status", "authenticationInfo", "authorizationInfo", "requestMetadata", "request", "response"], JSON
        )
        | {"methodName": METHODS | JSON, "resourceName": NAMES.map("/".join) | JSON},
    ),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["insertId", "operation", "timestamp", "receiveTimestamp", "resource", "labels", "logName"], JSON
        ),
    ),
)
def test_no_entry_makes_it_raise(payload: dict[str, Any], entry: dict[str, Any]) -> None:
    data = json.dumps({**entry, "protoPayload": {**payload, "serviceName": "k8s.io"}}, allow_nan=False, default=str)
    event = json.loads(to_event(entry_of(data.encode())))
    assert event["kind"] == "Event"


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("io.k8s.core.v1.pods.get", "core/v1/namespaces/a/pods/b"),
        ("io.k8s.core.v1.pods.get", "/api/v1/namespaces/a/pods/b"),
        ("io.k8s.core.v1.pods.watch", "core/v1/watch/namespaces/a/pods/b"),
        ("io.k8s.core.v1.pods.status.get", "core/v1/namespaces/a/pods/b"),
        ("", "core/v1/namespaces/a/pods/b"),
        ("strange", "core/v1/namespaces/a/pods/b"),
    ],
)
def test_a_pod_is_found_however_its_path_is_written(method: str, name: str) -> None:
    found = read_target(read_method(method), name)
    assert (found.group, found.version, found.namespace, found.resource, found.name) == ("", "v1", "a", "pods", "b")
    assert found.path.startswith("/api/v1/namespaces/a/pods/b")
