"""The least policy for rules."""

from pathlib import Path

import pytest
import yaml

from lanner.compiler.load import Rule, load_rules
from lanner.policy.check import Status, check_policy
from lanner.policy.generate import COMPONENTS, generate_policy
from lanner.policy.lint import lint_policy, patch_bodies
from lanner.policy.model import AuditLevel, Policy, Request
from lanner.policy.reader import read_policy_file
from lanner.policy.write import policy_object, to_text
from tests.unit.policy.making import make_rules

RULES = Path(__file__).parents[3] / "src" / "lanner" / "data" / "rules"


def _default_rules() -> list[Rule]:
    loaded = load_rules(sorted(RULES.glob("*.yaml"))).rules
    assert loaded is not None
    return [rule for rule in loaded.rules if rule.enabled]


def _starved(policy: Policy, rules: list[Rule]) -> list[str]:
    verdicts = check_policy(policy, rules)
    assert any(verdict.status is Status.FIRES for verdict in verdicts)
    return [
        verdict.rule.name for verdict in verdicts if verdict.status not in (Status.FIRES, Status.OFF, Status.EMPTY_LIST)
    ]


def _request(verb: str, resource: str, group: str = "", user: str = "alice", subresource: str = "") -> Request:
    return Request(
        verb=verb,
        user=user,
        groups=("system:authenticated",),
        is_resource=True,
        group=group,
        resource=resource,
        subresource=subresource,
        namespace="shop",
        name="x",
    )


def test_the_least_policy_of_the_default_rules_feeds_them_all() -> None:
    rules = _default_rules()
    assert _starved(generate_policy(rules).policy, rules) == []


def test_the_least_policy_of_the_official_rules_feeds_them_all(shared: Path) -> None:
    loaded = load_rules([shared / "upstream" / "k8s_audit_rules.yaml"]).rules
    assert loaded is not None
    assert _starved(generate_policy(loaded.rules).policy, list(loaded.rules)) == []


def test_it_is_written_so_that_it_is_read_back_as_it_is(tmp_path: Path) -> None:
    generated = generate_policy(_default_rules())
    path = tmp_path / "policy.yaml"
    path.write_text(to_text(generated, ["a line at the head"]), encoding="utf-8")
    read, diagnostics = read_policy_file(path)
    assert read == generated.policy
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == policy_object(generated.policy)
    lint_policy(generated.policy, diagnostics)
    assert {found.code.code for found in diagnostics} <= {"policy_blind_spot", "policy_secrets"}


def test_nothing_is_recorded_of_what_no_rule_asks_for() -> None:
    policy = generate_policy(make_rules("ka.verb = delete and ka.target.resource = pods")).policy
    assert policy.decide(_request("delete", "pods")).level is AuditLevel.METADATA
    assert policy.decide(_request("get", "pods")).level is AuditLevel.NONE
    assert policy.decide(_request("delete", "pods", subresource="eviction")).level is AuditLevel.METADATA
    assert policy.decide(_request("delete", "secrets")).level is AuditLevel.NONE
    assert policy.decide(Request(verb="get", path="/healthz")).level is AuditLevel.NONE
    assert len(policy.rules) == 1


@pytest.mark.parametrize(
    ("condition", "output", "level"),
    [
        ("ka.verb = create", "%ka.user.name", AuditLevel.METADATA),
        ("ka.verb = create and ka.req.pod.host_network = true", "x", AuditLevel.REQUEST),
        ("ka.verb = create", "%ka.req.pod.host_network", AuditLevel.REQUEST),
        ("ka.verb = create", "%ka.resp.name", AuditLevel.REQUEST_RESPONSE),
        ("ka.verb = create and jevt.value[/responseObject/kind] = Pod", "x", AuditLevel.REQUEST_RESPONSE),
    ],
)
def test_the_level_is_the_least_that_fills_what_is_read(condition: str, output: str, level: AuditLevel) -> None:
    rules = make_rules(f"{condition} and ka.target.resource = pods", output=output)
    assert generate_policy(rules).policy.decide(_request("create", "pods")).level is level


