"""What the documentation shows works."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.detections import RULES

import lanner
from lanner.cli.main import execute
from lanner.compiler.load import load, read_rule_files
from lanner.demo import recording
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.outputs.format import AlertFormat
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.runner import run_cases
from lanner.workbench.suites import read_suite
from tests.docs.pages import PAGES, ROOT, Example, examples, examples_of, name_of

_KINDS = ("rule", "macro", "list", "required_engine_version", "required_plugin_versions")
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def document(example: Example) -> Any:
    """What an example in YAML holds; None for several documents, as manifests are."""
    found = [*yaml.safe_load_all(example.text)]
    return found[0] if len(found) == 1 else None


def is_rules(example: Example) -> bool:
    """Whether an example in YAML is a rule file."""
    value = document(example)
    return isinstance(value, list) and all(isinstance(item, dict) and set(_KINDS) & set(item) for item in value)


PAGES_WITH_RULES = sorted({example.page for example in examples("yaml") if is_rules(example)})


@pytest.mark.parametrize("page", PAGES_WITH_RULES, ids=name_of)
def test_rules_load_behind_the_default_rules(page: Path) -> None:
    defaults, diagnostics = read_rule_files([RULES])
    shown = [each for each in examples_of(page) if each.language == "yaml" and is_rules(each)]
    result = load([*defaults, *(SourceFile(str(each), each.text) for each in shown)], diagnostics=diagnostics)
    assert [found for found in result.diagnostics if not found.code.code.startswith("unused_")] == []


def test_pages_show_rules() -> None:
    assert len(PAGES_WITH_RULES) >= 2


RULE_TESTS = [each for each in examples("yaml") if isinstance(value := document(each), dict) and "tests" in value]


@pytest.mark.parametrize("example", RULE_TESTS, ids=str)
def test_rule_tests_pass_with_the_default_rules_and_those_of_the_page(example: Example, tmp_path: Path) -> None:
    rules = tmp_path / "page.yaml"
    shown = [each.text for each in examples_of(example.page) if each.language == "yaml" and is_rules(each)]
    rules.write_text("\n".join(shown), encoding="utf-8")
    book, diagnostics = RuleBook((str(RULES), str(rules))), Diagnostics()
    outcomes = run_cases(read_suite(SourceFile(str(example), example.text), book, diagnostics), book)
    assert [found.message for found in diagnostics] == []
    assert [outcome.case.name for outcome in outcomes if not outcome.passed] == []


def test_pages_show_rule_tests() -> None:
    assert len(RULE_TESTS) >= 3


PYTHON = [each for each in examples("python") if each.page.name != "writing-a-source.md"]


@pytest.mark.parametrize("example", PYTHON, ids=str)
def test_python_runs(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.yaml").write_text((ROOT / "docs" / "explanation" / "example.yaml").read_text(encoding="utf-8"))
    (tmp_path / "audit.log").write_text(
        '{"kind":"Event","auditID":"1","stage":"ResponseStarted","verb":"create","user":{"username":"alice"},'
        '"objectRef":{"resource":"pods","subresource":"exec","name":"web"}}\n'
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(example.text, str(example), "exec"), {})
    assert "Exec From Outside exec (user=alice pod=web" in capsys.readouterr().out


def test_the_excerpt_of_the_demonstration_is_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = lanner.load_rules([RULES]).rules
    assert loaded is not None
    engine = lanner.Engine(lanner.compile_rules(loaded, selection=lanner.Selection(lanner.Priority.NOTICE)))
    alerts = [alert for body in recording() for alert in engine.process(body, body=True).alerts]
    printed = {AlertFormat().encode(alert).decode()[18:] for alert in alerts}
    excerpt, counts, *_ = [each.text for each in examples_of(ROOT / "README.md") if each.language == "text"]
    assert excerpt.count("\n") == 3
    assert [line for line in excerpt.splitlines(keepends=True) if line[18:] not in printed] == []
    assert f"Events detected: {engine.stats.alerts}\n" in counts
    for priority, number in engine.stats.by_priority.items():
        assert f"   {priority.short}: {number}\n" in counts
    assert f"{engine.stats.events} events" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_mistakes_of_the_first_steps_are_reported_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = [each.text for each in examples_of(ROOT / "docs" / "guide" / "first-steps.md") if each.language == "text"]
    (rules,) = [text for text in texts if text.startswith("- list")]
    (report,) = [text for text in texts if text.startswith("error[")]
    monkeypatch.chdir(tmp_path)
    Path("rules.yaml").write_text(rules, encoding="utf-8")
    assert execute(["rules", "check", "rules.yaml"]) == 2
    out, err = capfd.readouterr()
    assert out + err == report


def test_the_deletions_of_the_first_steps_are_found(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    page = list(examples_of(ROOT / "docs" / "guide" / "first-steps.md"))
    (command,) = [each.text for each in page if each.text.startswith("$ lanner grep")]
    (found,) = [each.text for each in page if " deletes " in each.text and each.language == "text"]
    monkeypatch.chdir(ROOT)
    assert execute(shlex.split(command)[2:]) == 0
    assert capfd.readouterr().out.startswith(found)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if target.startswith("https://"):
            continue
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            missing.append(link)
    assert missing == []


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
