"""The least policy that feeds rules: for each resource and verb the level, and the stages, that they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from lanner.compiler.load import Rule
from lanner.fields.spec import parse_pointer
from lanner.policy.api import METHODS, RESOURCES, VERBS, Resource, members
from lanner.policy.asks import Asks, Need
from lanner.policy.collect import make_probes
from lanner.policy.meeting import Judge, Meeting, shape
from lanner.policy.model import STAGES, AuditLevel, GroupResources, Policy, PolicyRule
from lanner.policy.probes import OTHER_GROUP, Probes, Situation, Target
from lanner.policy.satisfy import FRESH

COMPONENTS = ("system:apiserver", "system:kube-controller-manager", "system:kube-proxy", "system:kube-scheduler")
"""Users of the control plane, whose requests are many; they are matched by their exact names."""

_SECRETS = (("", "secrets", ""), ("", "serviceaccounts", "token"), ("authentication.k8s.io", "tokenreviews", ""))


@dataclass(frozen=True, slots=True)
class Cell:
    """What rules need of requests of one kind.

    Attributes:
        level: The level that fills all that they read.
        stages: The stages that they need; none where no rule asks for the requests.
        needs_managed_fields: Whether one of them reads `metadata.managedFields`.
    """

    level: AuditLevel = AuditLevel.NONE
    stages: frozenset[str] = frozenset()
    needs_managed_fields: bool = False

    def __or__(self, other: Cell) -> Cell:
        """What both need."""
        return Cell(
            max(self.level, other.level),
            self.stages | other.stages,
            self.needs_managed_fields or other.needs_managed_fields,
        )


NOTHING = Cell()
Row = tuple[Cell, ...]
"""The cells of one target, in the order of the verbs."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated policy.

    Attributes:
        policy: The policy.
        reasons: For each of its rules, the names of the rules that need its level.
    """

    policy: Policy
    reasons: tuple[tuple[str, ...], ...]


def generate_policy(
    rules: Iterable[Rule], *, outputs: bool = True, secret_bodies: bool = True, patch_bodies: bool = True
) -> Generated:
    """The least policy for rules.

    Args:
        rules: The rules to feed.
        outputs: Whether what only the outputs print counts too.
        secret_bodies: Whether bodies of secrets and tokens may be recorded where rules need them.
        patch_bodies: Whether those of patches may, which opens the API server's blind spot.
    """
    asks = Asks(rules)
    needs = _Needs(asks, make_probes(asks, None, COMPONENTS), outputs=outputs)

    def has_bodies(target: Target, verb: str) -> bool:
        return (secret_bodies or not _is_secret(target)) and (patch_bodies or verb != "patch")

    everyone, components = (_Matrix(cells, needs.reasons, has_bodies) for cells in (needs.everyone, needs.components))
    made = [(replace(rule, users=COMPONENTS), names) for rule, names in components.rules_below(everyone)]
    made += everyone.rules()
    while made and made[-1][0].level is AuditLevel.NONE and not made[-1][0].users:
        made.pop()
    return _assembled(made)


def _assembled(made: list[tuple[PolicyRule, tuple[str, ...]]]) -> Generated:
    """Put together what all rules of the policy have in common."""
    recorded = [rule for rule, _ in made if rule.level is not AuditLevel.NONE]
    omitted = tuple(stage for stage in STAGES if recorded and all(stage in rule.omit_stages for rule in recorded))
    rules = tuple(
        replace(rule, omit_stages=tuple(stage for stage in rule.omit_stages if stage not in omitted))
        for rule, _ in made
    )
    policy = Policy(rules or (PolicyRule(AuditLevel.NONE),), omitted, omit_managed_fields=True)
    return Generated(policy, tuple(names for _, names in made) or ((),))


Key = tuple[Target, str]


class _Needs:
    """What rules need, added up by target and verb.

    Attributes:
        everyone: Of requests by anybody.
        components: Of requests by `COMPONENTS`.
        reasons: By target, verb and level the rules that need the level.
    """

    def __init__(self, asks: Asks, probes: Probes, *, outputs: bool) -> None:
        self._outputs = outputs
        self.everyone: dict[Key, Cell] = {}
        self.components: dict[Key, Cell] = {}
        self.reasons: dict[tuple[Target, str, AuditLevel], dict[str, None]] = {}
        judge = Judge(asks, probes)
        for number in range(len(asks.rules)):
            if not self._add(judge, number, forged=False):
                self._add(judge, number, forged=True)

    def _add(self, judge: Judge, number: int, *, forged: bool) -> bool:
        """Add what a rule needs; False where it asks for nothing."""
        meeting = Meeting(judge, number)
        name = judge.asks.rules[number].name
        is_asked = False
        formula = judge.asks.formulas[number]
        for situation in judge.probes.situations(number, formula, forged=forged, users=COMPONENTS):
            cell = self._cell(meeting, situation)
            is_asked = is_asked or cell is not NOTHING
            for key in product(situation.target.alike, situation.verb.alike) if cell is not NOTHING else ():
                self.reasons.setdefault((*key, cell.level), {})[name] = None
                self.everyone[key] = self.everyone.get(key, NOTHING) | cell
                if situation.subject.value[0] in COMPONENTS:
                    self.components[key] = self.components.get(key, NOTHING) | cell
        return is_asked

    def _cell(self, meeting: Meeting, situation: Situation) -> Cell:
        wanted = meeting.wanted(situation)
        if not wanted:
            return NOTHING
        needed: frozenset[str] = frozenset(wanted)
        level = AuditLevel.METADATA
        managed = False
        best = max(wanted, key=lambda stage: (len(members(situation.request, stage)), stage == "ResponseComplete"))
        left = shape(meeting.left(situation, best))
        if all(shape(meeting.left(situation, stage)) == left for stage in wanted):
            needed = frozenset({best})
        for stage in needed:
            for need in meeting.read(situation, stage, outputs=self._outputs):
                level = max(level, need.level)
                managed = managed or _reads_managed_fields(need)
        return Cell(level, needed, managed)


def _reads_managed_fields(need: Need) -> bool:
    """Whether a JSON pointer leads into managed fields, or to the metadata that hold them."""
    path = parse_pointer(need.field.partition("[")[2].removesuffix("]"))
    return (
        len(path) > 1
        and path[0] in ("requestObject", "responseObject")
        and (path[1:3] == ("metadata", "managedFields") or path[1:] == ("metadata",))
    )


class _Matrix:
    """Cells to rules of a policy."""

    def __init__(
        self,
        cells: Mapping[Key, Cell],
        reasons: Mapping[tuple[Target, str, AuditLevel], Iterable[str]],
        has_bodies: Callable[[Target, str], bool],
    ) -> None:
        self._reasons = reasons
        self._cells = {key: cell if has_bodies(*key) else _without_bodies(cell) for key, cell in cells.items()}
        self.rows: dict[str | tuple[str, str], Row] = {}
        merged: dict[tuple[str | tuple[str, str], str], Cell] = {}
        self._targets: dict[str | tuple[str, str], list[Target]] = {}
        for target in dict.fromkeys((*RESOURCES, *(target for target, _ in self._cells))):
            name = _name(target)
            self._targets.setdefault(name, []).append(target)
            for verb in _verbs(target):
                merged[name, verb] = merged.get((name, verb), NOTHING) | self._cells.get((target, verb), NOTHING)
        for name, targets in self._targets.items():
            self.rows[name] = tuple(merged[name, verb] for verb in _verbs(targets[0]))
        for other, verbs in ((_OTHER, VERBS), (_OTHER_PATHS, METHODS)):
            self._targets.setdefault(other, [])
            self.rows.setdefault(other, (NOTHING,) * len(verbs))

    def rules(self) -> list[tuple[PolicyRule, tuple[str, ...]]]:
        """The rules that give each target what it needs, the catch-all last."""
        rows = {name: row for name, row in self.rows.items() if row not in (self._rest(name),)}
        made = self._made(rows)
        if len({*self.rows[_OTHER_PATHS], *self.rows[_OTHER]}) == 1:
            return made + self._of_row(self.rows[_OTHER], VERBS, PolicyRule(AuditLevel.NONE), self._targets[_OTHER])
        made += self._of_row(
            self.rows[_OTHER_PATHS], METHODS, PolicyRule(AuditLevel.NONE, non_resource_urls=("*",)), []
        )
        return made + self._of_row(self.rows[_OTHER], VERBS, PolicyRule(AuditLevel.NONE), self._targets[_OTHER])

    def rules_below(self, everyone: _Matrix) -> list[tuple[PolicyRule, tuple[str, ...]]]:
        """The rules for what needs a lower level than everybody's rules give."""
        rest = (_OTHER, _OTHER_PATHS)
        if any(_levels(self.rows[name]) != _levels(everyone.rows[name]) for name in rest):
            return self.rules()
        names = dict.fromkeys((*self.rows, *everyone.rows))
        rows = {name: self.rows.get(name, self._rest(name)) for name in names if name not in rest}
        return self._made(
            {
                name: row
                for name, row in rows.items()
                if _levels(row) != _levels(everyone.rows.get(name, everyone._rest(name)))
            }
        )

    def _rest(self, name: str | tuple[str, str]) -> Row:
        return self.rows[_OTHER_PATHS if isinstance(name, str) and name.startswith("/") else _OTHER]

    def _made(self, rows: Mapping[str | tuple[str, str], Row]) -> list[tuple[PolicyRule, tuple[str, ...]]]:
        """Rules for named targets: those for certain verbs before those for the rest, equal ones as one."""
        parts: dict[tuple[bool, tuple[str, ...], Cell], list[str | tuple[str, str]]] = {}
        for name, row in rows.items():
            verbs = METHODS if _is_path(name) else VERBS
            for some, cell in _by_cell(row, verbs):
                parts.setdefault((_is_path(name), some, cell), []).append(name)
        made = []
        for (is_path, some, cell), names in sorted(parts.items(), key=lambda part: (not part[0][1], -part[0][2].level)):
            rule = _of_cell(cell, some)
            if is_path:
                rule = replace(rule, non_resource_urls=tuple(sorted(map(str, names))))
            else:
                rule = replace(rule, resources=_grouped(name for name in names if not isinstance(name, str)))
            targets = [target for name in names for target in self._targets.get(name, ())]
            made.append((rule, self._why(targets, some or (METHODS if is_path else VERBS), cell.level)))
        return made

    def _of_row(
        self, row: Row, verbs: tuple[str, ...], base: PolicyRule, targets: list[Target]
    ) -> list[tuple[PolicyRule, tuple[str, ...]]]:
        made = []
        for some, cell in _by_cell(row, verbs):
            rule = replace(_of_cell(cell, some), resources=base.resources, non_resource_urls=base.non_resource_urls)
            made.append((rule, self._why(targets, some or verbs, cell.level)))
        return made

    def _why(self, targets: Iterable[Target], verbs: Iterable[str], level: AuditLevel) -> tuple[str, ...]:
        keys = [(target, verb, level) for target in targets for verb in verbs]
        return tuple(sorted({name for key in keys for name in self._reasons.get(key, ())}))


