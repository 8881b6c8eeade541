"""What Lanner is given to notice that events are missing: an account, its permissions, and what it is to watch.

Beside an API server, Lanner asks that one alone: what the others record arrives elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lanner.policy.generate import Generated
from lanner.policy.model import STAGES, AuditLevel, GroupResources, PolicyRule
from lanner.setup.model import Setup

ACCOUNT = "lanner"
CANARY = "lanner-canary"
"""What is asked for; it need not be there."""

_PORTS: Mapping[str, int] = {"minikube": 8443, "kops": 443}
_PORT = 6443
_GROUP = "rbac.authorization.k8s.io"


def port_of(distribution: str) -> int:
    """Where an API server listens on its own node."""
    return _PORTS.get(distribution, _PORT)


def watching(setup: Setup) -> dict[str, Any]:
    """The section `blindness` of Lanner's configuration."""
    apiserver: dict[str, Any] = {
        "metrics": {"enabled": True},
        "canary": {"enabled": True, "path": f"/api/v1/namespaces/{setup.namespace}/configmaps/{CANARY}"},
    }
    if setup.is_local:
        own = {"urls": [f"https://127.0.0.1:{setup.apiserver_port}"], "server_name": "kubernetes.default.svc"}
        apiserver = {**own, **apiserver}
    return {"apiserver": apiserver}


def account(setup: Setup) -> list[dict[str, Any]]:
    """The service account, with the right to read metrics and the canary, and nothing else."""
    canary = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CANARY], "verbs": ["get"]}
    metrics = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": setup.namespace}},
        *_granted(setup, "ClusterRole", "lanner-metrics", metrics),
        *_granted(setup, "Role", CANARY, canary),
    ]


def with_canary(generated: Generated, namespace: str) -> Generated:
    """A policy that records the canary, before all that could leave it out."""
    rule = PolicyRule(
        AuditLevel.METADATA,
        users=(f"system:serviceaccount:{namespace}:{ACCOUNT}",),
        verbs=("get",),
        resources=(GroupResources("", ("configmaps",), (CANARY,)),),
        namespaces=(namespace,),
        omit_stages=tuple(stage for stage in STAGES[:1] if stage not in generated.policy.omit_stages),
    )
    policy = replace(generated.policy, rules=(rule, *generated.policy.rules))
    return replace(generated, policy=policy, reasons=(("Lanner's canary",), *generated.reasons))


def _granted(setup: Setup, kind: str, name: str, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """A role, and its binding to the account."""
    meta: dict[str, Any] = {"name": name} if kind == "ClusterRole" else {"name": name, "namespace": setup.namespace}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": setup.namespace}
    reference = {"apiGroup": _GROUP, "kind": kind, "name": name}
    return [
        {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": meta, "rules": [rule]},
        {
            "apiVersion": f"{_GROUP}/v1",
            "kind": f"{kind}Binding",
            "metadata": dict(meta),
            "roleRef": reference,
            "subjects": [subject],
        },
    ]
