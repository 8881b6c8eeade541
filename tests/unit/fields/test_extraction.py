"""Fields read from whole events."""

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanner.events.values import decode_json
from lanner.fields.catalogue import FIELDS, ArgKind, Argument, FieldSpec, FieldValue, Json, Meta
from lanner.fields.extraction import extractor

from .requests_for_certificates import csr_spec

FROM_EVENT = [spec for spec in FIELDS.values() if not isinstance(spec.extract, Meta)]

CONTAINERS: list[dict[str, Json]] = [
    {
        "name": "app",
        "image": "docker.io/library/nginx:1.27",
        "command": ["sh", "-c", "id"],
        "ports": [{"hostPort": 8080, "containerPort": 80}, {"containerPort": 9090}],
        "securityContext": {
            "privileged": True,
            "readOnlyRootFilesystem": True,
            "runAsUser": 0,
            "runAsGroup": 0,
            "procMount": "Unmasked",
            "capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]},
        },
    },
    {
        "name": "side",
        "image": "reg:5000/side@sha256:0a1b",
        "args": ["-v", "--once"],
        "securityContext": {"allowPrivilegeEscalation": False},
    },
]
EXAMPLE: dict[str, Json] = {
    "auditID": "942c3b97-6279-4dd7-b9d5-cdb0aa036245",
    "stage": "ResponseComplete",
    "verb": "create",
    "requestURI": "/api/v1/namespaces/shop/pods?fieldManager=kubectl-create",
    "user": {
        "username": "alice",
        "groups": ["ops", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=0a1b"]},
    },
    "level": "RequestResponse",
    "impersonatedUser": {
        "username": "bob",
        "groups": ["system:masters"],
        "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=2c3d"]},
    },
    "sourceIPs": ["203.0.113.7", "10.0.0.4"],
    "userAgent": "kubectl/v1.32.4 (linux/amd64)",
    "objectRef": {"resource": "pods", "namespace": "shop", "name": "web", "apiVersion": "v1"},
    "responseStatus": {"code": 201, "reason": "AlreadyExists"},
    "responseObject": {"metadata": {"name": "web"}},
    "annotations": {
        "authorization.k8s.io/decision": "allow",
        "authorization.k8s.io/reason": 'RBAC: allowed by ClusterRoleBinding "ops"',
        "authentication.openshift.io/decision": "allow",
        "authentication.openshift.io/username": "alice",
        "validation.policy.admission.k8s.io/validation_failure": '[{"message":"no","policy":"p","binding":"b"}]',
        "pod-security.kubernetes.io/audit-violations": 'would violate PodSecurity "baseline:latest": privileged',
        "cluster_name": "prod-1",
        "k8s.io/deprecated": "true",
        "k8s.io/removed-release": "1.32",
        "patch.webhook.admission.k8s.io/round_0_index_0": '{"configuration":"mesh","webhook":"inject.example.com",'
        '"patch":[],"patchType":"JSONPatch"}',
        "failed-open.mutation.webhook.admission.k8s.io/round_0_index_1": "inject.example.com",
    },
    "requestObject": {
        "metadata": {"labels": {"app.kubernetes.io/version": "1.31"}},
        "data": {"color": "blue"},
        "roleRef": {"name": "cluster-admin"},
        "subjects": [
            {"kind": "User", "name": "carol"},
            {"kind": "Group", "name": "contractors"},
            {"kind": "ServiceAccount", "name": "builder", "namespace": "dev"},
        ],
        "rules": [
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
        ],
        "spec": {
            "type": "NodePort",
            "ports": [{"name": "http", "port": 80}],
            "hostIPC": True,
            "hostNetwork": True,
            "hostPID": True,
            "securityContext": {
                "runAsUser": 1000,
                "runAsGroup": 3000,
                "fsGroup": 2000,
                "supplementalGroups": [4000, 5000],
            },
            "containers": [*CONTAINERS],
            "initContainers": [*CONTAINERS],
            "ephemeralContainers": [*CONTAINERS],
            "volumes": [
                {"name": "etc", "hostPath": {"path": "/etc"}},
                {"name": "cifs", "flexVolume": {"driver": "vendor/cifs"}},
            ],
        },
    },
}
WITH_SUBRESOURCE = EXAMPLE | {"objectRef": {"resource": "pods", "subresource": "exec"}}


