"""The fields of pod bodies in Kubernetes audit events.

Source: Falco plugins, k8saudit fields.go, version 0.18.0; Kubernetes, core/v1 `PodSpec`.
"""

from collections.abc import Callable
from functools import partial

from lanner.fields import pods
from lanner.fields.rows import BODY, at, body, field, indexed
from lanner.fields.spec import ArgKind, Derived, FieldSpec, FieldValue, Pointer

_POD = "Of a pod: "


def _pod_at(name: str, path: tuple[str, ...], what: str, example: str | tuple[str, ...]) -> FieldSpec:
    return at(f"req.pod.{name}", ("requestObject", "spec", *path), f"{_POD}{what}.", example)


def _volume(
    name: str, what: str, function: Callable[..., FieldValue], example: tuple[str, ...], *words: str
) -> FieldSpec:
    desc = f"{_POD}{what} of its volumes. An index picks one volume."
    return indexed(f"req.pod.volumes.{name}", desc, function, example, *words)


_PODS = (
    _pod_at("host_ipc", ("hostIPC",), "whether it shares the host's IPC namespace", "true"),
    _pod_at("host_network", ("hostNetwork",), "whether it shares the host's network", "true"),
    _pod_at("host_pid", ("hostPID",), "whether it shares the host's process namespace", "true"),
    _pod_at(
        "run_as_user",
        ("securityContext", "runAsUser"),
        "the user ID that its own security context sets, which containers may override",
        "1000",
    ),
    _pod_at(
        "run_as_group",
        ("securityContext", "runAsGroup"),
        "the group ID that its own security context sets, which containers may override",
        "3000",
    ),
    _pod_at("fs_group", ("securityContext", "fsGroup"), "the group ID that owns its volumes", "2000"),
    _pod_at(
        "supplemental_groups",
        ("securityContext", "supplementalGroups"),
        "the further group IDs of its processes",
        ("4000", "5000"),
    ),
    _volume(
        "hostpath",
        "the host paths",
        partial(pods.texts, ("spec", "volumes", "hostPath", "path")),
        ("/etc",),
        "hostPath",
    ),
    _volume(
        "flexvolume_driver",
        "the FlexVolume drivers",
        partial(pods.texts, ("spec", "volumes", "flexVolume", "driver")),
        ("vendor/cifs",),
        "flexVolume",
    ),
    _volume(
        "volume_type",
        "the types, such as `hostPath` or `emptyDir`,",
        pods.volume_types,
        ("hostPath", "flexVolume"),
    ),
)

# The container fields: name, what it is, function of (path, body, index), path within the container, example.
_CONTAINER_FIELDS: tuple[tuple[str, str, Callable[..., FieldValue], tuple[str, ...], tuple[str, ...]], ...] = (
    ("name", "the names", pods.texts, ("name",), ("app", "side")),
    ("image", "the images", pods.texts, ("image",), ("docker.io/library/nginx:1.27", "reg:5000/side@sha256:0a1b")),
    (
        "image.repository",
        "the images without tag and digest",
        pods.repositories,
        ("image",),
        ("docker.io/library/nginx", "reg:5000/side"),
    ),
    ("command", "the commands, each joined by blanks,", pods.joined_texts, ("command",), ("sh -c id",)),
    ("args", "the arguments, each container's joined by blanks,", pods.joined_texts, ("args",), ("-v --once",)),
    ("privileged", "the `privileged` flags", pods.texts, ("securityContext", "privileged"), ("true",)),
    (
        "allow_privilege_escalation",
        "the `allowPrivilegeEscalation` flags",
        pods.texts,
        ("securityContext", "allowPrivilegeEscalation"),
        ("false",),
    ),
    (
        "read_only_fs",
        "the `readOnlyRootFilesystem` flags",
        pods.texts,
        ("securityContext", "readOnlyRootFilesystem"),
        ("true",),
    ),
    (
        "run_as_user",
        "the user IDs that the containers' own security contexts set",
        pods.texts,
        ("securityContext", "runAsUser"),
        ("0",),
    ),
    (
        "run_as_group",
        "the group IDs that the containers' own security contexts set",
        pods.texts,
        ("securityContext", "runAsGroup"),
        ("0",),
    ),
    ("proc_mount", "the `procMount` types", pods.texts, ("securityContext", "procMount"), ("Unmasked",)),
    (
        "add_capabilities",
        "the added capabilities",
        pods.texts_within,
        ("securityContext", "capabilities", "add"),
        ("SYS_ADMIN", "NET_RAW"),
    ),
    (
        "host_port",
        "the host ports, or else the container ports (the same with `hostNetwork`),",
        pods.host_ports,
        ("ports",),
        ("8080", "9090"),
    ),
)

# The same for the user and group IDs in effect: name, what it is, member of the security context, example.
_EFFECTIVE_IDS = (
    ("eff_run_as_user", "user IDs", "runAsUser", ("0", "1000")),
    ("eff_run_as_group", "group IDs", "runAsGroup", ("0", "3000")),
)


def _container_fields(member: str, owners: str, without: tuple[str, ...] = ()) -> list[FieldSpec]:
    """The rows of one list of containers in a pod's spec."""
    path = ("spec", member)
    picks = "An index picks one container."
    rows = [
        indexed(
            f"req.pod.{member}.{name}",
            f"{_POD}{what} of its {owners}. {picks}",
            partial(function, (*path, *keys)),
            example,
            *keys[1:2],  # what some containers have in their security context
        )
        for name, what, function, keys, example in _CONTAINER_FIELDS
        if name not in without
    ]
    effective = [
        indexed(
            f"req.pod.{member}.{name}",
            f"{_POD}the {what} that its {owners} begin with: the container's, else the pod's, else 0. {picks}",
            partial(pods.effective_ids, path, key),
            example,
        )
        for name, what, key, example in _EFFECTIVE_IDS
    ]
    return rows + effective


_CONTAINERS = (
    *_container_fields("containers", "containers"),
    *_container_fields("initContainers", "init containers"),
    *_container_fields("ephemeralContainers", "ephemeral containers", without=("host_port",)),
)

_DEPRECATED = (
    body(
        "req.container.image",
        f"{_POD}the image of its first container.",
        pods.first_image,
        "docker.io/library/nginx:1.27",
        "ka.req.pod.containers.image",
    ),
    body(
        "req.container.image.repository",
        f"{_POD}the image of its first container without tag and digest.",
        pods.first_repository,
        "docker.io/library/nginx",
        "ka.req.pod.containers.image.repository",
    ),
    field(
        "req.container.host_network",
        f"{_POD}whether it shares the host's network.",
        Pointer(("requestObject", "spec", "hostNetwork")),
        "true",
        deprecated="ka.req.pod.host_network",
    ),
    body(
        "req.container.privileged",
        f"{_POD}`true` when any of its containers is privileged, else `false`.",
        pods.any_privileged,
        "true",
        "ka.req.pod.containers.privileged",
    ),
    field(
        "req.volume.hostpath",
        f"{_POD}`true` when any of its volumes mounts this path of the host, else `false`. A `*` at the end of "
        "the path stands for anything.",
        Derived(BODY, pods.mounts_host_path),
        "true",
        arg=ArgKind.KEY,
        arg_required=True,
        example_arg="/et*",
        deprecated="ka.req.pod.volumes.hostpath",
    ),
)

POD_FIELDS = (*_PODS, *_CONTAINERS, *_DEPRECATED)
