"""A rule and a request: at which stages the rule could fire on it, and what it reads then."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from lanner.compiler.formula import Formula, reduce
from lanner.policy.api import CONDITIONAL, members, stages
from lanner.policy.asks import Asks, Need, Part, rule_atoms
from lanner.policy.model import AuditLevel
from lanner.policy.probes import Probes, Situation
from lanner.policy.satisfy import Answer, Solver

FULL = AuditLevel.REQUEST_RESPONSE


class Judge:
    """What is known of rules and example requests, for all meetings of the two."""

    def __init__(self, asks: Asks, probes: Probes) -> None:
        self.asks = asks
        self.probes = probes
        self.solver = Solver(asks)

    @cached_property
    def nothing(self) -> dict[int, bool]:
        """The truth of each atom where the event lacks all that it reads."""
        return {number: self.asks.is_true_of_nothing(number) for number in self.asks.checks}

    @cached_property
    def needs(self) -> dict[int, tuple[Need, ...]]:
        """The fields that each atom reads."""
        return {number: self.asks.needs(number) for number in self.asks.checks}


class Meeting:
    """One rule and the requests that it asks for; equal questions are answered once."""

    def __init__(self, judge: Judge, rule: int) -> None:
        self._judge = judge
        self._within = rule_atoms(judge.asks.formulas[rule])
        self._printed = judge.asks.needs_printed(judge.asks.rules[rule])
        asks_for_level = any(judge.asks.parts[atom] is Part.LEVEL for atom in self._within)
        self._levels = tuple(AuditLevel)[1:] if asks_for_level else (FULL,)
        self._answers: dict[object, Answer] = {}
        self._unread: dict[object, dict[int, bool]] = {}

    def wanted(self, situation: Situation) -> dict[str, Answer]:
        """The stages at which the rule could fire on the request under some policy; a panic counts if nothing else."""
        return self._wanted(situation, stages(situation.request)) or self._wanted(situation, ("Panic",))

    def _wanted(self, situation: Situation, at: Sequence[str]) -> dict[str, Answer]:
        answers = {
            stage: max(self._answer(self._left(situation, stage, FULL, stated)) for stated in self._levels)
            for stage in at
        }
        return {stage: answer for stage, answer in answers.items() if answer}

    def answer(self, situation: Situation, stage: str, level: AuditLevel) -> Answer:
        """Whether the rule can fire on the request at a stage, when it is recorded at a level."""
        return self._answer(self._left(situation, stage, level, level, is_served=True))

    def _answer(self, left: Formula) -> Answer:
        if isinstance(left, bool):
            return Answer.YES if left else Answer.NO
        key = shape(left)
        if key not in self._answers:
            self._answers[key] = self._judge.solver.solve(left, self._within)
        return self._answers[key]

    def lacks(self, need: Need, situation: Situation, stage: str, level: AuditLevel) -> bool:
        """Whether a field has no value at a stage and a level."""
        return is_absent(need, members(situation.request, stage), level) or self._judge.asks.is_absent(need)

    def left(self, situation: Situation, stage: str) -> Formula:
        """What is left of the condition at a stage, when all is recorded."""
        return self._left(situation, stage, FULL, self._levels[-1])

    def read(self, situation: Situation, stage: str, *, outputs: bool = True) -> tuple[Need, ...]:
        """The fields that the rule reads of an event of the stage, and that this can have; the output's come last."""
        there = members(situation.request, stage)
        left = rule_atoms(self.left(situation, stage))
        needs = {need for number in left for need in self._judge.needs[number]}
        in_condition = {need.field for need in needs}
        needs |= {need for need in self._printed if outputs and need.field not in in_condition}
        found = (need for need in needs if not is_absent(need, there, FULL))
        return tuple(sorted(found, key=lambda need: (need.is_printed, need.field)))

    def _left(
        self,
        situation: Situation,
        stage: str,
        level: AuditLevel,
        stated: AuditLevel,
        *,
        is_served: bool = False,
    ) -> Formula:
        """What is left of the condition.

        Args:
            situation: The request.
            stage: Of the event.
            level: What is recorded.
            stated: The level that the event says it has.
            is_served: Whether parts that events never have are missing, too.
        """
        probes = self._judge.probes
        unread = self._without(members(situation.request, stage), level, is_served=is_served)
        return reduce(situation.left, {**probes.stages[stage], **probes.levels[stated], **unread}, {})

    def _without(self, there: frozenset[str], level: AuditLevel, *, is_served: bool) -> dict[int, bool]:
        """The truth of the atoms that read what an event with these members does not have."""
        key = there, level, is_served
        if key not in self._unread:
            judge = self._judge
            self._unread[key] = {
                number: judge.nothing[number]
                for number in self._within
                if any(
                    is_absent(need, there, level) or (is_served and judge.asks.is_absent(need))
                    for need in judge.needs[number]
                )
            }
        return self._unread[key]


def shape(formula: Formula) -> object:
    """Equal for formulas of the same shape."""
    if isinstance(formula, bool | int):
        return type(formula), formula
    parts = getattr(formula, "parts", None) or (formula.part,)  # type: ignore[union-attr]  # an `Inverse` has one
    return type(formula).__name__, tuple(map(shape, parts))


def is_absent(need: Need, there: frozenset[str], level: AuditLevel) -> bool:
    """Whether a field has no value where a level is recorded and these members are there."""
    return need.level > level or bool((need.members & CONDITIONAL) - there)
