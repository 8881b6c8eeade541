"""Fields of pod bodies."""

from functools import partial

import pytest

from lanner.events.values import Json
from lanner.fields import pods

IMAGE = ("spec", "containers", "image")
CONTAINERS = ("spec", "containers")
PORTS = ("spec", "containers", "ports")
VOLUMES = ("spec", "volumes")


def pod(*containers: Json, **spec: Json) -> Json:
    return {"kind": "Pod", "spec": {"containers": list(containers), **spec}}


def volumes(*items: Json) -> Json:
    return {"spec": {"volumes": list(items)}}


NO_BODIES: tuple[Json, ...] = (
    None,
    "text",
    7,
    True,
    [],
    {},
    {"spec": None},
    {"spec": "x"},
    {"spec": {"containers": None, "volumes": None}},
    {"spec": {"containers": "x", "volumes": 5}},
    [{"op": "replace", "path": "/spec/containers/0/image", "value": "evil"}],
)


@pytest.mark.parametrize("body", NO_BODIES)
def test_a_body_without_containers_has_no_container_values(body: Json) -> None:
    assert pods.texts(IMAGE, body) is None
    assert pods.texts_within((*CONTAINERS, "securityContext", "capabilities", "add"), body) is None
    assert pods.joined_texts((*CONTAINERS, "command"), body) is None
    assert pods.repositories(IMAGE, body) is None
    assert pods.first_image(body) is None
    assert pods.first_repository(body) is None
    assert pods.host_ports(PORTS, body) is None
    assert pods.effective_ids(CONTAINERS, "runAsUser", body) is None
    assert pods.any_privileged(body) is None
    assert pods.volume_types(body) is None
    assert pods.mounts_host_path(body, "/etc") is None


def test_a_container_without_the_value_hides_no_other() -> None:
    body = pod({"name": "a"}, {"image": None}, None, "x", {"image": "evil:1"})
    assert pods.texts(IMAGE, body) == ["evil:1"]
    assert pods.repositories(IMAGE, body) == ["evil"]


def test_an_index_picks_one_container() -> None:
    body = pod({"image": "a:1"}, {"image": "b:2"})
    assert pods.texts(IMAGE, body, 1) == ["b:2"]
    assert pods.repositories(IMAGE, body, 1) == ["b"]
    assert pods.texts(IMAGE, body, 2) is None


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("nginx", "nginx"),
        ("falcosecurity/falco:1", "falcosecurity/falco"),
        ("docker.io/library/nginx:1.27", "docker.io/library/nginx"),
        ("registry:5000/app:1", "registry:5000/app"),
        ("reg:5000/a/b", "reg:5000/a/b"),
        ("reg:5000/a/b:1@sha256:0a1b", "reg:5000/a/b"),
        ("reg:5000/a/b@sha256:0a1b", "reg:5000/a/b"),
        ("nginx@sha256:0a1b", "nginx"),
        ("[::1]:5000/a:1", "[::1]:5000/a"),
        ("", ""),
        (":", ""),
        ("@", ""),
        ("a:1:2", "a"),
    ],
)
def test_the_repository_is_the_reference_without_tag_and_digest(image: str, repository: str) -> None:
    assert pods.image_repository(image) == repository


def test_the_first_container_is_the_first_one_even_without_an_image() -> None:
    assert pods.first_image(pod({"image": "a:1"}, {"image": "b"})) == "a:1"
    assert pods.first_repository(pod({"image": "reg:1/a:1"})) == "reg:1/a"
    assert pods.first_image(pod({"name": "x"}, {"image": "b"})) is None


def test_commands_are_joined_per_container() -> None:
    command = partial(pods.joined_texts, (*CONTAINERS, "command"))
    body = pod(
        {"command": ["sh", "-c", "id"]}, {"name": "x"}, {"command": "sh"}, {"command": []}, {"command": [1, None]}
    )
    assert command(body) == ["sh -c id", "", "1"]
    assert command(body, 0) == ["sh -c id"]
    assert command(body, 1) is None


