"""`Filter`: the events for which a condition holds, as `lanner grep` prints them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lanner.compiler.load import Rule
from lanner.compiler.ruleset import compile_selected
from lanner.compiler.single import check_single
from lanner.diagnostics import Diagnostics
from lanner.engine.stats import Stats
from lanner.events.context import Context, host_name
from lanner.events.decode import FLAWS, Batch, EventDecoder, Flaw, is_event
from lanner.events.schema import Event, kind_of


class Filter:
    """Selects events by a condition. Not safe for use from several threads at once."""

    def __init__(self, rule: Rule, *, inverted: bool = False) -> None:
        self.stats = Stats()
        self._rules = compile_selected((rule,))
        self._inverted = inverted
        self._prints = bool(rule.output_text)
        self._decoder = EventDecoder(self._rules.schema)
        self._context = Context(host_name(), time.time_ns)

    def select(
        self, payload: bytes, *, body: bool = False, truncated: bool = False
    ) -> Iterator[tuple[bytes, str | None]]:
        """Give the text of each selected event, and the rendered output if the filter has one.

        Args:
            payload: JSON text: documents one after the other, or, with `body`, a single one.
            body: Whether the payload is one document.
            truncated: Whether the payload is what was kept of an event beyond the size limit.
        """
        decoder = self._decoder
        if truncated:
            batch = decoder.piecewise(payload, Flaw.TOO_LARGE)
        else:
            batch = decoder.body(payload) if body else decoder.lines(payload)
        yield from self._select(batch)

    def _select(self, batch: Batch) -> Iterator[tuple[bytes, str | None]]:
        context = self._context
        context.begin(batch)
        for index, event in enumerate(batch.events):
            if not batch.is_checked and not is_event(event):
                context.first_number += index
                yield from self._select(self._decoder.piecewise(batch.raw(index)))
                context.first_number -= index + 1
                context.begin(batch)
                continue
            self.stats.events += 1
            context.at(event, index)
            if self._holds(event) is not self._inverted:
                yield batch.raw(index), self._rules.render[0](event, context)[0] if self._prints else None
        context.first_number += len(batch.events)
        for problem in batch.problems:
            self.stats.malformed += 1
            self.stats.add_sample(f"{FLAWS[problem.flaw]}: {problem.sample}")
        self.stats.malformed += batch.more_problems

    def _holds(self, event: Event) -> bool:
        kind = kind_of(event)
        try:
            match = self._rules.table[kind]
        except KeyError:
            match = self._rules.specialise(kind)
        return match is not None and bool(match(event, self._context))


def compile_filter(
    condition: str, output: str | None = None, *, inverted: bool = False
) -> tuple[Filter | None, Diagnostics]:
    """Make a filter of a condition, and of an output text for what it selects.

    Returns:
        The filter, or None when there are errors; and what was found.
    """
    diagnostics = Diagnostics()
    rule = check_single(condition, output, diagnostics)
    return None if rule is None else Filter(rule, inverted=inverted), diagnostics
