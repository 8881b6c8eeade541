"""Events to the requests that a policy decided on."""

from typing import Any

import pytest

from lanner.policy.request import request_of


def _event(verb: str, uri: str, **reference: str) -> dict[str, Any]:
    return {"verb": verb, "requestURI": uri, "objectRef": reference, "user": {"username": "alice", "groups": ["ops"]}}


@pytest.mark.parametrize(
    ("verb", "uri", "expected"),
    [
        ("list", "/api/v1/pods?limit=500", ("", "pods", "", "", "")),
        ("get", "/api/v1/namespaces/shop/pods/p/log?follow=true", ("", "pods", "log", "shop", "p")),
        ("get", "/api/v1/namespaces/shop", ("", "namespaces", "", "shop", "shop")),
        ("update", "/api/v1/namespaces/shop/finalize", ("", "namespaces", "finalize", "shop", "shop")),
        ("list", "/api/v1/namespaces/shop/secrets", ("", "secrets", "", "shop", "")),
        ("patch", "/apis/apps/v1/namespaces/shop/deployments/d/scale", ("apps", "deployments", "scale", "shop", "d")),
        ("watch", "/api/v1/watch/namespaces/shop/pods", ("", "pods", "", "shop", "")),
        ("get", "/api/v1/nodes/n/proxy/run/x?cmd=id", ("", "nodes", "proxy", "", "n")),
        ("get", "/api/v1/namespaces/a%20b/pods/p", ("", "pods", "", "a b", "p")),
        ("proxy", "/api/v1/proxy/namespaces/shop/pods/p/a/b", ("", "pods", "", "shop", "p")),
    ],
)
def test_a_uri_names_what_the_api_server_takes_it_for(verb: str, uri: str, expected: tuple[str, ...]) -> None:
    found = request_of(_event(verb, uri))
    assert found.is_resource
    assert (found.group, found.resource, found.subresource, found.namespace, found.name) == expected


@pytest.mark.parametrize("uri", ["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz?verbose", "/metrics"])
def test_other_paths_are_no_resources(uri: str) -> None:
    found = request_of(_event("get", uri))
    assert not found.is_resource
    assert found.path == uri.partition("?")[0]


def test_a_new_object_has_no_name_yet() -> None:
    """Its name in the event comes from the body, which the policy does not see."""
    assert request_of(_event("create", "/api/v1/namespaces/shop/pods", resource="pods", name="p")).name == ""
    without_uri = {"verb": "create", "objectRef": {"resource": "pods", "namespace": "shop", "name": "p"}}
    assert request_of(without_uri).name == ""


def test_a_list_of_one_name_has_the_name() -> None:
    uri = "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dkey"
    assert request_of(_event("list", uri, resource="secrets", name="key")).name == "key"


def test_a_request_without_a_known_user_has_none() -> None:
    assert request_of({"verb": "get", "requestURI": "/api", "user": {}}).user is None


@pytest.mark.parametrize(
    "event", [{}, {"user": 1, "objectRef": [], "requestURI": None, "verb": 2}, {"requestURI": "//"}]
)
def test_odd_events_give_odd_requests_and_no_error(event: dict[str, Any]) -> None:
    assert not request_of(event).is_resource
