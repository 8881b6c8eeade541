"""Cases to outcomes: the events run through the engine, and its alerts compared with what is expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lanner.engine.alert import Alert
from lanner.engine.engine import INTERNAL_SOURCE, Engine
from lanner.events.context import time_zone
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.suites import Expectation, ReadyCase, as_text

HOSTNAME = "localhost"
"""The host that detects, in the outputs of tests."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case.

    Attributes:
        case: The case.
        alerts: All alerts that count.
        missing: Expected alerts of rules that raised too few.
        unexpected: Alerts that nothing expects.
        different: Expected alerts, and alerts of the same rule that differ in what is expected of them.
    """

    case: ReadyCase
    alerts: tuple[Alert, ...]
    missing: tuple[Expectation, ...] = ()
    unexpected: tuple[Alert, ...] = ()
    different: tuple[tuple[Expectation, Alert], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the alerts are those that are expected."""
        return self.case.expected is not None and not (self.missing or self.unexpected or self.different)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is expected of an alert, and what the alert has."""

    name: str
    expected: str | list[str] | None
    actual: str | list[str] | None


def run_cases(cases: Iterable[ReadyCase], book: RuleBook) -> list[Outcome]:
    """Run cases one by one, each in an engine of its own; local times are in UTC."""
    with time_zone("UTC"):
        return [run_case(case, book) for case in cases]


def run_case(case: ReadyCase, book: RuleBook) -> Outcome:
    """Run the events of a case. An event without a readable time happens in 1970."""
    engine = Engine(book.compiled(case.loaded, case.rules), hostname=HOSTNAME, clock=lambda: 0)
    raised = engine.process(case.payload).alerts
    return compare(case, [alert for alert in raised if not (case.rules and alert.source == INTERNAL_SOURCE)])


def compare(case: ReadyCase, alerts: Sequence[Alert]) -> Outcome:
    """Pair as many alerts as can be with expectations that they fit, then those that are left by their rule."""
    expected = case.expected or ()
    pairs = _fitting(expected, alerts)
    left = [alert for at, alert in enumerate(alerts) if at not in pairs.values()]
    missing, different = [], []
    for each in (each for at, each in enumerate(expected) if at not in pairs):
        same = next((at for at, alert in enumerate(left) if alert.rule == each.rule), None)
        if same is None:
            missing.append(each)
        else:
            different.append((each, left.pop(same)))
    return Outcome(case, tuple(alerts), tuple(missing), tuple(left), tuple(different))


def _fitting(expected: Sequence[Expectation], alerts: Sequence[Alert]) -> dict[int, int]:
    """A largest pairing of expectations with alerts that fit them, by their places: one may have to make room."""
    owners: dict[int, int] = {}

    def place(each: int, tried: set[int]) -> bool:
        for at, alert in enumerate(alerts):
            if at not in tried and not differences(expected[each], alert):
                tried.add(at)
                if at not in owners or place(owners[at], tried):
                    owners[at] = each
                    return True
        return False

    for each in range(len(expected)):
        place(each, set())
    return {each: at for at, each in owners.items()}


def differences(expected: Expectation, alert: Alert) -> list[Difference]:
    """What is expected otherwise than the alert has it."""
    found = []
    if expected.rule != alert.rule:
        found.append(Difference("rule", expected.rule, alert.rule))
    if expected.priority not in (None, alert.priority):
        found.append(Difference("priority", expected.priority, alert.priority.value))
    if expected.output not in (None, alert.message):
        found.append(Difference("output", expected.output, alert.message))
    for name, value in expected.fields.items():
        actual = as_text(alert.output_fields.get(name))
        if actual != value or name not in alert.output_fields:
            found.append(
                Difference(f"fields.{name}", value, actual if name in alert.output_fields else "no such field")
            )
    return found
