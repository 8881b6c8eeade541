"""The tables of the page on semantics say what conditions do."""

import json

import pytest

import lanner
from tests.docs.pages import ROOT, rows

PAGE = "docs/reference/semantics.md"


def _tables() -> dict[str, list[list[str]]]:
    """The rows of the tables by what stands in the header's second cell."""
    found: dict[str, list[list[str]]] = {}
    for line in (ROOT / PAGE).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        if cells and cells[0] == "condition":
            current = found.setdefault("|".join(cells[1:]), [])
        elif cells and not cells[0].startswith("---"):
            current.append(cells)
    return found


TABLES = _tables()
ON_NAMES = [
    (condition, value, result)
    for condition, *results in TABLES["missing|`web`|`db`".replace("`", "")]
    for value, result in zip((None, "web", "db"), results, strict=True)
]
ON_GROUPS = [
    (condition, value, result)
    for condition, *results in TABLES["missing|a|a, b|b, c"]
    for value, result in zip(([], ["a"], ["a", "b"], ["b", "c"]), results, strict=True)
]
ON_URIS = [(condition, value, result) for condition, value, result in TABLES["ka.uri|holds"]]


def holds(condition: str, **members: object) -> str:
    found, diagnostics = lanner.compile_filter(condition)
    assert found is not None, [problem.message for problem in diagnostics]
    event = {"kind": "Event", "auditID": "1", "stage": "ResponseComplete", "verb": "get", **members}
    return "yes" if list(found.select(json.dumps(event).encode())) else "no"


@pytest.mark.parametrize(("condition", "name", "result"), ON_NAMES)
def test_missing_values(condition: str, name: str | None, result: str) -> None:
    assert holds(condition, objectRef={"resource": "pods", "name": name}) == result


@pytest.mark.parametrize(("condition", "groups", "result"), ON_GROUPS)
def test_lists_of_values(condition: str, groups: list[str], result: str) -> None:
    assert holds(condition, user={"username": "alice", "groups": groups}) == result


@pytest.mark.parametrize(("condition", "uri", "result"), ON_URIS)
def test_operators_modifiers_and_transformers(condition: str, uri: str, result: str) -> None:
    assert holds(condition, requestURI=uri) == result


def test_no_table_is_left_out() -> None:
    conditions = [row[0] for row in rows(PAGE, "condition")]
    tested = {condition for condition, *_ in (*ON_NAMES, *ON_GROUPS, *ON_URIS)}
    assert set(conditions) == tested
    assert len(conditions) > 50


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("ka.uri regex '[0-9'", "LN0206"),
        ("ka.uri regex '(?=a)b'", "LN0206"),
        (r"ka.uri regex '\\d+'", "LN0206"),
        ("ka.user.groups contains a", "LN0205"),
        ("ka.uri bcontains 61", "LN0205"),
        ("ka.uri regex val(ka.verb)", "LN0206"),
        ("ka.uri in (ka.user.groups) and ka.uri = val(ka.user.groups)", "LN0206"),
        (r"ka.uri = '\q'", "LN0201"),
        ("ka.sourceips[01] exists", "LN0204"),
    ],
)
def test_what_the_page_calls_an_error_is_one(condition: str, code: str) -> None:
    found, diagnostics = lanner.compile_filter(condition)
    assert found is None
    assert code in {problem.code.code for problem in diagnostics.errors}


@pytest.mark.parametrize(("code", "holding"), [(403, "yes"), (201, "no"), (1000, "no")])
def test_a_text_field_is_compared_with_a_number_as_text(code: int, holding: str) -> None:
    assert holds("ka.response.code >= 400", responseStatus={"code": code}) == holding


def test_no_event_has_the_time_zero() -> None:
    assert holds("evt.rawtime = 0", stageTimestamp="1970-01-01T00:00:00Z") == "no"
