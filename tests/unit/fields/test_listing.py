"""The catalogue as text, Markdown and JSON."""

import json

import pytest

from lanner.fields.catalogue import FIELDS, Source
from lanner.fields.listing import SOURCES, Format, render_fields


def test_text_shows_name_argument_type_level_and_description() -> None:
    lines = render_fields("text").splitlines()
    at = lines.index("ka.req.pod.containers.image[[index]]  (list of strings, Request)")
    assert lines[at + 1] == "    Of a pod: the images of its containers. An index picks one container."
    assert "ka.uri.param[key]  (string, Metadata)" in lines
    assert "evt.num  (number, Metadata)" in lines


@pytest.mark.parametrize("fmt", ["text", "markdown"])
def test_a_deprecated_field_names_the_one_to_use(fmt: Format) -> None:
    shown = render_fields(fmt, "k8s_audit")
    assert "Deprecated: use `ka.req.pod.host_network`." in shown


def test_lines_of_text_fit_a_terminal() -> None:
    assert max(map(len, render_fields("text").splitlines())) <= 100


def test_markdown_has_a_row_per_field_and_five_cells_each() -> None:
    rows = [line for line in render_fields("markdown").splitlines() if line.startswith("| `")]
    assert len(rows) == len(FIELDS)
    assert all(row.count("|") - row.count("\\|") == 6 for row in rows)
    assert (
        "| `ka.uri.param[key]` | string | Metadata | The first value of a query parameter of the URI: for "
        "`/foo?key=val`, `ka.uri.param[key]` is `val`. | `[fieldManager]`: `kubectl-create` |"
    ) in rows
    assert '`""`' in next(row for row in rows if "rules.apiGroups" in row)


def test_json_has_every_field_in_order() -> None:
    rows = json.loads(render_fields("json"))
    assert [row["name"] for row in rows] == list(FIELDS)
    assert rows[list(FIELDS).index("ka.req.volume.hostpath")] == {
        "name": "ka.req.volume.hostpath",
        "source": "k8s_audit",
        "type": "string",
        "is_list": False,
        "argument": "key",
        "argument_required": True,
        "level": "Request",
        "description": FIELDS["ka.req.volume.hostpath"].desc,
        "example": "true",
        "example_argument": "/et*",
        "deprecated_by": "ka.req.pod.volumes.hostpath",
        "since": "0.1",
    }


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_shows_its_own_fields_only(source: Source) -> None:
    rows = json.loads(render_fields("json", source))
    assert [row["name"] for row in rows] == [name for name, spec in FIELDS.items() if spec.source == source]
    assert render_fields("text", source).startswith(f"{source}: ")
    assert render_fields("markdown", source).startswith(f"## {source}: ")


def test_sources_cover_the_catalogue() -> None:
    assert {spec.source for spec in FIELDS.values()} == set(SOURCES)
