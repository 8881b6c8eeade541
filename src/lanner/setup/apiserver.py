"""What the API server of each distribution needs: policy, webhook kubeconfig, flags, and where these go.

Sources: kubeadm configuration v1beta3 and v1beta4; k3s and RKE2 server configuration; kind, Auditing; minikube, Audit
Policy; kOps, Cluster resource; Talos, machine configuration; Kubernetes 1.13 to 1.18, Dynamic auditing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from posixpath import dirname
from typing import Any

from lanner.setup.model import Files, Setup, to_yaml

POLICY = "audit-policy.yaml"
WEBHOOK = "webhook.yaml"
TOKEN = "token"  # noqa: S105 - the name of a file
_KEEP = "nobody but the API server is to read it"
_KUBERNETES = "/etc/kubernetes/lanner"

BATCH: Mapping[str, str] = {
    "audit-webhook-mode": "batch",
    "audit-webhook-batch-buffer-size": "10000",
    "audit-webhook-batch-max-size": "400",
    "audit-webhook-batch-max-wait": "5s",
    "audit-webhook-initial-backoff": "10s",
}
"""Recommended: alerts are five seconds late at most. Truncation stays off: Lanner takes events of 32 MiB."""


def apiserver_files(distribution: str, setup: Setup) -> Files:
    """The files for the API servers of a distribution."""
    made = DISTRIBUTIONS[distribution](setup)
    token = {TOKEN: f"{setup.token}\n"} if setup.token and setup.token_file else {}
    files = {POLICY: setup.policy, WEBHOOK: to_yaml(webhook_object(setup)), **made}
    return {name: _warned(text, setup) for name, text in files.items()} | token


def _warned(text: str, setup: Setup) -> str:
    """A file, with a line at its head where it holds the token."""
    return f"# It holds a secret: {_KEEP}.\n{text}" if setup.token and setup.token in text else text


def flags(folder: str) -> dict[str, str]:
    """The flags of kube-apiserver, with the files in a folder."""
    return {
        "audit-policy-file": f"{folder}/{POLICY}",
        "audit-webhook-config-file": f"{folder}/{WEBHOOK}",
        **BATCH,
    }


def webhook_object(setup: Setup) -> dict[str, Any]:
    """The kubeconfig that says where to post, and as whom."""
    cluster = {"server": setup.url}
    if setup.ca:
        cluster["certificate-authority"] = setup.ca
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lanner", "cluster": cluster}],
        "users": [{"name": "api-server", "user": _user(setup)}],
        "contexts": [{"name": "default", "context": {"cluster": "lanner", "user": "api-server"}}],
        "current-context": "default",
    }


def _user(setup: Setup) -> dict[str, str]:
    """What the API server proves by who it is."""
    user = {
        "client-certificate": setup.client_certificate,
        "client-key": setup.client_key,
        "tokenFile": setup.token_file,
        "token": "" if setup.token_file else setup.token,
    }
    return {key: value for key, value in user.items() if value}


def _mounted(setup: Setup, folder: str) -> list[str]:
    """The folders that the API server's container needs, the one of the two files first."""
    return list(dict.fromkeys([folder, *map(dirname, _paths(setup))]))


def _paths(setup: Setup) -> list[str]:
    """The files on the machines of the API servers that the kubeconfig names."""
    return [path for path in (setup.ca, setup.client_certificate, setup.client_key, setup.token_file) if path]


def _outside(setup: Setup, folder: str) -> str:
    """A line for the head of a file where the API server sees one folder alone."""
    hidden = [path for path in _paths(setup) if not path.startswith(f"{folder}/")]
    return f"\nThe API server sees {folder} alone: put {' and '.join(hidden)} there." if hidden else ""


def _volumes(folders: list[str]) -> list[dict[str, Any]]:
    return [
        {"name": f"lanner-{number}", "hostPath": path, "mountPath": path, "readOnly": True, "pathType": "Directory"}
        for number, path in enumerate(folders)
    ]


def _kubeadm(setup: Setup) -> Files:
    volumes = _volumes(_mounted(setup, _KUBERNETES))
    found = {}
    for version, is_list in (("v1beta4", True), ("v1beta3", False)):
        arguments = flags(_KUBERNETES)
        extra = [{"name": name, "value": value} for name, value in arguments.items()] if is_list else arguments
        found[f"kubeadm-{version}.yaml"] = to_yaml(
            {
                "apiVersion": f"kubeadm.k8s.io/{version}",
                "kind": "ClusterConfiguration",
                "apiServer": {"extraArgs": extra, "extraVolumes": volumes},
            },
            head=f"Copy {POLICY} and {WEBHOOK} to {_KUBERNETES} on each control-plane node first.",
        )
    return found


def _k3s(setup: Setup) -> Files:
    folder = "/var/lib/rancher/k3s/server/lanner"
    return {
        "k3s-config.yaml": to_yaml(
            {_added("kube-apiserver-arg"): [f"{name}={value}" for name, value in flags(folder).items()]},
            head=f"/etc/rancher/k3s/config.yaml.d/lanner.yaml; {POLICY} and {WEBHOOK} go to {folder}.",
        )
    }


def _added(key: str) -> str:
    """The key for more values of a list: without the sign, those of `config.yaml` would be replaced."""
    return f"{key}+"


def _rke2(setup: Setup) -> Files:
    folder = "/etc/rancher/rke2/lanner"
    arguments = flags(folder)
    policy = arguments.pop("audit-policy-file")
    return {
        "rke2-config.yaml": to_yaml(
            {
                "audit-policy-file": policy,
                _added("kube-apiserver-arg"): [f"{name}={value}" for name, value in arguments.items()],
                _added("kube-apiserver-extra-mount"): [f"{path}:{path}:ro" for path in _mounted(setup, folder)],
            },
            head=f"/etc/rancher/rke2/config.yaml.d/lanner.yaml; {POLICY} and {WEBHOOK} go to {folder}.",
        )
    }


