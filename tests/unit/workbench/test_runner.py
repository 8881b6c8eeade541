import os
from pathlib import Path

import pytest

from lanner.events.context import time_zone
from lanner.workbench.report import failure_lines
from lanner.workbench.runner import Outcome
from tests.unit.workbench.suites import run_text


def run_case(folder: Path, expect: str, *, rule: str = "Pod Created", event: str = "base: create-pod") -> Outcome:
    """What comes of one case."""
    scope = f"rule: {rule}, " if rule else ""
    (outcome,) = run_text(
        folder, f"rules: [rules.yaml]\ntests: [{{{scope}cases: [{{name: a, {event}, expect: {expect}}}]}}]"
    )
    return outcome


def shown(outcome: Outcome) -> list[str]:
    return list(failure_lines(outcome, lambda text, color: text))[1:]


@pytest.mark.parametrize(
    "expect",
    [
        "alert",
        "[alert]",
        "Pod Created",
        "{}",
        "{priority: warning}",
        "{priority: Warning, fields: {ka.user.name: alice, ka.sourceips: [203.0.113.7], ka.impuser.name: null}}",
        "{output: 'pod created (user=alice pod=web from=(203.0.113.7) impersonated=<NA>)'}",
    ],
)
def test_a_case_passes_when_its_alert_is_as_expected(tmp_path: Path, expect: str) -> None:
    assert run_case(tmp_path, expect).passed


@pytest.mark.parametrize(
    ("expect", "lines"),
    [
        ("none", ["  + Pod Created (Warning): pod created (user=alice pod=web from=(203.0.113.7) impersonated=<NA>)"]),
        ("[alert, {priority: error}]", ["  - Pod Created (Error) was not raised"]),
        ("{priority: error}", ["  Pod Created", "    priority", "    - Error", "    + Warning"]),
        (
            "{output: 'pod created (user=bob pod=web from=(203.0.113.7) impersonated=<NA>)'}",
            [
                "  Pod Created",
                "    output",
                "    - pod created (user=bob pod=web from=(203.0.113.7) impersonated=<NA>)",
                "    + pod created (user=alice pod=web from=(203.0.113.7) impersonated=<NA>)",
                "                        ^^^^^",
            ],
        ),
        (
            "{fields: {ka.impuser.name: eve, ka.verb: null}}",
            [
                "  Pod Created",
                "    fields.ka.impuser.name",
                "    - eve",
                "    + null",
                "    fields.ka.verb",
                "    - null",
                "    + no such field",
            ],
        ),
    ],
)
def test_what_differs_is_shown(tmp_path: Path, expect: str, lines: list[str]) -> None:
    outcome = run_case(tmp_path, expect)
    assert not outcome.passed
    assert shown(outcome)[: len(lines)] == lines


def test_without_a_rule_all_enabled_rules_count(tmp_path: Path) -> None:
    event = "base: create-pod, merge: {user: {username: eve}}"
    assert run_case(tmp_path, "[Anything by Eve, Pod Created]", rule="", event=event).passed
    assert [alert.rule for alert in run_case(tmp_path, "Pod Created", rule="", event=event).unexpected] == [
        "Anything by Eve"
    ]


def test_a_rule_that_is_disabled_is_tested_by_name(tmp_path: Path) -> None:
    assert run_case(tmp_path, "alert", rule="Off").passed


def test_outputs_name_neither_machine_nor_time_zone(tmp_path: Path) -> None:
    event = "base: get-pod, merge: {user: {username: eve}}"
    with time_zone("Asia/Kolkata"):
        (alert,) = run_case(tmp_path, "alert", rule="Anything by Eve", event=event).alerts
        assert alert.message == "eve did get on localhost at 10:22:56.930793000"
        assert os.environ["TZ"] == "Asia/Kolkata"


def test_each_alert_needs_an_expectation_of_its_own(tmp_path: Path) -> None:
    twice = "events: [{base: create-pod}, {base: create-pod, merge: {user: {username: bob}}}]"
    assert run_case(tmp_path, "[alert, alert]", event=twice).passed
    outcome = run_case(tmp_path, "{fields: {ka.user.name: bob}}", event=twice)
    assert [alert.output_fields["ka.user.name"] for alert in outcome.unexpected] == ["alice"]


def test_the_order_of_alerts_does_not_matter(tmp_path: Path) -> None:
    twice = "events: [{base: create-pod}, {base: create-pod, merge: {user: {username: bob}}}]"
    assert run_case(tmp_path, "[{fields: {ka.user.name: bob}}, {}]", event=twice).passed
    assert run_case(tmp_path, "[{}, {fields: {ka.user.name: alice}}]", event=twice).passed


def test_texts_of_events_cannot_steer_a_terminal(tmp_path: Path) -> None:
    event = 'base: create-pod, merge: {user: {username: "\\e[31mred"}}'
    (line,) = shown(run_case(tmp_path, "none", event=event))
    assert "\\x1b[31mred" in line
    assert "\x1b" not in line


def test_each_is_one_alert_for_every_event(tmp_path: Path) -> None:
    twice = "events: [{base: create-pod}, {base: create-pod, merge: {user: {username: bob}}}]"
    assert run_case(tmp_path, "each", event=twice).passed
    assert run_case(tmp_path, "each").passed
    assert not run_case(tmp_path, "each", event="events: [{base: create-pod}, {base: get-pod}]").passed
