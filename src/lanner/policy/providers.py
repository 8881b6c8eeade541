"""What managed Kubernetes records: the audit policies of providers, and what their logs leave out of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from types import MappingProxyType

from lanner.events.schema import Path
from lanner.policy.asks import OTHER_PARAMETERS
from lanner.policy.model import Policy
from lanner.policy.reader import read_policy_file


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
        instead: Rules that cannot fire, by name, with what there is instead.
    """

    name: str
    title: str
    policy_file: str
    is_published: bool
    basis: str
    absent: tuple[Absent, ...] = ()
    notes: tuple[str, ...] = field(default=())
    instead: Mapping[str, str] = field(default_factory=dict)

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
        Absent(("impersonatedUser", "groups"), "the groups of the impersonated user", "`ka.impuser.name`"),
        Absent(("impersonatedUser", "extra"), "the extra information on the impersonated user", "nothing"),
        Absent(("impersonatedUser", "uid"), "the UID of the impersonated user", "`ka.impuser.name`"),
        Absent(
            ("requestURI", "?", OTHER_PARAMETERS),
            "the query of the URI, but for `command` of an exec and `dryRun`",
            "`ka.target.subresource`, `ka.useragent`",
        ),
    ),
    notes=(
        "Reads (get, list, watch) are in the Data Access log, which has to be enabled for the Kubernetes Engine API.",
        "A log entry has no status when a request succeeded: its code is inferred, 101 for exec and the like, "
        "201 for a creation, else 200. So a patch that creates, as server-side apply does, counts as a change.",
        "A connection (exec, attach, port-forward, proxy, watch) has entries for start and end, or one for both; "
        "where there is one, it counts as the start, so that rules on connections fire.",
        "The command of an exec is in the log as one text, where GKE records it.",
    ),
    instead={
        "Service Account Token Secret Created": "`Secret Named Like Token Created`, which goes by its name",
        "Long-Lived Service Account Token Requested": "`Service Account Token Requested`, whatever time is asked for",
        "Forged System Identity": "nothing: there are no groups to tell a forged account by",
        "Create/Modify Configmap With Private Credentials": (
            "nothing: ConfigMaps are recorded without their data; scan the cluster for credentials in them"
        ),
    },
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
