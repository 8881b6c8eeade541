"""Every key of a file of rule tests: its type, default and meaning; reading, schema and pages go by it."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from lanner.config.section import PRIORITIES, WORDS

ALERT = "alert"
NONE = "none"
EACH = "each"
"""Words of `expect` that are no names of rules."""


def _key(description: str, **more: Any) -> Meta:
    return Meta(description=description, **more)


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping with known keys."""


class EventSpec(Part, frozen=True, kw_only=True):
    """An event: where it starts from, and how it differs from that."""

    base: Annotated[
        str | None,
        _key("Start from the base event of this name, one of `bases` or of those that come with Lanner."),
    ] = None
    file: Annotated[
        str | None,
        _key("Start from events of this file, read as `lanner scan` does; the path is relative to the test file."),
    ] = None
    line: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        _key("Only the event on this line of the file; of a file with one JSON document, the event of this number."),
    ] = None
    merge: Annotated[
        dict[str, Any],
        _key("What differs, as a JSON merge patch: mappings are merged, null removes, all else replaces."),
    ] = {}
    patch: Annotated[
        list[dict[str, Any]],
        _key("What differs beyond that, as a JSON patch: operations with `op`, `path` and `value`."),
    ] = []


class Expected(Part, frozen=True, kw_only=True):
    """An alert that is expected; what is left out may be anything."""

    rule: Annotated[str | None, _key("The rule that raises it; without it, the one that `rule` of the test names.")] = (
        None
    )
    priority: Annotated[str | None, _key("Its priority, in any case.", extra={WORDS: PRIORITIES})] = None
    output: Annotated[str | None, _key("Its whole output, without time and priority.")] = None
    fields: Annotated[
        dict[str, Any],
        _key("Some of its output fields with their values: a text, a list, or null for a missing value."),
    ] = {}


class Case(EventSpec, frozen=True, kw_only=True):
    """One or more events, and the alerts that they raise together."""

    name: Annotated[str, _key("What the case shows, unique within the test.")]
    events: Annotated[
        list[EventSpec],
        _key("Several events in order, in place of `base`, `file`, `merge` and `patch` of the case itself."),
    ] = []
    expect: Annotated[
        str | Expected | list[str | Expected] | None,
        _key(
            "`none`; `each` for one alert of every event, by the rule that `rule` names; or the alerts, in any order, "
            "one entry for each: the name of a rule, `alert` for one of that rule, or a mapping."
        ),
    ] = None


class RuleTest(Part, frozen=True, kw_only=True):
    """Cases about the same rule, or about all of them."""

    rule: Annotated[
        str | list[str],
        _key("The rules whose alerts count, disabled ones too. Without it, those of all rules that are enabled count."),
    ] = []
    overrides: Annotated[
        list[dict[str, Any]],
        _key(
            "Items of rule files that are loaded behind them, for these cases alone: a list to fill in, an exception."
        ),
    ] = []
    event: Annotated[
        EventSpec | None, _key("What the events of the cases start from that name neither `base` nor `file`.")
    ] = None
    cases: Annotated[list[Case], _key("The cases.")]


class Equivalent(Part, frozen=True, kw_only=True):
    """A mistake in a condition that changes nothing, so that no test can notice it."""

    rule: Annotated[str, _key("The rule or macro that it is put into.")]
    change: Annotated[str, _key("What is changed, as `--mutants` says it behind the name.")]
    reason: Annotated[str, _key("Why that changes nothing.")]


class Suite(Part, frozen=True, kw_only=True):
    """A file of rule tests."""

    rules: Annotated[
        list[str],
        _key(
            "Rule files and folders, loaded in order; paths are relative to the test file, and `default` names the "
            "default rules. Without it, these alone; `-r` takes the place of both."
        ),
    ] = []
    bases: Annotated[dict[str, EventSpec], _key("Events by name for `base`; they hide shipped ones of the name.")] = {}
    tests: Annotated[list[RuleTest], _key("The tests.")] = []
    equivalent: Annotated[
        list[Equivalent], _key("Mistakes that `--mutants` need not report, because they change nothing.")
    ] = []
