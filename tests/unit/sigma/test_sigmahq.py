"""All of SigmaHQ's rules for Kubernetes audit logs: each fires on an event made for it, and not on its neighbours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanner import Engine, compile_rules
from lanner.compiler.load import load, read_rule_files
from lanner.diagnostics import SourceFile
from lanner.sigma.importer import Fate, import_sigma
from tests.unit.default_rules.builders import Event, event, pod_body

HOST_PATH = {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}
REVIEW = {"resource": "selfsubjectrulesreviews", "apiGroup": "authorization.k8s.io"}


def _exec(**changes: Any) -> Event:
    return event("create", "pods", sub="exec", ns="shop", **changes)


# By the file of a rule: an event that it is for, and one that is like it and not meant.
EVENTS: dict[str, tuple[Callable[[], Event], Callable[[], Event]]] = {
    "change_admission_controller": (
        lambda: event("patch", "mutatingwebhookconfigurations"),
        lambda: event("get", "mutatingwebhookconfigurations"),
    ),
    "cronjob_modification": (lambda: event("create", "cronjobs"), lambda: event("list", "cronjobs")),
    "deployment_deleted": (lambda: event("delete", "deployments"), lambda: event("delete", "daemonsets")),
    "events_deleted": (lambda: event("delete", "events"), lambda: event("create", "events")),
    "exec_into_container": (_exec, lambda: event("create", "pods", sub="attach")),
    "hostpath_mount": (
        lambda: event("create", "pods", body=pod_body(spec=HOST_PATH)),
        lambda: event("create", "pods", body=pod_body()),
    ),
    "pod_in_system_namespace": (
        lambda: event("create", "pods", ns="kube-system"),
        lambda: event("create", "pods", ns="shop"),
    ),
    "potential_enumeration_activity": (
        lambda: _exec(query="?command=%2Fbin%2Fbash"),
        lambda: _exec(query="?command=%2Fbin%2Fbash", decision="forbid"),
    ),
    "privileged_pod_creation": (
        lambda: event("create", "pods", body=pod_body(capabilities={"add": ["SYS_ADMIN"]})),
        lambda: event("create", "pods", body=pod_body()),
    ),
    "rbac_permisions_listing": (
        lambda: event("create", "selfsubjectrulesreviews", objectRef=REVIEW),
        lambda: event("create", "selfsubjectaccessreviews", objectRef=REVIEW | {"resource": "others"}),
    ),
    "rolebinding_modification": (lambda: event("create", "rolebindings"), lambda: event("create", "roles")),
    "secrets_enumeration": (lambda: event("list", "secrets"), lambda: event("list", "configmaps")),
    "secrets_modified_or_deleted": (lambda: event("update", "secrets"), lambda: event("list", "secrets")),
    "serviceaccount_creation": (lambda: event("create", "serviceaccounts"), lambda: event("get", "serviceaccounts")),
    "sidecar_injection": (lambda: event("patch", "deployments"), lambda: event("patch", "cronjobs")),
    "unauthorized_unauthenticated_actions": (lambda: event("get", "pods", code=403), lambda: event("get", "pods")),
}


@pytest.fixture(scope="module")
def sigma(shared: Path) -> list[Path]:
    return sorted((shared / "upstream" / "sigma").glob("*.yml"))


def test_every_rule_is_imported_and_loads_without_a_problem(sigma: list[Path]) -> None:
    files, diagnostics = read_rule_files(sigma)
    found = import_sigma(files, diagnostics)
    assert {line.fate for line in found.lines} == {Fate.IMPORTED, Fate.CHANGED}
    assert len(found.lines) == len(sigma) == len(EVENTS)
    result = load([SourceFile("imported", found.text)])
    assert result.diagnostics == []
    assert result.rules
    assert len(result.rules.rules) == len(sigma)


@pytest.mark.parametrize("name", EVENTS)
def test_a_rule_fires_on_its_event_and_not_on_its_neighbour(sigma: list[Path], name: str) -> None:
    (path,) = [each for each in sigma if each.stem == f"kubernetes_audit_{name}"]
    files, diagnostics = read_rule_files([path])
    rules = load([SourceFile("imported", import_sigma(files, diagnostics).text)]).rules
    assert rules
    engine = Engine(compile_rules(rules))
    meant, neighbour = (json.dumps(make()).encode() for make in EVENTS[name])
    assert [alert.rule for alert in engine.process(meant).alerts] == [rules.rules[0].name]
    assert engine.process(neighbour).alerts == []
