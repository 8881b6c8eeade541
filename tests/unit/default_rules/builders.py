"""Audit events in the form of a Kubernetes API server, made from the few things in which they differ."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]

HUMAN = "mallory"
KUBELET = "system:node:worker-1"
GROUPS = {
    "system:node:": ["system:nodes", "system:authenticated"],
    "system:serviceaccount:": ["system:serviceaccounts", "system:authenticated"],
    "system:anonymous": ["system:unauthenticated"],
}
GROUP_OF = {
    "pods": "",
    "nodes": "",
    "services": "",
    "secrets": "",
    "configmaps": "",
    "namespaces": "",
    "serviceaccounts": "",
    "events": "",
    "persistentvolumes": "",
    "deployments": "apps",
    "daemonsets": "apps",
    "cronjobs": "batch",
    "ingresses": "networking.k8s.io",
    "certificatesigningrequests": "certificates.k8s.io",
    "mutatingwebhookconfigurations": "admissionregistration.k8s.io",
}
CODES = {"create": 201}


def event(
    verb: str,
    resource: str,
    name: str | None = "thing",
    *,
    ns: str | None = None,
    sub: str | None = None,
    user: str = HUMAN,
    body: Any = None,
    answer: Any = None,
    code: int | None = None,
    decision: str | None = "allow",
    stage: str = "ResponseComplete",
    uri: str | None = None,
    query: str = "",
    agent: str = "kubectl/v1.32.4 (linux/amd64) kubernetes/4cb5f07",
    **members: Any,
) -> Event:
    """An event; what is None is left out."""
    reference = {
        "resource": resource,
        "namespace": ns,
        "name": name,
        "subresource": sub,
        "apiGroup": GROUP_OF.get(resource, "rbac.authorization.k8s.io") or None,
        "apiVersion": "v1",
    }
    path = [f"/namespaces/{ns}" if ns else "", resource, name or "", sub or ""]
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse" if body is not None or answer is not None else "Metadata",
        "auditID": "4a44fff7-3b74-4bf8-8858-bc586b353120",
        "stage": stage,
        "requestURI": uri or "/api/v1" + "/".join(part for part in path if part) + query,
        "verb": verb,
        "user": {
            "username": user,
            "groups": next(
                (groups for prefix, groups in GROUPS.items() if user.startswith(prefix)), ["system:authenticated"]
            ),
        },
        "sourceIPs": ["203.0.113.7"],
        "userAgent": agent,
        "objectRef": {key: value for key, value in reference.items() if value is not None},
        "responseStatus": {"metadata": {}, "code": code or CODES.get(verb, 200)},
        **({} if body is None else {"requestObject": body}),
        **({} if answer is None else {"responseObject": answer}),
        "requestReceivedTimestamp": "2026-11-21T10:22:56.922165Z",
        "stageTimestamp": "2026-11-21T10:22:56.922793Z",
        "annotations": {} if decision is None else {"authorization.k8s.io/decision": decision},
        **members,
    }


def pod_body(*, images: tuple[str, ...] = ("nginx:1.27",), spec: Event | None = None, **context: Any) -> Event:
    """A Pod whose first container has a security context of `context`."""
    containers: list[Event] = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    if context:
        containers[0]["securityContext"] = context
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "thing"},
        "spec": {"containers": containers} | (spec or {}),
    }


def template_body(kind: str, pod: Event) -> Event:
    """A workload with the spec of a pod in its template."""
    template = {"template": {"metadata": {}, "spec": pod["spec"]}}
    spec = {"jobTemplate": {"spec": template}, "schedule": "0 3 * * *"} if kind == "CronJob" else template
    return {"kind": kind, "metadata": {"name": "thing"}, "spec": spec}


def host_path(path: str) -> Event:
    """A Pod with a volume from its host."""
    return pod_body(spec={"volumes": [{"name": "h", "hostPath": {"path": path, "type": ""}}]})


def pod(body: Event, **members: Any) -> Event:
    """A pod is created."""
    return event("create", "pods", ns=members.pop("ns", "shop"), body=body, **members)


def role(*rules: Event, verb: str = "create", **members: Any) -> Event:
    """A cluster role is created, or what `verb` says."""
    return event(verb, "clusterroles", body={"kind": "ClusterRole", "rules": [*rules]}, **members)


def grant(resources: list[str], verbs: list[str], groups: tuple[str, ...] = ("",)) -> Event:
    """A rule of a role."""
    return {"verbs": verbs, "apiGroups": [*groups], "resources": resources}


def binding(
    role_name: str, *, kind: str = "User", subject: str = "carol", verb: str = "create", **members: Any
) -> Event:
    """A cluster role is bound to a subject."""
    resource = members.pop("resource", "clusterrolebindings")
    body = {
        "kind": "ClusterRoleBinding",
        "subjects": [{"kind": kind, "name": subject}],
        "roleRef": {"kind": "ClusterRole", "name": role_name},
    }
    return event(verb, resource, body=body, **members)


def configmap(
    data: dict[str, str], name: str = "thing", *, verb: str = "create", ns: str = "shop", **members: Any
) -> Event:
    """A ConfigMap is written."""
    return event(verb, "configmaps", name, ns=ns, body={"kind": "ConfigMap", "data": data}, **members)


def execution(*command: str, user: str = HUMAN, ns: str = "shop", **members: Any) -> Event:
    """A command is run in a pod, over WebSocket; arguments as they stand in the URI."""
    arguments = "&".join(f"command={argument}" for argument in command)
    answered: Event = {"stage": "ResponseStarted", "code": 101, **members}
    return event("get", "pods", "web", ns=ns, sub="exec", user=user, query=f"?{arguments}&stdout=true", **answered)


def json_patch(resource: str, *operations: Event, **members: Any) -> Event:
    """An object is changed by a JSON patch."""
    return event("patch", resource, body=[*operations], **members)
