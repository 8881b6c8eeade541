"""Verdicts on rules as text for people and as objects for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lanner.condition import Field
from lanner.fields.catalogue import FIELDS
from lanner.policy.asks import Need, need_of
from lanner.policy.check import Fate, Finding, Status, Verdict
from lanner.policy.model import AuditLevel, Policy, Request
from lanner.policy.providers import Absent, Provider
from lanner.policy.satisfy import FRESH
from lanner.policy.volume import Volume

TITLES: Mapping[Status, tuple[str, str]] = MappingProxyType(
    {
        Status.NEVER: ("can never fire", "can never fire"),
        Status.MISSING_FIELDS: ("fires, but lacks fields", "fire, but lack fields"),
        Status.PARTLY: ("fires, but not on all that it asks for", "fire, but not on all that they ask for"),
        Status.UNKNOWN: ("cannot be judged", "cannot be judged"),
        Status.OFF: ("asks for what no event is, whatever the policy", "ask for what no event is, whatever the policy"),
        Status.EMPTY_LIST: ("needs a list which is empty", "need a list which is empty"),
        Status.FIRES: ("fires", "fire"),
    }
)
"""What is said of one rule and of several of each status, in the order of the report."""

ATTENTION = (Status.NEVER, Status.MISSING_FIELDS, Status.PARTLY, Status.UNKNOWN)
"""What a policy can do something about."""

_MAX_RULES = 10
_MAX_REASONS = 2
"""Rules of each status, and reasons for each of them, that are shown unless everything is."""


def is_ok(verdicts: Iterable[Verdict]) -> bool:
    """Whether every rule can fire, and has the fields that its condition reads."""
    return not any(
        verdict.status is Status.NEVER or any(not need.is_printed for need in verdict.missing) for verdict in verdicts
    )


def provider_lines(provider: Provider) -> Iterator[str]:
    """What is known of a provider."""
    yield f"{provider.title} (from: {provider.basis})"
    if not provider.is_published:
        yield "The audit policy is not published: below is what would hold if everything were recorded."
    yield from (f"- {note}" for note in provider.notes)
    yield ""
    if provider.absent:
        yield "never in the log:"
        for part in provider.absent:
            yield f"  {part.what} ({', '.join(fields_of(part)) or 'no field of its own'}); instead: {part.instead}"
        yield ""


def fields_of(absent: Absent) -> tuple[str, ...]:
    """The fields that stay empty where a part of the event is missing."""
    found = (
        need_of(Field(spec.name)) for spec in FIELDS.values() if not spec.arg_required or spec.source == "k8s_audit"
    )
    return tuple(need.field for need in found if any(path[: len(absent.path)] == absent.path for path in need.paths))


def to_lines(verdicts: Sequence[Verdict], policy: Policy, *, everything: bool = False) -> Iterator[str]:
    """The report: rules by what becomes of them, the worst first, each with the reasons, and the numbers at the end.

    Args:
        verdicts: On the rules.
        policy: That they are put to.
        everything: Show every rule and reason, not only the first ones of those that need attention.
    """
    hidden = False
    for status, (of_one, of_many) in TITLES.items():
        found = _ranked(verdict for verdict in verdicts if verdict.status is status)
        if not found or not (everything or status in ATTENTION):
            continue
        yield f"1 rule {of_one}:" if len(found) == 1 else f"{len(found)} rules {of_many}:"
        shown = found if everything else found[:_MAX_RULES]
        for verdict in shown:
            lists = f": {', '.join(verdict.empty_lists)}" if verdict.empty_lists else ""
            yield f"  {verdict.rule.name} ({verdict.rule.priority.value}){lists}"
            reasons = [*_reasons(verdict, policy)] if status in ATTENTION else []
            kept = reasons if everything else reasons[:_MAX_REASONS]
            yield from (f"    {line}" for line in kept)
            hidden = hidden or len(kept) < len(reasons)
        if len(shown) < len(found):
            yield f"  and {len(found) - len(shown)} more"
            hidden = True
        yield ""
    yield summary(verdicts)
    if hidden:
        yield "`--all` shows every rule and every reason"


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many rules there are of each status, in a line."""
    numbers = {status: sum(verdict.status is status for verdict in verdicts) for status in TITLES}
    parts = [
        f"{number} {TITLES[status][number != 1].partition(', whatever')[0]}"
        for status, number in numbers.items()
        if number
    ]
    return f"{len(verdicts)} rule{'s' if len(verdicts) != 1 else ''}: {'; '.join(parts) or 'none is on'}"