def test_capabilities_are_one_value_each() -> None:
    capabilities = partial(pods.texts_within, (*CONTAINERS, "securityContext", "capabilities", "add"))
    body = pod(
        {"securityContext": {"capabilities": {"add": ["SYS_ADMIN", "NET_RAW"]}}},
        {"securityContext": {"capabilities": {"drop": ["ALL"]}}},
        {"securityContext": {"capabilities": {"add": [None, "BPF"]}}},
    )
    assert capabilities(body) == ["SYS_ADMIN", "NET_RAW", "BPF"]
    assert capabilities(body, 2) == ["BPF"]
    assert capabilities(body, 1) is None


def test_a_port_without_host_port_counts_with_its_container_port() -> None:
    body = pod(
        {"ports": [{"hostPort": 8080, "containerPort": 80}, {"containerPort": 443}, {"hostPort": None}, "x", None]},
        {"ports": {"hostPort": 1}},
        {"ports": [{"hostPort": 0, "containerPort": 5}]},
    )
    assert pods.host_ports(PORTS, body) == ["8080", "443", "1", "0"]
    assert pods.host_ports(PORTS, body, 2) == ["0"]
    assert pods.host_ports(PORTS, body, 3) is None


def test_the_effective_user_is_the_containers_then_the_pods_then_zero() -> None:
    own: Json = {"securityContext": {"runAsUser": 7}}
    ids = partial(pods.effective_ids, CONTAINERS, "runAsUser")
    assert ids(pod(own, {"name": "x"}, "x", securityContext={"runAsUser": 1000})) == ["7", "1000"]
    assert ids(pod(own, {"securityContext": {"runAsUser": None}})) == ["7", "0"]
    assert ids(pod({"securityContext": {"runAsUser": 0}}, securityContext={"runAsUser": 5})) == ["0"]
    assert ids(pod(own, {}), 1) == ["0"]
    assert ids(pod(own, {}), 2) is None
    assert ids(pod({"runAsUser": 9}, runAsUser=9)) == ["0"]


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([{"securityContext": {"privileged": False}}, {"securityContext": {"privileged": True}}], "true"),
        ([{"securityContext": {"privileged": False}}, {}], "false"),
        ([{"securityContext": {"privileged": "true"}}], "false"),
        ([None, {"securityContext": None}], "false"),
        ([], "false"),
    ],
)
def test_any_privileged_container_counts(containers: list[Json], expected: str) -> None:
    assert pods.any_privileged(pod(*containers)) == expected


def test_volume_types_are_the_members_but_the_name() -> None:
    body = volumes(
        {"name": "a", "hostPath": {"path": "/"}},
        {"name": "b", "emptyDir": {}, "configMap": None},
        {"name": "c"},
        None,
        "x",
    )
    assert pods.volume_types(body) == ["hostPath", "emptyDir"]
    assert pods.volume_types(body, 1) == ["emptyDir"]
    assert pods.volume_types(body, 2) is None
    assert pods.volume_types(body, 9) is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("/proc*", "true"),
        ("/proc/1", "true"),
        ("*", "true"),
        ("/proc", "false"),
        ("/etc*", "false"),
        ("", "false"),
    ],
)
def test_a_mounted_host_path_is_found_in_any_volume(wanted: str, expected: str) -> None:
    body = volumes({"emptyDir": {}}, {"hostPath": {"path": None}}, {"hostPath": {"path": "/proc/1"}})
    assert pods.mounts_host_path(body, wanted) == expected


def test_without_host_paths_none_is_mounted() -> None:
    assert pods.mounts_host_path(volumes(), "*") == "false"
    assert pods.mounts_host_path(volumes({"emptyDir": {}}), "/etc*") == "false"


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ({"resource": "pods"}, {"metadata": {"name": "web-x1"}}, "web-x1"),
        ({"resource": "pods", "subresource": ""}, {"metadata": {"name": "web"}}, "web"),
        ({"resource": "pods", "subresource": None}, {"metadata": {"name": "web"}}, "web"),
        ({"resource": "pods", "subresource": "exec"}, {"metadata": {"name": "web"}}, None),
        ({"resource": "services"}, {"metadata": {"name": "web"}}, None),
        ({"resource": "pods"}, {"metadata": None}, None),
        ({"resource": "pods"}, None, None),
        (None, {"metadata": {"name": "web"}}, None),
        ("pods", "web", None),
    ],
)
def test_the_target_pod_is_named_by_the_answer(target: Json, answer: Json, expected: str | None) -> None:
    assert pods.target_pod_name(target, answer) == expected
