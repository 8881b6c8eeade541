"""Kubernetes manifests for Lanner itself.

Without a URL of its own, Lanner runs beside each API server, on the node's loopback address: no certificate is needed,
and nothing can reach it but what runs on that node. With a URL it is a Deployment behind a Service.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from lanner.setup.model import Files, Setup, to_yaml
from lanner.setup.watching import ACCOUNT, account, watching

HEALTH_PORT = 8765
_PORT = 9765
_LABELS = {"app.kubernetes.io/name": "lanner"}
_USER = 65532
_CLIENT_CA = "client-ca.pem"
_CERTIFICATE = "/etc/lanner-tls/tls.pem"
_STATE = "/var/lib/lanner"
_STATE_SIZE = "2Gi"
"""Of the store, 1 GiB unless configured otherwise, and what it writes ahead."""
_MONITORING = {"kubernetes.io/metadata.name": "monitoring"}


def manifest_files(setup: Setup) -> Files:
    """The manifests, in the order in which they are to be created."""
    parts = [_namespace(setup), _config(setup), *([_rules(setup)] if setup.rules else []), _workload(setup)]
    parts[1:1] = account(setup) if setup.watch else []
    head = "kubectl apply -f kubernetes.yaml"
    if not setup.is_local:
        parts += [_service(setup), _network_policy(setup)]
        parts[1:1] = [_tokens(setup), _claim(setup)]
        head += "\nIt holds secrets: the token for the metrics"
        head += ", and the one that the API servers send." if setup.token else "."
    if urlsplit(setup.url).scheme == "https":
        head += "\nFirst: a Secret `lanner-tls` whose key `tls.pem` holds the certificate and its key"
        head += (
            f", and\n`{_CLIENT_CA}` the CA that signs the API servers' certificates."
            if setup.client_certificate
            else "."
        )
    return {"kubernetes.yaml": to_yaml(*parts, head=head)}


def _meta(setup: Setup, name: str = "lanner") -> dict[str, Any]:
    return {"name": name, "namespace": setup.namespace, "labels": _LABELS}


def _namespace(setup: Setup) -> dict[str, Any]:
    enforce = "privileged" if setup.is_local else "restricted"
    labels = {**_LABELS, "pod-security.kubernetes.io/enforce": enforce}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": setup.namespace, "labels": labels}}


def config_object(setup: Setup) -> dict[str, Any]:
    """Lanner's configuration."""
    found = urlsplit(setup.url)
    host = "127.0.0.1" if setup.is_local else "0.0.0.0"  # noqa: S104 - in a pod, behind TLS and a NetworkPolicy
    source: dict[str, Any] = {
        "name": "kubernetes",
        "open_params": f"{found.scheme}://{host}:{_PORT}{found.path or '/'}",
    }
    if found.scheme == "https":
        source["init_config"] = {"sslCertificate": _CERTIFICATE}
        if setup.client_certificate:
            source["init_config"]["clientCA"] = f"/etc/lanner-tls/{_CLIENT_CA}"
        if setup.token:
            source["init_config"]["tokenFile"] = f"{_MOUNTS['token']}/tokens"
    is_open = found.scheme == "https" and not setup.client_certificate and not setup.token
    if is_open:  # a dynamic sink: nobody proves who it is, so that nothing but networks can be asked for
        source["init_config"]["allowedNetworks"] = list(setup.source_ranges)
    web: dict[str, Any] = {"enabled": True, "listen_port": HEALTH_PORT, "listen_address": host}
    if not setup.is_local:
        web |= {"prometheus_metrics_enabled": True, "token_file": f"{_MOUNTS['token']}/metrics"}
        web |= {"ssl_enabled": True, "ssl_certificate": _CERTIFICATE}  # a token can be read on its way over http
    return {
        **({"allow_unauthenticated": True} if is_open else {}),
        "sources": [source],
        **({"rules_files": _rules_files(setup)} if setup.rules_files else {}),
        "json_output": True,
        "stdout_output": {"enabled": True},
        "webserver": web,
        **({"blindness": watching(setup)} if setup.watch else {}),
    }


def _rules_files(setup: Setup) -> list[str]:
    """The rule files as the configuration names them: in the folder of their ConfigMap."""
    return [f"{_MOUNTS['rules']}/{name}" if name in setup.rules else name for name in setup.rules_files]


def _tokens(setup: Setup) -> dict[str, Any]:
    data = {"metrics": f"metrics {setup.metrics_token}\n"}
    if setup.token:
        data["tokens"] = f"api-server {setup.token}\n"
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _meta(setup, name="lanner-token"), "stringData": data}


def _claim(setup: Setup) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": _STATE_SIZE}}}
    meta = _meta(setup, name="lanner-state")
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def _config(setup: Setup) -> dict[str, Any]:
    data = {"lanner.yaml": to_yaml(config_object(setup))}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(setup), "data": data}


