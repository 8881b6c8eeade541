"""Pods wherever they are specified: in a Pod, in a workload's template, in a CronJob's, and in patches of them.

Each function gets the decoded `requestObject`, of any shape. A body's pod specifications are looked for at the places
where Kubernetes' own kinds have them; kinds of others that hold a template (such as Argo's Rollout) mostly have it at
the same places. A container counts alike in `containers`, `initContainers` and `ephemeralContainers`.

Source: Kubernetes, core/v1 `PodSpec`, `Container`; batch/v1 `CronJob`; core/v1 `PodTemplate`.
"""

import posixpath
from collections.abc import Iterable, Iterator

from lanner.events.values import Json, as_text, as_texts, walk
from lanner.fields.patches import elements, written
from lanner.fields.pods import image_repository

Object = dict[str, Json]

_TEMPLATES = ((), ("spec", "template"), ("spec", "jobTemplate", "spec", "template"), ("template",))
"""Where the metadata and the spec of pods stand."""

_LISTS = ("containers", "initContainers", "ephemeralContainers")

_CONFINEMENT_ANNOTATIONS = {
    "seccompProfile": ("seccomp.security.alpha.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"),
    "appArmorProfile": ("container.apparmor.security.beta.kubernetes.io/",),
}


def _templates(body: Json) -> Iterator[Object]:
    found = written(body)
    for place in _TEMPLATES:
        template = walk(found, place)
        if isinstance(template, dict):
            yield template


def _specs(body: Json) -> Iterator[Object]:
    for template in _templates(body):
        spec = template.get("spec")
        if isinstance(spec, dict):
            yield spec


def _containers(body: Json) -> Iterator[tuple[Object, Object]]:
    """Every container with the specification that it is part of."""
    for spec in _specs(body):
        for member in _LISTS:
            for container in elements(spec.get(member)):
                if isinstance(container, dict):
                    yield spec, container
    # Kubernetes 1.22 and before: the body of an ephemeral container request is a list of them, not a pod.
    old = written(body)
    if isinstance(old, dict):
        for container in elements(old.get("ephemeralContainers")):
            if isinstance(container, dict):
                yield {}, container


def spec_flag(member: str, body: Json) -> str | None:
    """`true` where any specification sets the member so, else what it sets it to."""
    values = as_texts(spec.get(member) for spec in _specs(body)) or []
    return "true" if "true" in values else next(iter(values), None)


def service_account(body: Json) -> str | None:
    """The service account that the pods run under, by either of its names."""
    names = [as_text(spec.get("serviceAccountName") or spec.get("serviceAccount")) for spec in _specs(body)]
    return next((name for name in names if name), None)


def container_texts(keys: tuple[str, ...], body: Json) -> list[str] | None:
    """The value at a path of every container that has one."""
    return as_texts(walk(container, keys) for _, container in _containers(body))


def repositories(body: Json) -> list[str] | None:
    """The images of all containers without tag and digest."""
    images = container_texts(("image",), body)
    return None if images is None else [image_repository(image) for image in images]


def commands(body: Json) -> list[str] | None:
    """Of every container its command and arguments, joined by blanks; white space of any kind is one blank."""
    lines = (
        as_line(as_texts([*elements(container.get("command")), *elements(container.get("args"))]) or ())
        for _, container in _containers(body)
    )
    return [line for line in lines if line] or None


def as_line(words: Iterable[str]) -> str:
    """Words on one line, with one blank for white space of any kind, so that a line break hides nothing behind it."""
    return " ".join(" ".join(words).split())


def capabilities(body: Json) -> list[str] | None:
    """The capabilities that containers add, in capitals and without `CAP_`, as the container runtime reads them."""
    added = [
        capability.upper().removeprefix("CAP_")
        for _, container in _containers(body)
        for capability in elements(walk(container, ("securityContext", "capabilities", "add")))
        if isinstance(capability, str)
    ]
    return added or None


def is_host_process(body: Json) -> str | None:
    """Whether any container or pod is a HostProcess of Windows: `true`, or None."""
    places = [("securityContext", "windowsOptions", "hostProcess"), ("windowsOptions", "hostProcess")]
    holders: list[Object] = [*_specs(body), *(container for _, container in _containers(body))]
    return "true" if any(walk(holder, place) is True for holder in holders for place in places) else None


def contexts(member: str, body: Json) -> list[str] | None:
    """A member of every container's security context, or else of its pod's."""
    return as_texts(_context(spec, container, member) for spec, container in _containers(body))


def _context(spec: Object, container: Object, member: str) -> Json:
    own = walk(container, ("securityContext", member))
    return walk(spec, ("securityContext", member)) if own is None else own


