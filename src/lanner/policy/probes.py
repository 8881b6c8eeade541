"""Example requests: enough of them to show every difference that a policy and a rule can make.

For each part of a request (target, verb, namespace, name, user) values are collected from the rules, from the policy
and from what Kubernetes has. Values that neither a rule nor the policy tells apart stand for each other. So a rule
meets a few dozen requests rather than millions, and each of them is a request that can really be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lanner.compiler.formula import Formula, reduce
from lanner.compiler.operands import paths as paths_of
from lanner.policy.api import GROUPS, METHODS, PATHS, RESOURCES, VERBS, Resource, target_trait, verb_trait
from lanner.policy.asks import Asks, Part, literals, rule_atoms
from lanner.policy.model import STAGES, Policy, PolicyRule, Request
from lanner.policy.satisfy import FRESH, texts

Value = TypeVar("Value")
Target = Resource | str
"""A resource, or a path that is none."""

Place = tuple[str, str, str]
"""Namespace, and the object's name in the URL and in the event."""

Subject = tuple[str | None, tuple[str, ...]]
"""A user's name, None when the authentication failed, and groups."""

OTHER_GROUP = "example.com"
_ALL = "system:authenticated"
_ACCOUNTS = "system:serviceaccounts:"
_MAX_MEMBERSHIPS = 400
"""Pairs of a user and a group that are tried."""


@dataclass(frozen=True, slots=True)
class Choice(Generic[Value]):
    """A value for a part of a request.

    Attributes:
        truths: Of the atoms that this part decides.
        policy_class: Equal for values that the policy does not tell apart.
    """

    value: Value
    truths: Mapping[int, bool]
    policy_class: Any


@dataclass(frozen=True, slots=True)
class Situation:
    """A request that can meet a rule's condition, and what is left of the condition for it."""

    request: Request
    event_name: str
    left: Formula


@dataclass(slots=True)
class Probes:
    """The values that are tried for each part of a request."""

    asks: Asks
    targets: list[Choice[Target]]
    verbs: dict[bool, list[Choice[str]]]
    namespaces: list[Choice[str]]
    names: list[Choice[str]]
    both: list[Choice[str]]
    subjects: list[Choice[Subject]]
    forged: list[Choice[Subject]]
    stages: dict[str, Mapping[int, bool]] = field(default_factory=dict)

    def situations(self, rule: int, formula: Formula, *, forged: bool = False) -> Iterator[Situation]:
        """The requests that can meet the condition of a rule; `forged` ones are by users without their own groups."""
        own = frozenset(rule_atoms(self.asks.formulas[rule]))
        places = _Places(*([each[0], *distinct(each[1:], own)] for each in (self.namespaces, self.names, self.both)))
        subjects = distinct(self.forged if forged else self.subjects, own)
        verbs = {is_resource: distinct(each, own) for is_resource, each in self.verbs.items()}
        for target in distinct(self.targets, own):
            left = reduce(formula, target.truths, {})
            for verb in verbs[isinstance(target.value, Resource)] if left is not False else ():
                less = reduce(left, verb.truths, {})
                for place, truths in places.of(target.value, verb.value) if less is not False else ():
                    here = reduce(less, truths, {})
                    for subject in subjects if here is not False else ():
                        rest = reduce(here, subject.truths, {})
                        if rest is not False:
                            yield Situation(request(target.value, verb.value, place, subject.value), place[2], rest)


def distinct(choices: Iterable[Choice[Value]], own: frozenset[int]) -> list[Choice[Value]]:
    """One value for each difference that atoms and the policy make."""
    found: dict[Any, Choice[Value]] = {}
    for choice in choices:
        key = (tuple(truth for number, truth in choice.truths.items() if number in own), choice.policy_class)
        found.setdefault(key, choice)
    return list(found.values())


def request(target: Target, verb: str, place: Place, subject: Subject) -> Request:
    """The request that parts make."""
    user, groups = subject
    if isinstance(target, str):
        return Request(verb=verb, user=user, groups=groups, path=target)
    namespace, name, _ = place
    return Request(
        verb=verb,
        user=user,
        groups=groups,
        path=_path(target, namespace, name),
        is_resource=True,
        group=target.group,
        resource=target.name,
        subresource=target.subresource,
        namespace=namespace,
        name=name,
    )