_HOOKS: Json = {
    "webhooks": [
        {"clientConfig": {"url": "https://hooks.example.com/mutate"}, "failurePolicy": "Ignore"},
        {"clientConfig": {"service": {"namespace": "guard", "name": "policy"}}, "failurePolicy": "Fail"},
    ]
}
_PATCH: Json = [
    {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil"},
    {"op": "remove", "path": "/metadata/labels/app"},
]
_POD: Json = {
    "spec": {
        "hostNetwork": True,
        "hostPID": True,
        "hostIPC": True,
        "serviceAccountName": "builder",
        "nodeName": "node-1",
        "securityContext": {
            "runAsUser": 1000,
            "runAsNonRoot": False,
            "seccompProfile": {"type": "RuntimeDefault"},
            "appArmorProfile": {"type": "Unconfined"},
            "windowsOptions": {"hostProcess": True},
        },
        "containers": [
            CONTAINERS[0] | {"env": [{"name": "MODE", "value": "dev"}, {"name": "KEY", "valueFrom": {}}]},
            CONTAINERS[1],
        ],
        "volumes": [{"name": "etc", "hostPath": {"path": "//etc/./"}}],
    }
}
_OWN: dict[str, dict[str, Json]] = {
    "kx.target.api_group": {"objectRef": {"apiGroup": "apps"}},
    "kx.dry_run": {"verb": "create", "requestURI": "/api/v1/pods?dryRun=All"},
    "kx.exec.": {"requestURI": "/exec?command=cat&command=%2Fetc%2Fshadow&stdout=true"},
    "kx.user.serviceaccount.": {"user": {"username": "system:serviceaccount:dev:builder"}},
    "kx.pod.": {"requestObject": _POD},
    "kx.pv.": {"requestObject": {"spec": {"hostPath": {"path": "/srv/data/"}}}},
    "kx.hostpath.": {"requestObject": {"spec": {"local": {"path": "/srv/data"}}}},
    "kx.patch.": {"verb": "patch", "requestObject": _PATCH},
    "kx.binding.scope": {"objectRef": {"resource": "clusterrolebindings"}},
    "kx.role.escalation": {"requestObject": {"rules": [{"verbs": ["bind", "get"]}]}},
    "kx.token.": {"requestObject": {"spec": {"expirationSeconds": 86400, "audiences": ["vault"]}}},
    "kx.csr.": {"requestObject": {"spec": csr_spec("mallory", "system:masters")}},
    "kx.webhook.": {"requestObject": _HOOKS},
    "kx.service.": {"requestObject": {"spec": {"externalIPs": ["203.0.113.80"]}}},
    "kx.event.": {"requestObject": {"message": 'Pulling image "docker.io/library/nginx:1.27"'}},
    "kx.admission.injected": {
        "annotations": {
            "patch.webhook.admission.k8s.io/round_0_index_0": '{"patch":[{"op":"add","path":"/spec/volumes/-",'
            '"value":{"hostPath":{"path":"/"}}}],"patchType":"JSONPatch"}'
        }
    },
}


def example_for(name: str) -> Mapping[str, Json]:
    if name == "ka.target.subresource":
        return WITH_SUBRESOURCE
    return next((event for prefix, event in _OWN.items() if name.startswith(prefix)), EXAMPLE)


def read(name: str, event: Mapping[str, Json], arg: Argument = None) -> FieldValue:
    return extractor(FIELDS[name], arg)(event)


@pytest.mark.parametrize("spec", FROM_EVENT, ids=lambda spec: spec.name)
def test_every_example_of_the_catalogue_is_true(spec: FieldSpec) -> None:
    value = extractor(spec, spec.example_arg)(example_for(spec.name))
    assert value == (list(spec.example) if isinstance(spec.example, tuple) else spec.example)


@pytest.mark.parametrize("spec", FROM_EVENT, ids=lambda spec: spec.name)
def test_on_an_empty_event_every_field_is_missing(spec: FieldSpec) -> None:
    assert extractor(spec, spec.example_arg)({}) is None


@pytest.mark.parametrize(
    "spec", [spec for spec in FIELDS.values() if isinstance(spec.extract, Meta)], ids=lambda s: s.name
)
def test_values_of_the_engine_are_not_read_from_the_event(spec: FieldSpec) -> None:
    with pytest.raises(ValueError, match="no part of the event"):
        extractor(spec)


def test_an_event_without_audit_id_still_has_fields() -> None:
    assert read("ka.verb", {"verb": "get"}) == "get"


def test_null_is_a_missing_value() -> None:
    assert read("ka.verb", {"verb": None}) is None
    assert read("ka.user.groups", {"user": {"groups": [None, "ops"]}}) == ["ops"]
    assert read("jevt.value", {"a": {"b": None}}, "/a/b") is None


def test_a_list_field_takes_nothing_but_a_list() -> None:
    assert read("ka.user.groups", {"user": {"groups": "ops"}}) is None
    assert read("ka.user.groups", {"user": {"groups": []}}) is None


def test_source_addresses_are_the_events() -> None:
    assert read("ka.sourceips", EXAMPLE, 1) == ["10.0.0.4"]
    assert read("ka.sourceips", EXAMPLE, 2) is None
    assert read("ka.sourceips", {"requestObject": {"rules": [{"sourceIPs": ["10.1.1.1"]}]}}) is None


def test_an_index_picks_one_rule_of_a_role() -> None:
    assert read("ka.req.role.rules.verbs", EXAMPLE, 1) == ["get"]
    assert read("ka.req.role.rules.nonResourceURLs", EXAMPLE, 0) is None


def test_a_json_pointer_reads_anything_as_text() -> None:
    assert read("jevt.value", EXAMPLE, "/user/groups/1") == "system:authenticated"
    assert read("jevt.value", EXAMPLE, "/user/groups") == '["ops","system:authenticated"]'
    assert read("jevt.value", EXAMPLE, "responseStatus/code") == "201"
    assert read("json.value", {"a": 1}, "") == '{"a":1}'
    assert read("json.value", {"a": 1}, "/b") is None


_WORDS = sorted(set(re.findall(r'"(\w+)":', json.dumps(EXAMPLE))))
_SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8)
_VALUES = st.recursive(
    _SCALARS | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=6),
    max_leaves=20,
)


