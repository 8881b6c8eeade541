"""Which rules a policy starves: for each rule, what becomes of the requests that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lanner.compiler.formula import Formula, reduce
from lanner.compiler.load import Rule
from lanner.policy.api import CONDITIONAL, members, stages
from lanner.policy.asks import Asks, Need, Part, rule_atoms
from lanner.policy.model import AuditLevel, Policy, Request
from lanner.policy.probes import Probes, Situation, level_truths, make_probes
from lanner.policy.satisfy import Answer, Solver


class Status(StrEnum):
    """What a policy does to a rule, from best to worst."""

    FIRES = "fires"
    PARTLY = "partly"
    MISSING_FIELDS = "missing_fields"
    UNKNOWN = "unknown"
    NEVER = "never"
    OFF = "off"


class Fate(StrEnum):
    """What becomes of a request that a rule asks for."""

    FED = "fed"
    NOT_RECORDED = "not_recorded"
    STAGE_OMITTED = "stage_omitted"
    FIELDS_MISSING = "fields_missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What becomes of some of the requests that a rule asks for.

    Attributes:
        fate: What becomes of them.
        policy_rule: The number of the policy's rule that decides on them, from 0; None where none does.
        level: At which they are recorded.
        missing: The fields that they lack.
        stages: The stages that the rule asks for, when none of them is recorded.
        example: One of the requests.
        answer: How sure it is that the rule asks for them, or fires on them when they are fed.
    """

    fate: Fate
    policy_rule: int | None
    level: AuditLevel
    missing: tuple[Need, ...]
    stages: tuple[str, ...]
    example: Request
    answer: Answer


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy does to one rule."""

    rule: Rule
    status: Status
    findings: tuple[Finding, ...]

    @property
    def missing(self) -> tuple[Need, ...]:
        """The fields that are missing in some of the requests, those of the condition first."""
        found = {need for finding in self.findings for need in finding.missing}
        return tuple(sorted(found, key=lambda need: (need.is_printed, need.field)))


def check_policy(policy: Policy, rules: Iterable[Rule]) -> list[Verdict]:
    """Say for each rule what the policy does to it."""
    asks = Asks(rules)
    checker = _Checker(policy, asks, make_probes(asks, policy))
    return [checker.verdict(number) for number in range(len(asks.rules))]


class _Checker:
    def __init__(self, policy: Policy, asks: Asks, probes: Probes) -> None:
        self._policy = policy
        self._asks = asks
        self._probes = probes
        self._solver = Solver(asks)
        self._nothing = {number: asks.is_true_of_nothing(number) for number in asks.checks}
        self._needs = {number: asks.needs(number) for number in asks.checks}
        self._levels = {level: level_truths(asks, level.text) for level in AuditLevel}

    def verdict(self, number: int) -> Verdict:
        """What the policy does to one rule."""
        found = self._findings(number, forged=False) or self._findings(number, forged=True)
        return Verdict(self._asks.rules[number], _status(found), found)

    def _findings(self, number: int, *, forged: bool) -> tuple[Finding, ...]:
        meeting = _Meeting(self, number)
        found: dict[object, Finding] = {}
        for situation in self._probes.situations(number, self._asks.formulas[number], forged=forged):
            finding = meeting.finding(situation)
            if finding is None:
                continue
            key = (finding.fate, finding.policy_rule, finding.missing, finding.stages)
            if key not in found or found[key].answer < finding.answer:
                found[key] = finding
        return tuple(found.values())


class _Meeting:
    """One rule and the requests that it asks for; equal questions are answered once."""

    def __init__(self, checker: _Checker, number: int) -> None:
        self._checker = checker
        self._within = rule_atoms(checker._asks.formulas[number])
        self._printed = checker._asks.needs_printed(checker._asks.rules[number])
        asks_for_level = any(checker._asks.parts[atom] is Part.LEVEL for atom in self._within)
        self._levels = tuple(AuditLevel)[1:] if asks_for_level else (AuditLevel.REQUEST_RESPONSE,)
        self._answers: dict[object, Answer] = {}

    def finding(self, situation: Situation) -> Finding | None:
        """What becomes of a request; None where the rule does not ask for it."""
        decision = self._checker._policy.decide(situation.request)
        wanted = self._wanted(situation, stages(situation.request)) or self._wanted(situation, ("Panic",))
        if not wanted:
            return None
        recorded = [stage for stage in wanted if decision.records(stage)]
        fed = {stage: answer for stage in recorded if (answer := self._answer(situation, stage, decision.level))}
        missing: tuple[Need, ...] = ()
        omitted: tuple[str, ...] = ()
        if not recorded:
            fate = Fate.NOT_RECORDED if decision.level is AuditLevel.NONE else Fate.STAGE_OMITTED
            omitted = tuple(wanted) if fate is Fate.STAGE_OMITTED else ()
        else:
            fate = Fate.FED if fed else Fate.FIELDS_MISSING
            best = max(wanted, key=lambda stage: len(members(situation.request, stage)))
            there = [self._missing(situation, stage, best, decision.level) for stage in fed or recorded]
            missing = min(there, key=len)
        answer = max((fed or wanted).values())
        return Finding(fate, decision.rule, decision.level, missing, omitted, situation.request, answer)

    def _wanted(self, situation: Situation, at: Sequence[str]) -> dict[str, Answer]:
        """The stages at which the rule could fire under some policy."""
        answers = {
            stage: max(self._answer(situation, stage, AuditLevel.REQUEST_RESPONSE, level) for level in self._levels)
            for stage in at
        }
        return {stage: answer for stage, answer in answers.items() if answer}

    def _answer(self, situation: Situation, stage: str, level: AuditLevel, stated: AuditLevel | None = None) -> Answer:
        left = self._left(situation, stage, level, stated or level)
        if isinstance(left, bool):
            return Answer.YES if left else Answer.NO
        key = rule_key(left)
        if key not in self._answers:
            self._answers[key] = self._checker._solver.solve(left, self._within)
        return self._answers[key]

    def _left(self, situation: Situation, stage: str, level: AuditLevel, stated: AuditLevel) -> Formula:
        """What is left of the condition at a stage, when there is what a level records and the event states a level."""
        checker = self._checker
        known = {**checker._probes.stages[stage], **checker._levels[stated]}
        there = members(situation.request, stage)
        for number in self._within:
            if any(_is_absent(need, there, level) for need in checker._needs[number]):
                known[number] = checker._nothing[number]
        return reduce(situation.left, known, {})

    def _missing(self, situation: Situation, stage: str, best: str, level: AuditLevel) -> tuple[Need, ...]:
        """The fields that this stage lacks at this level, and that the best stage would have at the highest."""
        full = members(situation.request, best)
        there = members(situation.request, stage)
        left = rule_atoms(self._left(situation, best, AuditLevel.REQUEST_RESPONSE, level))
        needs = {need for number in left for need in self._checker._needs[number]}
        read = {need.field for need in needs}
        needs |= {need for need in self._printed if need.field not in read}
        lacking = (
            need
            for need in needs
            if _is_absent(need, there, level) and not _is_absent(need, full, AuditLevel.REQUEST_RESPONSE)
        )
        return tuple(sorted(lacking, key=lambda need: (need.is_printed, need.field)))


def rule_key(formula: Formula) -> object:
    """Equal for formulas of the same shape."""
    if isinstance(formula, bool | int):
        return formula
    parts = getattr(formula, "parts", None) or (formula.part,)  # type: ignore[union-attr]  # an `Inverse` has one
    return type(formula).__name__, tuple(map(rule_key, parts))


def _is_absent(need: Need, there: frozenset[str], level: AuditLevel) -> bool:
    return need.level > level or bool((need.members & CONDITIONAL) - there)


def _status(findings: Iterable[Finding]) -> Status:
    found = list(findings)
    fed = [each for each in found if each.fate is Fate.FED]
    lost = [each for each in found if each.fate is not Fate.FED]
    if not found:
        return Status.OFF
    if max((each.answer for each in fed), default=Answer.NO) is not Answer.YES:
        sure = any(each.answer is Answer.YES for each in lost)
        return Status.NEVER if not fed and sure else Status.UNKNOWN
    if any(not need.is_printed for each in found for need in each.missing):
        return Status.MISSING_FIELDS
    if any(each.answer is Answer.YES for each in lost):
        return Status.PARTLY
    return Status.MISSING_FIELDS if any(each.missing for each in fed) else Status.FIRES
