"""The levels that a real API server gave to requests are predicted from its policy."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from lanner.compiler.load import LoadedRules, load_rules
from lanner.compiler.ruleset import compile_rules, compile_selected
from lanner.engine.engine import Engine
from lanner.policy.api import RESOURCES
from lanner.policy.check import Status, check_policy
from lanner.policy.generate import generate_policy
from lanner.policy.model import AuditLevel
from lanner.policy.reader import read_policy_file
from lanner.policy.request import request_of

_RECORDINGS = (
    ("recordings/policy-full.yaml", "recordings/scenarios.jsonl", 784),
    ("recordings/policy-full.yaml", "recordings/bulk.jsonl.gz", 20_000),
    ("recordings/policy-metadata.yaml", "recordings/metadata.jsonl", 1_208),
    ("upstream/audit-policy.yaml", "upstream/audit-policy-recording.jsonl.gz", None),
)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from map(json.loads, lines)


@pytest.mark.parametrize(("policy_name", "recording", "number"), _RECORDINGS)
def test_every_recorded_event_has_the_level_and_a_stage_that_the_policy_gives_it(
    shared: Path, policy_name: str, recording: str, number: int | None
) -> None:
    policy, diagnostics = read_policy_file(shared / policy_name)
    assert policy is not None
    assert [found.code.code for found in diagnostics] == []
    wrong = []
    rules: Counter[int | None] = Counter()
    for line, event in enumerate(_events(shared / recording), 1):
        request = request_of(event)
        decision = policy.decide(request)
        rules[decision.rule] += 1
        if decision.level.text != event["level"] or not decision.records(event["stage"]):
            wrong.append((line, event["level"], decision, request))
    assert wrong == []
    assert None not in rules
    assert sum(rules.values()) == (number or sum(rules.values()))
    assert all(policy.rules[rule].level is not AuditLevel.NONE for rule in rules if rule is not None)


_RULES = ("default", "official")
DEFAULT_RULES = Path(__file__).parents[2] / "src" / "lanner" / "data" / "rules"


def _rules(shared: Path, name: str) -> LoadedRules:
    files = (
        [shared / "upstream" / "k8s_audit_rules.yaml"] if name == "official" else sorted(DEFAULT_RULES.glob("*.yaml"))
    )
    loaded = load_rules(files).rules
    assert loaded is not None
    return loaded


@pytest.mark.parametrize("rule_set", _RULES)
@pytest.mark.parametrize(("policy_name", "recording", "number"), _RECORDINGS)
def test_a_rule_that_fires_on_a_recording_is_never_said_to_be_starved(
    shared: Path, policy_name: str, recording: str, number: int | None, rule_set: str
) -> None:
    policy, _ = read_policy_file(shared / policy_name)
    assert policy is not None
    loaded = _rules(shared, rule_set)
    engine = Engine(compile_rules(loaded))
    fired: set[str] = set()
    for block in _blocks(shared / recording):
        fired |= {alert.rule for alert in engine.process(block).alerts}
    verdicts = check_policy(policy, [rule for rule in loaded.rules if rule.enabled])
    silent = {
        verdict.rule.name for verdict in verdicts if verdict.status in (Status.NEVER, Status.OFF, Status.EMPTY_LIST)
    }
    assert fired & silent == set()
    assert len(fired) > 10


def _blocks(path: Path) -> Iterator[bytes]:
    lines = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).splitlines(True)
    yield from (b"".join(lines[at : at + 1000]) for at in range(0, len(lines), 1000))


def test_at_metadata_the_official_rules_about_bodies_can_never_fire(shared: Path) -> None:
    """As observed with a real Falco: eleven are dead, and some raise more than they should, or print nothing."""
    policy, _ = read_policy_file(shared / "recordings" / "policy-metadata.yaml")
    assert policy is not None
    verdicts = check_policy(policy, _rules(shared, "official").rules)
    by_status: dict[Status, set[str]] = {}
    for verdict in verdicts:
        by_status.setdefault(verdict.status, set()).add(verdict.rule.name)
    assert by_status[Status.NEVER] == {
        "Attach to cluster-admin Role",
        "ClusterRole With Pod Exec Created",
        "ClusterRole With Wildcard Created",
        "ClusterRole With Write Privileges Created",
        "Create HostIPC Pod",
        "Create HostNetwork Pod",
        "Create HostPid Pod",
        "Create NodePort Service",
        "Create Privileged Pod",
        "Create Sensitive Mount Pod",
        "Create/Modify Configmap With Private Credentials",
    }
    assert {
        "Ingress Object without TLS Certificate Created",
        "Pod Created in Kube Namespace",
    } <= by_status[Status.MISSING_FIELDS]


def test_all_that_was_recorded_is_in_the_table_of_resources(shared: Path) -> None:
    known = {(each.group, each.name, each.subresource) for each in RESOURCES}
    unknown = set()
    for _, recording, _ in _RECORDINGS:
        for event in _events(shared / recording):
            reference = event.get("objectRef") or {}
            found = tuple(reference.get(key, "") for key in ("apiGroup", "resource", "subresource"))
            request = request_of(event)
            if (
                request.is_resource
                and event.get("responseStatus", {}).get("code") in (200, 201, 101)
                and found not in known
            ):
                unknown.add(found)
            if found in known and request.verb not in ("create", "list", "watch") and request.is_resource:
                namespaced = {each.is_namespaced for each in RESOURCES if (each.group, each.name) == found[:2]}
                if found[1] != "namespaces" and namespaced == {not request.namespace}:
                    unknown.add((*found, "is in a namespace" if request.namespace else "is in no namespace"))
    assert {each for each in unknown if not each[0].endswith((".example", "example.com"))} == set()


@pytest.mark.parametrize("rule_set", _RULES)
@pytest.mark.parametrize("recording", ["recordings/scenarios.jsonl", "recordings/bulk.jsonl.gz"])
def test_what_the_least_policy_keeps_of_a_recording_raises_the_same_alerts(
    shared: Path, recording: str, rule_set: str
) -> None:
    rules = [rule for rule in _rules(shared, rule_set).rules if rule.enabled]
    policy = generate_policy(rules).policy
    engine, engine_of_kept = Engine(compile_selected(tuple(rules))), Engine(compile_selected(tuple(rules)))
    expected: set[tuple[str, str]] = set()
    found: set[tuple[str, str]] = set()
    size = lean_size = 0
    for event in islice(_events(shared / recording), 3_000):
        raw = json.dumps(event).encode()
        size += len(raw)
        expected |= {(alert.rule, event["auditID"]) for alert in engine.process(raw).alerts}
        decision = policy.decide(request_of(event))
        if decision.records(event["stage"]):
            lean = json.dumps(_reduced(event, decision.level)).encode()
            lean_size += len(lean)
            found |= {(alert.rule, event["auditID"]) for alert in engine_of_kept.process(lean).alerts}
    assert found == expected
    assert len(expected) > 100
    assert lean_size < size


def _reduced(event: dict[str, Any], level: AuditLevel) -> dict[str, Any]:
    """The event as it is recorded at a level, without managed fields."""
    left = {**event, "level": level.text}
    for name, least in (("requestObject", AuditLevel.REQUEST), ("responseObject", AuditLevel.REQUEST_RESPONSE)):
        if name in left and level < least:
            del left[name]
        elif isinstance(left.get(name), dict) and isinstance(left[name].get("metadata"), dict):
            metadata = {key: value for key, value in left[name]["metadata"].items() if key != "managedFields"}
            left[name] = {**left[name], "metadata": metadata}
    return left
