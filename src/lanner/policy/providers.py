"""What managed Kubernetes records: the audit policies of providers, and what their logs leave out of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from types import MappingProxyType

from lanner.events.schema import Path
from lanner.policy.model import Policy
from lanner.policy.reader import read_policy_file

QUERY: Path = ("requestURI", "?")
"""The query of the URI."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A part of an event that a provider's log never has.

    Attributes:
        path: The part.
        what: In words.
        instead: What rules can ask for instead.
    """

    path: Path
    what: str
    instead: str


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of managed Kubernetes.

    Attributes:
        name: As `--provider` takes it.
        title: For people.
        policy_file: The policy in `data/providers`.
        is_published: Whether the provider publishes its policy; otherwise the file holds the most that it can record.
        basis: Where this is from.
        absent: What its log never has.
        notes: What else a user should know.
    """

    name: str
    title: str
    policy_file: str
    is_published: bool
    basis: str
    absent: tuple[Absent, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def policy(self) -> Policy:
        """What the provider records."""
        with as_file(files("lanner") / "data" / "providers" / self.policy_file) as path:
            found, diagnostics = read_policy_file(path)
        if found is None:
            raise AssertionError(f"{self.policy_file}: {diagnostics.errors[0].message}")
        return found


_GKE = Provider(
    name="gke",
    title="Google Kubernetes Engine",
    policy_file="gke.yaml",
    is_published=True,
    basis="GKE documentation, Audit policy, and the script that it refers to; the form of log entries",
    absent=(
        Absent(
            ("user", "groups"),
            "the groups of the user",
            "`ka.user.name`, which is an e-mail address for Google accounts",
        ),
        Absent(("user", "extra"), "the extra information on the user", "nothing"),
        Absent(("user", "uid"), "the user's UID", "`ka.user.name`"),
        Absent(
            ("impersonatedUser",), "the impersonated user", "`ka.auth.reason`, which names the binding that allowed it"
        ),
        Absent(QUERY, "the query of the URI", "`ka.target.subresource`; the command of an exec is not in the log"),
    ),
    notes=(
        "Reads (get, list, watch) are in the Data Access log, which has to be enabled for the Kubernetes Engine API.",
        "A log entry has no status when a request succeeded: its code is inferred, 201 for a creation, else 200.",
        "A log entry is written when a request has ended: a session of exec or port-forward is seen at its end.",
    ),
)
_EKS = Provider(
    name="eks",
    title="Amazon Elastic Kubernetes Service",
    policy_file="eks.yaml",
    is_published=True,
    basis="EKS Best Practices Guide, Auditing and logging",
    notes=(
        "Log type `audit` has to be enabled for the cluster.",
        "CloudWatch Logs cuts events beyond its own size limit: Lanner evaluates what is left of them. "
        "Their annotations are missing, and the end of their bodies.",
        "The log has no name of the cluster: k8saudit-eks adds it, so that `ka.cluster.name` has it.",
        "Changes of ConfigMap aws-auth are recorded with their bodies, all other ConfigMaps without.",
    ),
)
_AKS = Provider(
    name="aks",
    title="Azure Kubernetes Service",
    policy_file="open.yaml",
    is_published=False,
    basis="Azure Monitor reference, tables AKSAudit and AKSAuditAdmin",
    notes=(
        "Category `kube-audit` has all events, `kube-audit-admin` all but get and list, which rules about reads need.",
        "Bodies that are too large are replaced by the text `skipped-too-big-size-object`.",
        "Azure Monitor hands events on with a delay, at times of minutes.",
    ),
)
_OVH = Provider(
    name="ovh",
    title="OVHcloud Managed Kubernetes",
    policy_file="open.yaml",
    is_published=False,
    basis="OVHcloud guide, Managed Kubernetes Service Audit Logs Forwarding",
    notes=(
        "OVHcloud's own policy decides which events are forwarded, and at which level.",
        "The Logs Data Platform cannot replay its live tail: what happens while nobody listens is not seen.",
        "The log has no name of the cluster: `ka.cluster.name` is empty; a stream for each cluster tells them apart.",
    ),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({each.name: each for each in (_GKE, _EKS, _AKS, _OVH)})
"""The providers, by their names."""