def _kind(setup: Setup) -> Files:
    patch = {
        "kind": "ClusterConfiguration",
        "apiServer": {"extraArgs": flags(_KUBERNETES), "extraVolumes": _volumes(_mounted(setup, _KUBERNETES))},
    }
    mounts = [
        {"hostPath": f"./{name}", "containerPath": f"{_KUBERNETES}/{name}", "readOnly": True}
        for name in (POLICY, WEBHOOK)
    ]
    mounts += [{"hostPath": path, "containerPath": path, "readOnly": True} for path in _mounted(setup, _KUBERNETES)[1:]]
    node = {"role": "control-plane", "kubeadmConfigPatches": [to_yaml(patch)], "extraMounts": mounts}
    return {
        "kind.yaml": to_yaml(
            {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]},
            head="kind create cluster --config kind.yaml, in this folder",
        )
    }


def _minikube(setup: Setup) -> Files:
    folder = "/etc/ssl/certs"
    options = " \\\n".join(
        f"  {shlex.quote(f'--extra-config=apiserver.{name}={value}')}" for name, value in flags(folder).items()
    )
    return {
        "minikube.sh": "#!/bin/sh\n"
        "# The folder that minikube copies into its node, and that the API server sees."
        f"{_outside(setup, folder).replace(chr(10), chr(10) + '# ')}\n"
        "set -eu\n"
        'target="${MINIKUBE_HOME:-$HOME/.minikube}/files/etc/ssl/certs"\n'
        'mkdir -p "$target"\n'
        f'cp {POLICY} {WEBHOOK} "$target"\n'
        f"minikube start \\\n{options}\n"
    }


def _kops(setup: Setup) -> Files:
    folder = "/srv/kubernetes/kube-apiserver"
    names = {
        "audit-policy-file": "auditPolicyFile",
        "audit-webhook-config-file": "auditWebhookConfigFile",
        "audit-webhook-mode": "auditWebhookMode",
        "audit-webhook-batch-buffer-size": "auditWebhookBatchBufferSize",
        "audit-webhook-batch-max-size": "auditWebhookBatchMaxSize",
        "audit-webhook-batch-max-wait": "auditWebhookBatchMaxWait",
        "audit-webhook-initial-backoff": "auditWebhookInitialBackoff",
    }
    values = {names[name]: int(value) if value.isdecimal() else value for name, value in flags(folder).items()}
    assets = [
        {"name": name.removesuffix(".yaml"), "path": f"{folder}/{name}", "roles": ["ControlPlane"], "content": text}
        for name, text in ((POLICY, setup.policy), (WEBHOOK, to_yaml(webhook_object(setup))))
    ]
    return {
        "kops.yaml": to_yaml(
            {"spec": {"kubeAPIServer": values, "fileAssets": assets}},
            head="Put this into the cluster with `kops edit cluster`, then update and roll the control plane."
            + _outside(setup, folder),
        )
    }


def _talos(setup: Setup) -> Files:
    folder = "/var/etc/lanner"
    arguments = flags(folder)
    del arguments["audit-policy-file"]  # Talos sets it, from `auditPolicy`
    volumes = [{"hostPath": path, "mountPath": path, "readonly": True} for path in _mounted(setup, folder)]
    return {
        "talos-patch.yaml": to_yaml(
            {
                "machine": {
                    "files": [
                        {
                            "content": to_yaml(webhook_object(setup)),
                            "permissions": 0o644,
                            "path": f"{folder}/{WEBHOOK}",
                            "op": "create",
                        }
                    ]
                },
                "cluster": {
                    "apiServer": {
                        "auditPolicy": dict(setup.policy_object),
                        "extraArgs": arguments,
                        "extraVolumes": volumes,
                    }
                },
            },
            head="talosctl patch machineconfig --patch @talos-patch.yaml, for each control-plane node\n"
            "The API server runs as user 65534, which has to be able to read all that is mounted.",
        )
    }


DISTRIBUTIONS: Mapping[str, Callable[[Setup], Files]] = {
    "kubeadm": _kubeadm,
    "k3s": _k3s,
    "rke2": _rke2,
    "kind": _kind,
    "minikube": _minikube,
    "kops": _kops,
    "talos": _talos,
}
"""What makes the files of each distribution, beside policy and kubeconfig."""


def audit_sink(setup: Setup) -> Files:
    """The dynamic sink of Kubernetes 1.13 to 1.18, which has no policy but a level and stages for all requests."""
    client = {"url": setup.url}
    sink = {
        "apiVersion": "auditregistration.k8s.io/v1alpha1",
        "kind": "AuditSink",
        "metadata": {"name": "lanner"},
        "spec": {
            "policy": {"level": "RequestResponse", "stages": ["ResponseComplete", "ResponseStarted"]},
            "webhook": {"throttle": {"qps": 10, "burst": 15}, "clientConfig": client},
        },
    }
    lines = [
        "For Kubernetes 1.13 to 1.18 only. Flags of kube-apiserver:",
        "--audit-dynamic-configuration=true --feature-gates=DynamicAuditing=true",
        "--runtime-config=auditregistration.k8s.io/v1alpha1=true",
    ]
    if setup.ca:
        lines.append(f"Under clientConfig goes caBundle, with the output of: base64 -w0 {shlex.quote(setup.ca)}")
    return {"auditsink.yaml": to_yaml(sink, head="\n".join(lines))}
