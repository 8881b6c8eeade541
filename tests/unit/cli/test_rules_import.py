"""`lanner rules import`."""

import json
import sys
from pathlib import Path

import pytest

from .conftest import Lanner

GOOD = """
title: Secret Read
logsource: {product: kubernetes, service: audit}
detection: {a: {verb: get, objectRef.resource: secrets}, condition: a}
"""
BAD = GOOD.replace("verb", "Image").replace("Secret", "Image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sigma"
    (folder / "deeper").mkdir(parents=True)
    (folder / "good.yml").write_text(GOOD)
    (folder / "deeper" / "bad.yaml").write_text(BAD)
    (folder / "README.md").write_text("x")
    return folder


def test_rules_go_to_standard_output_and_what_could_not_be_said_to_standard_error(lanner: Lanner, folder: Path) -> None:
    ran = lanner("rules", "import", folder)
    assert ran.code == 1
    assert "\n- rule: Secret Read\n" in ran.out
    assert "Image Read" not in ran.out
    assert "error[LN0802]: rule `Image Read` cannot be carried over: field `Image`" in ran.err
    assert ran.err.endswith("2 Sigma rules: 1 imported, 1 not imported\n")


def test_what_was_written_is_a_rule_file(lanner: Lanner, folder: Path, tmp_path: Path) -> None:
    rules, report = tmp_path / "rules.yaml", tmp_path / "report.json"
    ran = lanner("rules", "import", folder / "good.yml", "-o", rules, "--report", report)
    assert (ran.code, ran.out, ran.err) == (0, "", "1 Sigma rule: 1 imported\n")
    assert lanner("rules", "check", rules).code == 0
    assert lanner("rules", "fmt", "--check", rules).code == 0
    assert json.loads(report.read_text()) == [
        {"file": str(folder / "good.yml"), "title": "Secret Read", "fate": "imported", "reasons": []}
    ]


def test_a_file_that_is_missing_is_an_error(lanner: Lanner, tmp_path: Path) -> None:
    ran = lanner("rules", "import", tmp_path / "none.yml")
    assert ran.code == 1
    assert "error[LN0101]" in ran.err


def test_without_the_library_the_error_says_what_to_install(
    lanner: Lanner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.startswith("lanner.sigma")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [each for each in sys.modules if each == "sigma" or each.startswith("sigma.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sigma", None)
    ran = lanner("rules", "import", folder)
    assert ran.code == 2
    assert ran.err == ("error: reading Sigma rules needs the library pySigma\n  help: install `lanner[sigma]`\n")


def test_a_place_that_cannot_be_written_is_said(lanner: Lanner, folder: Path, tmp_path: Path) -> None:
    ran = lanner("rules", "import", folder / "good.yml", "-o", tmp_path / "none" / "x.yaml")
    assert ran.code == 1
    assert "error: cannot write" in ran.err
