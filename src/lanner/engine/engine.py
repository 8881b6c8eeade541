"""The engine: events in, alerts out (steps 7 to 9 of the data flow)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lanner.compiler.ruleset import RuleSet
from lanner.engine.alert import Alert, AlertKind, FieldValue, Finding
from lanner.engine.identity import of_match, of_text
from lanner.engine.stats import Stats
from lanner.events.context import Context, host_name
from lanner.events.decode import FLAWS, Batch, EventDecoder, Flaw, Payload, Problem
from lanner.events.schema import Event, kind_of
from lanner.rules.priority import Priority

INTERNAL_SOURCE = "internal"
DAMAGED_EVENT = "Lanner internal: damaged event"
"""The rule name of the alert that is raised for an event that could not be evaluated as a whole."""

_TRUNCATED = (Flaw.TOO_DEEP, Flaw.TOO_LARGE)


@dataclass(slots=True)
class Result:
    """What came of one payload.

    Attributes:
        findings: In the order of the events, and of the rules for each.
        events: How many events were evaluated.
        malformed: How many documents were set aside, or could only be read in part.
    """

    findings: list[Finding] = field(default_factory=list)
    events: int = 0
    malformed: int = 0
    _alerts: list[Alert] = field(default_factory=list)

    @property
    def alerts(self) -> list[Alert]:
        """The findings as alerts, made when first asked for."""
        if len(self._alerts) != len(self.findings):
            self._alerts = [finding.alert() for finding in self.findings]
        return self._alerts


class Engine:
    """Evaluates events against a rule set. Not safe for use from several threads at once."""

    def __init__(
        self,
        rules: RuleSet,
        *,
        hostname: str | None = None,
        identifies: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare an engine.

        Args:
            rules: What to look for.
            hostname: The host that alerts name; None: this one.
            identifies: Whether findings get an identity, for whoever keeps them.
            clock: Nanoseconds since the epoch.
        """
        self.rules = rules
        self._identifies = identifies
        self._numbers = identifies and rules.numbers_events  # what an alert says differs when its event comes again
        self.stats = Stats.for_rules(rule.name for rule in rules.rules)
        self._hostname = hostname or host_name()
        self._context = Context(self._hostname, clock)
        self._decoder = EventDecoder(rules.schema)
        self._clock = clock
        self._damaged = AlertKind(
            DAMAGED_EVENT, Priority.WARNING, INTERNAL_SOURCE, (), self._hostname, ("origin", "reason")
        )
        self._rendering = [
            (
                AlertKind(rule.name, rule.priority, rule.source, rule.tags, self._hostname, keys),
                render,
            )
            for rule, render, keys in zip(rules.rules, rules.render, rules.output_keys, strict=True)
        ]

    def take_stats(self) -> Stats:
        """What was counted since the start, or since this was last called; counting begins anew."""
        taken, self.stats = self.stats, Stats.for_rules(rule.name for rule in self.rules.rules)
        return taken

    def process(
        self, payload: Payload, *, body: bool = False, truncated: bool = False, size: int = 0, origin: str = ""
    ) -> Result:
        """Evaluate all events of a payload.

        Args:
            payload: JSON text: documents one after the other, or, with `body`, a single one.
            body: Whether the payload is one document, as a webhook posts it.
            truncated: Whether the payload is what was kept of one event beyond the size limit.
            size: Bytes as received, when the payload is not what was received.
            origin: Where the payload comes from, for messages.
        """
        self.stats.bytes += size or len(payload)
        result = Result()
        for batch in self._decoder.batches(payload, body=body, truncated=truncated):
            self._evaluate(batch, result, origin)
            del batch  # its events have to be gone before the next ones are decoded: see `Context.end`
        return result

    def _evaluate(self, batch: Batch, result: Result, origin: str) -> None:
        context = self._context
        context.begin(batch)
        table = self.rules.table
        findings = result.findings
        matched: list[int] = []
        for index, event in enumerate(batch.events):
            ref = event.objectRef
            try:
                match = table[event.stage, event.verb, ref.resource, ref.subresource, event.user.username]
            except KeyError:
                match = self.rules.specialise(kind_of(event))
            if match is not None:
                context.at(event, index)
                hits = match(event, context)
                if hits:
                    matched += hits
                    self._render(hits, event, findings, batch, index)
        self._count(matched)
        count = len(batch.events)
        result.events += count
        self.stats.events += count
        self.stats.missing_audit_id += batch.missing_audit_id
        context.first_number += count
        for problem in batch.problems:
            self._report(problem, result, origin, batch)
        self.stats.malformed += batch.more_problems
        result.malformed += batch.more_problems
        context.end()

    def _render(self, hits: Sequence[int], event: Event, findings: list[Finding], batch: Batch, index: int) -> None:
        """Add a finding for each rule that matched the event, which is one of a batch."""
        context = self._context
        time_ns = context.time_ns()
        for number in hits:
            kind, render = self._rendering[number]
            message, values = render(event, context)
            identity = b""
            if self._identifies:
                if self._numbers or event.auditID is None or context.is_arrival(time_ns):
                    identity = of_text(kind, batch.raw(index))
                else:
                    identity = of_match(kind, time_ns, (event.auditID, event.stage, message, values))
            findings.append(Finding(kind, time_ns, message, values, identity))

    def _count(self, hits: Iterable[int]) -> None:
        for number, times in Counter(hits).items():
            rule = self.rules.rules[number]
            self.stats.by_rule[rule.name] += times
            self.stats.by_priority[rule.priority] += times

    def _report(self, problem: Problem, result: Result, origin: str, batch: Batch) -> None:
        """Count what was wrong with a document, and say so in an alert where a part of an event is missing."""
        if problem.flaw in _TRUNCATED:
            self.stats.truncated += 1
        else:
            self.stats.malformed += 1
            result.malformed += 1
            self.stats.add_sample(f"{origin or 'input'}: {FLAWS[problem.flaw]}: {problem.sample}")
        if problem.event is not None:
            values: tuple[FieldValue, ...] = (origin, problem.flaw.value)
            message = f"{DAMAGED_EVENT}: {FLAWS[problem.flaw]} (origin={origin} start={problem.sample})"
            self.stats.by_priority[self._damaged.priority] += 1
            self.stats.by_rule[DAMAGED_EVENT] = self.stats.by_rule.get(DAMAGED_EVENT, 0) + 1
            identity = b""
            if self._identifies:
                identity = of_text(self._damaged, batch.raw(problem.event))
            result.findings.append(Finding(self._damaged, self._clock(), message, values, identity))
