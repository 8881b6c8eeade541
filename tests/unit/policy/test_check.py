"""What a policy does to rules."""

from pathlib import Path

import pytest

from lanner.policy.check import Fate, Status
from lanner.policy.report import describe, is_ok
from tests.unit.policy.making import make_policy, verdict

METADATA = "- level: Metadata"
BODY = "ka.verb = create and ka.target.resource = pods and ka.req.pod.host_network = true"


def test_a_condition_on_a_body_can_never_fire_at_metadata(tmp_path: Path) -> None:
    found = verdict(make_policy(tmp_path, METADATA), BODY)
    assert found.status is Status.NEVER
    (finding,) = found.findings
    assert finding.fate is Fate.FIELDS_MISSING
    assert [(need.field, need.level.text, need.is_printed) for need in finding.missing] == [
        ("ka.req.pod.host_network", "Request", False)
    ]
    assert describe(finding.example) == "create pods"
    assert not is_ok([found])


def test_it_fires_at_request(tmp_path: Path) -> None:
    found = verdict(make_policy(tmp_path, "- level: Request"), BODY)
    assert (found.status, is_ok([found])) == (Status.FIRES, True)


def test_a_missing_body_that_makes_a_negation_true_is_a_missing_field(tmp_path: Path) -> None:
    condition = "ka.verb = create and ka.target.resource = pods and not ka.req.pod.host_network = false"
    found = verdict(make_policy(tmp_path, METADATA), condition)
    assert found.status is Status.MISSING_FIELDS
    assert {each.fate for each in found.findings} == {Fate.FED}
    assert [need.field for need in found.missing] == ["ka.req.pod.host_network"]


def test_a_field_of_the_output_alone_is_missing_without_harm(tmp_path: Path) -> None:
    condition = "ka.verb = create and ka.target.resource = pods"
    found = verdict(make_policy(tmp_path, METADATA), condition, "%ka.resp.name")
    assert found.status is Status.MISSING_FIELDS
    assert [(need.field, need.is_printed) for need in found.missing] == [("ka.resp.name", True)]
    assert is_ok([found])


def test_a_body_that_a_request_never_has_is_not_missing(tmp_path: Path) -> None:
    found = verdict(make_policy(tmp_path, METADATA), "ka.verb = get", "%ka.req.pod.host_network")
    assert found.status is Status.FIRES


def test_a_read_has_no_body_so_a_condition_on_it_asks_for_nothing(tmp_path: Path) -> None:
    found = verdict(
        make_policy(tmp_path, "- level: RequestResponse"), "ka.verb = list and ka.req.pod.host_network = true"
    )
    assert found.status is Status.OFF


def test_the_rule_that_starves_is_named(tmp_path: Path) -> None:
    policy = make_policy(
        tmp_path,
        """\
        - level: None
          users: [alice]
        - level: None
          verbs: [watch]
        - level: Metadata
        """,
    )
    found = verdict(policy, "ka.user.name = alice")
    assert (found.status, {each.policy_rule for each in found.findings}) == (Status.NEVER, {0})
    assert verdict(policy, "ka.user.name = bob").status is Status.PARTLY
    assert verdict(policy, "ka.user.name = bob and ka.verb = get").status is Status.FIRES
    lost = verdict(policy, "ka.verb = watch")
    assert (lost.status, {each.policy_rule for each in lost.findings}) == (Status.NEVER, {0, 1})


def test_a_policy_without_a_rule_for_the_rest_records_nothing_of_it(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, "- {level: Metadata, verbs: [create]}")
    (finding,) = verdict(policy, "ka.verb = delete and ka.target.resource = pods").findings
    assert (finding.fate, finding.policy_rule) == (Fate.NOT_RECORDED, None)


def test_a_resource_is_in_its_own_group_only(tmp_path: Path) -> None:
    policy = make_policy(
        tmp_path,
        """\
        - level: Metadata
          resources: [{group: "", resources: [deployments, pods]}]
        """,
    )
    assert verdict(policy, "ka.target.resource = deployments").status is Status.NEVER
    assert verdict(policy, "ka.target.resource = pods and not ka.target.subresource exists").status is Status.FIRES


def test_a_cluster_scoped_resource_is_in_no_namespace(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, '- {level: Metadata, namespaces: ["kube-system"]}')
    assert verdict(policy, "ka.target.resource = clusterroles").status is Status.NEVER
    assert verdict(policy, "ka.target.resource = secrets").status is Status.PARTLY
    inside = "ka.target.resource = secrets and ka.target.namespace = kube-system"
    assert verdict(policy, inside).status is Status.FIRES
    empty = make_policy(tmp_path, '- {level: Metadata, namespaces: [""]}')
    assert verdict(empty, "ka.target.resource = clusterroles").status is Status.FIRES


