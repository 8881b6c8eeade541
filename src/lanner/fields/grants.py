"""What roles grant, entry by entry: which verbs on which resources of the same entry.

Each function gets the decoded `requestObject` of a Role or ClusterRole. Where a JSON Patch changes part of an entry,
what it does not say of that entry counts as `*`: it may be anything.

Source: Kubernetes, pkg/apis/rbac/v1/evaluation_helpers.go.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lanner.events.values import Json, as_text, as_texts, walk
from lanner.fields.patches import Latest, elements, written

ESCALATION_VERBS = ("escalate", "bind", "impersonate")

_SERVICE_ACCOUNT = "system:serviceaccount:"

_MAX_GRANTS = 10_000
"""Pairs of verb and resource that are put together; no role of people has as many."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a role; URLs that are no resources are left out."""

    verbs: list[str]
    groups: list[str]
    resources: list[str]


@Latest
def _entries(body: Json) -> list[_Entry]:
    """The entries of a role that are about resources."""
    return [*_read_entries(body)]


def _read_entries(body: Json) -> Iterator[_Entry]:
    is_patch = isinstance(body, list)
    for entry in elements(walk(written(body), ("rules",))):
        if not isinstance(entry, dict) or "nonResourceURLs" in entry:
            continue
        unknown = ["*"] if is_patch else []
        verbs, groups, resources = (
            as_texts(elements(entry[key])) or [] if key in entry else unknown
            for key in ("verbs", "apiGroups", "resources")
        )
        yield _Entry(verbs, groups, resources)


def rule_members(member: str, body: Json) -> list[str] | None:
    """All values of one member of a role's entries, in a patch too."""
    rules = elements(walk(written(body), ("rules",)))
    return as_texts(value for rule in rules for value in elements(walk(rule, (member,))))


def grants(body: Json) -> list[str] | None:
    """What the role grants as `verb resource`, the resource as kubectl writes it: `deployments.apps/scale`."""
    pairs = (
        f"{verb} {_qualified(resource, group)}"
        for entry in _entries(body)
        for verb in entry.verbs
        for group in entry.groups
        for resource in entry.resources
    )
    return [*dict.fromkeys(islice(pairs, _MAX_GRANTS))] or None


def _qualified(resource: str, group: str) -> str:
    name, slash, subresource = resource.partition("/")
    return f"{name}{'.' if group else ''}{group}{slash}{subresource}"


def verbs_on(body: Json, resource: str | None) -> list[str] | None:
    """The verbs that a role grants on a resource, wildcards over groups and resources included.

    Args:
        body: The request's object.
        resource: As kubectl writes it: `secrets`, `deployments.apps`, `pods/exec`.
    """
    wanted, _, subresource = (resource or "").partition("/")
    name, _, group = wanted.partition(".")
    names = {"*", "*/*", name}
    if subresource:
        names = {"*", "*/*", f"{name}/{subresource}", f"*/{subresource}", f"{name}/*"}
    found = [
        verb
        for entry in _entries(body)
        if not {group, "*"}.isdisjoint(entry.groups) and not names.isdisjoint(entry.resources)
        for verb in entry.verbs
    ]
    return [*dict.fromkeys(found)] or None


def subjects(kind: str, body: Json) -> list[str] | None:
    """The subjects of one kind in a binding: `User`, `Group`, or `ServiceAccount` as `namespace:name`.

    A user whose name is that of a service account is that service account too. A JSON Patch may change the name of a
    subject without saying its kind: it counts for each kind.
    """
    found = [subject for subject in elements(walk(written(body), ("subjects",))) if isinstance(subject, dict)]
    unsaid = kind if isinstance(body, list) else None
    named = [subject for subject in found if subject.get("kind", unsaid) == kind]
    if kind != "ServiceAccount":
        return as_texts(subject.get("name") for subject in named)
    accounts = [f"{as_text(each.get('namespace')) or ''}:{as_text(each.get('name')) or ''}" for each in named]
    users = (as_text(each.get("name")) or "" for each in found if each.get("kind", "User") == "User")
    accounts += [name.removeprefix(_SERVICE_ACCOUNT) for name in users if name.startswith(_SERVICE_ACCOUNT)]
    return accounts or None


def escalation_verbs(body: Json) -> list[str] | None:
    """Which of `escalate`, `bind` and `impersonate` a role grants on anything; all of them with `*`."""
    verbs = set(rule_members("verbs", body) or ())
    return [verb for verb in ESCALATION_VERBS if not verbs.isdisjoint((verb, "*"))] or None