def _ranked(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """What the condition lacks before what only the output lacks, and the most severe rules first."""
    return sorted(
        verdicts,
        key=lambda each: (all(need.is_printed for need in each.missing), each.rule.priority.level),
    )


def _reasons(verdict: Verdict, policy: Policy) -> Iterator[str]:
    found = [each for each in verdict.findings if each.fate is not Fate.FED or each.missing]
    yield from (reason(finding, policy) for finding in found)
    if verdict.status is Status.UNKNOWN and not found:
        yield "its condition is beyond what can be decided without events"


def reason(finding: Finding, policy: Policy) -> str:
    """What becomes of some requests, and why."""
    what = describe(finding.example)
    by = _place(finding, policy)
    match finding.fate:
        case Fate.NOT_RECORDED:
            return f"{what}: not recorded ({by})"
        case Fate.STAGE_OMITTED:
            return f"{what}: stage {' and '.join(finding.stages)} is omitted ({by})"
        case Fate.FIELDS_MISSING if not finding.missing:
            return f"{what}: recorded at {finding.level.text}, and the rule asks for another level ({by})"
        case _:
            return f"{what}: recorded at {finding.level.text}, {_lacking(finding)} ({by})"


def _lacking(finding: Finding) -> str:
    read = [need for need in finding.missing if not need.is_printed]
    printed = [need for need in finding.missing if need.is_printed]
    parts = [f"no {_names(read)}"] if read else []
    parts += [f"no {_names(printed)} for the output"] if printed else []
    level = max(need.level for need in finding.missing)
    return f"so {' and '.join(parts)}" + (f"; needs {level.text}" if level > finding.level else "")


def _names(needs: Iterable[Need]) -> str:
    return ", ".join(need.field for need in needs)


def _place(finding: Finding, policy: Policy) -> str:
    if finding.policy_rule is None:
        return "no rule of the policy matches"
    span = policy.rules[finding.policy_rule].span
    return f"rule {finding.policy_rule + 1} of the policy{f', line {span.position[0]}' if span else ''}"


def describe(request: Request) -> str:
    """A request in a few words, without what was made up for it."""
    who = "nobody who is known" if request.user is None else request.user
    by = "" if request.user and request.user.startswith(FRESH) else f" by {who.replace(FRESH, '…')}"
    if not request.is_resource:
        return f"{request.verb} {request.path.replace(FRESH, '…')}{by}"
    resource = f"{request.resource}.{request.group}" if request.group else request.resource
    resource = resource.replace(f"{FRESH}s", "…")
    sub = f"/{request.subresource}" if request.subresource else ""
    name = f" {request.name}" if request.name and request.name != FRESH else ""
    space = f" in {request.namespace}" if request.namespace not in ("", FRESH, request.name) else ""
    return f"{request.verb or 'OPTIONS'} {resource}{sub}{name}{space}{by}"


def volume_lines(volume: Volume) -> Iterator[str]:
    """What a policy would have kept of a log, by level."""
    yield f"of {volume.events:,} events with {_mib(volume.size)} the policy keeps:"
    for level in (*AuditLevel,)[1:]:
        if volume.kept[level]:
            yield f"  {level.text:<16}{volume.kept[level]:>10,} events{_mib(volume.kept_size[level]):>14}"
    events, size = sum(volume.kept.values()), sum(volume.kept_size.values())
    share = f"{events / volume.events:.0%} of the events, {size / volume.size:.0%} of the bytes" if volume.size else ""
    yield f"  {'together':<16}{events:>10,} events{_mib(size):>14}  {share}".rstrip()
    if volume.below:
        yield f"  {volume.below:,} of them were logged at a lower level, and would be larger"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def to_object(verdict: Verdict, policy: Policy) -> dict[str, Any]:
    """A verdict as `policy check --format json` prints it."""
    return {
        "rule": verdict.rule.name,
        "status": verdict.status.value,
        "empty_lists": list(verdict.empty_lists),
        "findings": [_finding(each, policy) for each in verdict.findings],
    }


def _finding(finding: Finding, policy: Policy) -> dict[str, Any]:
    request = finding.example
    span = policy.rules[finding.policy_rule].span if finding.policy_rule is not None else None
    return {
        "fate": finding.fate.value,
        "policy_rule": None if finding.policy_rule is None else finding.policy_rule + 1,
        "line": span.position[0] if span else None,
        "level": finding.level.text,
        "certain": finding.answer.name == "YES",
        "missing": [
            {"field": need.field, "level": need.level.text, "in": "output" if need.is_printed else "condition"}
            for need in finding.missing
        ],
        "omitted_stages": list(finding.stages),
        "example": {
            "user": request.user,
            "groups": list(request.groups),
            "verb": request.verb,
            "group": request.group,
            "resource": request.resource,
            "subresource": request.subresource,
            "namespace": request.namespace,
            "name": request.name,
            "path": request.path,
        },
    }
