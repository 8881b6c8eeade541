"""Example requests: what is tried for each part of a request, and the requests that the parts make.

Values that neither a rule nor the policy tells apart stand for each other. So a rule meets a few dozen requests rather
than millions, and each of them is a request that can really be made.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from lanner.compiler.formula import Formula, reduce
from lanner.policy.api import Resource
from lanner.policy.asks import Asks, rule_atoms
from lanner.policy.model import AuditLevel, Request

Value = TypeVar("Value")
Target = Resource | str
"""A resource, or a path that is none."""

Place = tuple[str, str, str]
"""Namespace, and the object's name in the URL and in the event."""

Subject = tuple[str | None, tuple[str, ...]]
"""A user's name, None when the authentication failed, and groups."""

OTHER_GROUP = "example.com"
ALL = "system:authenticated"


@dataclass(frozen=True, slots=True)
class Choice(Generic[Value]):
    """A value for a part of a request.

    Attributes:
        truths: Of the atoms that this part decides.
        policy_class: Equal for values that the policy does not tell apart.
        trait: Equal for values of which Kubernetes writes the same kinds of event.
        alike: The values that this one stands for.
        signature: Equal for values that a rule does not tell apart.
    """

    value: Value
    truths: Mapping[int, bool]
    policy_class: int
    trait: Any = None
    alike: tuple[Value, ...] = ()
    signature: int = 0


class Spot(msgspec.Struct, frozen=True):
    """Where an object is: its place, and what that decides."""

    place: Place
    truths: Mapping[int, bool]
    policy_class: tuple[int, ...]
    signature: tuple[int, ...]


class Situation(msgspec.Struct, frozen=True, dict=True):
    """A request that can meet a rule's condition; hundreds of thousands are made.

    Attributes:
        left: What is left of the condition for it.
        key: Equal for requests that are the same to the rule.
    """

    target: Choice[Target]
    verb: Choice[str]
    spot: Spot
    subject: Choice[Subject]
    left: Formula
    key: tuple[Any, ...]

    @property
    def classes(self) -> tuple[Any, ...]:
        """Equal for requests that are the same to the policy."""
        return (
            self.target.policy_class,
            self.verb.policy_class,
            self.spot.policy_class,
            self.subject.policy_class,
        )

    @cached_property
    def request(self) -> Request:
        """The request."""
        return request(self.target.value, self.verb.value, self.spot.place, self.subject.value)


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
    stages: Mapping[str, Mapping[int, bool]] = field(default_factory=dict)
    levels: Mapping[AuditLevel, Mapping[int, bool]] = field(default_factory=dict)

    def situations(
        self, rule: int, formula: Formula, *, forged: bool = False, users: Container[str] = ()
    ) -> Iterator[Situation]:
        """The requests that can meet the condition of a rule.

        Args:
            rule: Its number.
            formula: Its condition.
            forged: Give the requests of users without the groups that their names stand for instead.
            users: Names that are told apart from others in any case.
        """
        own = frozenset(rule_atoms(self.asks.formulas[rule]))
        places = _Places(*([*distinct(each[:1], own), *distinct(each[1:], own, first=1)] for each in self._spots()))
        subjects = distinct(self.forged if forged else self.subjects, own, lambda each: each[0] in users and each[0])
        verbs = {is_resource: distinct(each, own) for is_resource, each in self.verbs.items()}
        memo: dict[Any, Formula] = {(): formula}
        for target in distinct(self.targets, own):
            for verb in verbs[isinstance(target.value, Resource)]:
                left = _memoised(memo, ((), target.signature, verb.signature), formula, (target.truths, verb.truths))
                for spot in places.of(target.value, verb.value) if left is not False else ():
                    here_key = (target.signature, verb.signature, spot.signature)
                    here = _memoised(memo, here_key, left, (spot.truths,))
                    for subject in subjects if here is not False else ():
                        rest = _memoised(memo, (*here_key, subject.signature), here, (subject.truths,))
                        if rest is not False:
                            key = (*here_key, subject.signature, target.trait, verb.trait, subject.trait)
                            yield Situation(target, verb, spot, subject, rest, key)

    def _spots(self) -> tuple[list[Choice[str]], ...]:
        return self.namespaces, self.names, self.both


def _memoised(
    memo: dict[Any, Formula], key: tuple[Any, ...], formula: Formula, truths: tuple[Mapping[int, bool], ...]
) -> Formula:
    """What is left of a formula, worked out once for each key."""
    found = memo.get(key)
    if found is None:
        found = memo[key] = reduce(formula, {number: truth for each in truths for number, truth in each.items()}, {})
    return found


def distinct(
    choices: Iterable[Choice[Value]], own: frozenset[int], mark: Callable[[Value], object] = type, first: int = 0
) -> list[Choice[Value]]:
    """One value for each difference that atoms, the policy and a mark make; signatures count from `first`."""
    found: dict[Any, list[Choice[Value]]] = {}
    signatures: dict[Any, int] = {}
    numbers = sorted(own)
    for choice in choices:
        truths = tuple(map(choice.truths.get, numbers))
        signatures.setdefault(truths, len(signatures) + first)
        found.setdefault((truths, choice.policy_class, mark(choice.value)), []).append(choice)
    return [
        replace(same[0], alike=tuple(each.value for each in same), signature=signatures[key[0]])
        for key, same in found.items()
    ]


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

    def of(self, target: Target, verb: str) -> Iterator[Spot]:
        """The places of a request, and what each decides."""
        no_space, no_name = self.namespaces[0], self.names[0]
        if isinstance(target, str):
            yield _spot("", no_space, no_name, no_name)
            return
        is_list = verb in ("list", "watch")
        is_new = verb == "create" and not target.subresource
        is_one = not (is_list or is_new or verb == "deletecollection")
        if is_one and (target.group, target.name) == ("", "namespaces"):
            for each in self.both[1:]:
                yield Spot((each.value,) * 3, each.truths, (-1, each.policy_class), (-1, each.signature))
            return
        names = self.names[1:] if is_one else [no_name] if verb == "deletecollection" else self.names
        spaces = (self.namespaces if is_list else self.namespaces[1:]) if target.is_namespaced else [no_space]
        for space in spaces:
            for name in names:
                yield _spot(space.value, space, no_name if is_new else name, name)


def _spot(value: str, space: Choice[str], asked: Choice[str], name: Choice[str]) -> Spot:
    """The place in a namespace, of an object with one name in the URL and another in the event."""
    return Spot(
        (value, asked.value, name.value),
        {**space.truths, **name.truths},
        (space.policy_class, asked.policy_class),
        (space.signature, name.signature),
    )


def groups_of(user: str) -> tuple[str, ...]:
    """The groups that a user has by name."""
    if user == "system:anonymous":
        return ("system:unauthenticated",)
    if user.startswith("system:serviceaccount:"):
        namespace = user.removeprefix("system:serviceaccount:").partition(":")[0]
        return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", ALL)
    if user.startswith("system:node:"):
        return ("system:nodes", ALL)
    if user == "system:apiserver":
        return ("system:masters", ALL)
    return (ALL,)
