"""Rule tests from short texts, for the tests of this folder."""

from pathlib import Path
from textwrap import dedent

from lanner.diagnostics import Diagnostics, SourceFile
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.runner import Outcome, run_cases
from lanner.workbench.suites import ReadyCase, read_suite

RULES = """
- list: quiet_users
  items: [kubelet]
- macro: pod
  condition: ka.target.resource = pods
- rule: Pod Created
  desc: Somebody made a pod.
  condition: pod and ka.verb = create and not ka.user.name in (quiet_users)
  output: pod created (user=%ka.user.name pod=%ka.target.name from=%ka.sourceips impersonated=%ka.impuser.name)
  priority: WARNING
  source: k8s_audit
- rule: Anything by Eve
  desc: Eve did something.
  condition: ka.user.name = eve
  output: eve did %ka.verb on %evt.hostname at %evt.time
  priority: NOTICE
  source: k8s_audit
- rule: Off
  desc: Not in use.
  condition: ka.verb exists
  output: off
  priority: DEBUG
  source: k8s_audit
  enabled: false
"""


def read_text(folder: Path, text: str, book: RuleBook | None = None) -> tuple[list[ReadyCase], Diagnostics]:
    """A test file `tests.yaml` in the folder, beside the rules above as `rules.yaml`."""
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    path = folder / "tests.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    diagnostics = Diagnostics()
    cases = read_suite(SourceFile(str(path), dedent(text)), book or RuleBook(), diagnostics)
    return cases, diagnostics


def run_text(folder: Path, text: str) -> list[Outcome]:
    """What comes of tests without errors."""
    book = RuleBook()
    cases, diagnostics = read_text(folder, text, book)
    assert [found.message for found in diagnostics] == []
    return run_cases(cases, book)
