"""Which rules a policy starves: for each rule, what becomes of the requests that it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lanner.compiler.load import Rule
from lanner.policy.api import members
from lanner.policy.asks import Asks, Need
from lanner.policy.collect import make_probes
from lanner.policy.meeting import Judge, Meeting, is_absent
from lanner.policy.model import AuditLevel, Policy, Request
from lanner.policy.probes import Situation
from lanner.policy.satisfy import Answer


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
    judge = Judge(asks, make_probes(asks, policy))
    verdicts = []
    for number, rule in enumerate(asks.rules):
        found = _findings(policy, judge, number, forged=False) or _findings(policy, judge, number, forged=True)
        verdicts.append(Verdict(rule, _status(found), found))
    return verdicts


def _findings(policy: Policy, judge: Judge, rule: int, *, forged: bool) -> tuple[Finding, ...]:
    meeting = Meeting(judge, rule)
    found: dict[object, Finding] = {}
    for situation in judge.probes.situations(rule, judge.asks.formulas[rule], forged=forged):
        finding = _finding(policy, meeting, situation)
        if finding is None:
            continue
        key = (finding.fate, finding.policy_rule, finding.missing, finding.stages)
        if key not in found or found[key].answer < finding.answer:
            found[key] = finding
    return tuple(found.values())


def _finding(policy: Policy, meeting: Meeting, situation: Situation) -> Finding | None:
    """What becomes of a request; None where the rule does not ask for it."""
    wanted = meeting.wanted(situation)
    if not wanted:
        return None
    request = situation.request
    decision = policy.decide(request)
    recorded = [stage for stage in wanted if decision.records(stage)]
    fed = {stage: answer for stage in recorded if (answer := meeting.answer(situation, stage, decision.level))}
    missing: tuple[Need, ...] = ()
    omitted: tuple[str, ...] = ()
    if not recorded:
        fate = Fate.NOT_RECORDED if decision.level is AuditLevel.NONE else Fate.STAGE_OMITTED
        omitted = tuple(wanted) if fate is Fate.STAGE_OMITTED else ()
    else:
        fate = Fate.FED if fed else Fate.FIELDS_MISSING
        best = max(wanted, key=lambda stage: len(members(request, stage)))
        read = meeting.read(situation, best)
        there = [members(request, stage) for stage in fed or recorded]
        lacking = [tuple(need for need in read if is_absent(need, each, decision.level)) for each in there]
        missing = min(lacking, key=len)
    answer = max((fed or wanted).values())
    return Finding(fate, decision.rule, decision.level, missing, omitted, request, answer)


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
