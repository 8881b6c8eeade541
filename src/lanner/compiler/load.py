"""Rule files to checked rules: the whole way from text to what the engine can be made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from lanner.compiler.check import Checker, operand_kind
from lanner.compiler.exceptions import with_exceptions
from lanner.compiler.loaded import AppendOutput, ExtraField, ListInfo, LoadedRules, LoadResult, MacroInfo, Rule
from lanner.compiler.output import OutputField, OutputTemplate, parse_output
from lanner.compiler.problem import Problem
from lanner.compiler.resolve import Resolver
from lanner.compiler.scope import Scope
from lanner.compiler.static import StaticFields, bind, bind_output
from lanner.condition import ParseError, parse_operand
from lanner.diagnostics import Diagnostics, MappedText, SourceFile
from lanner.rules.collector import collect
from lanner.rules.files import read_rule_files, rule_paths
from lanner.rules.model import Collection, PluginRequirement, ReadFile, RuleDef, RuleUpdate
from lanner.rules.reader import read_file
from lanner.rules.versions import AUDIT_SOURCE, PLUGINS, event_sources, parse_version

__all__ = [
    "AppendOutput",
    "ExtraField",
    "ListInfo",
    "LoadResult",
    "LoadedRules",
    "MacroInfo",
    "OutputField",
    "OutputTemplate",
    "Rule",
    "load",
    "load_rules",
    "read_rule_files",
]


def load_rules(paths: Iterable[str | Path]) -> LoadResult:
    """Read rule files, and the rule files in folders, and load them in order; `default` names the default rules."""
    files, diagnostics = read_rule_files(rule_paths(paths))
    return load(files, diagnostics=diagnostics)


def load(
    files: Sequence[SourceFile],
    *,
    loaded_plugins: Mapping[str, str] | None = None,
    append_output: Sequence[AppendOutput] = (),
    static_fields: StaticFields = MappingProxyType({}),
    diagnostics: Diagnostics | None = None,
) -> LoadResult:
    """Load rule files in order: read, collect, resolve, check.

    Args:
        files: What they define is put together; later files append to and override earlier ones.
        loaded_plugins: Name and version of the plugins that count as loaded; all built-in ones unless given.
        append_output: What a configuration adds to outputs.
        static_fields: Values of the fields `static.NAME`, which a configuration defines, by name.
        diagnostics: What was found so far, such as by `read_rule_files`; the result has it too.
    """
    diagnostics = diagnostics if diagnostics is not None else Diagnostics()
    read = [read_file(file, diagnostics) for file in files]
    plugins = PLUGINS if loaded_plugins is None else loaded_plugins
    loader = _Loader(plugins, append_output, static_fields, diagnostics)
    rules = None
    if all(each is not None for each in read) and not any(found.code.code == "LN0101" for found in diagnostics):
        rules = loader.load([each for each in read if each])
    failed = bool(diagnostics.errors)
    order = {file.name: number for number, file in enumerate(files)}
    found = sorted(diagnostics.ordered(), key=lambda each: order.get(each.file_name, -1))
    return LoadResult(None if failed else rules, found)


class _Loader:
    def __init__(
        self,
        plugins: Mapping[str, str],
        append_output: Sequence[AppendOutput],
        static_fields: StaticFields,
        diagnostics: Diagnostics,
    ) -> None:
        self._plugins = plugins
        self._append_output = append_output
        self._static_fields = static_fields
        self._diagnostics = diagnostics
        self._checker = Checker()
        self._sources = event_sources(plugins)
        self._reported: set[int] = set()

    def load(self, read: Sequence[ReadFile]) -> LoadedRules:
        collection = collect((item for file in read for item in file.items), self._diagnostics)
        self._check_plugins(read, collection)
        resolver = Resolver(collection, self._diagnostics)
        rules: list[Rule] = []
        not_evaluated: dict[str, int] = {}
        for entry in collection.rules.values():
            rule = entry.item
            if rule.source != AUDIT_SOURCE or rule.source not in self._sources:
                not_evaluated[rule.source] = not_evaluated.get(rule.source, 0) + 1
            if rule.source not in self._sources:
                self._unknown_source(rule)
            elif compiled := self._rule(rule, resolver):
                rules.append(compiled)
        if not self._diagnostics.errors:
            self._warn_unused(collection, resolver)
        return self._loaded(rules, not_evaluated, collection, resolver)

    def _loaded(
        self, rules: list[Rule], not_evaluated: Mapping[str, int], collection: Collection, resolver: Resolver
    ) -> LoadedRules:
        macros, lists = resolver.used_macros, resolver.used_lists
        return LoadedRules(
            rules=tuple(rule for rule in rules if rule.source == AUDIT_SOURCE),
            others=tuple(rule for rule in rules if rule.source != AUDIT_SOURCE),
            not_evaluated=not_evaluated,
            macros=tuple(
                MacroInfo(
                    m.item.name,
                    m.item.condition.text,
                    m.item.name in macros,
                    m.item.place,
                    resolver.macro(m.item.name),
                )
                for m in collection.macros.values()
            ),
            lists=tuple(
                ListInfo(e.item.name, tuple(i.text for i in e.item.items), e.item.name in lists, e.item.place)
                for e in collection.lists.values()
            ),
            required_engine_version=str(collection.engine.version) if collection.engine else None,
        )

    # Requirements and sources

    def _check_plugins(self, read: Sequence[ReadFile], collection: Collection) -> None:
        for file in read:
            names = {item.name for item in file.items if isinstance(item, RuleDef | RuleUpdate)}
            sources = {collection.rules[name].item.source for name in names if name in collection.rules}
            if not sources or AUDIT_SOURCE in sources:
                for item in file.items:
                    if isinstance(item, PluginRequirement) and not self._is_met(item):
                        self._unmet(item)

    def _is_met(self, requirement: PluginRequirement) -> bool:
        for name, wanted in requirement.alternatives:
            version = parse_version(self._plugins.get(name, ""))
            if version is not None and version.satisfies(wanted):
                return True
        return False

    def _unmet(self, requirement: PluginRequirement) -> None:
        wanted = " or ".join(f"`{name}` {version}" for name, version in requirement.alternatives)
        name = requirement.alternatives[0][0]
        have = self._plugins.get(name)
        label = f"`{name}` is {have}" if have else f"`{name}` is not loaded"
        self._diagnostics.add("LN0403", f"the rules need plugin {wanted}", requirement.place, label=label)

    def _unknown_source(self, rule: RuleDef) -> None:
        known = ", ".join(f"`{source}`" for source in sorted(self._sources))
        self._diagnostics.add(
            "unknown_source",
            f"rule `{rule.name}` is skipped: unknown source `{rule.source}`",
            rule.place,
            help=f"sources are {known}",
        )

    # Rules

    def _rule(self, rule: RuleDef, resolver: Resolver) -> Rule | None:
        scope = Scope.of(rule.source, self._plugins, self._static_fields)
        condition, excepted = with_exceptions(rule, lambda text: _field_problem(text, scope), self._diagnostics)
        closed = resolver.rule(condition, has_exceptions=bool(excepted))
        output, skip = self._output(rule, scope)
        extra, failed = self._extra_fields(rule, scope)
        for problem, use in self._checker.condition(closed, scope) if closed else ():
            if rule.skip_if_unknown_filter and problem.code in ("LN0203", "LN0211"):
                self._skipped(rule, problem)
                skip = True
            elif use is None or id(problem) not in self._reported:
                self._reported.add(id(problem))
                problem.report(self._diagnostics, use)
        if closed is None or not closed.is_complete or output is None or failed or skip:
            return None
        return Rule(
            name=rule.name,
            desc=rule.desc.text,
            source=rule.source,
            priority=rule.priority,
            tags=tuple(sorted(set(rule.tags))),
            condition=bind(closed.expr, self._static_fields),
            output=bind_output(output, self._static_fields),
            extra_fields=extra,
            enabled=rule.enabled,
            condition_text=condition.text,
            output_text=self._output_text(rule).text,
            exceptions=tuple(exception.name for exception in rule.exceptions),
            excepted=excepted,
            place=rule.place,
        )

    def _additions(self, rule: RuleDef) -> Iterable[AppendOutput]:
        for each in self._append_output:
            fits_source = each.source in ("", rule.source)
            if fits_source and each.rule in ("", rule.name) and each.tags <= set(rule.tags):
                yield each

    def _output_text(self, rule: RuleDef) -> MappedText:
        added = [each.extra_output for each in self._additions(rule) if each.extra_output]
        return MappedText.concat([rule.output, *(MappedText.literal(f" {text}", "append_output") for text in added)])

    def _output(self, rule: RuleDef, scope: Scope) -> tuple[OutputTemplate | None, bool]:
        """The template, and whether the rule is to be skipped for what is wrong with it."""
        template, problems = parse_output(self._output_text(rule), scope)
        skip = template is None and rule.skip_if_unknown_filter
        for problem in problems:
            if skip and not problem.is_warning:
                self._skipped(rule, problem)
            else:
                problem.report(self._diagnostics)
        return template, skip

    def _extra_fields(self, rule: RuleDef, scope: Scope) -> tuple[tuple[ExtraField, ...], bool]:
        found: dict[str, ExtraField] = {}
        failed = False
        for addition in self._additions(rule):
            for key, text, raw in addition.extra_fields:
                written = MappedText.literal(f"%{key.removeprefix('%')}" if raw else text, "append_output")
                template, problems = parse_output(written, scope)
                for problem in problems:
                    problem.report(self._diagnostics)
                if template is None:
                    failed = True
                else:
                    found[key] = ExtraField(key, bind_output(template, self._static_fields), raw)
        return tuple(found.values()), failed

    def _skipped(self, rule: RuleDef, problem: Problem) -> None:
        Problem(
            "unknown_filter",
            f"rule `{rule.name}` is skipped: {problem.message}",
            problem.place,
            help=problem.help,
        ).report(self._diagnostics)

    def _warn_unused(self, collection: Collection, resolver: Resolver) -> None:
        used_macros, used_lists = resolver.used_macros, resolver.used_lists
        for macro in collection.macros.values():
            if macro.item.name not in used_macros:
                self._diagnostics.add("unused_macro", f"macro `{macro.item.name}` is not used", macro.item.place)
        for each in collection.lists.values():
            if each.item.name not in used_lists:
                self._diagnostics.add("unused_list", f"list `{each.item.name}` is not used", each.item.place)


def _field_problem(text: MappedText, scope: Scope) -> Problem | None:
    """What is wrong with the field of an exception."""
    problems: list[Problem] = []
    try:
        operand_kind(parse_operand(text), scope, problems)
    except ParseError:
        return Problem("LN0404", f"`{text.text}` is not a field")
    return next((problem for problem in problems if not problem.is_warning), None)
