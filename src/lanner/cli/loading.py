"""Settings to checked rules."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lanner.cli.diagnostics import in_a_line, show
from lanner.cli.messages import Console, Failure, counted
from lanner.cli.settings import Settings, Switch
from lanner.compiler.load import LoadedRules, LoadResult, Rule, load
from lanner.compiler.single import NO_NAMES
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.rules.collector import collect
from lanner.rules.files import DEFAULT_RULES, read_rule_files, rule_paths
from lanner.rules.model import Collection
from lanner.rules.reader import read_file


def load_files(settings: Settings) -> tuple[list[SourceFile], LoadResult]:
    """Read and check the rule files of the settings, or the default rule set, and give all that was found."""
    sources, found = read_rule_files(rule_paths(settings.rules_files or (DEFAULT_RULES,)))
    return sources, load_sources(sources, settings, found)


def load_sources(sources: Sequence[SourceFile], settings: Settings, found: Diagnostics | None = None) -> LoadResult:
    """Check rule files that have been read, and switch rules on and off as the settings say.

    The default rules come with Lanner, and so do the plugins whose fields they ask for, whatever else is loaded.

    Args:
        sources: In order.
        settings: With what a configuration says of plugins, outputs, fields and rules.
        found: What was found while they were read.
    """
    has_defaults = not settings.rules_files or DEFAULT_RULES in settings.rules_files
    result = load(
        sources,
        loaded_plugins=None if has_defaults else settings.loaded_plugins,
        append_output=settings.append_output,
        static_fields=settings.static_fields,
        diagnostics=found,
    )
    if result.rules is None or not settings.switches:
        return result
    rules = tuple(_switched(rule, settings.switches) for rule in result.rules.rules)
    return replace(result, rules=replace(result.rules, rules=rules))


def load_rules(settings: Settings, console: Console) -> LoadedRules:
    """Load rules for use: errors are shown in full, warnings are counted.

    Raises:
        Failure: The rules have errors.
    """
    _, result = load_files(settings)
    errors = [found for found in result.diagnostics if found.severity == "error"]
    if result.rules is None:
        show(errors, sys.stderr, console)
        raise Failure(
            f"the rules have {counted(len(errors), 'error')}",
            "`lanner rules check FILE…` shows warnings too",
            detail=in_a_line(errors[0]),
        )
    if console.verbose:
        show(result.diagnostics, sys.stderr, console)
    elif result.diagnostics:
        console.warn(f"{counted(len(result.diagnostics), 'warning')} in the rules; `lanner rules check` shows them")
    for source, number in result.rules.not_evaluated.items():
        console.notice(f"{counted(number, 'rule')} of source `{source}` not evaluated", source=source, rules=number)
    return result.rules


def load_names(paths: Sequence[str], console: Console) -> Collection:
    """The macros and lists of rule files, for a condition that stands by itself.

    Raises:
        Failure: The files have errors, which are shown.
    """
    if not paths:
        return NO_NAMES
    files, found = read_rule_files(rule_paths(paths))
    read = [read_file(file, found) for file in files]
    collection = collect((item for each in read if each for item in each.items), found)
    if found.errors:
        show(found.errors, sys.stderr, console)
        raise Failure(f"the rules have {counted(len(found.errors), 'error')}", "`lanner rules check FILE…` shows all")
    return collection


def _switched(rule: Rule, switches: Iterable[Switch]) -> Rule:
    """The rule with what the configuration's `rules` say of it; the last one that fits counts."""
    enabled = rule.enabled
    for switch in switches:
        if (switch.rule and _fits(rule.name, switch.rule)) or switch.tag in rule.tags:
            enabled = switch.enabled
    return rule if enabled == rule.enabled else replace(rule, enabled=enabled)


def _fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern, in which `*` alone is special. Source: Falco, falco_utils.cpp."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None
