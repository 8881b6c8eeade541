"""`lanner rules schema` and `lanner lsp`."""

import json
import sys

import pytest

from .conftest import Lanner


def test_the_schema_of_rules_or_tests_is_printed(lanner: Lanner) -> None:
    rules, tests = (json.loads(lanner("rules", "schema", *kind).out) for kind in ((), ("tests",)))
    assert rules["title"] == "Rules of Lanner"
    assert tests["title"] == "Rule tests of Lanner"
    assert json.loads(lanner("--rule-schema").out) == rules
    assert lanner("rules", "schema", "x").code == 2


def test_without_the_library_the_language_server_says_what_to_install(
    lanner: Lanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "pygls" or each == "lanner.editor.server"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygls", None)
    ran = lanner("lsp")
    assert ran.code == 2
    assert ran.err == "error: the language server needs the library pygls\n  help: install `lanner[lsp]`\n"
