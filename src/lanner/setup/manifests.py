"""Kubernetes manifests for Lanner itself.

Without a URL of its own, Lanner runs beside each API server, on the node's loopback address: no certificate is needed,
and nothing can reach it but what runs on that node. With a URL it is a Deployment behind a Service.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from lanner.setup.model import Files, Setup, to_yaml

HEALTH_PORT = 8765
_PORT = 9765
_LABELS = {"app.kubernetes.io/name": "lanner"}
_USER = 65532
_CLIENT_CA = "client-ca.pem"


def manifest_files(setup: Setup) -> Files:
    """The manifests, in the order in which they are to be created."""
    parts = [_namespace(setup), _config(setup), _workload(setup)]
    if not setup.is_local:
        parts += [_service(setup), _network_policy(setup)]
    head = "kubectl apply -f kubernetes.yaml"
    if setup.token:
        parts.insert(1, _token(setup))
        head += "\nIt holds a secret: the token that the API servers send."
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
    plugin: dict[str, Any] = {"name": "k8saudit", "open_params": f"{found.scheme}://{host}:{_PORT}{found.path or '/'}"}
    if found.scheme == "https":
        plugin["init_config"] = {"sslCertificate": "/etc/lanner-tls/tls.pem"}
        if setup.client_certificate:
            plugin["init_config"]["clientCA"] = f"/etc/lanner-tls/{_CLIENT_CA}"
        if setup.token:
            plugin["init_config"]["tokenFile"] = f"{_MOUNTS['token']}/tokens"
    return {
        "plugins": [plugin],
        "load_plugins": ["k8saudit", "json"],
        "json_output": True,
        "stdout_output": {"enabled": True},
        "webserver": {"enabled": True, "listen_port": HEALTH_PORT, "listen_address": host},
    }


def _token(setup: Setup) -> dict[str, Any]:
    data = {"tokens": f"api-server {setup.token}\n"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _meta(setup, name="lanner-token"), "stringData": data}


def _config(setup: Setup) -> dict[str, Any]:
    data = {"lanner.yaml": to_yaml(config_object(setup))}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(setup), "data": data}


def _workload(setup: Setup) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
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
    spec = {"selector": {"matchLabels": _LABELS}, "template": {"metadata": {"labels": _LABELS}, "spec": pod}}
    if setup.is_local:
        role = "node-role.kubernetes.io/control-plane"
        pod["hostNetwork"] = True
        pod["priorityClassName"] = "system-node-critical"
        pod["nodeSelector"] = {role: ""}
        pod["tolerations"] = [{"key": role, "operator": "Exists", "effect": "NoSchedule"}]
        return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": _meta(setup), "spec": spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _meta(setup), "spec": {"replicas": 1, **spec}}


def _container(setup: Setup) -> dict[str, Any]:
    mounts = [{"name": each["name"], "mountPath": _MOUNTS[each["name"]]} for each in _volumes(setup)]
    for mount in mounts:
        if mount["name"] != "tmp":
            mount["readOnly"] = True
    return {
        "name": "lanner",
        "image": setup.image,
        "args": ["run", "-c", "/etc/lanner/lanner.yaml"],
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
    return {"httpGet": get, "periodSeconds": 10, "timeoutSeconds": 3}


_MOUNTS = {"config": "/etc/lanner", "tmp": "/tmp", "tls": "/etc/lanner-tls", "token": "/etc/lanner-token"}  # noqa: S108 - a volume of the pod's own


def _volumes(setup: Setup) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": "lanner"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
    ]
    if urlsplit(setup.url).scheme == "https":
        found.append({"name": "tls", "secret": {"secretName": "lanner-tls", "defaultMode": 0o440}})
    if setup.token:
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
    health = {"ports": [{"port": "health", "protocol": "TCP"}]}
    spec = {"podSelector": {"matchLabels": _LABELS}, "policyTypes": ["Ingress"], "ingress": [audit, health]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _meta(setup), "spec": spec}
