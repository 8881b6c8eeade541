"""The catalogue as a whole."""

import csv
import re
from pathlib import Path

import pytest

from lanner.fields.catalogue import FIELDS, ArgKind, Derived, FieldSpec, FieldType, Meta, lookup, suggest
from lanner.fields.generic import EVENT_FIELDS, JSON_FIELDS
from lanner.fields.k8saudit import AUDIT_FIELDS
from lanner.fields.kx import OWN_FIELDS

ALL = list(FIELDS.values())
METADATA_OF_RUN = {
    "time",
    "iso8601",
    "datetime",
    "rawtime",
    "num",
    "source",
    "plugininfo",
    "pluginname",
    "asynctype",
    "hostname",
    "obj",
}


def test_names_are_unique() -> None:
    assert len(FIELDS) == len(AUDIT_FIELDS) + len(OWN_FIELDS) + len(JSON_FIELDS) + len(EVENT_FIELDS)


def test_every_field_of_the_contract_is_there_with_its_type(shared: Path) -> None:
    with (shared / "fields.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    arguments = {(ArgKind.NONE, False): "None", (ArgKind.INDEX, False): "Index", (ArgKind.KEY, True): "Key, Required"}
    expected = {(row["name"], row["type"], row["arg"]) for row in rows}
    found = {
        (spec.name, f"{spec.type} (list)" if spec.is_list else str(spec.type), arguments[spec.arg, spec.arg_required])
        for spec in ALL
        if spec.source != "lanner"
    }
    assert len(rows) > 100
    assert found == expected


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_a_row_is_complete(spec: FieldSpec) -> None:
    prefix = spec.name.partition(".")[0]
    assert spec.source == {"ka": "k8s_audit", "kx": "lanner", "jevt": "json", "json": "json", "evt": "evt"}[prefix]
    assert re.fullmatch(r"[A-Z`].*\.", spec.desc)
    assert "\n" not in spec.desc
    assert spec.deprecated is None or FIELDS[spec.deprecated].deprecated is None
    assert (spec.example_arg is not None) == spec.arg_required
    if isinstance(spec.extract, Meta):
        assert spec.extract.name in METADATA_OF_RUN
    else:
        assert spec.type is FieldType.STRING or spec.source == "lanner"


def test_only_functions_take_an_index_and_they_give_lists() -> None:
    indexed = [spec for spec in ALL if spec.arg is ArgKind.INDEX]
    assert indexed
    assert all(isinstance(spec.extract, Derived) and spec.is_list for spec in indexed)


def test_lookup_is_exact() -> None:
    assert lookup("ka.verb") is FIELDS["ka.verb"]
    assert lookup("ka.Verb") is None
    assert lookup("") is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ka.target.nam", "ka.target.name"),
        ("ka.user.nmae", "ka.user.name"),
        ("KA.VERB", "ka.verb"),
        ("ka.req.pod.initcontainers.image", "ka.req.pod.initContainers.image"),
        ("jevt.val", "jevt.value"),
        ("proc.name", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_a_misspelt_name_has_a_suggestion(name: str, meant: str | None) -> None:
    assert suggest(name) == meant


def test_every_field_of_lanners_own_has_an_example() -> None:
    assert [spec.name for spec in OWN_FIELDS if spec.example is None] == []


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("kx.level", "Metadata"),
        ("kx.user.serviceaccount.name", "Metadata"),
        ("kx.exec.command", "Metadata"),
        ("kx.admission.failed_open", "Metadata"),
        ("kx.admission.patches", "Request"),
        ("kx.admission.injected", "Request"),
        ("kx.patch.type", "Request"),
        ("kx.pod.containers.privileged", "Request"),
        ("kx.body", "Request"),
    ],
)
def test_a_field_of_lanners_own_tells_the_level_that_fills_it(name: str, level: str) -> None:
    assert FIELDS[name].level == level
