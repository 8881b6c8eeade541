"""Outcomes as text for people, JSON for programs and JUnit's XML for build servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from lanner.diagnostics.render import printable
from lanner.engine.alert import Alert
from lanner.workbench.explain import Explainer
from lanner.workbench.explain_view import reading
from lanner.workbench.runner import Difference, Outcome, differences
from lanner.workbench.suites import Expectation

Paint = Callable[[str, str], str]
"""Colours a text by the name of a colour, or leaves it as it is."""

_EXPLAINED = 3
"""Events of one case of which it is said why a rule does not match."""

_SHOWN = 20
"""Alerts of one case that are shown; further ones are counted."""


def failure_lines(outcome: Outcome, paint: Paint) -> Iterator[str]:
    """What is wrong with a failed case, a line each; `-` is expected and not there, `+` the other way round."""
    yield f"{paint('FAILED', 'red')} {printable(title(outcome))}"
    if outcome.case.expected is None:
        yield "  the case has no `expect`; `--update` writes what comes out"
    for expected in outcome.missing:
        yield "  " + paint(f"- {_expectation(expected)}", "red")
        yield from _hindrances(outcome, expected.rule)
    for expected, alert in outcome.different:
        yield f"  {printable(expected.rule)}"
        for difference in differences(expected, alert):
            yield from _difference(difference, paint)
    for alert in outcome.unexpected[:_SHOWN]:
        yield "  " + paint(f"+ {_alert(alert)}", "green")
    if len(outcome.unexpected) > _SHOWN:
        yield f"  + {len(outcome.unexpected) - _SHOWN:,} more"


def _hindrances(outcome: Outcome, rule: str) -> Iterator[str]:
    """What kept a rule from matching the events of a case."""
    explained = [each for (each,) in Explainer(outcome.case.loaded, [rule]).explain(outcome.case.payload)]
    for number, each in enumerate(explained[:_EXPLAINED], 1):
        where = f"event {number}: " if len(explained) > 1 else ""
        for part in [] if each.matches else each.deciding():
            it = "it " if len(part.operands) == 1 else ""
            yield f"      {where}`{printable(part.text)}` is {str(part.verdict).lower()}: {it}{reading(part)}"


def title(outcome: Outcome) -> str:
    """Where a case stands, and what it is called."""
    case = outcome.case
    line, _ = case.place.position
    rules = f"{', '.join(case.rules)}: " if case.rules else ""
    return f"{case.place.file.name}:{line}: {rules}{case.name}"


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One object with everything."""
    failed = sum(not outcome.passed for outcome in outcomes)
    return {
        "ok": not failed,
        "passed": len(outcomes) - failed,
        "failed": failed,
        "tests": [_outcome_object(outcome) for outcome in outcomes],
    }


def as_junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit's XML: a suite for each file, a test for each case."""
    root = ElementTree.Element("testsuites", _counts(outcomes))
    by_file: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_file.setdefault(outcome.case.place.file.name, []).append(outcome)
    for name, found in by_file.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": printable(name), **_counts(found)})
        for outcome in found:
            _add_case(suite, outcome)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ElementTree.Element, outcome: Outcome) -> None:
    case = outcome.case
    line, _ = case.place.position
    attributes = {
        "name": printable(case.name),
        "classname": printable(", ".join(case.rules) or "all rules"),
        "file": printable(case.place.file.name),
        "line": str(line),
    }
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if not outcome.passed:
        lines = list(failure_lines(outcome, lambda text, color: text))
        message = f"{len(outcome.missing)} missing, {len(outcome.unexpected)} unexpected, "
        message += f"{len(outcome.different)} different"
        ElementTree.SubElement(element, "failure", {"message": message}).text = "\n".join(lines[1:])


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    failed = sum(not outcome.passed for outcome in outcomes)
    return {"tests": str(len(outcomes)), "failures": str(failed), "errors": "0", "skipped": "0"}


def _outcome_object(outcome: Outcome) -> dict[str, Any]:
    case = outcome.case
    line, _ = case.place.position
    return {
        "file": case.place.file.name,
        "line": line,
        "rules": list(case.rules),
        "name": case.name,
        "ok": outcome.passed,
        "alerts": [_alert_object(alert) for alert in outcome.alerts],
        "missing": [_expectation_object(expected) for expected in outcome.missing],
        "unexpected": [_alert_object(alert) for alert in outcome.unexpected],
        "different": [
            {
                "rule": expected.rule,
                "differences": [
                    {"name": each.name, "expected": each.expected, "actual": each.actual}
                    for each in differences(expected, alert)
                ],
            }
            for expected, alert in outcome.different
        ],
    }


def _alert_object(alert: Alert) -> dict[str, Any]:
    return {
        "rule": alert.rule,
        "priority": alert.priority.value,
        "output": alert.message,
        "output_fields": alert.output_fields,
    }


def _expectation_object(expected: Expectation) -> dict[str, Any]:
    return {
        "rule": expected.rule,
        "priority": expected.priority and expected.priority.value,
        "output": expected.output,
        "fields": dict(expected.fields),
    }


def _expectation(expected: Expectation) -> str:
    words = [printable(expected.rule)]
    if expected.priority:
        words.append(f"({expected.priority.value})")
    return " ".join([*words, "was not raised"])


def _alert(alert: Alert) -> str:
    return f"{printable(alert.rule)} ({alert.priority.value}): {printable(alert.message)}"


def _difference(difference: Difference, paint: Paint) -> Iterable[str]:
    """Both texts below each other, and marks below what differs where they are alike otherwise."""
    expected, actual = (_shown(value) for value in (difference.expected, difference.actual))
    yield f"    {printable(difference.name)}"
    yield "    " + paint(f"- {expected}", "red")
    yield "    " + paint(f"+ {actual}", "green")
    start, end = _differing(expected, actual)
    if start:
        yield "      " + " " * start + "^" * max(end - start, 1)


def _differing(expected: str, actual: str) -> tuple[int, int]:
    """The first character of the second text that differs, and the end of what differs there."""
    start = 0
    while start < min(len(expected), len(actual)) and expected[start] == actual[start]:
        start += 1
    tail = 0
    while tail < min(len(expected), len(actual)) - start and expected[-1 - tail] == actual[-1 - tail]:
        tail += 1
    return start, len(actual) - tail


def _shown(value: str | list[str] | None) -> str:
    if value is None:
        return "null"
    return printable(f"({','.join(value)})" if isinstance(value, list) else value)
