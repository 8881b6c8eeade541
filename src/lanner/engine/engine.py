"""The engine: events in, alerts out (steps 7 to 9 of the data flow)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lanner.compiler.ruleset import RuleSet
from lanner.engine.alert import Alert, AlertKind, FieldValue, Finding
from lanner.engine.stats import Stats
from lanner.events.context import Context, host_name
from lanner.events.decode import FLAWS, Batch, EventDecoder, Flaw, Payload, Problem, is_event
from lanner.events.identity import Hash, content_hash
from lanner.events.schema import Event
from lanner.rules.priority import Priority

INTERNAL_SOURCE = "internal"
DAMAGED_EVENT = "Lanner internal: damaged event"
"""The rule name of the alert that is raised for an event that could not be evaluated as a whole."""

_LAST_NS = 2**63 - 1
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
                _named(rule.name),
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
        return result

    def _evaluate(self, batch: Batch, result: Result, origin: str) -> None:
        context = self._context
        context.begin(batch)
        table = self.rules.table
        findings = result.findings
        missing = 0
        others = 0
        matched: list[int] = []
        for index, event in enumerate(batch.events):
            ref = event.objectRef
            user = event.user
            kind = (
                event.stage,
                event.verb,
                ref and ref.resource,
                ref and ref.subresource,
                user and user.username,
            )
            try:
                match = table[kind]
            except KeyError:
                match = self.rules.specialise(kind)
            if event.auditID is None:
                if not batch.is_checked and not is_event(event):
                    others += 1
                    self._evaluate_other(batch, index, result, origin)
                    continue
                missing += 1
            if match is not None:
                context.at(event, index)
                hits = match(event, context)
                if hits:
                    matched += hits
                    self._render(hits, event, findings, batch, index)
        self._count(matched)
        count = len(batch.events) - others
        result.events += count
        self.stats.events += count
        self.stats.missing_audit_id += missing
        context.first_number += len(batch.events)
        for problem in batch.problems:
            self._report(problem, result, origin, batch)
        self.stats.malformed += batch.more_problems
        result.malformed += batch.more_problems

    def _evaluate_other(self, batch: Batch, index: int, result: Result, origin: str) -> None:
        """A document that the typed decoder took, though it is no event: a list of events, or something else.

        Its events take its place in the running numbers of the batch.
        """
        context = self._context
        context.first_number += index
        self._evaluate(self._decoder.piecewise(batch.raw(index)), result, origin)
        context.first_number -= index + 1
        context.begin(batch)

    def _render(self, hits: Sequence[int], event: Event, findings: list[Finding], batch: Batch, index: int) -> None:
        """Add a finding for each rule that matched the event, which is one of a batch."""
        context = self._context
        time_ns = context.time_ns()
        moment, content = b"", None
        if self._identifies:
            moment = _moment(0 if context.is_arrival(time_ns) else time_ns)
            content = content_hash(batch.text(index))
        for number in hits:
            kind, render, name = self._rendering[number]
            message, values = render(event, context)
            identity = _identity(moment, content, name) if content else b""
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
                identity = _identity(_moment(0), content_hash(batch.text(problem.event)), _named(DAMAGED_EVENT))
            result.findings.append(Finding(self._damaged, self._clock(), message, values, identity))


def _identity(moment: bytes, content: Hash, name: bytes) -> bytes:
    """What tells a match from every other: what the event says, and the rule's name.

    It begins with the event's own time, so that those of the same time stand together in an index.
    """
    found = content.copy()
    found.update(name)
    return moment + found.digest()


def _moment(time_ns: int) -> bytes:
    return max(0, min(time_ns, _LAST_NS)).to_bytes(8)


def _named(rule: str) -> bytes:
    """A rule's name behind what no event ends with."""
    return b"\0" + rule.encode("utf-8", "surrogatepass")