_OTHER = ("", "")
_OTHER_PATHS = "/*"


def _is_path(name: str | tuple[str, str]) -> bool:
    return isinstance(name, str)


def _verbs(target: Target) -> tuple[str, ...]:
    return VERBS if isinstance(target, Resource) else METHODS


def _name(target: Target) -> str | tuple[str, str]:
    """How a policy names a target: a path, or a group and a resource; what it cannot name is one of the others."""
    if isinstance(target, str):
        return _OTHER_PATHS if FRESH in target else target
    if target in RESOURCES:
        return target.group, target.text
    return _OTHER if target.group == OTHER_GROUP else (target.group, "")


def _levels(row: Row) -> list[AuditLevel]:
    return [cell.level for cell in row]


def _is_secret(target: Target) -> bool:
    """Whether bodies of its requests hold secrets or live tokens."""
    return isinstance(target, Resource) and (target.group, target.name, target.subresource) in _SECRETS


def _without_bodies(cell: Cell) -> Cell:
    return replace(cell, level=min(cell.level, AuditLevel.METADATA))


def _by_cell(row: Row, verbs: tuple[str, ...]) -> list[tuple[tuple[str, ...], Cell]]:
    """The verbs of each cell; the cell of most verbs comes last, and for all that is left."""
    found: dict[Cell, list[str]] = {}
    for verb, cell in zip(verbs, row, strict=True):
        found.setdefault(cell, []).append(verb)
    rest = max(found, key=lambda cell: len(found[cell]))
    return [*((tuple(some), cell) for cell, some in found.items() if cell != rest), ((), rest)]


def _of_cell(cell: Cell, verbs: tuple[str, ...]) -> PolicyRule:
    if cell.level is AuditLevel.NONE:
        return PolicyRule(AuditLevel.NONE, verbs=verbs)
    omitted = tuple(stage for stage in STAGES if stage not in cell.stages)
    managed = False if cell.needs_managed_fields else None
    return PolicyRule(cell.level, verbs=verbs, omit_stages=omitted, omit_managed_fields=managed)


def _grouped(names: Iterable[tuple[str, str]]) -> tuple[GroupResources, ...]:
    groups: dict[str, list[str]] = {}
    for group, text in sorted(names):
        groups.setdefault(group, []).append(text)
    return tuple(GroupResources(group, tuple(text for text in found if text)) for group, found in groups.items())
