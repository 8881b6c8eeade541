"""Pods wherever they are specified."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lanner.events.values import Json
from lanner.fields import workloads
from lanner.fields.catalogue import FIELDS
from lanner.fields.extraction import extractor

CONTAINER: dict[str, Json] = {"name": "c", "image": "evil:1", "securityContext": {"privileged": True}}


def _as_pod(spec: Json) -> Json:
    return {"kind": "Pod", "spec": spec}


def _as_template(spec: Json) -> Json:
    return {"spec": {"template": {"metadata": {}, "spec": spec}}}


def _as_cronjob(spec: Json) -> Json:
    return {"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}


def _as_pod_template(spec: Json) -> Json:
    return {"kind": "PodTemplate", "template": {"spec": spec}}


def _as_patch_of_template(spec: Json) -> Json:
    return [{"op": "replace", "path": "/spec/template/spec", "value": spec}]


def _as_patch_of_everything(spec: Json) -> Json:
    return [{"op": "replace", "path": "", "value": _as_cronjob(spec)}]


SHAPES = (_as_pod, _as_template, _as_cronjob, _as_pod_template, _as_patch_of_template, _as_patch_of_everything)


def read(name: str, body: Json) -> Any:
    return extractor(FIELDS[name])({"requestObject": body})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("member", ["containers", "initContainers", "ephemeralContainers"])
def test_a_container_is_seen_in_every_shape_and_list(shape: Any, member: str) -> None:
    body = shape({member: [{"name": "fine"}, CONTAINER]})
    assert read("kx.pod.containers.privileged", body) == ["true"]
    assert read("kx.pod.containers.image.repository", body) == ["evil"]
    assert read("kx.pod.containers.name", body) == ["fine", "c"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("member", "name"), [("hostNetwork", "host_network"), ("hostPID", "host_pid"), ("hostIPC", "host_ipc")]
)
def test_a_flag_is_seen_in_every_shape(shape: Any, member: str, name: str) -> None:
    assert read(f"kx.pod.{name}", shape({member: True})) == "true"
    assert read(f"kx.pod.{name}", shape({member: False})) == "false"
    assert read(f"kx.pod.{name}", shape({})) is None


@pytest.mark.parametrize(
    "path",
    [
        "/spec/containers/0/securityContext/privileged",
        "/spec/template/spec/containers/0/securityContext/privileged",
        "/spec/template/spec/initContainers/-/securityContext/privileged",
        "/spec/jobTemplate/spec/template/spec/containers/12/securityContext/privileged",
    ],
)
def test_a_single_value_of_a_json_patch_is_seen(path: str) -> None:
    assert read("kx.pod.containers.privileged", [{"op": "add", "path": path, "value": True}]) == ["true"]


def test_the_older_body_of_an_ephemeral_container_is_seen() -> None:
    assert read("kx.pod.containers.image", {"ephemeralContainers": [CONTAINER]}) == ["evil:1"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/", "/etc"),
        ("//etc", "/etc"),
        ("/./etc", "/etc"),
        ("/host/../etc", "/etc"),
        ("/../../etc", "/etc"),
        ("/", "/"),
        ("//", "/"),
        ("etc", "/etc"),
        ("C:\\Windows\\", "c:/windows"),
        ("C:\\", "c:/"),
        ("\\\\.\\pipe\\docker_engine", "/pipe/docker_engine"),
    ],
)
def test_a_host_path_is_read_as_the_kernel_reads_it(path: str, expected: str) -> None:
    assert workloads.normal_path(path).rstrip("/") == expected.rstrip("/")


def test_a_host_path_comes_with_the_directories_above_it() -> None:
    body = _as_pod({"volumes": [{"hostPath": {"path": "/var//lib/kubelet/"}}, {"hostPath": {"path": "/"}}]})
    assert read("kx.pod.volumes.hostpath", body) == ["/var/lib/kubelet", "/"]
    assert read("kx.hostpath.tree", body) == ["/var/lib/kubelet", "/", "/var/lib", "/var"]


@pytest.mark.parametrize("kind", ["hostPath", "local"])
def test_the_host_path_behind_a_persistent_volume_is_seen(kind: str) -> None:
    assert read("kx.pv.hostpath", {"spec": {kind: {"path": "/etc/../etc"}}}) == ["/etc"]
    assert read("kx.pv.hostpath", [{"op": "replace", "path": f"/spec/{kind}/path", "value": "/etc"}]) == ["/etc"]


def test_capabilities_are_named_as_the_runtime_reads_them() -> None:
    add: Json = {"securityContext": {"capabilities": {"add": ["cap_sys_admin", "NET_RAW", 7], "drop": ["ALL"]}}}
    assert read("kx.pod.containers.add_capabilities", _as_pod({"containers": [add]})) == ["SYS_ADMIN", "NET_RAW"]


def test_profiles_of_annotations_count_as_those_of_the_spec() -> None:
    annotations: Json = {
        "container.apparmor.security.beta.kubernetes.io/c": "unconfined",
        "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
    }
    body: Json = {"spec": {"template": {"metadata": {"annotations": annotations}, "spec": {}}}}
    assert read("kx.pod.apparmor_profiles", body) == ["Unconfined"]
    assert read("kx.pod.seccomp_profiles", body) == ["Unconfined"]
    nested: Json = {"containers": [{"securityContext": {"seccompProfile": {"type": "Localhost"}}}]}
    assert read("kx.pod.seccomp_profiles", _as_pod(nested)) == ["Localhost"]


def test_a_container_runs_as_its_own_user_before_that_of_the_pod() -> None:
    spec: Json = {
        "securityContext": {"runAsUser": 1000},
        "containers": [{"securityContext": {"runAsUser": 0}}, {"name": "b"}],
    }
    assert read("kx.pod.containers.run_as_user", _as_pod(spec)) == ["0", "1000"]


def test_port_zero_is_no_port_of_the_host() -> None:
    ports: Json = [{"hostPort": 0}, {"hostPort": 8080}, {"containerPort": 9}]
    assert read("kx.pod.containers.host_port", _as_pod({"containers": [{"ports": ports}]})) == ["8080"]


def test_data_of_a_config_map_is_decoded_and_looked_through() -> None:
    secret = base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode()
    assert read("kx.configmap.data", {"data": {"a": "b"}, "binaryData": {"k": secret}}) == (
        '{"a":"b","k":"-----BEGIN PRIVATE KEY-----"}'
    )
    patch: Json = [{"op": "add", "path": "/data/password", "value": "x"}]
    assert read("kx.configmap.data", patch) == '{"password":"x"}'
    assert read("kx.configmap.data", {"binaryData": {"k": "%%"}}) == '{"k":""}'


@pytest.mark.parametrize("body", [None, 1, "x", [], {}, {"spec": []}, {"spec": {"containers": {"c": 1}, "volumes": 3}}])
def test_other_bodies_have_no_pod(body: Json) -> None:
    for name, spec in FIELDS.items():
        if name.startswith("kx.pod."):
            assert extractor(spec)({"requestObject": body}) is None, name
