"""Fields of Lanner's own that are no part of a pod: roles, certificates, addresses, webhooks, requests."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from lanner.events.addresses import Networks, parse_address
from lanner.events.values import Json
from lanner.fields import certificates, grants, requests, webhooks
from lanner.fields.catalogue import FIELDS, Argument
from lanner.fields.extraction import extractor

from .requests_for_certificates import csr_pem, csr_spec


def read(name: str, arg: Argument = None, **event: Json) -> Any:
    return extractor(FIELDS[name], arg)(event)


def _entry(verbs: list[Json], resources: list[Json], groups: tuple[str, ...] = ("",)) -> Json:
    return {"verbs": verbs, "resources": resources, "apiGroups": [*groups]}


ROLE: Json = {
    "rules": [
        _entry(["get"], ["secrets"]),
        _entry(["create"], ["pods", "pods/exec"]),
        _entry(["*"], ["widgets"], ("example.com",)),
        {"verbs": ["get"], "nonResourceURLs": ["*"]},
    ]
}


@pytest.mark.parametrize(
    ("resource", "verbs"),
    [
        ("secrets", ["get"]),
        ("pods", ["create"]),
        ("pods/exec", ["create"]),
        ("pods/attach", None),
        ("widgets.example.com", ["*"]),
        ("widgets", None),
        ("configmaps", None),
    ],
)
def test_verbs_belong_to_the_resources_of_their_own_entry(resource: str, verbs: list[str] | None) -> None:
    assert grants.verbs_on(ROLE, resource) == verbs


@pytest.mark.parametrize(
    ("resources", "asked"),
    [("*", "secrets"), ("*", "pods/exec"), ("*/exec", "pods/exec"), ("pods/*", "pods/exec"), ("*/*", "secrets")],
)
def test_wildcards_cover_a_resource(resources: str, asked: str) -> None:
    assert grants.verbs_on({"rules": [_entry(["get"], [resources])]}, asked) == ["get"]
    assert grants.verbs_on({"rules": [_entry(["get"], [resources], ("*",))]}, asked) == ["get"]


def test_a_wildcard_within_another_group_covers_nothing_of_the_core() -> None:
    assert grants.verbs_on({"rules": [_entry(["*"], ["*"], ("example.com",))]}, "secrets") is None


def test_grants_are_written_as_kubectl_writes_them() -> None:
    body: Json = {"rules": [_entry(["get", "create"], ["deployments/scale"], ("apps",)), _entry(["list"], ["pods"])]}
    assert grants.grants(body) == ["get deployments.apps/scale", "create deployments.apps/scale", "list pods"]


def test_a_huge_role_is_cut_short() -> None:
    names: list[Json] = [f"r{number}" for number in range(1000)]
    assert len(grants.grants({"rules": [_entry(names, names)]}) or ()) == 10_000


def test_what_a_patch_leaves_unsaid_of_an_entry_may_be_anything() -> None:
    verb: Json = [{"op": "add", "path": "/rules/0/verbs/-", "value": "create"}]
    assert grants.verbs_on(verb, "secrets") == ["create"]
    resource: Json = [{"op": "add", "path": "/rules/0/resources/-", "value": "secrets"}]
    assert grants.verbs_on(resource, "secrets") == ["*"]
    assert grants.verbs_on(resource, "pods") is None


@pytest.mark.parametrize(
    ("verbs", "expected"),
    [
        (["get"], None),
        (["bind", "get"], ["bind"]),
        (["*"], ["escalate", "bind", "impersonate"]),
    ],
)
def test_verbs_of_escalation_are_named(verbs: list[Json], expected: list[str] | None) -> None:
    assert grants.escalation_verbs({"rules": [_entry(verbs, ["x"])]}) == expected


def test_subjects_that_a_patch_adds_are_seen() -> None:
    group: Json = {"kind": "Group", "name": "system:authenticated"}
    assert grants.subjects("Group", [{"op": "add", "path": "/subjects/-", "value": group}]) == ["system:authenticated"]
    account: Json = {"kind": "ServiceAccount", "name": "a", "namespace": "b"}
    body: Json = {"subjects": [group, account, {"kind": "User", "name": "carol"}, None, "x", {"kind": "User"}]}
    assert grants.subjects("User", body) == ["carol"]
    assert grants.subjects("ServiceAccount", body) == ["b:a"]
    assert grants.subjects("Robot", body) is None


def test_a_service_account_may_be_named_as_a_user() -> None:
    user: Json = {"kind": "User", "name": "system:serviceaccount:b:a"}
    body: Json = {"subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": "y"}, user]}
    assert grants.subjects("ServiceAccount", body) == ["y:x", "b:a"]
    assert grants.subjects("User", body) == ["system:serviceaccount:b:a"]
    group: Json = {"subjects": [{"kind": "Group", "name": "system:serviceaccount:b:a"}]}
    assert grants.subjects("ServiceAccount", group) is None


def test_a_subject_whose_kind_a_patch_does_not_say_counts_for_each_kind() -> None:
    body: Json = [{"op": "replace", "path": "/subjects/0/name", "value": "system:authenticated"}]
    assert grants.subjects("Group", body) == grants.subjects("User", body) == ["system:authenticated"]
    assert grants.subjects("ServiceAccount", body) == [":system:authenticated"]
    assert grants.subjects("Group", {"subjects": [{"name": "system:authenticated"}]}) is None


# Certificates


def test_the_subject_of_a_request_is_that_which_a_library_reads() -> None:
    pem = csr_pem("system:admin", "system:masters", "Müller & Söhne")
    body: Json = {"spec": {"request": base64.b64encode(pem).decode()}}
    subject = x509.load_pem_x509_csr(pem).subject
    (name,) = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    organizations = [each.value for each in subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)]
    assert certificates.common_name(body) == name.value == "system:admin"
    assert certificates.organizations(body) == organizations == ["system:masters", "Müller & Söhne"]


def test_the_subject_is_read_behind_other_text_and_over_lines_of_any_length() -> None:
    pem = csr_pem("mallory", "system:masters").decode()
    head, *lines, tail = pem.strip().split("\n")
    narrow = "\n".join(letter for line in lines for letter in line)
    for text in (f"hello\n{pem}", f"{head}\n{narrow}\n{tail}\n"):
        body: Json = {"spec": {"request": base64.b64encode(text.encode()).decode()}}
        assert certificates.organizations(body) == ["system:masters"]


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_damaged_requests_give_texts_or_nothing(junk: bytes, at: int, byte: int) -> None:
    spec = csr_spec("mallory", "system:masters")
    der = bytearray(base64.b64decode(csr_pem("mallory", "system:masters").decode().split("-----")[2]))
    der[at % len(der)] = byte
    for data in (bytes(der), junk):
        text = b"-----BEGIN X-----\n" + base64.b64encode(data) + b"\n-----END X-----"
        body: Json = {"spec": spec | {"request": base64.b64encode(text).decode()}}
        assert isinstance(certificates.common_name(body), str | None)
        assert isinstance(certificates.organizations(body), list | None)


def test_a_request_of_many_headers_has_no_subject() -> None:
    text = base64.b64encode(b"-----BEGIN C" * 4000).decode()
    assert certificates.common_name({"spec": {"request": text}}) is None


@pytest.mark.parametrize("body", [None, [], {}, {"spec": {"request": 1}}, {"spec": {"request": "%%"}}, {"spec": "x"}])
def test_what_is_no_request_has_no_subject(body: Json) -> None:
    assert certificates.common_name(body) is None
    assert certificates.organizations(body) is None


# Addresses


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("172.32.0.1", "public"),
        ("100.64.0.1", "private"),
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("203.0.113.7", "public"),
        ("8.8.8.8", "public"),
        ("::1", "loopback"),
        ("fd00::1", "private"),
        ("fe80::1%eth0", "link-local"),
        ("2001:db8::1", "public"),
        ("::ffff:10.0.0.1", "private"),
        ("nonsense", None),
    ],
)
def test_an_address_belongs_to_a_class(address: str, expected: str | None) -> None:
    assert requests.address_class(["1.1.1.1", address]) == expected


def test_only_the_last_address_is_the_peers() -> None:
    assert read("kx.source.ip", sourceIPs=["10.0.0.1", "203.0.113.7"]) == "203.0.113.7"
    assert read("kx.source.class", sourceIPs=["10.0.0.1", "203.0.113.7"]) == "public"
    assert read("kx.source.ip", sourceIPs=[]) is None


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_has_the_addresses_that_the_library_says(address: Any, length: int) -> None:
    length = min(length, address.max_prefixlen)
    networks = Networks([f"{address}/{length}"])
    assert networks.has(str(address)) == (parse_address(str(address)) == address)


def test_many_networks_are_told_apart() -> None:
    networks = Networks(["10.0.0.0/8", "192.0.2.7", "fd00::/8", "nonsense", "172.16.5.4/12"])
    assert [networks.has(text) for text in ("10.9.8.7", "192.0.2.7", "fd12::", "172.31.1.1")] == [True] * 4
    assert [networks.has(text) for text in ("11.0.0.1", "192.0.2.8", "fe80::", "", "x")] == [False] * 5


# Requests


@pytest.mark.parametrize(
    ("verb", "uri", "subresource", "expected"),
    [
        ("create", "/api/v1/pods?dryRun=All", None, "true"),
        ("patch", "/api/v1/pods/x?a=b&dry%52un=All", None, "true"),
        ("update", "/api/v1/pods/x/status?dryRun=All", "status", "true"),
        ("create", "/api/v1/namespaces/n/pods/x/eviction?dryRun=All", "eviction", "true"),
        ("create", "/api/v1/pods", None, None),
        ("create", "/api/v1/pods?dryRun=", None, None),
        ("list", "/api/v1/secrets?dryRun=All", None, None),
        ("get", "/api/v1/secrets/x?dryRun=All", None, None),
        # The body of a deletion overrides its URI
        ("delete", "/api/v1/pods/x?dryRun=All", None, None),
        ("deletecollection", "/api/v1/pods?dryRun=All", None, None),
        # These act, or answer, all the same
        ("create", "/api/v1/namespaces/n/pods/x/exec?command=sh&dryRun=All", "exec", None),
        ("create", "/api/v1/nodes/x/proxy/run?dryRun=All", "proxy", None),
        ("create", "/api/v1/namespaces/n/serviceaccounts/x/token?dryRun=All", "token", None),
    ],
)
def test_a_dry_run_is_one_only_where_the_parameter_has_an_effect(
    verb: str, uri: str, subresource: str | None, expected: str | None
) -> None:
    assert requests.dry_run(verb, uri, subresource) == expected


def test_the_command_of_an_exec_is_decoded_and_whole() -> None:
    uri = "/exec?stdout=true&comm%61nd=sh&command=-c&command=cat+%2Fetc%2Fshadow%3B+id"
    assert requests.exec_command(uri) == "sh -c cat /etc/shadow; id"
    assert requests.exec_command("/exec?stdin=true") is None
    assert requests.exec_command("/exec?command=sh&command=a%0Ab%09%20c") == "sh a b c"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("system:serviceaccount:dev:builder", ("dev", "builder")),
        ("system:serviceaccount:dev", (None, None)),
        ("alice", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_service_account_has_a_namespace_and_a_name(user: Json, expected: tuple[str | None, str | None]) -> None:
    assert (requests.serviceaccount_part(0, user), requests.serviceaccount_part(1, user)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(3600, 3600), (None, None), ("3600", None), (-1, None), (True, None), (1.5, None)]
)
def test_a_lifetime_is_a_number(seconds: Json, expected: int | None) -> None:
    assert requests.token_lifetime({"spec": {"expirationSeconds": seconds}}) == expected


# Webhooks


def test_targets_of_webhooks_are_urls_and_services() -> None:
    body: Json = {"webhooks": [{"clientConfig": {"url": "https://a"}}, {"clientConfig": {"service": {"name": "s"}}}, 1]}
    assert webhooks.targets(body) == ["https://a", "/s"]
    patch: Json = [{"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": "https://b"}]
    assert webhooks.targets(patch) == ["https://b"]


@pytest.mark.parametrize(
    "key",
    [
        "failed-open.validating.webhook.admission.k8s.io/round_0_index_0",
        "failed-open.mutation.webhook.admission.k8s.io/round_0_index_0",
    ],
)
def test_webhooks_that_failed_open_are_named(key: str) -> None:
    assert webhooks.failed_open({key: "guard", "other": "x"}) == ["guard"]
    assert webhooks.failed_open({"other": "x"}) is None
    assert webhooks.failed_open([key]) is None


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ('{"op":"add","path":"/spec/containers/0/securityContext","value":{"privileged":true}}', ["privileged"]),
        ('{"op":"add","path":"/spec/hostPID","value":true}', ["host_pid"]),
        ('{"op":"add","path":"/spec/hostIPC","value":true}', ["host_ipc"]),
        ('{"op":"add","path":"/spec/hostNetwork","value":true}', ["host_network"]),
        ('{"op":"add","path":"/spec/initContainers/-","value":{"image":"proxy"}}', ["container"]),
        ('{"op":"add","path":"/metadata/labels/a","value":"b"}', None),
        ("nonsense", None),
    ],
)
def test_what_webhooks_inject_is_told(operation: str, expected: list[str] | None) -> None:
    patch = f'{{"configuration":"c","webhook":"w","patch":[{operation}],"patchType":"JSONPatch"}}'
    assert webhooks.injected({"patch.webhook.admission.k8s.io/round_0_index_0": patch}) == expected


def test_addresses_that_a_service_claims_are_seen_in_a_patch() -> None:
    patch: Json = [{"op": "add", "path": "/spec/externalIPs/-", "value": "203.0.113.80"}]
    assert read("kx.service.external_ips", requestObject=patch) == ["203.0.113.80"]
    assert read("kx.service.external_ips", requestObject={"spec": {"externalIPs": []}}) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [('Pulling image "reg:5000/a/b:1"', "reg:5000/a/b"), ('Pulled image "a"', None), ("", None), (7, None)],
)
def test_an_event_tells_the_image_that_is_pulled(message: Json, expected: str | None) -> None:
    assert read("kx.event.pulled_repository", requestObject={"message": message}) == expected
