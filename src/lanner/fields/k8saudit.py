"""The fields of Kubernetes audit events.

Source: Falco plugins, k8saudit fields.go and extract.go, version 0.18.0; Kubernetes, audit.k8s.io/v1 `Event`.
"""

from functools import partial

from lanner.events.values import list_texts
from lanner.fields import pods, rbac, uri
from lanner.fields.k8saudit_pods import POD_FIELDS
from lanner.fields.rows import BODY, at, body, field, indexed
from lanner.fields.spec import ArgKind, Derived, FieldSpec

_EVENT = (
    at(
        "auditid",
        ("auditID",),
        "The request's audit ID. The client can choose it, so it identifies nothing by itself.",
        "942c3b97-6279-4dd7-b9d5-cdb0aa036245",
    ),
    at(
        "stage",
        ("stage",),
        "How far the request was when this was recorded: `RequestReceived`, `ResponseStarted`, `ResponseComplete` or "
        "`Panic`.",
        "ResponseComplete",
    ),
    at(
        "auth.decision",
        ("annotations", "authorization.k8s.io/decision"),
        "What the authorizers decided: `allow` or `forbid`.",
        "allow",
    ),
    at(
        "auth.reason",
        ("annotations", "authorization.k8s.io/reason"),
        "Why the authorizers decided so.",
        'RBAC: allowed by ClusterRoleBinding "ops"',
    ),
    at(
        "auth.openshift.decision",
        ("annotations", "authentication.openshift.io/decision"),
        "What OpenShift's own authentication decided. OpenShift clusters only.",
        "allow",
    ),
    at(
        "auth.openshift.username",
        ("annotations", "authentication.openshift.io/username"),
        "The user who authenticated with OpenShift. OpenShift clusters only.",
        "alice",
    ),
    at(
        "validations.admission.policy.failure",
        ("annotations", "validation.policy.admission.k8s.io/validation_failure"),
        "Which ValidatingAdmissionPolicy the request failed, and why.",
        '[{"message":"no","policy":"p","binding":"b"}]',
    ),
    at(
        "security.pod.violations",
        ("annotations", "pod-security.kubernetes.io/audit-violations"),
        "How the pod violates the Pod Security Standard that its namespace audits.",
        'would violate PodSecurity "baseline:latest": privileged',
    ),
    at("user.name", ("user", "username"), "The user who made the request.", "alice"),
    at("user.groups", ("user", "groups"), "The groups of that user.", ("ops", "system:authenticated")),
    at("impuser.name", ("impersonatedUser", "username"), "The user whom the request impersonates.", "bob"),
    at(
        "verb",
        ("verb",),
        "The request's verb, such as `get`, `create` or `patch`; for a path that is no resource, the HTTP method in "
        "lower case.",
        "create",
    ),
    at(
        "uri",
        ("requestURI",),
        "The request's URI as the client sent it, path and query.",
        "/api/v1/namespaces/shop/pods?fieldManager=kubectl-create",
    ),
    field(
        "uri.param",
        "The first value of a query parameter of the URI: for `/foo?key=val`, `ka.uri.param[key]` is `val`.",
        Derived(("requestURI",), uri.query_parameter),
        "kubectl-create",
        arg=ArgKind.KEY,
        arg_required=True,
        example_arg="fieldManager",
    ),
    at(
        "target.name",
        ("objectRef", "name"),
        "The name of the object that the request is about. Missing in a list, and where the server makes the name up.",
        "web",
    ),
    at("target.namespace", ("objectRef", "namespace"), "The namespace of that object.", "shop"),
    at("target.resource", ("objectRef", "resource"), "The resource of that object, in the plural.", "pods"),
    at(
        "target.subresource",
        ("objectRef", "subresource"),
        "The part of the object that the request is about, such as `exec`, `log` or `status`.",
        "exec",
    ),
    field(
        "target.pod.name",
        "The name of the pod that the request is about, as the response gives it. Missing for subresources of pods.",
        Derived(("objectRef", "responseObject"), pods.target_pod_name),
        "web",
    ),
    at("resp.name", ("responseObject", "metadata", "name"), "The name of the object in the response.", "web"),
    at("response.code", ("responseStatus", "code"), "The HTTP status of the response.", "201"),
    at(
        "response.reason",
        ("responseStatus", "reason"),
        "Why the request failed, in one word, such as `Forbidden`. Mostly missing on success.",
        "AlreadyExists",
    ),
    at("useragent", ("userAgent",), "The client program, by its own word.", "kubectl/v1.32.4 (linux/amd64)"),
    field(
        "sourceips",
        "The addresses the request came through. Proxy headers, which a client can forge, come first; only the last "
        "address is the API server's peer. An index picks one.",
        Derived(("sourceIPs",), list_texts),
        ("203.0.113.7", "10.0.0.4"),
        arg=ArgKind.INDEX,
    ),
    at("cluster.name", ("annotations", "cluster_name"), "The cluster's name, where the source adds it.", "prod-1"),
)

