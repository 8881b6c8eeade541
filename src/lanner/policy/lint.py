"""What is worth a warning in a policy that an API server accepts."""

from __future__ import annotations

from lanner.diagnostics import Diagnostics, Label, Span
from lanner.policy.api import GROUPS, RESOURCES, Resource
from lanner.policy.model import AuditLevel, GroupResources, Policy, PolicyRule, Request
from lanner.policy.probes import OTHER_GROUP, groups_of, request
from lanner.policy.satisfy import FRESH

_BUILT_IN = frozenset(each.group for each in RESOURCES if each.is_known)
_SECRETS = (
    ("secrets", "create", AuditLevel.REQUEST),
    ("secrets", "get", AuditLevel.REQUEST_RESPONSE),
    ("serviceaccounts/token", "create", AuditLevel.REQUEST_RESPONSE),
    ("tokenreviews", "create", AuditLevel.REQUEST),
)
"""Requests whose bodies hold secrets or live tokens, and from which level they are recorded."""

_USER = f"{FRESH}-user"


def lint_policy(policy: Policy, diagnostics: Diagnostics) -> None:
    """Add what is worth a warning.

    Diagnostics: policy_blind_spot, policy_group, policy_secrets, policy_unreachable.
    """
    for number, rule in enumerate(policy.rules):
        _unreachable(policy, number, rule, diagnostics)
        for each in rule.resources:
            _groups(each, rule, diagnostics)
    _blind_spot(policy, diagnostics)
    _secrets(policy, diagnostics)


def _unreachable(policy: Policy, number: int, rule: PolicyRule, diagnostics: Diagnostics) -> None:
    first = next((earlier for earlier in policy.rules[:number] if covers(earlier, rule)), None)
    if first and first.span and rule.span:
        diagnostics.add(
            "policy_unreachable",
            "this rule never decides: an earlier one matches all of its requests",
            rule.span,
            related=(Label(first.span, "this one"),),
            help="the first rule that matches counts; put the narrower one first",
        )


def _groups(each: GroupResources, rule: PolicyRule, diagnostics: Diagnostics) -> None:
    for pattern in each.resources:
        name = pattern.partition("/")[0]
        groups = GROUPS.get(name, frozenset())
        is_wrong = bool(groups) if each.group else name != "*"
        if each.group in _BUILT_IN and is_wrong and each.group not in groups and rule.span:
            group = f"group `{each.group}`" if each.group else "the core group"
            right = " or ".join(f"`group: {found}`" if found else '`group: ""`' for found in sorted(groups))
            diagnostics.add(
                "policy_group",
                f"{group} has no `{name}`, so this matches nothing",
                _word(rule, pattern),
                help=f"`{name}` needs {right}" if groups else "write the plural, and the group that serves it",
            )


def _word(rule: PolicyRule, text: str) -> Span | None:
    """Where a text stands in a rule, as far as it can be found; else where the rule begins."""
    if rule.span is None:
        return None
    source = rule.span.file
    at = source.text.find(text, rule.span.start)
    return rule.span if at == -1 else Span(source, at, at + len(text))


def patch_bodies(policy: Policy) -> dict[int, Resource]:
    """The rules that record bodies of patches, by number, each with a resource whose patches it records.

    The API server puts the body of a server-side apply in YAML into the event unparsed, which can then not be encoded:
    where bodies of patches are recorded, whoever may patch anything can make the webhook lose a batch of events.
    """
    found: dict[int, Resource] = {}
    for resource in (*RESOURCES, Resource(OTHER_GROUP, f"{FRESH}s", is_known=False)):
        decision = policy.decide(_by_somebody(resource, "patch"))
        if decision.level >= AuditLevel.REQUEST and decision.rule is not None:
            found.setdefault(decision.rule, resource)
    return found


def _blind_spot(policy: Policy, diagnostics: Diagnostics) -> None:
    found = patch_bodies(policy)
    if found:
        first = min(found)
        diagnostics.add(
            "policy_blind_spot",
            "bodies of patches are recorded here, so one apply in YAML can lose a whole batch of events",
            policy.rules[first].span,
            label=f"`patch` of `{found[first].text}` is at level {policy.rules[first].level.text}",
            help="record `patch` at Metadata, or have losses told of by `blindness.apiserver.metrics`",
        )


def _secrets(policy: Policy, diagnostics: Diagnostics) -> None:
    resources = {each.text: each for each in RESOURCES}
    for name, verb, level in _SECRETS:
        decision = policy.decide(_by_somebody(resources[name], verb))
        if decision.level >= level and decision.rule is not None:
            diagnostics.add(
                "policy_secrets",
                f"bodies of `{name}` are recorded here: the log then holds secrets or tokens in clear",
                policy.rules[decision.rule].span,
                help=f"put a rule with `level: Metadata` for `{name}` above it",
            )


def _by_somebody(resource: Resource, verb: str) -> Request:
    place = (FRESH if resource.is_namespaced else "", FRESH, FRESH)
    return request(resource, verb, place, (_USER, groups_of(_USER)))


def covers(first: PolicyRule, second: PolicyRule) -> bool:
    """Whether a rule matches all that another one matches."""
    pairs = (
        (first.users, second.users),
        (first.user_groups, second.user_groups),
        (first.verbs, second.verbs),
        (first.namespaces, second.namespaces),
    )
    return all(not wide or (bool(narrow) and {*narrow} <= {*wide}) for wide, narrow in pairs) and _covers_targets(
        first, second
    )


def _covers_targets(first: PolicyRule, second: PolicyRule) -> bool:
    if not (first.resources or first.namespaces or first.non_resource_urls):
        return True
    if first.non_resource_urls and not (first.resources or first.namespaces):
        urls = second.non_resource_urls if not (second.resources or second.namespaces) else ()
        return bool(urls) and all(any(_leads(wide, url) for wide in first.non_resource_urls) for url in urls)
    if not (second.resources or second.namespaces):
        return False
    return not first.resources or (
        bool(second.resources)
        and all(any(_holds(wide, narrow) for wide in first.resources) for narrow in second.resources)
    )


def _leads(wide: str, url: str) -> bool:
    return wide in ("*", url) or (wide.endswith("*") and url != "*" and url.startswith(wide.rstrip("*")))


def _holds(wide: GroupResources, narrow: GroupResources) -> bool:
    if wide.group not in ("*", narrow.group):
        return False
    if not wide.resources:
        return True
    has_names = not wide.names or (bool(narrow.names) and {*narrow.names} <= {*wide.names})
    return (
        has_names
        and bool(narrow.resources)
        and all(any(pattern in ("*", name) for pattern in wide.resources) for name in narrow.resources)
    )