def _path(target: Resource, namespace: str, name: str) -> str:
    base = f"/apis/{target.group}/v1" if target.group else "/api/v1"
    inside = f"/namespaces/{namespace}" if namespace and target.name != "namespaces" else ""
    return base + inside + "".join(f"/{part}" for part in (target.name, name, target.subresource) if part)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where objects can be; of each list the first is the empty value.

    Attributes:
        both: Namespaces as objects: their requests are in the namespace of their own name.
    """

    namespaces: Sequence[Choice[str]]
    names: Sequence[Choice[str]]
    both: Sequence[Choice[str]]

    def of(self, target: Target, verb: str) -> Iterator[tuple[Place, Mapping[int, bool]]]:
        """The places of a request, and what each decides."""
        no_space, no_name = self.namespaces[0], self.names[0]
        if isinstance(target, str):
            yield ("", "", ""), {**no_space.truths, **no_name.truths}
            return
        is_list = verb in ("list", "watch")
        is_new = verb == "create" and not target.subresource
        is_one = not (is_list or is_new or verb == "deletecollection")
        if is_one and (target.group, target.name) == ("", "namespaces"):
            yield from (((each.value,) * 3, each.truths) for each in self.both[1:])
            return
        names = self.names[1:] if is_one else [no_name] if verb == "deletecollection" else self.names
        spaces = (self.namespaces if is_list else self.namespaces[1:]) if target.is_namespaced else [no_space]
        for space in spaces:
            for name in names:
                place = (space.value, "" if is_new else name.value, name.value)
                yield place, {**space.truths, **name.truths}


def make_probes(asks: Asks, policy: Policy | None) -> Probes:
    """Collect the values for rules and a policy; without a policy, for the rules alone."""
    rules = policy.rules if policy else ()
    by_part = {part: [asks.checks[number] for number in asks.numbers(part)] for part in Part}
    known = {each for rule in rules for each in rule.namespaces}
    known |= {name for rule in rules for each in rule.resources for name in each.names}
    known |= {*texts(by_part[Part.NAMESPACE]), *texts(by_part[Part.NAME])}
    values = ["", FRESH, *sorted(known)]

    def classes(decide: Callable[[Any, Any], Any], trait: Callable[[Any], Any] = type) -> Callable[[Any], Any]:
        return lambda value: (trait(value), tuple(decide(rule, value) for rule in rules))

    namespaces = _choices(
        asks,
        Part.NAMESPACE,
        values,
        lambda name: {"objectRef": {"namespace": name} if name else {}},
        classes(lambda rule, name: not rule.namespaces or name in rule.namespaces),
    )
    names = _choices(
        asks,
        Part.NAME,
        values,
        lambda name: {"objectRef": {"name": name} if name else {}},
        classes(lambda rule, name: tuple(name in each.names for each in rule.resources if each.names)),
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
            Choice(space.value, {**space.truths, **name.truths}, (space.policy_class, name.policy_class))
            for space, name in zip(namespaces, names, strict=False)
            if space.value == name.value
        ],
        subjects=subjects([*_subjects(asks, policy)]),
        forged=subjects([(name, (_ALL,)) for name, _ in _subjects(asks, policy) if name]),
        stages={stage: _truths(asks, Part.STAGE, [{"stage": stage}])[0] for stage in STAGES},
    )


def level_truths(asks: Asks, level: str) -> Mapping[int, bool]:
    """The truth of the atoms that an event's level decides."""
    return _truths(asks, Part.LEVEL, [{"level": level}])[0]


def _truths(asks: Asks, part: Part, events: list[dict[str, Any]]) -> list[dict[int, bool]]:
    numbers = asks.numbers(part)
    return [dict(zip(numbers, each, strict=True)) for each in asks.truths(numbers, events)]


def _choices(
    asks: Asks,
    part: Part,
    values: Sequence[Value],
    event: Callable[[Value], dict[str, Any]],
    policy_class: Callable[[Value], Any],
) -> list[Choice[Value]]:
    values = list(dict.fromkeys(values))
    truths = _truths(asks, part, [event(value) for value in values])
    found = [Choice(value, each, policy_class(value)) for value, each in zip(values, truths, strict=True)]
    return found if part is Part.VERB else found + _assumed(asks.numbers(part), found)


def _assumed(numbers: Iterable[int], found: list[Choice[Value]]) -> list[Choice[Value]]:
    """For each atom that no value makes true, an unknown value that does."""
    fresh = found[min(1, len(found) - 1)]
    never = [number for number in numbers if not any(choice.truths[number] for choice in found)]
    return [Choice(fresh.value, {**fresh.truths, number: True}, fresh.policy_class) for number in never]


def _targets(asks: Asks, policy: Policy | None, policy_class: Callable[[Target], Any]) -> list[Choice[Target]]:
    resources = list(_resources(policy, lambda member: _asked(asks, ("objectRef", member))))
    events = [
        {"objectRef": {"resource": each.name, "subresource": each.subresource or None, "apiGroup": each.group or None}}
        for each in resources
    ]
    truths = _truths(asks, Part.TARGET, events)
    found: list[Choice[Target]] = [
        Choice(each, known, policy_class(each)) for each, known in zip(resources, truths, strict=True)
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
        Choice(path, {**nothing, **each}, policy_class(path)) for path, each in zip(paths, known, strict=True)
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


def _subjects(asks: Asks, policy: Policy | None) -> Iterator[Subject]:
    """Users with the groups that they have, and with those that rules and the policy ask for."""
    rules = policy.rules if policy else ()
    numbers = asks.numbers(Part.SUBJECT)
    by_user = [asks.checks[number] for number in numbers if not asks.atoms[number].operand.is_list]
    by_group = [asks.checks[number] for number in numbers if asks.atoms[number].operand.is_list]
    names = {user for rule in rules for user in rule.users} | {*texts(by_user)}
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
    yield f"{FRESH}-user", ("system:masters", _ALL)
    joined = [(name, group) for name in known for group in groups if not _is_given(group)]
    yield from ((name, (group, *groups_of(name))) for name, group in joined[:_MAX_MEMBERSHIPS])
    yield None, ()


def _is_given(group: str) -> bool:
    """Whether Kubernetes itself gives the group, so that only certain users have it."""
    return group in (_ALL, "system:unauthenticated", "system:nodes") or group.startswith("system:serviceaccounts")


def groups_of(user: str) -> tuple[str, ...]:
    """The groups that a user has by name."""
    if user == "system:anonymous":
        return ("system:unauthenticated",)
    if user.startswith("system:serviceaccount:"):
        namespace = user.removeprefix("system:serviceaccount:").partition(":")[0]
        return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", _ALL)
    if user.startswith("system:node:"):
        return ("system:nodes", _ALL)
    if user == "system:apiserver":
        return ("system:masters", _ALL)
    return (_ALL,)
