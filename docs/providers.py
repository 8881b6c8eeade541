"""The page on managed clusters: what each provider records, and what that means for the default rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from docs.markup import code, page, table

from lanner.compiler.load import Rule
from lanner.policy.check import Status, Verdict, check_policy
from lanner.policy.model import Policy
from lanner.policy.providers import PROVIDERS, Provider
from lanner.policy.report import fields_of, reason

_INTRO = (
    "A provider of managed Kubernetes decides what its API servers record. This page says what is known of it, which "
    "fields stay empty, and which default rules therefore cannot fire. `lanner policy check --provider NAME` says it "
    "for any rules."
)
_UNPUBLISHED = (
    "The audit policy is not published. If everything were recorded, all default rules would have what they ask for; "
    "which of them lack something in truth is not known."
)
_FEW = 3


def managed_clusters(rules: Iterable[Rule]) -> str:
    """The text of the page."""
    enabled = [rule for rule in rules if rule.enabled]
    return page("Managed clusters", _INTRO, *(_section(provider, enabled) for provider in PROVIDERS.values()))


def _section(provider: Provider, rules: list[Rule]) -> str:
    policy = provider.policy()
    verdicts = check_policy(policy, rules, [part.path for part in provider.absent])
    parts = [f"## {provider.title}\n", f"`--provider {provider.name}`. From: {provider.basis}.\n"]
    if not provider.is_published:
        parts.append(f"{_UNPUBLISHED}\n")
    parts += ["".join(f"- {note}\n" for note in provider.notes)]
    if provider.absent:
        rows = ((part.what, ", ".join(map(code, fields_of(part))) or "none", part.instead) for part in provider.absent)
        parts += ["Never in the log:\n", table(("what", "fields that stay empty", "instead"), rows)]
    if provider.is_published:
        parts += [_table(verdicts, policy, Status.NEVER, "Rules that can never fire", provider.instead)]
        parts += [_table(verdicts, policy, Status.PARTLY, "Rules that fire, but not on all that they ask for")]
        parts += [_lacking(verdicts)]
    return "\n".join(parts)


def _table(
    verdicts: list[Verdict], policy: Policy, status: Status, title: str, instead: Mapping[str, str] | None = None
) -> str:
    found = [verdict for verdict in verdicts if verdict.status is status]
    if not found:
        return ""
    heads = ("rule", "why, for one", *(["instead"] if instead else []))
    rows = (
        (name, _why(verdict, policy), *([instead.get(name, "")] if instead else []))
        for verdict in found
        if (name := verdict.rule.name)
    )
    return f"{title}:\n\n{table(heads, rows)}"


def _why(verdict: Verdict, policy: Policy) -> str:
    return reason(next(each for each in verdict.findings if each.fate != "fed" or each.missing), policy)


def _lacking(verdicts: list[Verdict]) -> str:
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        for need in verdict.missing if verdict.status is Status.MISSING_FIELDS else ():
            found.setdefault(f"`{need.field}`{' in the output' if need.is_printed else ''}", []).append(
                verdict.rule.name
            )
    rows = (
        (name, str(len(rules)), ", ".join(rules[:_FEW]) + (", …" if len(rules) > _FEW else ""))
        for name, rules in sorted(found.items(), key=lambda each: -len(each[1]))
    )
    return f"Rules that fire, but lack fields:\n\n{table(('field', 'rules', 'such as'), rows)}" if found else ""