def test_a_namespace_is_in_itself(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, '- {level: Metadata, namespaces: ["shop"]}')
    assert verdict(policy, "ka.verb = delete and ka.target.resource = namespaces and ka.target.name = shop").status is (
        Status.FIRES
    )


def test_the_name_of_a_new_object_is_not_known_to_the_policy(tmp_path: Path) -> None:
    policy = make_policy(
        tmp_path,
        """\
        - level: None
          resources: [{group: "", resources: [configmaps], resourceNames: [leader]}]
        - level: Metadata
        """,
    )
    named = "ka.target.resource = configmaps and ka.target.name = leader"
    assert verdict(policy, f"{named} and ka.verb = create").status is Status.FIRES
    assert verdict(policy, f"{named} and ka.verb = update").status is Status.NEVER


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("ka.stage = ResponseStarted and ka.verb = watch", Status.NEVER),
        ("ka.verb = watch and ka.user.name exists", Status.FIRES),
        ("ka.stage in (ResponseStarted, ResponseComplete) and ka.verb = watch and ka.user.name exists", Status.FIRES),
        ("ka.verb = watch", Status.PARTLY),  # a login that failed has no other stage
        ("ka.stage = ResponseStarted and ka.verb = create and ka.target.resource = pods and ka.user.name exists "
         "and not ka.target.subresource exists", Status.OFF),
        ("ka.stage = ResponseStarted and not ka.user.name exists", Status.NEVER),
    ],
)  # fmt: skip
def test_an_omitted_stage_starves_those_that_ask_for_it_alone(tmp_path: Path, condition: str, status: Status) -> None:
    policy = make_policy(tmp_path, METADATA, "omitStages: [ResponseStarted]")
    assert verdict(policy, condition).status is status


def test_what_has_no_response_yet_has_no_status(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, METADATA, "omitStages: [ResponseComplete, ResponseStarted]")
    found = verdict(policy, "ka.verb = create and ka.response.code = 201")
    assert found.status is Status.NEVER
    assert found.findings[0].stages == ("ResponseComplete",)


def test_groups_are_those_that_a_user_of_that_name_has(tmp_path: Path) -> None:
    policy = make_policy(
        tmp_path,
        """\
        - level: None
          userGroups: ["system:nodes", "system:serviceaccounts:kube-system"]
        - level: Metadata
        """,
    )
    assert verdict(policy, 'ka.user.name startswith "system:node:"').status is Status.NEVER
    assert verdict(policy, 'ka.user.name startswith "system:serviceaccount:kube-system:"').status is Status.NEVER
    assert verdict(policy, 'ka.user.name startswith "system:serviceaccount:shop:"').status is Status.FIRES
    assert verdict(policy, "ka.user.groups intersects (system:nodes)").status is Status.NEVER


def test_a_forged_identity_is_one_without_its_groups(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, METADATA)
    condition = 'ka.user.name startswith "system:node:" and not ka.user.groups intersects (system:nodes)'
    assert verdict(policy, condition).status is Status.FIRES


def test_paths_that_are_no_resources(tmp_path: Path) -> None:
    policy = make_policy(
        tmp_path,
        """\
        - level: None
          nonResourceURLs: ["/healthz*", "/version"]
        - level: Metadata
        """,
    )
    assert verdict(policy, "ka.uri = /healthz and not ka.target.resource exists").status is Status.NEVER
    assert verdict(policy, "ka.uri = /metrics and not ka.target.resource exists").status is Status.FIRES
    assert verdict(policy, 'ka.uri startswith "/healthz"').status is Status.PARTLY


def test_the_level_itself_can_be_asked_for(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, METADATA)
    assert verdict(policy, "jevt.value[/level] = Metadata").status is Status.FIRES
    other = verdict(policy, "jevt.value[/level] = Request")
    assert (other.status, {each.fate for each in other.findings}) == (Status.NEVER, {Fate.FIELDS_MISSING})
    assert verdict(policy, "jevt.value[/level] = Everything").status is Status.OFF


def test_a_condition_that_no_event_meets_is_not_the_fault_of_the_policy(tmp_path: Path) -> None:
    policy = make_policy(tmp_path, "- level: None")
    assert verdict(policy, "jevt.rawtime = 0").status is Status.OFF
    assert verdict(policy, "ka.verb = get and ka.verb = list").status is Status.OFF
    assert verdict(policy, "ka.response.code = 200 and ka.response.code = 201").status is Status.OFF
    assert verdict(policy, "ka.verb = replace").status is Status.OFF


def test_what_cannot_be_decided_is_said_to_be_unknown(tmp_path: Path) -> None:
    condition = 'ka.useragent regex "(a|b)+c{2}" and not ka.useragent regex "[ab]*cc"'
    assert verdict(make_policy(tmp_path, METADATA), condition).status is Status.UNKNOWN
