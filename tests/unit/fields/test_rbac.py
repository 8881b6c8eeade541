"""Fields of role bindings."""

import pytest

from lanner.events.values import Json
from lanner.fields import rbac

BINDING: Json = {
    "subjects": [
        {"kind": "User", "name": "carol"},
        {"kind": "Group", "name": "contractors"},
        None,
        "User",
        {"kind": "ServiceAccount", "name": "builder", "namespace": "dev"},
        {"kind": "ServiceAccount", "name": "lost"},
        {"kind": "ServiceAccount", "name": None, "namespace": "dev"},
        {"kind": "User", "name": 7},
        {"name": "nobody"},
    ]
}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("User", ["carol", "7"]), ("Group", ["contractors"]), ("ServiceAccount", ["builder", "lost"]), ("Robot", None)],
)
def test_subjects_are_named_by_kind(kind: str, expected: list[str] | None) -> None:
    assert rbac.subject_names(kind, BINDING) == expected


def test_service_accounts_are_qualified_where_the_namespace_is_known() -> None:
    assert rbac.qualified_service_accounts(BINDING) == ["dev:builder"]


@pytest.mark.parametrize("body", [None, "x", 1, [], {}, {"subjects": None}, {"subjects": {"kind": "User"}}])
def test_other_bodies_have_no_subjects(body: Json) -> None:
    assert rbac.subject_names("User", body) is None
    assert rbac.qualified_service_accounts(body) is None