def _rules(setup: Setup) -> dict[str, Any]:
    """The rule files, apart from the configuration so that they can be replaced without it."""
    meta = _meta(setup, name="lanner-rules")
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(setup.rules)}


def _workload(setup: Setup) -> dict[str, Any]:
    pod: dict[str, Any] = {
        **({"serviceAccountName": ACCOUNT} if setup.watch else {}),
        "automountServiceAccountToken": setup.watch,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(setup)],
        "volumes": _volumes(setup),
    }
    spec: dict[str, Any] = {
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    if setup.is_local:
        role = "node-role.kubernetes.io/control-plane"
        pod["hostNetwork"] = True
        pod["initContainers"] = [_preparing(setup)]
        pod["priorityClassName"] = "system-node-critical"
        pod["nodeSelector"] = {role: ""}
        pod["tolerations"] = [{"key": role, "operator": "Exists", "effect": "NoSchedule"}]
        return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": _meta(setup), "spec": spec}
    # A new pod beside the old one could not have the store, nor the volume from another node.
    spec |= {"replicas": 1, "strategy": {"type": "Recreate"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _meta(setup), "spec": spec}


def _preparing(setup: Setup) -> dict[str, Any]:
    """What gives a folder of the node, which is made for root, to Lanner's user alone."""
    program = f"import os; os.chmod({_STATE!r}, 0o700); os.chown({_STATE!r}, {_USER}, {_USER})"
    return {
        "name": "state",
        "image": setup.image,
        "command": ["python3", "-c", program],
        "securityContext": {
            "runAsNonRoot": False,
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "FOWNER"]},
        },
        "volumeMounts": [{"name": "state", "mountPath": _STATE}],
    }


def _container(setup: Setup) -> dict[str, Any]:
    mounts = [{"name": each["name"], "mountPath": _MOUNTS[each["name"]]} for each in _volumes(setup)]
    for mount in mounts:
        if mount["name"] not in ("tmp", "state"):
            mount["readOnly"] = True
    return {
        "name": "lanner",
        "image": setup.image,
        "args": ["run", "-c", "/etc/lanner/lanner.yaml"],
        "env": [{"name": "LANNER_STATE_DIR", "value": f"{_STATE}/state"}],
        "ports": [{"name": "audit", "containerPort": _PORT}, {"name": "health", "containerPort": HEALTH_PORT}],
        "startupProbe": {**_probe("/healthz", setup), "failureThreshold": 30, "periodSeconds": 2},
        "livenessProbe": _probe("/healthz", setup),
        "readinessProbe": _probe("/readyz", setup),
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _probe(path: str, setup: Setup) -> dict[str, Any]:
    get: dict[str, Any] = {"path": path, "port": "health"}
    if setup.is_local:
        get["host"] = "127.0.0.1"
    else:
        get["scheme"] = "HTTPS"
    return {"httpGet": get, "periodSeconds": 10, "timeoutSeconds": 3}


_MOUNTS = {
    "config": "/etc/lanner",
    "rules": "/etc/lanner-rules",
    "tmp": "/tmp",  # noqa: S108 - a volume of the pod's own
    "state": _STATE,
    "tls": "/etc/lanner-tls",
    "token": "/etc/lanner-token",
}


def _volumes(setup: Setup) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": "lanner"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
    ]
    if setup.rules:
        found.append({"name": "rules", "configMap": {"name": "lanner-rules"}})
    if urlsplit(setup.url).scheme == "https":
        found.append({"name": "tls", "secret": {"secretName": "lanner-tls", "defaultMode": 0o440}})
    if setup.is_local:
        found.append({"name": "state", "hostPath": {"path": _STATE, "type": "DirectoryOrCreate"}})
    else:
        found.append({"name": "state", "persistentVolumeClaim": {"claimName": "lanner-state"}})
        found.append({"name": "token", "secret": {"secretName": "lanner-token", "defaultMode": 0o440}})
    return found


def _service(setup: Setup) -> dict[str, Any]:
    found = urlsplit(setup.url)
    port = found.port or (443 if found.scheme == "https" else 80)
    spec: dict[str, Any] = {
        "selector": _LABELS,
        "ports": [{"name": "audit", "port": port, "targetPort": "audit"}],
    }
    host = found.hostname or ""
    if host.replace(".", "").isdecimal():
        spec["clusterIP"] = host
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(setup), "spec": spec}


def _network_policy(setup: Setup) -> dict[str, Any]:
    audit: dict[str, Any] = {"ports": [{"port": "audit", "protocol": "TCP"}]}
    if setup.source_ranges:
        audit["from"] = [{"ipBlock": {"cidr": each}} for each in setup.source_ranges]
    # The kubelet's probes come from the node, which is let in whatever stands here.
    health = {
        "ports": [{"port": "health", "protocol": "TCP"}],
        "from": [{"namespaceSelector": {"matchLabels": _MONITORING}}],
    }
    spec = {"podSelector": {"matchLabels": _LABELS}, "policyTypes": ["Ingress"], "ingress": [audit, health]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _meta(setup), "spec": spec}
