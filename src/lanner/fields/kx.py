"""Lanner's own fields, which begin with `kx.`: what Falco's fields do not show of Kubernetes audit events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lanner.fields import certificates, grants, patches, requests, webhooks, workloads
from lanner.fields.kx_pods import OWN_POD_FIELDS
from lanner.fields.rows import own, own_at, own_body
from lanner.fields.spec import ArgKind, Derived, FieldSpec, FieldType, FieldValue, Level


def _of_user(name: str, member: str, whose: str, example: tuple[str, ...]) -> FieldSpec:
    return own(
        f"{name}.extra",
        f"What is further known about {whose}, by key, such as `authentication.kubernetes.io/credential-id`.",
        Derived((member,), requests.extra),
        example,
        arg=ArgKind.KEY,
        example_arg="authentication.kubernetes.io/credential-id",
    )


def _serviceaccount(name: str, index: int, what: str, example: str) -> FieldSpec:
    function = partial(requests.serviceaccount_part, index)
    return own(
        f"user.serviceaccount.{name}",
        f"The {what} of the service account that made the request. Missing for other users.",
        Derived(("user/username",), function),
        example,
    )


_REQUEST = (
    own_at("level", ("level",), "The audit level at which the event was recorded.", "RequestResponse"),
    own_at("target.api_group", ("objectRef", "apiGroup"), "The API group of the object; missing for the core.", "apps"),
    own_at("target.api_version", ("objectRef", "apiVersion"), "The version of the API that was asked.", "v1"),
    own(
        "dry_run",
        "`true` for a creation, update or patch that was only to be tried. Missing where the parameter of the URI may "
        "have no effect: in reads, in exec, proxy, tokens and the like, and in deletions, whose body decides: "
        "`kx.body[/dryRun/0]`.",
        Derived(("verb", "requestURI", "objectRef/subresource"), requests.dry_run),
        "true",
    ),
    own(
        "field_manager",
        "The name under which the client writes, by its own word: the parameter `fieldManager` of the URI.",
        Derived(("requestURI",), requests.field_manager),
        "kubectl-create",
    ),
    own(
        "exec.command",
        "Of an exec: its command with all arguments, decoded, with one blank for white space of any kind.",
        Derived(("requestURI",), requests.exec_command),
        "cat /etc/shadow",
    ),
    own_at(
        "deprecated_api",
        ("annotations", "k8s.io/deprecated"),
        "`true` where the version of the API that was asked is deprecated.",
        "true",
    ),
    own_at(
        "removed_release",
        ("annotations", "k8s.io/removed-release"),
        "The release of Kubernetes that does not have that version of the API any more.",
        "1.32",
    ),
)

_USERS = (
    _serviceaccount("namespace", 0, "namespace", "dev"),
    _serviceaccount("name", 1, "name", "builder"),
    _of_user("user", "user", "the user", ("X509SHA256=0a1b",)),
    own_at(
        "impuser.groups",
        ("impersonatedUser", "groups"),
        "The groups that the request acts in by impersonation.",
        ("system:masters",),
    ),
    _of_user("impuser", "impersonatedUser", "the user whom the request impersonates", ("X509SHA256=2c3d",)),
)

_SOURCE = (
    own(
        "source.ip",
        "The address that the API server got the request from: the last of `ka.sourceips`, which no header can forge. "
        "Behind a proxy or load balancer it is that one's. Compared with addresses and networks: `in (10.0.0.0/8)`.",
        Derived(("sourceIPs",), requests.peer),
        "10.0.0.4",
        type=FieldType.ADDRESS,
    ),
    own(
        "source.ips",
        "All addresses that the request came through, compared with addresses and networks. All but the last are the "
        "client's word.",
        Derived(("sourceIPs",), requests.all_addresses),
        ("203.0.113.7", "10.0.0.4"),
        type=FieldType.ADDRESS,
    ),
    own(
        "source.class",
        "Where `kx.source.ip` belongs: `loopback`, `link-local`, `private` (RFC 1918, 4193, 6598) or `public`. Which "
        "addresses are the cluster's own is for rules to say: see the list `cluster_networks` of the default rules.",
        Derived(("sourceIPs",), requests.address_class),
        "private",
    ),
)

_PATCH_NOTE = "In a JSON Patch, what its operations write is looked through."
_PATCHES = (
    own(
        "body",
        f"The value at a JSON pointer into the object that the request writes. {_PATCH_NOTE} In others, the same as "
        "`jevt.value[/requestObject/…]`.",
        Derived(("requestObject",), patches.value_at),
        "NodePort",
        arg=ArgKind.KEY,
        example_arg="/spec/type",
    ),
    own(
        "patch.type",
        "Of a patch: `json`, `apply` (server-side), `strategic` or `merge`, as far as the body tells. A strategic "
        "merge patch without directives counts as `merge`.",
        Derived(("verb", "requestObject"), patches.patch_type),
        "json",
    ),
    own_body(
        "patch.paths",
        "Of a JSON Patch: the paths that it writes, with `*` for the index of an element.",
        patches.patched_paths,
        ("/spec/template/spec/containers/*/image",),
    ),
    own(
        "patch.removed",
        "Of a patch: the JSON pointers that it removes, by the operations `remove` and `move`, by null, or by a "
        "directive such as `$patch`, which counts for the object or list that it stands in.",
        Derived(("verb", "requestObject"), patches.removed_paths),
        ("/metadata/labels/app",),
    ),
)


def _subjects(name: str, what: str, function: Callable[..., FieldValue], example: tuple[str, ...]) -> FieldSpec:
    text = f"Of a role binding or cluster role binding: the {what} among its subjects. {_PATCH_NOTE}"
    return own_body(f"binding.{name}", text, function, example)


_ROLE = "Of a role or cluster role: "
_BINDINGS = (
    own(
        "binding.scope",
        "Of a role binding or cluster role binding: where it holds, `cluster` or `namespace`.",
        Derived(("objectRef/resource",), requests.binding_scope),
        "cluster",
    ),
    _subjects("users", "users", partial(grants.subjects, "User"), ("carol",)),
    _subjects("groups", "groups", partial(grants.subjects, "Group"), ("contractors",)),
    _subjects(
        "serviceaccounts",
        "service accounts, each as `namespace:name`,",
        partial(grants.subjects, "ServiceAccount"),
        ("dev:builder",),
    ),
)


def _rule_member(member: str, what: str, example: tuple[str, ...]) -> FieldSpec:
    return own_body(
        f"role.rules.{member}",
        f"{_ROLE}{what} of all its entries. {_PATCH_NOTE}",
        partial(grants.rule_members, member),
        example,
    )


_ROLES = (
    _rule_member("verbs", "the verbs", ("get", "list", "get")),
    _rule_member("resources", "the resources", ("pods",)),
    own_body(
        "role.grants",
        f"{_ROLE}what its entries grant, as `verb resource` with the resource as kubectl writes it, such as "
        "`create deployments.apps/scale`.",
        grants.grants,
        ("get pods", "list pods"),
    ),
    own(
        "role.verbs",
        f"{_ROLE}the verbs that it grants on a resource, which kubectl would write so: `secrets`, `deployments.apps`, "
        "`pods/exec`. An entry with a wildcard for the resource or its group counts; `*` among the verbs stays as it "
        "is. What a JSON Patch leaves unsaid of an entry counts as `*`.",
        Derived(("requestObject",), grants.verbs_on),
        ("get", "list"),
        arg=ArgKind.KEY,
        example_arg="pods",
    ),
    own_body(
        "role.escalation",
        f"{_ROLE}which of `escalate`, `bind` and `impersonate` it grants; all of them with `*`.",
        grants.escalation_verbs,
        ("bind",),
    ),
)


_CREDENTIALS = (
    own(
        "token.lifetime",
        "Of a TokenRequest: the seconds that the token is to last. Missing where the default applies, an hour.",
        Derived(("requestObject",), requests.token_lifetime),
        86400,
        type=FieldType.NUMBER,
    ),
    own_at(
        "token.audiences",
        ("requestObject", "spec", "audiences"),
        "Of a TokenRequest: whom the token is for. Missing where it is for the API server.",
        ("vault",),
    ),
    own_at(
        "csr.signer",
        ("requestObject", "spec", "signerName"),
        "Of a CertificateSigningRequest: who is to sign it.",
        "kubernetes.io/kube-apiserver-client",
    ),
    own_at(
        "csr.usages",
        ("requestObject", "spec", "usages"),
        "Of a CertificateSigningRequest: what the certificate is for, such as `client auth`.",
        ("client auth",),
    ),
    own_body(
        "csr.common_name",
        "Of a CertificateSigningRequest: the common name in the request itself, which becomes the user's name.",
        certificates.common_name,
        "mallory",
    ),
    own_body(
        "csr.organizations",
        "Of a CertificateSigningRequest: the organizations in the request itself, which become the user's groups.",
        certificates.organizations,
        ("system:masters",),
    ),
)


def _admission(
    name: str, what: str, function: Callable[..., FieldValue], example: tuple[str, ...], level: Level = Level.REQUEST
) -> FieldSpec:
    """A row about what webhooks did. Source: apiserver, mutating/dispatcher.go: patches from level Request on."""
    return own(f"admission.{name}", what, Derived(("annotations",), function), example, recorded_from=level)


_ADMISSION = (
    own_body(
        "webhook.targets",
        "Of an admission webhook configuration: where the webhooks lead, a URL or `namespace/name` of a service.",
        webhooks.targets,
        ("https://hooks.example.com/mutate", "guard/policy"),
    ),
    own_body(
        "webhook.failure_policies",
        "Of an admission webhook configuration: what happens when a webhook fails, `Fail` or `Ignore`.",
        webhooks.failure_policies,
        ("Ignore", "Fail"),
    ),
    _admission(
        "patches",
        "The patches that mutating webhooks made to the request, each as JSON.",
        webhooks.admission_patches,
        ('{"configuration":"mesh","webhook":"inject.example.com","patch":[],"patchType":"JSONPatch"}',),
    ),
    _admission(
        "injected",
        "What mutating webhooks put into a pod or workload of what reaches for its node: `privileged`, `host_network`, "
        "`host_pid`, `host_ipc`, `hostpath`, and `container` for a container of any kind.",
        webhooks.injected,
        ("hostpath",),
    ),
    _admission(
        "failed_open",
        "The webhooks that could not be asked, and without which the request went on.",
        webhooks.failed_open,
        ("inject.example.com",),
        Level.METADATA,
    ),
)

_OTHERS = (
    own_body(
        "service.external_ips",
        f"Of a service: the addresses outside of the cluster that it claims. {_PATCH_NOTE}",
        workloads.external_ips,
        ("203.0.113.80",),
        "externalIPs",
    ),
    own_body(
        "event.pulled_repository",
        "Of a Kubernetes event: the image that a node is about to pull, without tag and digest.",
        workloads.pulled_repository,
        "docker.io/library/nginx",
    ),
    own_body(
        "configmap.data",
        f"Of a config map: its data as JSON, with what is in `binaryData` decoded. {_PATCH_NOTE}",
        workloads.configmap_data,
        '{"color":"blue"}',
    ),
)

OWN_FIELDS = (
    *_REQUEST,
    *_USERS,
    *_SOURCE,
    *_PATCHES,
    *OWN_POD_FIELDS,
    *_BINDINGS,
    *_ROLES,
    *_CREDENTIALS,
    *_ADMISSION,
    *_OTHERS,
)
