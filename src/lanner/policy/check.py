"""Which rules a policy starves: for each rule, what becomes of the requests that it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from lanner.compiler.load import Rule
from lanner.events.schema import Path
from lanner.policy.api import members
from lanner.policy.asks import Asks, Need
from lanner.policy.collect import make_probes
from lanner.policy.empty import empty_lists, with_filled_lists
from lanner.policy.meeting import Judge, Meeting
from lanner.policy.model import AuditLevel, Decision, Policy, Request
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
    EMPTY_LIST = "empty_list"


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
    """What a policy does to one rule.

    Attributes:
        empty_lists: Names of the lists that must be filled before the rule asks for anything.
    """

    rule: Rule
    status: Status
    findings: tuple[Finding, ...]
    empty_lists: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Need, ...]:
        """The fields that are missing in some of the requests, those of the condition first."""
        found = {need for finding in self.findings for need in finding.missing}
        return tuple(sorted(found, key=lambda need: (need.is_printed, need.field)))


def check_policy(policy: Policy, rules: Iterable[Rule], absent: Iterable[Path] = ()) -> list[Verdict]:
    """Say for each rule what the policy does to it.

    Args:
        policy: What is recorded.
        rules: The rules.
        absent: Parts that events never have, whatever the policy.
    """
    absent = tuple(absent)
    verdicts = _verdicts(policy, rules, absent)
    waiting = [each.rule for each in verdicts if each.status is Status.OFF and empty_lists(each.rule)]
    filled = _verdicts(policy, map(with_filled_lists, waiting), absent)
    needed = {each.rule.name for each in filled if each.status is not Status.OFF}
    return [
        replace(each, status=Status.EMPTY_LIST, empty_lists=empty_lists(each.rule))
        if each.rule.name in needed
        else each
        for each in verdicts
    ]


def _verdicts(policy: Policy, rules: Iterable[Rule], absent: Iterable[Path]) -> list[Verdict]:
    """Verdicts on rules with their lists as they are."""
    asks = Asks(rules, absent)
    judge = Judge(asks, make_probes(asks, policy))
    decisions: dict[object, Decision] = {}
    verdicts = []
    for number, rule in enumerate(asks.rules):
        found: tuple[Finding, ...] = ()
        for forged in (False, True):
            found = found or _findings(policy, judge, number, decisions, forged=forged)
        verdicts.append(Verdict(rule, _status(found), found))
    return verdicts


def _findings(
    policy: Policy, judge: Judge, rule: int, decisions: dict[object, Decision], *, forged: bool
) -> tuple[Finding, ...]:
    """What becomes of the requests that a rule asks for; `decisions` are those that the policy made so far."""
    meeting = Meeting(judge, rule)
    found: dict[object, Finding] = {}
    seen: set[object] = set()
    for situation in judge.probes.situations(rule, judge.asks.formulas[rule], forged=forged):
        classes = (forged, situation.classes)
        decision = decisions.get(classes)
        if decision is None:
            decision = decisions[classes] = policy.decide(situation.request)
        same = (situation.key, decision.rule)
        finding = None if same in seen else _finding(decision, meeting, situation)
        seen.add(same)
        if finding is None:
            continue
        key = (finding.fate, finding.policy_rule, finding.missing, finding.stages)
        if key not in found or found[key].answer < finding.answer:
            found[key] = finding
    return tuple(found.values())


def _finding(decision: Decision, meeting: Meeting, situation: Situation) -> Finding | None:
    """What becomes of a request; None where the rule does not ask for it."""
    wanted = meeting.wanted(situation)
    if not wanted:
        return None
    request = situation.request
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
        lacking = [
            tuple(need for need in read if meeting.lacks(need, situation, stage, decision.level))
            for stage in fed or recorded
        ]
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