_BINDING = "Of a role binding or cluster role binding: "
_BINDINGS = (
    at(
        "req.binding.subjects",
        ("requestObject", "subjects"),
        f"{_BINDING}its subjects, each as JSON.",
        (
            '{"kind":"User","name":"carol"}',
            '{"kind":"Group","name":"contractors"}',
            '{"kind":"ServiceAccount","name":"builder","namespace":"dev"}',
        ),
    ),
    body(
        "req.binding.subjects.user_names",
        f"{_BINDING}the names of the users among its subjects.",
        partial(rbac.subject_names, "User"),
        ("carol",),
    ),
    body(
        "req.binding.subjects.serviceaccount_names",
        f"{_BINDING}the names of the service accounts among its subjects.",
        partial(rbac.subject_names, "ServiceAccount"),
        ("builder",),
    ),
    body(
        "req.binding.subjects.serviceaccount_ns_names",
        f"{_BINDING}the service accounts among its subjects, each as `namespace:name`.",
        rbac.qualified_service_accounts,
        ("dev:builder",),
    ),
    body(
        "req.binding.subjects.group_names",
        f"{_BINDING}the names of the groups among its subjects.",
        partial(rbac.subject_names, "Group"),
        ("contractors",),
    ),
    at(
        "req.binding.role",
        ("requestObject", "roleRef", "name"),
        f"{_BINDING}the name of the role that it grants.",
        "cluster-admin",
    ),
    field(
        "req.binding.subject.has_name",
        "Always missing; rules may still name it. The `ka.req.binding.subjects` fields tell users, groups and service "
        "accounts apart.",
        Derived(BODY, rbac.has_name),
        None,
        arg=ArgKind.KEY,
        arg_required=True,
        example_arg="carol",
        deprecated="ka.req.binding.subjects.user_names",
    ),
)

_ROLE = "Of a role or cluster role: "


def _rule_field(member: str, what: str, example: tuple[str, ...]) -> FieldSpec:
    return indexed(
        f"req.role.rules.{member}",
        f"{_ROLE}{what} of all its rules. An index picks one rule.",
        partial(pods.texts_within, ("rules", member)),
        example,
    )


_ROLES = (
    at(
        "req.role.rules",
        ("requestObject", "rules"),
        f"{_ROLE}its rules, each as JSON.",
        (
            '{"verbs":["get","list"],"apiGroups":[""],"resources":["pods"]}',
            '{"verbs":["get"],"nonResourceURLs":["/metrics"]}',
        ),
    ),
    _rule_field("apiGroups", "the API groups", ("",)),
    _rule_field("nonResourceURLs", "the URLs that are no resources", ("/metrics",)),
    _rule_field("verbs", "the verbs", ("get", "list", "get")),
    _rule_field("resources", "the resources", ("pods",)),
)

_OTHERS = (
    at("req.configmap.name", ("objectRef", "name"), "Of a config map: its name. The same as `ka.target.name`.", "web"),
    at(
        "req.configmap.obj",
        ("requestObject", "data"),
        "Of a config map: its data as JSON, without `binaryData`.",
        '{"color":"blue"}',
    ),
    at("req.service.type", ("requestObject", "spec", "type"), "Of a service: its type.", "NodePort"),
    # FALCO-COMPAT: all ports are one text, with an index too; pinned by the conformance alerts of service events.
    indexed(
        "req.service.ports",
        "Of a service: its ports, all in one JSON list, which an index leaves whole.",
        partial(pods.texts, ("spec", "ports")),
        ('[{"name":"http","port":80}]',),
    ),
)

AUDIT_FIELDS = (*_EVENT, *_BINDINGS, *_ROLES, *_OTHERS, *POD_FIELDS)