def profiles(member: str, body: Json) -> list[str] | None:
    """The seccomp or AppArmor profiles of pods and containers by type, those of the older annotations too.

    Args:
        member: `seccompProfile` or `appArmorProfile`.
        body: The request's object.
    """
    holders: list[Object] = [*_specs(body), *(container for _, container in _containers(body))]
    types = as_texts(walk(holder, ("securityContext", member, "type")) for holder in holders) or []
    for template in _templates(body):
        annotations = walk(template, ("metadata", "annotations"))
        if isinstance(annotations, dict):
            types += [
                "Unconfined" if value == "unconfined" else value
                for key, value in annotations.items()
                if key.startswith(_CONFINEMENT_ANNOTATIONS[member]) and isinstance(value, str)
            ]
    return types or None


def host_ports(body: Json) -> list[str] | None:
    """The ports of the host that containers listen on; 0 is none."""
    return as_texts(
        port.get("hostPort") or None
        for _, container in _containers(body)
        for port in elements(container.get("ports"))
        if isinstance(port, dict)
    )


def environment(body: Json) -> list[str] | None:
    """The environment of all containers, `NAME=value` each, where the value is written out."""
    pairs = [
        as_line([f"{name}={value}"])
        for _, container in _containers(body)
        for variable in elements(container.get("env"))
        if isinstance(variable, dict)
        and isinstance(name := variable.get("name"), str)
        and isinstance(value := variable.get("value"), str)
    ]
    return pairs or None


def host_paths(body: Json) -> list[str] | None:
    """The directories of the node that volumes of a pod give access to, as the kernel reads them."""
    paths = [
        normal_path(path)
        for spec in _specs(body)
        for volume in elements(spec.get("volumes"))
        if isinstance(path := walk(volume, ("hostPath", "path")), str)
    ]
    return paths or None


def persistent_host_paths(body: Json) -> list[str] | None:
    """The same of a PersistentVolume."""
    spec = walk(written(body), ("spec",))
    found = [walk(spec, (kind, "path")) for kind in ("hostPath", "local")]
    return [normal_path(path) for path in found if isinstance(path, str)] or None


def with_parents(paths: list[str] | None) -> list[str] | None:
    """Paths with all directories above them, but for the root, which is above everything."""
    if paths is None:
        return None
    found = dict.fromkeys(paths)
    for path in paths:
        above = posixpath.dirname(path)
        while above not in ("/", "") and above not in found:
            found[above] = None
            above = posixpath.dirname(above)
    return [*found]


def host_paths_with_parents(body: Json) -> list[str] | None:
    """The directories of the node that a pod or a PersistentVolume gives access to, and all those above them."""
    return with_parents([*(host_paths(body) or ()), *(persistent_host_paths(body) or ())] or None)


def normal_path(path: str) -> str:
    """A path as the kernel reads it: one slash each, no `.`, no `..`, none at the end; Windows' with slashes, in small.

    An empty path of a volume is the root.
    """
    path = path[:_MAX_PATH]
    if "\\" in path or path[1:2] == ":":
        path = path.replace("\\", "/").lower()
    return posixpath.normpath("/" + path.lstrip("/")) if path[1:2] != ":" else posixpath.normpath(path)


_MAX_PATH = 4096
"""Characters of a path: PATH_MAX of Linux."""


def external_ips(body: Json) -> list[str] | None:
    """The addresses outside of the cluster that a Service claims."""
    return as_texts(elements(walk(written(body), ("spec", "externalIPs"))))


def pulled_repository(body: Json) -> str | None:
    """The image that an event of a kubelet says is being pulled, without tag and digest."""
    message = as_text(walk(body, ("message",))) or ""
    head, quote, rest = message.partition('"')
    return image_repository(rest.partition('"')[0]) if quote and head == "Pulling image " else None


def configmap_data(body: Json) -> str | None:
    """A ConfigMap's data as JSON, with what `binaryData` holds in Base64 decoded."""
    import base64  # noqa: PLC0415 - kept out of the start of the program
    import binascii  # noqa: PLC0415

    found = written(body)
    plain, binary = walk(found, ("data",)), walk(found, ("binaryData",))
    texts: dict[str, Json] = dict(plain) if isinstance(plain, dict) else {}
    for key, value in binary.items() if isinstance(binary, dict) else ():
        try:
            texts.setdefault(key, base64.b64decode(str(value), validate=False).decode("utf-8", "replace"))
        except (binascii.Error, ValueError):
            continue
    return as_text(texts) if texts else None
