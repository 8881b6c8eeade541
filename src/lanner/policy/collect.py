"""The values that are tried for each part of a request: from rules, from a policy, and from what Kubernetes has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from lanner.compiler.operands import paths as paths_of
from lanner.policy.api import GROUPS, METHODS, PATHS, RESOURCES, VERBS, Resource, target_trait, verb_trait
from lanner.policy.asks import Asks, Part, literals
from lanner.policy.model import STAGES, AuditLevel, Policy, PolicyRule, Request
from lanner.policy.probes import ALL, OTHER_GROUP, Choice, Probes, Subject, Target, Value, groups_of, request
from lanner.policy.satisfy import FRESH, texts

_ACCOUNTS = "system:serviceaccounts:"
_MAX_MEMBERSHIPS = 400
"""Pairs of a user and a group that are tried."""


def make_probes(asks: Asks, policy: Policy | None, users: Iterable[str] = ()) -> Probes:
    """Collect the values for rules and a policy; without a policy, for the rules alone.

    Args:
        asks: The rules.
        policy: The policy.
        users: Names that are tried as well.
    """
    rules = policy.rules if policy else ()
    by_part = {part: [asks.checks[number] for number in asks.numbers(part)] for part in Part}
    known = {each for rule in rules for each in rule.namespaces}
    known |= {name for rule in rules for each in rule.resources for name in each.names}
    known |= {*texts(by_part[Part.NAMESPACE]), *texts(by_part[Part.NAME])}
    values = ["", FRESH, *sorted(known)]

    def classes(decide: Callable[[Any, Any], Any], trait: Callable[[Any], Any] = type) -> _Classes:
        return _Classes(lambda value: tuple(decide(rule, value) for rule in rules), trait)

    def in_reference(part: Part, key: str, decide: Callable[[Any, Any], Any]) -> list[Choice[str]]:
        return _choices(asks, part, values, lambda name: {"objectRef": {key: name} if name else {}}, classes(decide))

    namespaces = in_reference(
        Part.NAMESPACE, "namespace", lambda rule, name: not rule.namespaces or name in rule.namespaces
    )
    names = in_reference(
        Part.NAME, "name", lambda rule, name: tuple(name in each.names for each in rule.resources if each.names)
    )

    def subjects(values: list[Subject]) -> list[Choice[Subject]]:
        return _choices(
            asks, Part.SUBJECT, values, _subject_event, classes(_subject_class, lambda each: each[0] is None)
        )

    return Probes(
        asks=asks,
        targets=_targets(asks, policy, classes(_target_class, target_trait)),
        verbs={
            is_resource: _choices(asks, Part.VERB, verbs, lambda verb: {"verb": verb}, classes(_verb_class, verb_trait))
            for is_resource, verbs in ((True, VERBS), (False, METHODS))
        },
        namespaces=namespaces,
        names=names,
        both=[
            Choice(
                space.value,
                {**space.truths, **name.truths},
                space.policy_class * len(names) + name.policy_class,
            )
            for space, name in zip(namespaces, names, strict=False)
            if space.value == name.value
        ],
        subjects=subjects([*_subjects(asks, policy, users)]),
        forged=subjects([(name, (ALL,)) for name, _ in _subjects(asks, policy, users) if name]),
        stages={stage: _truths(asks, Part.STAGE, [{"stage": stage}])[0] for stage in STAGES},
        levels={level: _truths(asks, Part.LEVEL, [{"level": level.text}])[0] for level in AuditLevel},
    )


class _Classes:
    """Numbers for what the policy, and Kubernetes, do not tell apart."""

    def __init__(self, decide: Callable[[Any], Any], trait: Callable[[Any], Any]) -> None:
        self._decide = decide
        self.trait = trait
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """The number of a value's class."""
        return self._numbers.setdefault((self.trait(value), self._decide(value)), len(self._numbers))


def _truths(asks: Asks, part: Part, events: list[dict[str, Any]]) -> list[dict[int, bool]]:
    numbers = asks.numbers(part)
    return [dict(zip(numbers, each, strict=True)) for each in asks.truths(numbers, events)]


def _choices(
    asks: Asks,
    part: Part,
    values: Sequence[Value],
    event: Callable[[Value], dict[str, Any]],
    classes: _Classes,
) -> list[Choice[Value]]:
    values = list(dict.fromkeys(values))
    truths = _truths(asks, part, [event(value) for value in values])
    found = [
        Choice(value, each, classes.number(value), classes.trait(value))
        for value, each in zip(values, truths, strict=True)
    ]
    return found if part is Part.VERB else found + _assumed(asks.numbers(part), found)


def _assumed(numbers: Iterable[int], found: list[Choice[Value]]) -> list[Choice[Value]]:
    """For each atom that no value makes true, an unknown value that does."""
    fresh = found[min(1, len(found) - 1)]
    never = [number for number in numbers if not any(choice.truths[number] for choice in found)]
    return [replace(fresh, truths={**fresh.truths, number: True}) for number in never]