def test_what_only_outputs_print_can_be_left_out() -> None:
    rules = make_rules("ka.verb = create and ka.target.resource = pods", output="%ka.resp.name")
    policy = generate_policy(rules, outputs=False).policy
    assert policy.decide(_request("create", "pods")).level is AuditLevel.METADATA


def test_bodies_of_secrets_can_be_left_out() -> None:
    rules = make_rules("ka.verb = create and jevt.value[/requestObject/type] = x")
    policy = generate_policy(rules, secret_bodies=False).policy
    assert policy.decide(_request("create", "secrets")).level is AuditLevel.METADATA
    assert policy.decide(_request("create", "serviceaccounts", subresource="token")).level is AuditLevel.METADATA
    assert policy.decide(_request("create", "tokenreviews", "authentication.k8s.io")).level is AuditLevel.METADATA
    assert policy.decide(_request("create", "configmaps")).level is AuditLevel.REQUEST


def test_bodies_of_patches_can_be_left_out_and_the_blind_spot_is_closed() -> None:
    rules = make_rules("ka.verb in (create, patch) and jevt.value[/requestObject/type] = x")
    open_, closed = generate_policy(rules).policy, generate_policy(rules, patch_bodies=False).policy
    assert closed.decide(_request("patch", "configmaps")).level is AuditLevel.METADATA
    assert closed.decide(_request("create", "configmaps")).level is AuditLevel.REQUEST
    assert patch_bodies(open_)
    assert patch_bodies(closed) == {}


def test_components_are_left_out_of_what_is_asked_of_others_alone() -> None:
    condition = (
        f"ka.verb = get and ka.target.resource = pods and not ka.user.name in ({', '.join(map(repr, COMPONENTS))})"
    )
    policy = generate_policy(make_rules(condition.replace("'", '"'))).policy
    assert policy.decide(_request("get", "pods")).level is AuditLevel.METADATA
    assert {policy.decide(_request("get", "pods", user=user)).level for user in COMPONENTS} == {AuditLevel.NONE}


@pytest.mark.parametrize(
    ("condition", "recorded"),
    [
        ("ka.verb = watch", {"ResponseStarted", "ResponseComplete"}),  # the first for logins that fail
        ("ka.verb = watch and ka.user.name exists", {"ResponseComplete"}),
        ("ka.verb = watch and ka.user.name exists and ka.stage = ResponseStarted", {"ResponseStarted"}),
        ("ka.verb = watch and ka.stage = RequestReceived", {"RequestReceived"}),
        (
            "ka.verb = watch and (ka.stage = ResponseStarted or (ka.response.code = 403))",
            {"ResponseStarted", "ResponseComplete"},
        ),
        ("ka.verb = watch and ka.stage = Panic", {"Panic"}),
    ],
)
def test_stages_that_no_rule_asks_for_are_omitted(condition: str, recorded: set[str]) -> None:
    policy = generate_policy(make_rules(condition)).policy
    decision = policy.decide(_request("watch", "pods"))
    stages = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
    assert {stage for stage in stages if decision.records(stage)} == recorded


def test_managed_fields_are_kept_only_where_a_rule_reads_them() -> None:
    managed = "jevt.value[/requestObject/metadata/managedFields] exists"
    rules = make_rules(f"ka.verb = create and ka.target.resource = pods and {managed}", "ka.verb = create")
    policy = generate_policy(rules).policy
    assert not policy.decide(_request("create", "pods")).omit_managed_fields
    assert policy.decide(_request("create", "secrets")).omit_managed_fields


def test_a_custom_resource_is_in_the_rest() -> None:
    policy = generate_policy(make_rules("ka.verb = delete and ka.target.resource = widgets")).policy
    assert policy.decide(_request("delete", "widgets", "shop.example")).level is AuditLevel.METADATA


def test_without_rules_nothing_is_recorded() -> None:
    policy = generate_policy([]).policy
    assert [rule.level for rule in policy.rules] == [AuditLevel.NONE]


def test_the_comments_name_the_rules_in_one_line() -> None:
    text = to_text(generate_policy(make_rules(*["ka.verb = create"] * 5)))
    assert "  # R0, R1, R2 and 2 more\n  - level: Metadata\n" in text
