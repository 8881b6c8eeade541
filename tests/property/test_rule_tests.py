"""Whatever stands in a file of rule tests gives outcomes or diagnostics, and an update is stable."""

from copy import deepcopy
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lanner.diagnostics import Diagnostics, SourceFile
from lanner.diagnostics.render import to_text
from lanner.workbench.report import as_json, as_junit, failure_lines
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.runner import run_cases
from lanner.workbench.suites import read_suite
from lanner.workbench.update import updated

ODD: st.SearchStrategy[Any] = st.sampled_from(
    (None, True, 0, -1, 1.5, "", "exec", "alert", "none", "Attach/Exec Pod", "\x1b[31m", [], {}, [[]], {"a": None})
) | st.text(max_size=8)
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(("add", "remove", "replace", "move", "copy", "test")) | ODD,
        "path": st.sampled_from(("/verb", "/user", "/objectRef/name", "/sourceIPs/-", "")) | ODD,
        "from": st.sampled_from(("/verb", "/none")) | ODD,
        "value": ODD,
    },
)
EVENT = {
    "base": st.sampled_from(("exec", "request", "mine", "nothing")) | ODD,
    "merge": st.dictionaries(st.sampled_from(("verb", "stage", "user", "objectRef")), ODD, max_size=3) | ODD,
    "patch": st.lists(OPERATIONS | ODD, max_size=2) | ODD,
    "file": st.just("missing") | ODD,
    "line": st.integers(-1, 3) | ODD,
}
EVENTS = st.fixed_dictionaries({}, optional=EVENT) | ODD
EXPECTED = (
    st.fixed_dictionaries(
        {},
        optional={
            "rule": st.just("Attach/Exec Pod") | ODD,
            "priority": st.sampled_from(("notice", "error")) | ODD,
            "output": ODD,
            "fields": st.dictionaries(st.sampled_from(("ka.user.name", "x")), ODD, max_size=2) | ODD,
        },
    )
    | ODD
)
CASES = (
    st.fixed_dictionaries(
        {"name": st.text(max_size=4)},
        optional={
            **EVENT,
            "events": st.lists(EVENTS, max_size=2) | ODD,
            "expect": EXPECTED | st.lists(EXPECTED, max_size=3),
        },
    )
    | ODD
)
TESTS = (
    st.fixed_dictionaries(
        {"cases": st.lists(CASES, max_size=3) | ODD},
        optional={
            "rule": st.just("Attach/Exec Pod") | st.lists(ODD, max_size=2) | ODD,
            "event": EVENTS,
            "overrides": st.lists(ODD, max_size=1),
        },
    )
    | ODD
)
SUITES = st.fixed_dictionaries(
    {"tests": st.lists(TESTS, min_size=1, max_size=2) | ODD},
    optional={"bases": st.dictionaries(st.just("mine"), EVENTS, max_size=1) | ODD},
)

CASE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.text(st.characters(codec="utf-8"), min_size=1, max_size=4),
        "base": st.sampled_from(("exec", "get-pod")),
        "merge": st.fixed_dictionaries({"user": st.fixed_dictionaries({"username": st.text(min_size=1, max_size=6)})}),
    },
    optional={
        "expect": st.sampled_from(
            ("none", "alert", ["alert", "alert"], {"priority": "error"}, {"fields": {"ka.user.name": "x"}})
        ).map(deepcopy)
    },
)
VALID = st.lists(CASE, min_size=1, max_size=3, unique_by=lambda case: case["name"])

BOOK = RuleBook()


@settings(max_examples=150)
@given(SUITES)
def test_any_file_gives_outcomes_or_diagnostics(suite: dict[str, Any]) -> None:
    text = yaml.safe_dump(suite, allow_unicode=True)
    diagnostics = Diagnostics()
    cases = read_suite(SourceFile("tests.yaml", text), BOOK, diagnostics)
    outcomes = run_cases(cases, BOOK)
    for found in diagnostics:
        assert to_text(found)
    for outcome in outcomes:
        assert "\x1b" not in "\n".join(failure_lines(outcome, lambda words, color: words))
    as_json(outcomes)
    as_junit(outcomes)


@settings(max_examples=100)
@given(st.text())
def test_any_text_gives_diagnostics(text: str) -> None:
    read_suite(SourceFile("tests.yaml", text), BOOK, Diagnostics())


@settings(max_examples=60)
@given(VALID, st.booleans())
def test_after_an_update_all_cases_pass_and_nothing_is_left_to_change(cases: list[dict[str, Any]], flow: bool) -> None:
    suite = {"tests": [{"rule": "Attach/Exec Pod", "cases": cases}]}
    text = yaml.safe_dump(suite, allow_unicode=True, default_flow_style=flow, sort_keys=False)
    file = updated(SourceFile("tests.yaml", text), BOOK, lambda case: True)
    diagnostics = Diagnostics()
    outcomes = run_cases(read_suite(file, BOOK, diagnostics), BOOK)
    assert [found.message for found in diagnostics] == []
    assert len(outcomes) == len(cases)
    assert all(outcome.passed for outcome in outcomes)
    assert updated(file, BOOK, lambda case: True) is file