def _targets(asks: Asks, policy: Policy | None, classes: _Classes) -> list[Choice[Target]]:
    resources = list(_resources(policy, lambda member: _asked(asks, ("objectRef", member))))
    events = [
        {"objectRef": {"resource": each.name, "subresource": each.subresource or None, "apiGroup": each.group or None}}
        for each in resources
    ]
    truths = _truths(asks, Part.TARGET, events)
    found: list[Choice[Target]] = [
        Choice(each, known, classes.number(each), classes.trait(each))
        for each, known in zip(resources, truths, strict=True)
    ]
    uris = [text for number in asks.numbers(Part.URI) for text in literals(asks.checks[number])]
    prefixes = [url for rule in (policy.rules if policy else ()) for url in rule.non_resource_urls]
    paths = [*PATHS, f"/{FRESH}", *(text.partition("?")[0] for text in uris if text.startswith("/"))]
    paths += [url.rstrip("*") or "/" for url in prefixes] + [f"{url.rstrip('*')}{FRESH}" for url in prefixes]
    paths = [path for path in dict.fromkeys(paths) if not _is_resource_path(path)]
    nothing = _truths(asks, Part.TARGET, [{}])[0]
    known = _truths(asks, Part.URI, [{"requestURI": path} for path in paths])
    # INVARIANT: a path stays last: what it decides of the URI is known, while a resource's URI has any query
    return found + [
        Choice(path, {**nothing, **each}, classes.number(path), classes.trait(path))
        for path, each in zip(paths, known, strict=True)
    ]


def _is_resource_path(path: str) -> bool:
    parts = path.strip("/").split("/")
    return len(parts) > {"api": 2, "apis": 3}.get(parts[0], len(parts))


def _asked(asks: Asks, path: tuple[str, ...]) -> set[str]:
    """The constants that a member of the event is compared with."""
    found = (asks.checks[number] for number in asks.numbers(Part.TARGET))
    return {text for check in found if path in paths_of(check.left) for text in texts([check])} - {""}


def _resources(policy: Policy | None, asked: Callable[[str], set[str]]) -> Iterator[Resource]:
    """What Kubernetes brings, and custom resources with the names that the rules and the policy use."""
    yield from RESOURCES
    named = {(OTHER_GROUP, name) for name in (*asked("resource"), FRESH + "s") if name not in GROUPS}
    groups = asked("apiGroup")
    for rule in policy.rules if policy else ():
        for each in rule.resources:
            group = each.group if each.group not in ("", "*") else OTHER_GROUP
            groups.add(group)
            known = (pattern.partition("/")[0] for pattern in each.resources)
            named |= {(group, name) for name in known if name not in GROUPS and name not in ("*", "")}
    named |= {(group, FRESH + "s") for group in groups}
    subresources = asked("subresource")
    for group, name in sorted(named):
        for is_namespaced in (True, False):
            for subresource in ("", "status", *sorted(subresources - {"status"})):
                yield Resource(group, name, subresource, is_namespaced, is_known=False)


def _target_class(rule: PolicyRule, target: Target) -> Any:
    if isinstance(target, str):
        found = Request(verb="get", path=target)
        return bool(not rule.resources and not rule.namespaces), rule.matches(_as_anyone(rule, found))
    sample = request(target, "get", ("", "", ""), (None, ()))
    return (
        not rule.non_resource_urls,
        tuple(type(each)(each.group, each.resources).matches(sample) for each in rule.resources),
    )


def _as_anyone(rule: PolicyRule, found: Request) -> Request:
    """The request as the rule wants it, but for its target."""
    return Request(
        verb=rule.verbs[0] if rule.verbs else found.verb,
        user=rule.users[0] if rule.users else None,
        groups=rule.user_groups[:1],
        path=found.path,
    )


def _verb_class(rule: PolicyRule, verb: str) -> bool:
    return not rule.verbs or verb in rule.verbs


def _subject_event(subject: Subject) -> dict[str, Any]:
    return {"user": {"username": subject[0], "groups": [*subject[1]] or None}}


def _subject_class(rule: PolicyRule, subject: Subject) -> Any:
    user, groups = subject
    return (
        not rule.users or user in rule.users,
        not rule.user_groups or any(group in rule.user_groups for group in groups),
    )


def _subjects(asks: Asks, policy: Policy | None, users: Iterable[str]) -> Iterator[Subject]:
    """Users with the groups that they have, and with those that rules and the policy ask for."""
    rules = policy.rules if policy else ()
    numbers = asks.numbers(Part.SUBJECT)
    by_user = [asks.checks[number] for number in numbers if not asks.atoms[number].operand.is_list]
    by_group = [asks.checks[number] for number in numbers if asks.atoms[number].operand.is_list]
    names = {user for rule in rules for user in rule.users} | {*texts(by_user)} | {*users}
    given = {group for rule in rules for group in rule.user_groups}
    groups = sorted(given | {text for check in by_group for text in literals(check)})
    of_accounts = (group.removeprefix(_ACCOUNTS) for group in groups if group.startswith(_ACCOUNTS))
    known = [
        f"{FRESH}-user",
        "system:anonymous",
        f"system:serviceaccount:{FRESH}:{FRESH}",
        *(f"system:serviceaccount:{namespace}:{FRESH}" for namespace in of_accounts),
        f"system:node:{FRESH}",
        *sorted(name for name in names if name),
    ]
    yield from ((name, groups_of(name)) for name in known)
    yield f"{FRESH}-user", ("system:masters", ALL)
    joined = [(name, group) for name in known for group in groups if not _is_given(group)]
    yield from ((name, (group, *groups_of(name))) for name, group in joined[:_MAX_MEMBERSHIPS])
    yield None, ()


def _is_given(group: str) -> bool:
    """Whether Kubernetes itself gives the group, so that only certain users have it."""
    return group in (ALL, "system:unauthenticated", "system:nodes") or group.startswith("system:serviceaccounts")
