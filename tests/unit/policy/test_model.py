"""What a policy says of a request, against a plain reading of the Kubernetes documentation."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lanner.policy.model import AuditLevel, GroupResources, Policy, PolicyRule, Request
from lanner.policy.reader import read_policy_file

USERS = ["alice", "bob", "system:kube-proxy"]
GROUPS = ["system:authenticated", "ops", "dev"]
VERBS = ["get", "list", "create", "patch"]
NAMESPACES = ["", "shop", "kube-system"]
NAMES = ["", "a", "b"]
RESOURCES = ["pods", "deployments", "secrets"]
SUBRESOURCES = ["", "log", "scale"]
API_GROUPS = ["", "apps"]
PATHS = ["/", "/api", "/api/v2", "/healthz", "/healthz/ping"]
STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]
PATTERNS = ["pods", "pods/log", "pods/*", "*/scale", "*", "deployments", "deployments/scale", "secrets"]
URLS = ["*", "/api*", "/healthz", "/healthz/*", "/version"]


def _some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=2)


group_resources = st.fixed_dictionaries(
    {"group": st.sampled_from([*API_GROUPS, "*"])}, optional={"resources": _some(PATTERNS)}
).flatmap(
    lambda each: (
        st.fixed_dictionaries(
            {key: st.just(value) for key, value in each.items()}, optional={"resourceNames": _some(NAMES)}
        )
        if each.get("resources")
        else st.just(each)
    )
)
common = {
    "users": _some(USERS),
    "userGroups": _some(GROUPS),
    "verbs": _some(VERBS),
    "omitStages": _some(STAGES),
    "omitManagedFields": st.booleans(),
}
LEVELS = {"level": st.sampled_from(["None", "Metadata", "Request", "RequestResponse"])}
rules = st.one_of(
    st.fixed_dictionaries(
        LEVELS, optional={**common, "resources": st.lists(group_resources, max_size=2), "namespaces": _some(NAMESPACES)}
    ),
    st.fixed_dictionaries(LEVELS, optional={**common, "nonResourceURLs": _some(URLS)}),
)
policies = st.fixed_dictionaries(
    {
        "apiVersion": st.just("audit.k8s.io/v1"),
        "kind": st.just("Policy"),
        "rules": st.lists(rules, min_size=1, max_size=4),
    },
    optional={"omitStages": _some(STAGES), "omitManagedFields": st.booleans()},
)
resource_requests = st.builds(
    Request,
    verb=st.sampled_from(VERBS),
    user=st.sampled_from([*USERS, None]),
    groups=_some(GROUPS).map(tuple),
    path=st.just("/api/v1/whatever"),
    is_resource=st.just(True),
    group=st.sampled_from(API_GROUPS),
    resource=st.sampled_from(RESOURCES),
    subresource=st.sampled_from(SUBRESOURCES),
    namespace=st.sampled_from(NAMESPACES),
    name=st.sampled_from(NAMES),
)
other_requests = st.builds(
    Request,
    verb=st.sampled_from(VERBS),
    user=st.sampled_from([*USERS, None]),
    groups=_some(GROUPS).map(tuple),
    path=st.sampled_from(PATHS),
)


def plainly(policy: dict[str, Any], request: Request) -> tuple[str, set[str], bool, int | None]:
    """The documented meaning, clause by clause, on the policy as it was written."""
    for number, rule in enumerate(policy["rules"]):
        about_resources = bool(rule.get("resources") or rule.get("namespaces"))
        clauses = [
            not rule.get("users") or request.user in rule["users"],
            not rule.get("userGroups") or bool({*rule["userGroups"]} & {*request.groups}),
            not rule.get("verbs") or request.verb in rule["verbs"],
            not about_resources or request.is_resource,
            not rule.get("namespaces") or request.namespace in rule["namespaces"],
            not rule.get("resources") or any(_is_one_of(each, request) for each in rule["resources"]),
            not rule.get("nonResourceURLs") or not request.is_resource,
            not rule.get("nonResourceURLs")
            or any(re.fullmatch(re.escape(url).replace(r"\*", ".*"), request.path) for url in rule["nonResourceURLs"]),
        ]
        if all(clauses):
            stages = {*policy.get("omitStages", ()), *rule.get("omitStages", ())}
            managed = rule.get("omitManagedFields", policy.get("omitManagedFields", False))
            return rule["level"], stages, managed, number
    return "None", {*policy.get("omitStages", ())}, policy.get("omitManagedFields", False), None


def _is_one_of(each: dict[str, Any], request: Request) -> bool:
    if each["group"] not in ("*", request.group):
        return False
    if not each.get("resources"):
        return True
    if each.get("resourceNames") and request.name not in each["resourceNames"]:
        return False
    for pattern in each["resources"]:
        resource, _, subresource = pattern.partition("/")
        if pattern in ("*", f"{request.resource}/*"):
            return True
        if (
            resource in ("*", request.resource)
            and subresource == request.subresource
            and (resource != "*" or subresource)
        ):
            return True
    return False


@given(policy=policies, request=st.one_of(resource_requests, other_requests))
def test_a_written_policy_decides_as_the_documentation_says(
    policy: dict[str, Any], request: Request, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "policy.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    read, diagnostics = read_policy_file(path)
    assert read is not None, [found.message for found in diagnostics]
    decision = read.decide(request)
    found = (decision.level.text, {*decision.omit_stages}, decision.omit_managed_fields, decision.rule)
    assert found == plainly(policy, request)


def _pods(**own: Any) -> Request:
    return Request(**{"verb": "get", "user": "alice", "is_resource": True, "resource": "pods", **own})


def test_all_subresources_of_a_resource_take_in_the_resource_itself() -> None:
    """So the API server has it, though its documentation does not say so."""
    rule = GroupResources("", ("pods/*",))
    assert rule.matches(_pods())
    assert rule.matches(_pods(subresource="log"))
    assert not rule.matches(_pods(resource="secrets"))


def test_a_resource_does_not_take_in_its_subresources() -> None:
    assert not GroupResources("", ("pods",)).matches(_pods(subresource="exec"))


def test_a_star_before_a_subresource_does_not_take_in_the_resource() -> None:
    assert not GroupResources("", ("*/log",)).matches(_pods())


def test_an_empty_namespace_is_that_of_what_has_none() -> None:
    rule = PolicyRule(AuditLevel.METADATA, namespaces=("",))
    assert rule.matches(_pods(resource="nodes"))
    assert not rule.matches(_pods(namespace="shop"))
    assert not rule.matches(Request(verb="get", path="/healthz"))


def test_nobody_matches_a_rule_for_users_and_everybody_one_without() -> None:
    nobody = _pods(user=None)
    assert not PolicyRule(AuditLevel.NONE, users=("alice",)).matches(nobody)
    assert PolicyRule(AuditLevel.NONE).matches(nobody)


def test_what_no_rule_matches_is_not_recorded() -> None:
    decision = Policy((PolicyRule(AuditLevel.REQUEST, verbs=("create",)),)).decide(_pods())
    assert (decision.level, decision.rule) == (AuditLevel.NONE, None)
    assert not decision.records("ResponseComplete")
