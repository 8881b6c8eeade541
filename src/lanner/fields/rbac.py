"""Fields of role binding bodies.

Source: Falco plugins, k8saudit extract.go, `readSubjectNamesByKind`.
"""

from lanner.events.values import Json, as_text, walk


def subject_names(kind: str, body: Json) -> list[str] | None:
    """The names of a binding's subjects of one kind: `User`, `Group` or `ServiceAccount`."""
    names = [as_text(subject.get("name")) for subject in _subjects(kind, body)]
    return [name for name in names if name is not None] or None


def qualified_service_accounts(body: Json) -> list[str] | None:
    """The service accounts among a binding's subjects as `namespace:name`, where both are given."""
    accounts = [
        (as_text(subject.get("namespace")), as_text(subject.get("name")))
        for subject in _subjects("ServiceAccount", body)
    ]
    return [f"{namespace}:{name}" for namespace, name in accounts if None not in (namespace, name)] or None


def _subjects(kind: str, body: Json) -> list[dict[str, Json]]:
    subjects = walk(body, ("subjects",))
    if not isinstance(subjects, list):
        return []
    return [item for item in subjects if isinstance(item, dict) and item.get("kind") == kind]


def has_name(_body: Json, _name: str) -> None:
    """Nothing: Falco documents the field as never available."""
