"""What a Kubernetes API server serves: resources, subresources, verbs and stages.

A policy and a rule can name resources that no API server has, or in a group that does not have them; this table tells.
Source: Kubernetes, api/discovery (v1.36), apiserver: endpoints/request, server/config.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lanner.policy.model import Request


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource, or a subresource of one.

    Attributes:
        group: Empty for the core group.
        name: The plural, such as `pods`.
        subresource: Such as `log`, or empty.
        is_namespaced: Whether its objects are in namespaces.
        is_known: Whether Kubernetes brings it; otherwise it is of a custom resource.
    """

    group: str
    name: str
    subresource: str = ""
    is_namespaced: bool = True
    is_known: bool = True

    @property
    def text(self) -> str:
        """As a policy spells it, without the group."""
        return f"{self.name}/{self.subresource}" if self.subresource else self.name


_NAMESPACED: Mapping[str, str] = {
    "": """bindings configmaps endpoints events limitranges persistentvolumeclaims/status
        pods/attach/binding/ephemeralcontainers/eviction/exec/log/portforward/proxy/resize/status podtemplates
        replicationcontrollers/scale/status resourcequotas/status secrets serviceaccounts/token
        services/proxy/status""",
    "apps": """controllerrevisions daemonsets/status deployments/scale/status replicasets/scale/status
        statefulsets/scale/status""",
    "authorization.k8s.io": "localsubjectaccessreviews",
    "autoscaling": "horizontalpodautoscalers/status",
    "batch": "cronjobs/status jobs/status",
    "certificates.k8s.io": "podcertificaterequests/status",
    "coordination.k8s.io": "leases leasecandidates",
    "discovery.k8s.io": "endpointslices",
    "events.k8s.io": "events",
    "networking.k8s.io": "ingresses/status networkpolicies",
    "policy": "poddisruptionbudgets/status",
    "rbac.authorization.k8s.io": "roles rolebindings",
    "resource.k8s.io": "resourceclaims/status resourceclaimtemplates",
    "storage.k8s.io": "csistoragecapacities",
}
_CLUSTER: Mapping[str, str] = {
    "": "componentstatuses namespaces/finalize/status nodes/proxy/status persistentvolumes/status",
    "admissionregistration.k8s.io": """mutatingadmissionpolicies mutatingadmissionpolicybindings
        mutatingwebhookconfigurations validatingadmissionpolicies/status validatingadmissionpolicybindings
        validatingwebhookconfigurations""",
    "apiextensions.k8s.io": "customresourcedefinitions/status",
    "apiregistration.k8s.io": "apiservices/status",
    "authentication.k8s.io": "selfsubjectreviews tokenreviews",
    "authorization.k8s.io": "selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews",
    "certificates.k8s.io": "certificatesigningrequests/approval/status clustertrustbundles",
    "flowcontrol.apiserver.k8s.io": "flowschemas/status prioritylevelconfigurations/status",
    "internal.apiserver.k8s.io": "storageversions/status",
    "networking.k8s.io": "ingressclasses ipaddresses servicecidrs/status",
    "node.k8s.io": "runtimeclasses",
    "rbac.authorization.k8s.io": "clusterroles clusterrolebindings",
    "resource.k8s.io": "deviceclasses devicetaintrules/status resourceslices",
    "scheduling.k8s.io": "priorityclasses",
    "storage.k8s.io": "csidrivers csinodes storageclasses volumeattachments/status volumeattributesclasses",
    "storagemigration.k8s.io": "storageversionmigrations/status",
}


_CUSTOM_NAMESPACED: Mapping[str, str] = {
    "cilium.io": "ciliumnetworkpolicies",
    "crd.projectcalico.org": "networkpolicies",
    "kyverno.io": "policies policyexceptions",
    "projectcalico.org": "networkpolicies",
}
_CUSTOM_CLUSTER: Mapping[str, str] = {
    "cilium.io": "ciliumclusterwidenetworkpolicies",
    "crd.projectcalico.org": "globalnetworkpolicies",
    "kyverno.io": "clusterpolicies",
    "policy.networking.k8s.io": "adminnetworkpolicies baselineadminnetworkpolicies",
    "projectcalico.org": "globalnetworkpolicies",
    "templates.gatekeeper.sh": "constrainttemplates",
}
"""Custom resources that rules are written about."""


def _rows(namespaced: Mapping[str, str], cluster: Mapping[str, str], *, is_known: bool) -> Iterator[Resource]:
    for is_namespaced, groups in ((True, namespaced), (False, cluster)):
        for group, texts in groups.items():
            for text in texts.split():
                name, *subresources = text.split("/")
                for subresource in ("", *subresources):
                    yield Resource(group, name, subresource, is_namespaced, is_known)


RESOURCES: tuple[Resource, ...] = (
    *_rows(_NAMESPACED, _CLUSTER, is_known=True),
    *_rows(_CUSTOM_NAMESPACED, _CUSTOM_CLUSTER, is_known=False),
)
"""All resources and subresources that Kubernetes brings, and some custom ones."""

GROUPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: frozenset(each.group for each in RESOURCES if each.name == name)
        for name in {each.name for each in RESOURCES}
    }
)
"""The groups that have a resource, by its name."""

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "")
"""The verbs of requests for resources; the empty one is that of methods such as OPTIONS."""

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
"""The verbs of requests for other paths."""

PATHS = ("/", "/api", "/apis", "/healthz", "/livez", "/logs", "/metrics", "/openapi/v2", "/readyz", "/version")
"""Some paths that are no resources."""

_LONG_RUNNING = ("attach", "exec", "log", "portforward", "proxy")
_READING = ("get", "list", "watch")


def is_long_running(request: Request) -> bool:
    """Whether a response starts long before it ends, so that an event marks its start."""
    return request.is_resource and (request.verb in ("watch", "proxy") or request.subresource in _LONG_RUNNING)


def stages(request: Request) -> tuple[str, ...]:
    """The stages at which events of a request can be written, but for a panic of the API server."""
    if request.user is None:  # the authentication failed
        return ("ResponseStarted",)
    if is_long_running(request):
        return ("RequestReceived", "ResponseStarted", "ResponseComplete")
    return ("RequestReceived", "ResponseComplete")


def members(request: Request, stage: str) -> frozenset[str]:
    """Which of the members that not all events have an event can have at the level RequestResponse."""
    if stage == "RequestReceived":
        return frozenset()
    found = {"responseStatus", "annotations"}
    if request.is_resource and request.user is not None and not is_long_running(request):
        found.add("responseObject")
        if request.verb not in _READING:
            found.add("requestObject")
    return frozenset(found)


def verb_trait(verb: str) -> tuple[bool, ...]:
    """What `stages`, `members` and the places of objects tell apart of verbs."""
    known = (_READING, ("list", "watch"), ("watch", "proxy"), ("create",), ("deletecollection",))
    return tuple(verb in verbs for verbs in known)


def target_trait(target: Resource | str) -> tuple[bool, ...]:
    """What they tell apart of resources and paths."""
    if isinstance(target, str):
        return ()
    is_namespace = (target.group, target.name) == ("", "namespaces")
    return target.is_namespaced, target.subresource in _LONG_RUNNING, bool(target.subresource), is_namespace


CONDITIONAL = frozenset({"responseStatus", "annotations", "requestObject", "responseObject"})
"""The members that `members` is about."""
