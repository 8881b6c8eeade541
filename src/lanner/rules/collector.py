"""Items of all files, in order, to what they make together: defining, appending, overriding.

Source: Falco, rule_loader_collector.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, TypeVar

from lanner.condition.operators import MODIFIERS, OPERATORS
from lanner.diagnostics import Diagnostics, Label, MappedText, Span
from lanner.rules.model import (
    Broken,
    Collection,
    EngineRequirement,
    Entry,
    ExceptionDef,
    Item,
    ListDef,
    MacroDef,
    PluginRequirement,
    RuleDef,
    RuleSwitch,
    RuleUpdate,
    Tree,
)
from lanner.rules.versions import ENGINE

_LIST_COMPARISONS = {"in", "intersects", "pmatch"}
_MODIFIABLE = {"=", "==", "!="} | {
    name for name, row in OPERATORS.items() if not row.takes_list and not row.number and name != "exists"
}

D = TypeVar("D", RuleDef, MacroDef, ListDef)


def collect(items: Iterable[Item], diagnostics: Diagnostics) -> Collection:
    """Put the items together.

    Diagnostics: LN0401, LN0402, LN0404, LN0405.
    """
    collector = _Collector(diagnostics)
    for item in items:
        collector.add(item)
    return Collection(
        collector.rules,
        collector.macros,
        collector.lists,
        frozenset(collector.broken),
        collector.engine,
        tuple(collector.plugins),
    )


@dataclass(slots=True)
class _Collector:
    diagnostics: Diagnostics
    rules: dict[str, Entry[RuleDef]] = field(default_factory=dict)
    macros: dict[str, Entry[MacroDef]] = field(default_factory=dict)
    lists: dict[str, Entry[ListDef]] = field(default_factory=dict)
    broken: set[Broken] = field(default_factory=set)
    engine: EngineRequirement | None = None
    plugins: list[PluginRequirement] = field(default_factory=list)
    index: int = 0

    def add(self, item: Item) -> None:
        match item:
            case EngineRequirement():
                self._engine(item)
            case PluginRequirement():
                self.plugins.append(item)
            case Broken():
                self.broken.add(item)
            case ListDef():
                self._list(item)
            case MacroDef():
                self._macro(item)
            case RuleDef():
                self._rule(item)
            case RuleUpdate():
                self._update(item)
            case RuleSwitch():
                self._switch(item)

    def _engine(self, item: EngineRequirement) -> None:
        if not ENGINE.satisfies(item.version):
            self.diagnostics.add(
                "LN0402",
                f"the rules need engine version {item.version}",
                item.place,
                label=f"Lanner is engine {ENGINE}",
            )
        elif self.engine is None or self.engine.version < item.version:
            self.engine = item

    def _store(self, entries: dict[str, Entry[D]], item: D, previous: Entry[D] | None) -> None:
        index = previous.index if previous else self.index
        entries[item.name] = Entry(item, index, self.index)
        self.index += 1

    def _list(self, item: ListDef) -> None:
        previous = self.lists.get(item.name)
        if item.append:
            if previous is None:
                self._nothing("list", item.name, item.place, self.lists)
                return
            item = replace(previous.item, items=previous.item.items + item.items)
        self._store(self.lists, item, previous)

    def _macro(self, item: MacroDef) -> None:
        previous = self.macros.get(item.name)
        if item.append:
            if previous is None:
                self._nothing("macro", item.name, item.place, self.macros)
                return
            item = replace(previous.item, condition=_joined(previous.item.condition, item.condition))
        self._store(self.macros, item, previous)

    def _rule(self, item: RuleDef) -> None:
        previous = self.rules.get(item.name)
        if self._keeps_source(previous, item.source, item.place):
            exceptions = tuple(self._valid(exception) for exception in item.exceptions)
            self._store(self.rules, replace(item, exceptions=exceptions), previous)

    def _update(self, item: RuleUpdate) -> None:
        previous = self.rules.get(item.name)
        if previous is None:
            self._nothing("rule", item.name, item.place, self.rules)
            return
        if not item.append and not item.replace:
            message = f"nothing is appended to rule `{item.name}`"
            self.diagnostics.add("LN0401", message, item.place, help="give it a `condition` or `exceptions`")
            return
        if not self._keeps_source(previous, item.source, item.place):
            return
        rule = previous.item
        changes = {name: self._appended(getattr(rule, name), value) for name, value in item.append.items()}
        for name, value in item.replace.items():
            changes[name] = tuple(map(self._valid, value)) if name == "exceptions" else value
        self._store(self.rules, replace(rule, **changes), previous)

    def _switch(self, item: RuleSwitch) -> None:
        previous = self.rules.get(item.name)
        if previous is None:
            self._nothing("rule", item.name, item.place, self.rules)
        else:
            self.rules[item.name] = replace(previous, item=replace(previous.item, enabled=item.enabled))

    def _keeps_source(self, previous: Entry[RuleDef] | None, source: str, place: Span) -> bool:
        if previous is None or not source or source == previous.item.source:
            return True
        self.diagnostics.add(
            "LN0405",
            f"rule `{previous.item.name}` is redefined with source `{source}`",
            place,
            help=f"add `source: {previous.item.source}`",
            related=(Label(previous.item.place, f"it has source `{previous.item.source}` here"),),
        )
        return False

    def _nothing(self, kind: str, name: str, place: Span, known: Mapping[str, object]) -> None:
        if Broken(kind, name) in self.broken:
            return
        near = get_close_matches(name[:120], known, 1)
        self.diagnostics.add(
            "LN0401",
            f"no {kind} `{name}` is defined above",
            place,
            help=f"did you mean `{near[0]}`?" if near else "load what defines it before this file, such as `default`",
        )

    def _appended(self, old: Any, new: Any) -> Any:
        if isinstance(old, MappedText):
            return _joined(old, new)
        if any(isinstance(item, ExceptionDef) for item in new):
            return self._more_exceptions(old, new)
        return old + new

    def _more_exceptions(
        self, old: tuple[ExceptionDef, ...], new: tuple[ExceptionDef, ...]
    ) -> tuple[ExceptionDef, ...]:
        found = list(old)
        for exception in new:
            at = next((i for i, known in enumerate(found) if known.name == exception.name), None)
            if at is not None:
                if exception.fields or exception.comps:
                    self._malformed(
                        exception, "`fields` and `comps` of an exception cannot be changed", "give `values` only"
                    )
                found[at] = replace(found[at], values=found[at].values + exception.values)
            else:
                if not exception.values:
                    self._malformed(exception, f"new exception `{exception.name}` has no values", "add `values`")
                found.append(self._valid(exception))
        return tuple(found)

    def _valid(self, exception: ExceptionDef) -> ExceptionDef:
        """The exception with its comps filled in; without fields when fields and comps do not fit together."""
        fields = exception.fields if _is_given(exception.fields) else None
        comps = exception.comps if _is_given(exception.comps) else None
        if fields is None:
            return self._malformed(exception, f"exception `{exception.name}` has no fields", "add `fields`")
        if isinstance(fields, MappedText):
            return self._single(exception, MappedText.whole("in", exception.place) if comps is None else comps)
        equal = MappedText.whole("=", exception.place)
        return self._combined(exception, fields, (equal,) * len(fields) if comps is None else comps)

    def _single(self, exception: ExceptionDef, comps: Tree) -> ExceptionDef:
        if not isinstance(comps, MappedText):
            message = "`comps` is a list and `fields` is not"
            return self._malformed(exception, message, "write both as lists or both as texts")
        known = [name for name in OPERATORS if name in _LIST_COMPARISONS]
        return self._compared(replace(exception, comps=comps), (comps,), known)

    def _combined(self, exception: ExceptionDef, fields: tuple[Tree, ...], comps: Tree) -> ExceptionDef:
        count = 1 if isinstance(comps, MappedText) else len(comps)
        if isinstance(comps, MappedText) or len(fields) != count:
            message = f"exception `{exception.name}` has {len(fields)} fields and {count} comps"
            return self._malformed(exception, message, "give one operator for each field")
        return self._compared(replace(exception, comps=comps), comps, list(OPERATORS))

    def _compared(self, exception: ExceptionDef, comps: tuple[Tree, ...], known: list[str]) -> ExceptionDef:
        for comparison in comps:
            text = comparison.text.strip() if isinstance(comparison, MappedText) else ""
            if text not in known and not _is_modified(text):
                span = comparison.span(0, len(comparison.text)) if isinstance(comparison, MappedText) else None
                message = f"`{text}` is no operator for this exception"
                exception = self._malformed(exception, message, f"operators are {', '.join(known)}", span)
        return exception

    def _malformed(
        self, exception: ExceptionDef, message: str, help_text: str, span: Span | None = None
    ) -> ExceptionDef:
        self.diagnostics.add("LN0404", message, span or exception.place, help=help_text)
        return replace(exception, fields=None)


def _is_given(tree: Tree | None) -> bool:
    return bool(tree.text if isinstance(tree, MappedText) else tree)


def _is_modified(operator: str) -> bool:
    """Whether it is an operator for one text followed by a modifier, such as `startswith oneof`."""
    name, _, modifier = operator.partition(" ")
    return modifier in MODIFIERS and name in _MODIFIABLE


def _joined(first: MappedText, second: MappedText) -> MappedText:
    return MappedText.concat([first, MappedText.whole(" ", second.pieces[0].span), second])
