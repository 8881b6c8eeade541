"""Rule files get the verdict that a real Falco gave them."""

import csv
from pathlib import Path

import pytest

from lanner.compiler.load import load, read_rule_files


def _cases(shared: Path) -> list[dict[str, str]]:
    with (shared / "conformance" / "load.tsv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def _codes(row: dict[str, str]) -> set[str]:
    return {code for column in ("error_codes", "warning_codes") for code in row[column].split(",") if code}


def test_every_case_agrees_with_falco(shared: Path) -> None:
    cases = _cases(shared)
    disagreements = []
    for row in cases:
        files, diagnostics = read_rule_files([shared / "conformance" / "load" / f"{row['case']}.yaml"])
        result = load(files, diagnostics=diagnostics)
        found = {each.code.falco for each in result.diagnostics} - {None}
        accepted = result.rules is not None
        agrees = found == _codes(row) if row["verdict"] == "ok" else _codes(row) <= found
        if accepted != (row["verdict"] == "ok") or not agrees:
            disagreements.append((row["case"], row["verdict"], accepted, _codes(row), found))
    assert not disagreements
    assert len(cases) == 142


@pytest.mark.parametrize("name", ["rules-a.yaml", "rules-b.yaml"])
def test_the_random_rules_load(shared: Path, name: str) -> None:
    files, diagnostics = read_rule_files([shared / "conformance" / name])
    result = load(files, diagnostics=diagnostics)
    assert result.rules is not None
    assert len(result.rules.rules) == 250


def test_the_official_rules_load_without_a_word(shared: Path) -> None:
    files, diagnostics = read_rule_files([shared / "upstream" / "k8s_audit_rules.yaml"])
    result = load(files, diagnostics=diagnostics)
    assert result.diagnostics == []
    assert result.rules is not None
    assert len(result.rules.rules) == 48
