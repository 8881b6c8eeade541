"""What a request's metadata says beyond its members: whose it is, where from, what for."""

from functools import lru_cache

from lanner.events.values import Json, as_text, as_texts, list_texts, walk
from lanner.fields.uri import query_parameter, query_parameters
from lanner.fields.workloads import as_line

_SERVICE_ACCOUNT = "system:serviceaccount:"
_TRIED = ("create", "update", "patch")
"""Verbs whose options stand in the URI. Those of a deletion stand in its body where it has one: a URI that says
otherwise has no effect then. Source: apiserver, endpoints/handlers: create.go, update.go, patch.go, delete.go."""

_ACTING = ("attach", "exec", "portforward", "proxy", "token")
"""Subresources that act, or answer, whatever `dryRun` says."""

_SCOPES = {"clusterrolebindings": "cluster", "rolebindings": "namespace"}

_CLASSES = (
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("link-local", ("169.254.0.0/16", "fe80::/10")),
    ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")),
)
"""Networks that are not reached from elsewhere. Source: RFC 1122, 1918, 3927, 4193, 4291, 6598."""


def serviceaccount_part(index: int, user: Json) -> str | None:
    """Namespace (0) or name (1) of the service account that a user name stands for."""
    if not isinstance(user, str) or not user.startswith(_SERVICE_ACCOUNT):
        return None
    namespace, colon, name = user[len(_SERVICE_ACCOUNT) :].partition(":")
    return (namespace, name)[index] if colon else None


def extra(user: Json, key: str | None) -> list[str] | None:
    """The values of one key of a user's extra information."""
    found = user.get("extra") if isinstance(user, dict) else None
    return list_texts(found.get(key or "")) if isinstance(found, dict) else None


def dry_run(verb: Json, uri: Json, subresource: Json) -> str | None:
    """`true` for a change that is only tried; None where the parameter may have no effect, as in a read."""
    if as_text(verb) not in _TRIED or "?" not in (as_text(uri) or "") or as_text(subresource) in _ACTING:
        return None
    return "true" if query_parameter(uri, "dryRun") == "All" else None


def field_manager(uri: Json) -> str | None:
    """The name under which a client writes."""
    return query_parameter(uri, "fieldManager")


def exec_command(uri: Json) -> str | None:
    """The command of an exec: all `command` parameters of the URI, decoded; white space of any kind is one blank."""
    return as_line(query_parameters(uri, "command")) or None


def peer(addresses: Json) -> str | None:
    """The address that the API server got the request from: the last one."""
    found = as_texts(addresses) if isinstance(addresses, list) else None
    return found[-1] if found else None


def all_addresses(addresses: Json) -> list[str] | None:
    """All addresses, the client's word first."""
    return list_texts(addresses)


def address_class(addresses: Json) -> str | None:
    """`loopback`, `link-local`, `private` or `public`; None for what is no address."""
    found = peer(addresses)
    return None if found is None else _class_of(found)


@lru_cache(4096)
def _class_of(text: str) -> str | None:
    from lanner.events.addresses import Networks, parse_address  # noqa: PLC0415 - kept out of the start of the program

    if parse_address(text) is None:
        return None
    return next((name for name, networks in _CLASSES if Networks(networks).has(text)), "public")


def binding_scope(resource: Json) -> str | None:
    """Where a binding holds: `cluster` or `namespace`."""
    return _SCOPES.get(as_text(resource) or "")


def token_lifetime(body: Json) -> int | None:
    """The seconds that a requested token is to last."""
    seconds = walk(body, ("spec", "expirationSeconds"))
    return seconds if type(seconds) is int and seconds >= 0 else None
