"""What managed clusters record."""

import pytest

from lanner.diagnostics import Diagnostics
from lanner.policy.check import Status, check_policy
from lanner.policy.lint import lint_policy
from lanner.policy.model import AuditLevel, Request
from lanner.policy.providers import PROVIDERS, Provider
from lanner.policy.report import fields_of
from tests.unit.policy.making import make_rules


def _request(verb: str, resource: str, group: str = "", user: str = "alice") -> Request:
    return Request(
        verb=verb,
        user=user,
        groups=("system:authenticated",),
        is_resource=True,
        group=group,
        resource=resource,
        namespace="kube-system",
        name="aws-auth" if resource == "configmaps" else "x",
    )


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.name)
def test_a_policy_is_read_without_a_complaint_of_the_api_server(provider: Provider) -> None:
    assert provider.policy().rules
    assert provider.basis


@pytest.mark.parametrize(
    ("name", "request_", "level"),
    [
        ("gke", _request("create", "pods"), AuditLevel.REQUEST_RESPONSE),
        ("gke", _request("get", "pods"), AuditLevel.REQUEST),
        ("gke", _request("create", "secrets"), AuditLevel.METADATA),
        ("gke", _request("delete", "events"), AuditLevel.NONE),
        ("gke", _request("update", "configmaps"), AuditLevel.METADATA),
        ("gke", _request("create", "leases", "coordination.k8s.io"), AuditLevel.METADATA),
        ("eks", _request("update", "configmaps"), AuditLevel.REQUEST_RESPONSE),
        ("eks", _request("create", "configmaps"), AuditLevel.METADATA),
        ("eks", _request("watch", "endpoints", user="system:kube-proxy"), AuditLevel.NONE),
        ("eks", _request("create", "rolebindings", "rbac.authorization.k8s.io"), AuditLevel.REQUEST_RESPONSE),
    ],
)
def test_what_a_provider_records(name: str, request_: Request, level: AuditLevel) -> None:
    assert PROVIDERS[name].policy().decide(request_).level is level


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("ka.user.groups intersects (system:masters)", Status.NEVER),
        ("kx.impuser.groups intersects (system:masters)", Status.NEVER),
        ("ka.impuser.name exists and ka.verb = delete and ka.target.resource = pods", Status.FIRES),
        ("ka.uri.param[fieldManager] exists and ka.verb = create", Status.NEVER),
        ("kx.field_manager exists and ka.verb = create", Status.NEVER),
        ("not ka.uri.param[fieldManager] exists and ka.verb = delete", Status.MISSING_FIELDS),
        ("ka.uri.param[dryRun] exists and ka.verb = delete and ka.target.resource = pods", Status.FIRES),
        ("kx.dry_run = true and ka.verb = patch and ka.target.resource = pods", Status.FIRES),
        ("kx.exec.command contains sh and ka.target.resource = pods and ka.target.subresource = exec", Status.FIRES),
        (
            "ka.target.resource = pods and ka.target.subresource = exec and ka.stage = ResponseStarted"
            " and ka.user.name exists",
            Status.FIRES,
        ),
        ("ka.stage = RequestReceived and ka.user.name exists", Status.NEVER),
        ("ka.verb = delete and ka.target.resource = pods and ka.user.name exists", Status.FIRES),
    ],
)
def test_what_the_log_of_gke_leaves_out_starves_rules(condition: str, status: Status) -> None:
    gke = PROVIDERS["gke"]
    (found,) = check_policy(gke.policy(), make_rules(condition, output="o"), [part.path for part in gke.absent])
    assert found.status is status


def test_the_fields_that_stay_empty_are_named() -> None:
    named = {field for part in PROVIDERS["gke"].absent for field in fields_of(part)}
    assert {"ka.user.groups", "kx.impuser.groups", "ka.uri.param", "kx.field_manager"} <= named
    assert not {"ka.impuser.name", "kx.dry_run", "kx.exec.command"} & named
    assert "ka.user.name" not in named
    assert "ka.uri" not in named


def test_published_policies_name_resources_in_their_groups() -> None:
    for provider in PROVIDERS.values():
        found = Diagnostics()
        lint_policy(provider.policy(), found)
        assert not {each.code.code for each in found} & {"policy_group", "policy_unreachable"}
