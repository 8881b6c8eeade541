"""Lanner's own fields of pods, which see a pod's specification wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lanner.fields import workloads
from lanner.fields.rows import own_body
from lanner.fields.spec import FieldSpec, FieldValue

_PODS = "Of a pod, a workload's or CronJob's template, or a patch of one: "
_EVERY = f"{_PODS}of all containers, init and ephemeral ones too, "


def _pod(
    name: str, what: str, function: Callable[..., FieldValue], example: str | tuple[str, ...], *words: str
) -> FieldSpec:
    return own_body(f"pod.{name}", f"{_PODS}{what}.", function, example, *words)


def _flag(name: str, what: str, member: str, example: str) -> FieldSpec:
    return _pod(name, what, partial(workloads.spec_flag, member), example, member)


def _containers(
    name: str, what: str, function: Callable[..., FieldValue], example: tuple[str, ...], *words: str
) -> FieldSpec:
    return own_body(f"pod.containers.{name}", f"{_EVERY}{what}.", function, example, *words)


def _at(*keys: str) -> Callable[..., FieldValue]:
    return partial(workloads.container_texts, keys)


def _security(name: str, what: str, member: str, example: tuple[str, ...]) -> FieldSpec:
    return _containers(name, what, _at("securityContext", member), example, member)


def _inherited(name: str, what: str, member: str, example: tuple[str, ...]) -> FieldSpec:
    return _containers(name, what, partial(workloads.contexts, member), example, member)


OWN_POD_FIELDS = (
    _flag("host_network", "whether it shares the host's network", "hostNetwork", "true"),
    _flag("host_pid", "whether it shares the host's processes", "hostPID", "true"),
    _flag("host_ipc", "whether it shares the host's IPC namespace", "hostIPC", "true"),
    _pod("host_process", "`true` for a HostProcess of Windows", workloads.is_host_process, "true", "hostProcess"),
    _pod(
        "service_account",
        "the service account that it runs under",
        workloads.service_account,
        "builder",
        "serviceAccount",
    ),
    _flag("node_name", "the node that it asks for by name", "nodeName", "node-1"),
    _pod(
        "volumes.hostpath",
        "the directories of the node that its volumes mount, as the kernel reads them: `//etc/./` is `/etc`",
        workloads.host_paths,
        ("/etc",),
        "hostPath",
    ),
    own_body(
        "pv.hostpath",
        "Of a PersistentVolume: the directory of the node behind it, as the kernel reads it.",
        workloads.persistent_host_paths,
        ("/srv/data",),
        "hostPath",
        "local",
    ),
    own_body(
        "hostpath.tree",
        "`kx.pod.volumes.hostpath` and `kx.pv.hostpath` with all directories above them, but for the root: with `/srv` "
        "where it is `/srv/data`.",
        workloads.host_paths_with_parents,
        ("/srv/data", "/srv"),
        "hostPath",
        "local",
    ),
    _pod(
        "seccomp_profiles",
        "the types of its seccomp profiles, such as `Unconfined`",
        partial(workloads.profiles, "seccompProfile"),
        ("RuntimeDefault",),
        "seccomp",
    ),
    _pod(
        "apparmor_profiles",
        "the types of its AppArmor profiles, such as `Unconfined`",
        partial(workloads.profiles, "appArmorProfile"),
        ("Unconfined",),
        "appArmorProfile",
        "apparmor",
    ),
    _containers("name", "the names", _at("name"), ("app", "side")),
    _containers("image", "the images", _at("image"), ("docker.io/library/nginx:1.27", "reg:5000/side@sha256:0a1b")),
    _containers(
        "image.repository",
        "the images without tag and digest",
        workloads.repositories,
        ("docker.io/library/nginx", "reg:5000/side"),
    ),
    _containers(
        "command",
        "command and arguments, with one blank for white space of any kind",
        workloads.commands,
        ("sh -c id", "-v --once"),
    ),
    _containers("env", "the variables with a value written out, as `NAME=value`", workloads.environment, ("MODE=dev",)),
    _security("privileged", "the `privileged` flags", "privileged", ("true",)),
    _security(
        "allow_privilege_escalation",
        "the `allowPrivilegeEscalation` flags",
        "allowPrivilegeEscalation",
        ("false",),
    ),
    _security("proc_mount", "the `procMount` types", "procMount", ("Unmasked",)),
    _containers(
        "add_capabilities",
        "the added capabilities, in capitals and without `CAP_`",
        workloads.capabilities,
        ("SYS_ADMIN", "NET_RAW"),
        "capabilities",
    ),
    _inherited(
        "run_as_user",
        "the user ID that the container is told to run as, by itself or by its pod",
        "runAsUser",
        ("0", "1000"),
    ),
    _inherited(
        "run_as_non_root",
        "whether the container may only run as another user than root, by itself or by its pod",
        "runAsNonRoot",
        ("false", "false"),
    ),
    _containers("host_port", "the ports of the host that they listen on", workloads.host_ports, ("8080",), "hostPort"),
)
