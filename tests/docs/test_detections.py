"""The tables of detections and evasions say what the survey, the verdicts of a real Falco, and the rules say."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.detections import SURVEYED

from tests.unit.default_rules.detection import load_default_rules
from tests.unit.default_rules.evasions import TSV_KINDS

_DATA = Path(__file__).parents[2] / "docs" / "data"


def _rows(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((_DATA / name).read_text(encoding="utf-8")))


def _survey(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def test_every_detection_of_the_survey_has_a_row_as_it_stands_there(shared: Path) -> None:
    expected = [
        (row["id"], row["title"], row["kind"], [source for source in SURVEYED if row[source].strip()])
        for row in _survey(shared / "detections.tsv")
    ]
    assert len(expected) > 160
    assert [(row["id"], row["title"], row["kind"], row["others"]) for row in _rows("detections.yaml")] == expected


@pytest.mark.parametrize("row", _rows("detections.yaml"), ids=lambda row: row["id"])
def test_what_asks_for_one_event_is_covered_by_rules_that_exist(row: dict[str, Any]) -> None:
    names = {rule.name for rule in load_default_rules().rules}
    assert (row["kind"] == "stateless") == bool(row.get("rules"))
    assert set(row.get("rules", ())) <= names


def test_every_evasion_has_a_row_with_the_verdict_of_a_real_falco(shared: Path) -> None:
    expected = [
        (row["kind"], row["case"], [] if (found := row["falco_official_rules"]) == "-" else found.split(", "))
        for row in _survey(shared / "conformance" / "evasions.tsv")
    ]
    assert [(row["kind"], row["case"], row["falco"]) for row in _rows("evasions.yaml")] == expected


def test_the_rule_that_sees_an_evasion_is_the_one_that_is_tested() -> None:
    tested = {case.name: case.rule for cases in TSV_KINDS.values() for case in cases if case.rule}
    shown = {row["case"]: row["lanner"] for row in _rows("evasions.yaml")}
    assert {name: shown[name] for name in tested} == tested
