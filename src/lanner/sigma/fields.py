"""Fields of Sigma rules for Kubernetes audit logs, and what they are in conditions.

Sigma names what stands in an audit event by its path, `objectRef.resource`; some rules use the last name alone. Falco's
fields are used where there is one, so that the result runs with Falco too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lanner.condition.ast import Field
from lanner.fields.catalogue import FIELDS, FieldType


@dataclass(frozen=True, slots=True)
class Target:
    """What a Sigma field is in a condition.

    Attributes:
        field: The field.
        is_lower: Whether Kubernetes has only lower case there, so that case need not be looked at.
        remark: What is not quite the same; empty when nothing is.
    """

    field: Field
    is_lower: bool = False
    remark: str = ""

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return FIELDS[self.field.name].is_list

    @property
    def is_number(self) -> bool:
        """Whether values can be compared by size."""
        return FIELDS[self.field.name].type is FieldType.NUMBER or self.field.name == "ka.response.code"


def _lower(name: str, argument: str | None = None, remark: str = "") -> Target:
    return Target(Field(name, argument), True, remark)


def _pointer(*keys: str) -> Field:
    """The value at a path of the event as text."""
    return Field("jevt.value", "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys))


_API_GROUP = Target(_pointer("objectRef", "apiGroup"), is_lower=True)
_POD = "requestObject.spec."
_CONTAINERS = f"{_POD}containers."

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "verb": _lower("ka.verb"),
        "stage": Target(Field("ka.stage")),
        "auditID": Target(Field("ka.auditid")),
        "requestURI": Target(Field("ka.uri")),
        "userAgent": Target(Field("ka.useragent")),
        "sourceIPs": Target(Field("ka.sourceips")),
        "user.username": Target(Field("ka.user.name")),
        "user.groups": Target(Field("ka.user.groups")),
        "impersonatedUser.username": Target(Field("ka.impuser.name")),
        "impersonatedUser.groups": Target(Field("kx.impuser.groups")),
        "objectRef.resource": _lower("ka.target.resource"),
        "objectRef.subresource": _lower("ka.target.subresource"),
        "objectRef.namespace": _lower("ka.target.namespace"),
        "objectRef.name": Target(Field("ka.target.name")),
        "objectRef.apiGroup": _API_GROUP,
        "apiGroup": _API_GROUP,
        "responseStatus.code": _lower("ka.response.code"),
        "responseStatus.reason": Target(Field("ka.response.reason")),
        "annotations.authorization.k8s.io/decision": _lower("ka.auth.decision"),
        "annotations.authorization.k8s.io/reason": Target(Field("ka.auth.reason")),
        "hostPath": Target(
            Field("ka.req.pod.volumes.hostpath"), remark="`hostPath` alone is taken for the paths of a pod's volumes"
        ),
        "capabilities": Target(
            Field("ka.req.pod.containers.add_capabilities"),
            remark="`capabilities` alone is taken for the capabilities that a pod's containers add",
        ),
        "privileged": _lower(
            "ka.req.pod.containers.privileged", remark="`privileged` alone is taken for that of a pod's containers"
        ),
        "hostNetwork": _lower("ka.req.pod.host_network", remark="`hostNetwork` alone is taken for a pod's"),
        "hostPID": _lower("ka.req.pod.host_pid", remark="`hostPID` alone is taken for a pod's"),
        "hostIPC": _lower("ka.req.pod.host_ipc", remark="`hostIPC` alone is taken for a pod's"),
        f"{_POD}hostNetwork": _lower("ka.req.pod.host_network"),
        f"{_POD}hostPID": _lower("ka.req.pod.host_pid"),
        f"{_POD}hostIPC": _lower("ka.req.pod.host_ipc"),
        f"{_POD}volumes.hostPath.path": Target(Field("ka.req.pod.volumes.hostpath")),
        f"{_CONTAINERS}image": Target(Field("ka.req.pod.containers.image")),
        f"{_CONTAINERS}name": Target(Field("ka.req.pod.containers.name")),
        f"{_CONTAINERS}command": Target(Field("ka.req.pod.containers.command")),
        f"{_CONTAINERS}args": Target(Field("ka.req.pod.containers.args")),
        f"{_CONTAINERS}securityContext.privileged": _lower("ka.req.pod.containers.privileged"),
        f"{_CONTAINERS}securityContext.capabilities.add": Target(Field("ka.req.pod.containers.add_capabilities")),
        "requestObject.rules.verbs": _lower("ka.req.role.rules.verbs"),
        "requestObject.rules.resources": _lower("ka.req.role.rules.resources"),
        "requestObject.rules.apiGroups": _lower("ka.req.role.rules.apiGroups"),
        "requestObject.roleRef.name": Target(Field("ka.req.binding.role")),
        "requestObject.subjects.name": Target(Field("ka.req.binding.subjects")),
    }
)
"""Sigma fields by name; any other path of an audit event is read as it stands."""

ADDRESSES: Mapping[str, Field] = MappingProxyType({"sourceIPs": Field("kx.source.ips")})
"""Sigma fields that hold addresses, for comparing with networks."""

_ANNOTATIONS = "annotations"
_MEMBERS = frozenset(
    {
        *("kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "user", "impersonatedUser"),
        *("sourceIPs", "userAgent", "objectRef", "responseStatus", "requestObject", "responseObject"),
        *("requestReceivedTimestamp", "stageTimestamp", _ANNOTATIONS),
    }
)
"""The members of an audit event. Source: kubernetes, apis/audit/v1/types.go."""


def target_of(name: str) -> Target | None:
    """What a Sigma field is in a condition; None for one that audit events do not have."""
    if name in TARGETS:
        return TARGETS[name]
    first, *rest = name.split(".")
    if first not in _MEMBERS:
        return None
    if first == _ANNOTATIONS and rest:
        return Target(_pointer(first, name.partition(".")[2]))
    return Target(_pointer(first, *rest))
