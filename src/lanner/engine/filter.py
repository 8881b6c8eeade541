"""`Filter`: the events for which a condition holds, as `lanner grep` prints them and `lanner stats` counts them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from lanner.compiler.load import Rule
from lanner.compiler.ruleset import compile_selected
from lanner.compiler.single import NO_NAMES, check_single
from lanner.compiler.template import FieldValue
from lanner.diagnostics import Diagnostics
from lanner.engine.stats import Stats
from lanner.events.context import Context, host_name
from lanner.events.decode import FLAWS, Batch, EventDecoder, Payload
from lanner.events.schema import Event, kind_of
from lanner.rules.model import Collection

EVERY_EVENT = "evt.source exists"
"""A condition that holds for every event, and costs nothing."""


class Filter:
    """Selects events by a condition. Not safe for use from several threads at once."""

    def __init__(self, rule: Rule, *, inverted: bool = False) -> None:
        self.stats = Stats()
        self._rules = compile_selected((rule,))
        self._inverted = inverted
        self._prints = bool(rule.output_text)
        self._decoder = EventDecoder(self._rules.schema)
        self._context = Context(host_name(), time.time_ns)

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the fields that `fields` gives, as they were asked for."""
        return tuple(extra.key for extra in self._rules.rules[0].extra_fields)

    @property
    def numbers_events(self) -> bool:
        """Whether it asks for an event's running number, so that events must be selected in one place."""
        return self._rules.numbers_events

    def select(
        self, payload: Payload, *, body: bool = False, truncated: bool = False
    ) -> Iterator[tuple[bytes, str | None]]:
        """Give the text of each selected event, and the rendered output if the filter has one.

        Args:
            payload: JSON text: documents one after the other, or, with `body`, a single one.
            body: Whether the payload is one document.
            truncated: Whether the payload is what was kept of an event beyond the size limit.
        """
        render = self._rules.render[0] if self._prints else None
        for batch, index, event in self._selected(payload, body, truncated):
            yield batch.raw(index), render(event, self._context)[0] if render else None

    def fields(
        self, payload: Payload, *, body: bool = False, truncated: bool = False
    ) -> Iterator[dict[str, FieldValue]]:
        """Give the fields of each selected event, by `keys`; the parameters are those of `select`."""
        render, keys, context = self._rules.render[0], self._rules.output_keys[0], self._context
        for _, _, event in self._selected(payload, body, truncated):
            yield dict(zip(keys, render(event, context)[1], strict=True))

    def _selected(self, payload: Payload, body: bool, truncated: bool) -> Iterator[tuple[Batch, int, Event]]:
        for batch in self._decoder.batches(payload, body=body, truncated=truncated):
            yield from self._select(batch)

    def _select(self, batch: Batch) -> Iterator[tuple[Batch, int, Event]]:
        """The selected events with their places in their batches; the context is at each while it is looked at."""
        context = self._context
        context.begin(batch)
        for index, event in enumerate(batch.events):
            self.stats.events += 1
            context.at(event, index)
            if self._holds(event) is not self._inverted:
                yield batch, index, event
        context.first_number += len(batch.events)
        for problem in batch.problems:
            self.stats.malformed += 1
            self.stats.add_sample(f"{FLAWS[problem.flaw]}: {problem.sample}")
        self.stats.malformed += batch.more_problems
        context.end()

    def _holds(self, event: Event) -> bool:
        kind = kind_of(event)
        try:
            match = self._rules.table[kind]
        except KeyError:
            match = self._rules.specialise(kind)
        return match is not None and bool(match(event, self._context))


def compile_filter(
    condition: str = EVERY_EVENT,
    output: str | None = None,
    *,
    inverted: bool = False,
    fields: Iterable[str] = (),
    names: Collection = NO_NAMES,
) -> tuple[Filter | None, Diagnostics]:
    """Make a filter of a condition, and of an output text or fields for what it selects.

    Args:
        condition: As in a rule.
        output: What `Filter.select` renders.
        inverted: Select the events for which the condition does not hold.
        fields: What `Filter.fields` gives.
        names: Macros and lists that the condition can use.

    Returns:
        The filter, or None when there are errors; and what was found.
    """
    diagnostics = Diagnostics()
    rule = check_single(condition, output, diagnostics, fields=fields, names=names)
    return None if rule is None else Filter(rule, inverted=inverted), diagnostics
