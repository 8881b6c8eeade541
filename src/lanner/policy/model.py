"""An audit policy, and what it says of one request.

Source: Kubernetes, apiserver: apis/audit/types.go, audit/policy/checker.go (v1.36).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from lanner.diagnostics import Span
from lanner.fields.spec import Level

STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
"""The stages of a request at which an API server can write an event, in order."""


class AuditLevel(IntEnum):
    """How much of a request is recorded, from nothing to everything."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def text(self) -> str:
        """The level as a policy spells it."""
        return _TEXTS[self]

    @classmethod
    def parse(cls, text: str) -> AuditLevel | None:
        """The level of that name, None where there is none."""
        return _LEVELS.get(text)

    @classmethod
    def of(cls, level: Level) -> AuditLevel:
        """The level that a field needs."""
        return _LEVELS[level.value]


_TEXTS = {
    AuditLevel.NONE: "None",
    AuditLevel.METADATA: "Metadata",
    AuditLevel.REQUEST: "Request",
    AuditLevel.REQUEST_RESPONSE: "RequestResponse",
}
_LEVELS = {text: level for level, text in _TEXTS.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """What a policy can ask of a request.

    Attributes:
        verb: As in the event: `list`, `deletecollection`; for a path that is no resource, the method in lower case.
        user: None for a request whose authentication failed.
        groups: Of that user.
        path: The path of the URL, decoded.
        is_resource: Whether the path names a resource; if not, what follows is empty.
        group: The API group, empty for the core group.
        resource: The plural, such as `pods`.
        subresource: Such as `log`, or empty.
        namespace: Empty for all namespaces, and for what has none. A request for one namespace is in that namespace.
        name: The object's name in the URL; empty for a creation, whose name is in the body.
    """

    verb: str
    user: str | None = None
    groups: tuple[str, ...] = ()
    path: str = ""
    is_resource: bool = False
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class GroupResources:
    """Resources of one API group.

    Attributes:
        group: The group; empty for the core group, `*` for all.
        resources: `pods`, `pods/log`, `pods/*`, `*/scale` or `*`; none: all of the group.
        names: The objects' names; none: all.
    """

    group: str = ""
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def matches(self, request: Request) -> bool:
        """Whether the request is for one of these resources."""
        return (
            self.group in ("*", request.group)
            and (not self.resources or not self.names or request.name in self.names)
            and (not self.resources or any(_fits(pattern, request) for pattern in self.resources))
        )


def _fits(pattern: str, request: Request) -> bool:
    sub = request.subresource
    known = ["*", f"{request.resource}/*", f"{request.resource}/{sub}" if sub else request.resource]
    return pattern in known or bool(sub and pattern == f"*/{sub}")


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule of a policy; what is empty fits everything.

    Attributes:
        omit_managed_fields: None where the policy's own setting counts.
        span: Where the rule stands in its file, if it comes from one.
    """

    level: AuditLevel
    users: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = ()
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    def matches(self, request: Request) -> bool:
        """Whether the rule is about the request."""
        return (
            (not self.users or request.user in self.users)
            and (not self.user_groups or any(group in self.user_groups for group in request.groups))
            and (not self.verbs or request.verb in self.verbs)
            and self._matches_target(request)
        )

    def _matches_target(self, request: Request) -> bool:
        if self.namespaces or self.resources:
            return (
                request.is_resource
                and (not self.namespaces or request.namespace in self.namespaces)
                and (not self.resources or any(each.matches(request) for each in self.resources))
            )
        if self.non_resource_urls:
            return not request.is_resource and any(_leads_to(each, request.path) for each in self.non_resource_urls)
        return True


def _leads_to(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


@dataclass(frozen=True, slots=True)
class Decision:
    """What is recorded of a request.

    Attributes:
        level: How much.
        omit_stages: For which stages no event is written.
        omit_managed_fields: Whether `metadata.managedFields` is taken out of the bodies.
        rule: The number of the policy's rule that decided, from 0; None where none did, and nothing is recorded.
    """

    level: AuditLevel
    omit_stages: frozenset[str]
    omit_managed_fields: bool
    rule: int | None

    def records(self, stage: str) -> bool:
        """Whether an event is written for the stage."""
        return self.level is not AuditLevel.NONE and stage not in self.omit_stages


@dataclass(frozen=True, slots=True)
class Policy:
    """An audit policy: the first rule that matches a request decides."""

    rules: tuple[PolicyRule, ...]
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool = False

    def decide(self, request: Request) -> Decision:
        """What is recorded of a request."""
        for number, rule in enumerate(self.rules):
            if rule.matches(request):
                own = rule.omit_managed_fields
                return Decision(
                    rule.level,
                    frozenset((*self.omit_stages, *rule.omit_stages)),
                    self.omit_managed_fields if own is None else own,
                    number,
                )
        return Decision(AuditLevel.NONE, frozenset(self.omit_stages), self.omit_managed_fields, None)
