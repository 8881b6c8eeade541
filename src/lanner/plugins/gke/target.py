"""What a request was aimed at: the method and the resource name of a log entry, as Kubernetes takes a path apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

_VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]+)?")
_KUBERNETES = ("io", "k8s")
_PATH_ROOTS = ("api", "apis", "openapi")
_SHORT_GROUPS = {"core": "", "apps": "apps", "autoscaling": "autoscaling", "batch": "batch"} | {
    "extensions": "extensions",
    "policy": "policy",
}
"""Groups of Kubernetes whose names do not end with `k8s.io`, as methods call them."""

_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_OLD_VERBS = ("watch", "proxy")  # they stood before the resource in paths of early versions


@dataclass(frozen=True, slots=True)
class Method:
    """A method such as `io.k8s.core.v1.pods.exec.create`; what it does not say is empty.

    `is_bare` says that it names a verb alone, as `io.k8s.get` does for a request that is about no resource.
    """

    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    is_bare: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What a request was aimed at; what it has not is empty.

    `path` is that of the request's URI, without the query. Without a `resource` the request was about no resource.
    """

    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""

    def reference(self) -> Mapping[str, str] | None:
        """The event's `objectRef`; None for a request that is about no resource."""
        members = {
            "resource": self.resource,
            "namespace": self.namespace,
            "name": self.name,
            "apiGroup": self.group,
            "apiVersion": self.version,
            "subresource": self.subresource,
        }
        return {key: value for key, value in members.items() if value} if self.resource else None

    def uri(self, query: Sequence[tuple[str, str]] = ()) -> str:
        """The URI with a query; empty where nothing is known of it."""
        return f"{self.path}?{urlencode(query)}" if query and self.path else self.path


def read_method(text: str) -> Method:
    """Take a method apart: a group with its labels in reverse order, a version, a resource, a subresource, a verb."""
    parts = text.split(".") if text else []
    if not parts:
        return Method()
    verb = parts[-1].lower()
    versions = [index for index, part in enumerate(parts[:-2]) if index and _VERSION.fullmatch(part)]
    if not versions:
        return Method(verb, is_bare=tuple(parts[:-1]) == _KUBERNETES)
    at = versions[-1]
    resource, *rest = parts[at + 1 : -1]
    return Method(verb, _group(parts[:at]), parts[at], resource, ".".join(rest))


def read_target(method: Method, resource_name: str) -> Target:
    """What a method and a resource name such as `core/v1/namespaces/NS/pods/NAME/exec` stand for together.

    Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go, `NewRequestInfo`.
    """
    parts = [part for part in resource_name.split("/") if part]
    if method.resource and len(parts) < 3:
        return _of_method(method)
    if not _is_resource(method, parts):
        path = "/" + "/".join(parts) if parts else ""
        return Target(method.verb, path)
    group, version, rest = _split(parts)
    if len(rest) > 1 and rest[0] in _OLD_VERBS and rest[0] != method.resource:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name, *below = [*rest, ""][: max(len(rest), 2)]
    subresource = below[0] if below else method.subresource if name and resource == method.resource else ""
    below = [subresource, *below[1:]] if subresource else []
    # What is created has no place of its own yet: the request goes to the collection.
    shown = [name, *below] if name and not (method.verb == "create" and not below) else []
    prefix = ["apis", group, version] if group else ["api", version]
    within = ["namespaces", namespace] if namespace and resource != "namespaces" else []
    path = "/" + "/".join([*prefix, *within, resource, *shown])
    return Target(method.verb, path, group, version, namespace, resource, name, subresource)


def _group(labels: Sequence[str]) -> str:
    if tuple(labels[:2]) == _KUBERNETES and len(labels) == 3:
        return _SHORT_GROUPS.get(labels[2], f"{labels[2]}.k8s.io")
    return ".".join(reversed(labels))


def _is_resource(method: Method, parts: Sequence[str]) -> bool:
    if len(parts) < 3 or method.is_bare:
        return False
    return bool(method.resource) or (parts[0] not in _PATH_ROOTS and _VERSION.fullmatch(parts[1]) is not None)


def _split(parts: Sequence[str]) -> tuple[str, str, Sequence[str]]:
    """Group, version and the rest; the group of the core is empty."""
    if parts[0] == "apis" and len(parts) > 3:
        parts = parts[1:]
    group, version, *rest = parts
    return ("" if group in ("core", "api") else group), version, rest


def _of_method(method: Method) -> Target:
    prefix = ["apis", method.group, method.version] if method.group else ["api", method.version]
    path = "/" + "/".join([*prefix, method.resource])
    return Target(
        method.verb,
        path,
        method.group,
        method.version,
        resource=method.resource,
        subresource=method.subresource,
    )