@st.composite
def damaged_events(draw: st.DrawFn) -> dict[str, Json]:
    """The example event with values of any shape put in at some places."""

    def damage(value: Json) -> Json:
        if draw(st.integers(0, 9)) == 0:
            return draw(_VALUES)
        if isinstance(value, dict):
            return {key: damage(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [damage(inner) for inner in value]
        return value

    member = draw(st.sampled_from(sorted(EXAMPLE)))
    return EXAMPLE | {member: damage(EXAMPLE[member]), "requestObject": damage(EXAMPLE["requestObject"])}


def check_every_field(event: Mapping[str, Json], index: int | None, key: str) -> None:
    for spec in FROM_EVENT:
        arg: Argument = {ArgKind.NONE: None, ArgKind.INDEX: index, ArgKind.KEY: key}[spec.arg]
        value = extractor(spec, arg)(event)
        if value is None:
            continue
        if spec.is_list:
            assert isinstance(value, list), spec.name
            assert value, spec.name
            assert all(isinstance(text, str) for text in value), spec.name
        else:
            assert isinstance(value, str), spec.name


# Sizes are bounded by the strategies; how fast they are drawn depends on the machine.
ANY_SPEED = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
_INDEXES = st.none() | st.integers(0, 3)
_KEYS = st.sampled_from(["", "/", "/user/groups/0", "/spec/*", "fieldManager"]) | st.text(max_size=8)


@ANY_SPEED
@given(st.dictionaries(st.sampled_from(_WORDS), _VALUES), _INDEXES, _KEYS)
def test_any_json_gives_the_declared_type(event: dict[str, Json], index: int | None, key: str) -> None:
    check_every_field(event, index, key)


@ANY_SPEED
@given(damaged_events(), _INDEXES, _KEYS)
def test_a_damaged_event_gives_the_declared_type(event: dict[str, Json], index: int | None, key: str) -> None:
    check_every_field(event, index, key)


def _parse(shown: str) -> tuple[FieldSpec, Argument]:
    name, bracket, argument = shown.partition("[")
    spec = FIELDS[name]
    if not bracket:
        return spec, None
    return spec, int(argument[:-1]) if spec.arg is ArgKind.INDEX else argument[:-1]


@pytest.mark.parametrize("part", ["a", "b"])
def test_values_are_those_that_falco_printed(shared: Path, part: str) -> None:
    folder = shared / "conformance"
    events: list[Any] = [decode_json(line) for line in (folder / f"events-{part}.jsonl").read_bytes().splitlines()]
    printed: dict[tuple[int, str], Any] = {}
    with gzip.open(folder / f"alerts-{part}.all.jsonl.gz", "rb") as lines:
        for line in lines:
            values = json.loads(line)["output_fields"]
            printed |= {(values["evt.num"], shown): value for shown, value in values.items()}
    checked = 0
    for (number, shown), expected in printed.items():
        spec, arg = _parse(shown)
        if not isinstance(spec.extract, Meta):
            assert extractor(spec, arg)(events[number - 1]) == expected, (number, shown)
            checked += 1
    assert checked > 1000
