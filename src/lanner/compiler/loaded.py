"""What comes of loading rule files: rules that passed all checks, and what else the files define."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lanner.compiler.output import OutputTemplate
from lanner.condition import Expr
from lanner.condition.ast import children
from lanner.diagnostics import Diagnostic, Span
from lanner.rules.priority import Priority


@dataclass(frozen=True, slots=True)
class AppendOutput:
    """What a configuration adds to the outputs of rules; empty selectors fit every rule.

    Attributes:
        source: Only rules of this source.
        rule: Only the rule of this name.
        tags: Only rules with all of these tags.
        extra_output: A text put behind the output, with a blank between.
        extra_fields: Entries for `output_fields` as (key, format, raw): raw gives the field `key` in its type under its
            own name, otherwise `format` is an output text that is given under `key`.
    """

    source: str = ""
    rule: str = ""
    tags: frozenset[str] = frozenset()
    extra_output: str = ""
    extra_fields: tuple[tuple[str, str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class ExtraField:
    """A further entry of `output_fields`: the text of a template, or, when raw, the typed value of its only field."""

    key: str
    template: OutputTemplate
    raw: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that passed all checks.

    Attributes:
        name: Unique among the rules.
        desc: For people.
        source: Whose events the rule looks at, such as `k8s_audit`.
        priority: Of its alerts.
        tags: Sorted, each once.
        condition: Made of `And`, `Or`, `Not` and `Check` only; macros and lists are put in.
        output: What an alert says.
        extra_fields: Entries of `output_fields` beyond those of the output.
        enabled: Whether the rule is on, as the rule files say.
        condition_text: The condition as written, with what was appended and the exceptions, macros and lists by name.
        output_text: The output as written, with what was appended.
        exceptions: Names of the rule's exceptions, in order.
        excepted: Names of those with values, in order: the last parts of the condition's `and` are theirs.
        place: Where the rule was last defined: its name.
    """

    name: str
    desc: str
    source: str
    priority: Priority
    tags: tuple[str, ...]
    condition: Expr
    output: OutputTemplate
    extra_fields: tuple[ExtraField, ...] = ()
    enabled: bool = True
    condition_text: str = ""
    output_text: str = ""
    exceptions: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    place: Span | None = field(default=None, compare=False, repr=False)

    @property
    def own_condition(self) -> Expr:
        """The condition without its exceptions."""
        return children(self.condition)[0] if self.excepted else self.condition


@dataclass(frozen=True, slots=True)
class MacroInfo:
    """A macro as `rules list` shows it.

    Attributes:
        name: Unique among the macros.
        condition_text: As written, with what was appended.
        used: Whether a rule, or a macro that is used, names it.
        place: Where it was last defined.
        condition: What stands in conditions for its name: this very object, so that it is found again in them.
    """

    name: str
    condition_text: str
    used: bool
    place: Span = field(compare=False, repr=False)
    condition: Expr | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ListInfo:
    """A list as `rules list` shows it."""

    name: str
    items: tuple[str, ...]
    used: bool
    place: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """All that rule files define.

    Attributes:
        rules: In the order of their first definition.
        others: Rules of `syscall`, which are checked in structure and not evaluated.
        not_evaluated: Source and number of the rules that are not for Lanner, such as those of `syscall`.
        macros: In the order of their first definition.
        lists: In the order of their first definition.
        required_engine_version: The highest that a file asks for, or None.
    """

    rules: tuple[Rule, ...]
    others: tuple[Rule, ...]
    not_evaluated: Mapping[str, int]
    macros: tuple[MacroInfo, ...]
    lists: tuple[ListInfo, ...]
    required_engine_version: str | None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Rules or, when there are errors, none; and everything that was found.

    Attributes:
        rules: All that the files define.
        diagnostics: By file in the order of loading, and by place.
    """

    rules: LoadedRules | None
    diagnostics: list[Diagnostic]
