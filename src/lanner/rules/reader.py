"""Nodes to items: each item by the keys that its kind has.

Source: Falco, rule_loader_reader.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from lanner.diagnostics import Diagnostics, MappedText, SourceFile, Span
from lanner.rules import nodes
from lanner.rules.keys import EXCEPTION_KEYS, ITEMS, REQUIREMENT_KEYS, Form, Key
from lanner.rules.model import (
    Broken,
    EngineRequirement,
    ExceptionDef,
    Item,
    ListDef,
    MacroDef,
    PluginRequirement,
    ReadFile,
    RuleDef,
    RuleSwitch,
    RuleUpdate,
)
from lanner.rules.positions import stripped
from lanner.rules.priority import Priority
from lanner.rules.values import BadValueError, ValueReader
from lanner.rules.versions import SYSCALL_SOURCE, Version, parse_version

_IDENTIFIER = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_BARE = re.compile(r"[^()\"'\s=,]+")
_DEPRECATED_APPEND = "write `override` and which keys to append to, such as `condition: append`"
_DEPRECATED_ENABLED = "write `override` with `enabled: replace`"


def read_file(file: SourceFile, diagnostics: Diagnostics) -> ReadFile | None:
    """The items of a file, or None when it is not YAML; items with errors are left out or `Broken`.

    Diagnostics: LN0102 to LN0113, and warnings about keys, names and deprecated forms.
    """
    documents = nodes.parse_yaml(file, diagnostics)
    if documents is None:
        return None
    reader = _Reader(diagnostics)
    items = [item for document in documents for item in reader.document(document)]
    return ReadFile(file, tuple(items))


class _Reader:
    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._read = ValueReader(diagnostics)

    def document(self, document: nodes.Node) -> Iterable[Item]:
        if isinstance(document, nodes.Scalar) and document.is_null:
            return
        if not isinstance(document, nodes.Sequence):
            is_tests = isinstance(document, nodes.Mapping) and document.get("tests")
            hint = "`lanner rules test` runs a file of tests" if is_tests else "begin each item with `- `"
            self._diagnostics.add("LN0103", "the file is not a list of items", document.span, help=hint)
            return
        for node in document.items:
            if isinstance(node, nodes.Mapping):
                yield from self._item(node)
            elif not (isinstance(node, nodes.Scalar) and node.is_null):
                self._diagnostics.add(
                    "LN0104", "item is not a mapping", node.span, help="write `- rule: …`, `- macro: …` or `- list: …`"
                )

    def _item(self, item: nodes.Mapping) -> Iterable[Item]:
        kind = next((kind for kind in ITEMS if item.get(kind)), None)
        if kind is None:
            self._unknown_item(item)
            return
        self._warn_unknown_keys(item, ITEMS[kind], kind)
        read = {
            "required_engine_version": self._engine,
            "required_plugin_versions": self._plugins,
            "list": self._list,
            "macro": self._macro,
            "rule": self._rule,
        }[kind]
        try:
            yield from read(item)
        except BadValueError:
            found = item.get(kind)
            name = found[1].text if found and isinstance(found[1], nodes.Scalar) else ""
            yield Broken(kind, name)

    def _unknown_item(self, item: nodes.Mapping) -> None:
        first = item.pairs[0][0] if item.pairs else None
        near = get_close_matches(first.text[:80], ITEMS, 1) if first else []
        self._diagnostics.add(
            "unknown_item",
            f"unknown item `{first.text}`" if first else "empty item",
            first.span if first else item.span,
            label="ignored",
            help=f"did you mean `{near[0]}`?" if near else f"items are {', '.join(f'`{kind}`' for kind in ITEMS)}",
        )

    def _warn_unknown_keys(self, mapping: nodes.Mapping, keys: Mapping[str, Key], kind: str) -> None:
        for key, _ in mapping.pairs:
            if key.text not in keys:
                near = get_close_matches(key.text[:80], keys, 1)
                self._diagnostics.add(
                    "unknown_key",
                    f"unknown key `{key.text}` of `{kind}`",
                    key.span,
                    label="ignored",
                    help=f"did you mean `{near[0]}`?" if near else f"keys are {', '.join(keys)}",
                )

    # Items

    def _engine(self, item: nodes.Mapping) -> Iterable[Item]:
        values = self._read.values(item, "required_engine_version", ITEMS["required_engine_version"])
        version: Version = values["required_engine_version"]
        yield EngineRequirement(version, _value_span(item, "required_engine_version"))

    def _plugins(self, item: nodes.Mapping) -> Iterable[Item]:
        kind = "required_plugin_versions"
        for node in self._read.values(item, kind, ITEMS[kind])[kind]:
            try:
                plugin = self._read.mapping(node, "plugin requirement")
                wanted = [self._requirement(plugin)]
                alternatives = self._read.values(plugin, "plugin requirement", REQUIREMENT_KEYS, ["alternatives"])
                for other in alternatives.get("alternatives", ()):
                    wanted.append(self._requirement(self._read.mapping(other, "plugin requirement"), wanted))
            except BadValueError:
                continue
            yield PluginRequirement(tuple(wanted), _value_span(plugin, "name"))

    def _requirement(
        self, plugin: nodes.Mapping, others: list[tuple[str, Version]] | None = None
    ) -> tuple[str, Version]:
        values = self._read.values(plugin, "plugin requirement", REQUIREMENT_KEYS, ["name", "version"])
        name, version = values["name"].text, parse_version(values["version"].text)
        if version is None:
            raise self._read.bad(
                "LN0406",
                f"`{values['version'].text}` is no version of plugin `{name}`",
                _value_span(plugin, "version"),
                "write x.y.z, such as `0.18.0`",
            )
        if name in (other for other, _ in others or ()):
            raise self._read.bad("LN0406", f"plugin `{name}` is named twice", _value_span(plugin, "name"))
        return name, version

    def _list(self, item: nodes.Mapping) -> Iterable[Item]:
        values = self._read.values(item, "list", ITEMS["list"])
        name: MappedText = values["list"]
        place = _value_span(item, "list")
        if not _BARE.fullmatch(name.text):
            self._diagnostics.add("invalid_list_name", f"`{name.text}` cannot be referred to in a condition", place)
        yield ListDef(name.text, place, values["items"], self._appends(item, "list", values))

    def _macro(self, item: nodes.Mapping) -> Iterable[Item]:
        values = self._read.values(item, "macro", ITEMS["macro"])
        name: MappedText = values["macro"]
        place = _value_span(item, "macro")
        if not _IDENTIFIER.fullmatch(name.text):
            self._diagnostics.add("invalid_macro_name", f"`{name.text}` cannot be referred to in a condition", place)
        yield MacroDef(name.text, place, values["condition"], self._appends(item, "macro", values))

    def _appends(self, item: nodes.Mapping, kind: str, values: Mapping[str, Any]) -> bool:
        """Whether a list or macro, which has but one key of content, is appended to."""
        appended = bool(values.get("append"))
        operations = self._operations(item, kind, values.get("override"))
        self._check_append(item, appended, operations)
        return appended or "append" in operations.values()

    def _check_append(self, item: nodes.Mapping, appended: bool, override: Mapping[str, str]) -> None:
        place = _key_span(item, "append")
        if appended:
            self._diagnostics.add("deprecated_item", "`append` is deprecated", place, help=_DEPRECATED_APPEND)
        if appended and override:
            raise self._read.bad(
                "LN0111", "`append` and `override` cannot be used together", place, "leave out `append`"
            )

    def _rule(self, item: nodes.Mapping) -> Iterable[Item]:
        keys = ITEMS["rule"]
        head = self._read.values(item, "rule", keys, ["rule", "append", "override"])
        name: MappedText = head["rule"]
        place = _value_span(item, "rule")
        override = self._operations(item, "rule", head.get("override"))
        self._check_append(item, bool(head.get("append")), override)
        if override:
            yield self._update(item, name.text, place, override)
        elif head.get("append"):
            given = [key for key in ("condition", "exceptions") if item.get(key)]
            yield self._update(item, name.text, place, dict.fromkeys(given, "append"))
        elif not any(item.get(key.name) for key in keys.values() if key.required and key.name != "rule"):
            enabled = self._read.values(item, "rule", {"enabled": Key("enabled", Form.BOOL, "", required=True)})[
                "enabled"
            ]
            self._diagnostics.add(
                "deprecated_item", "an item with nothing but `enabled` is deprecated", place, help=_DEPRECATED_ENABLED
            )
            yield RuleSwitch(name.text, place, enabled)
        else:
            yield self._definition(item, name.text, place)

    def _definition(self, item: nodes.Mapping, name: str, place: Span) -> RuleDef:
        own = [key for key in ITEMS["rule"] if key not in ("rule", "append", "override")]
        try:
            values = self._read.values(item, "rule", ITEMS["rule"], own)
        except BadValueError as error:
            if "condition" not in error.values:
                raise
            values = {**_stand_ins(place), **error.values}  # for what else is wrong with the rule
        source = values.pop("source", None)
        exceptions = self._exceptions(values.pop("exceptions", None) or (), append=False)
        return RuleDef(
            name=name,
            place=place,
            source=source.text if source else SYSCALL_SOURCE,
            exceptions=exceptions,
            output=stripped(values.pop("output")),
            **{_attribute(key): _plain(value) for key, value in values.items()},
        )

    def _update(self, item: nodes.Mapping, name: str, place: Span, override: Mapping[str, str]) -> RuleUpdate:
        values = self._read.values(item, "rule", ITEMS["rule"], [*override, "source"], optional=True)
        source = values.pop("source", None)
        changes: dict[str, dict[str, Any]] = {"append": {}, "replace": {}}
        for key, operation in override.items():
            value = values.get(key)
            if key == "exceptions":
                value = self._exceptions(value or (), append=operation == "append")
            changes[operation][_attribute(key)] = _plain(value)
        return RuleUpdate(name=name, place=place, source=source.text if source else "", **changes)

    def _exceptions(self, sequence: Iterable[nodes.Node], *, append: bool) -> tuple[ExceptionDef, ...]:
        found: list[ExceptionDef] = []
        failed = False
        for node in sequence:
            try:
                found.append(self._exception(node, append=append))
            except BadValueError:
                failed = True
                continue
            if found[-1].name in (other.name for other in found[:-1]):
                message = f"exception `{found[-1].name}` is defined twice in one rule"
                self._diagnostics.add("exception_name_not_unique", message, found[-1].place)
        if failed:
            raise BadValueError
        return tuple(found)

    def _exception(self, node: nodes.Node, *, append: bool) -> ExceptionDef:
        mapping = self._read.mapping(node, "exception")
        self._warn_unknown_keys(mapping, EXCEPTION_KEYS, "exceptions")
        values = self._read.values(mapping, "exception", EXCEPTION_KEYS, optional=append)
        place = _value_span(mapping, "name")
        if "name" not in values:
            raise self._read.bad("LN0105", "exception has no `name`", node.span)
        if append and "values" not in values:
            self._diagnostics.add("append_no_values", "nothing is appended to the exception: it has no `values`", place)
        return ExceptionDef(
            values["name"].text, place, values.get("fields"), values.get("comps"), values.get("values", ())
        )

    def _operations(self, item: nodes.Mapping, kind: str, override: nodes.Mapping | None) -> dict[str, str]:
        """Key and operation of an override; each is possible, its key is there, and no such key is left out."""
        if override is None or not override.pairs:
            return {}
        keys = ITEMS[kind]
        before = len(self._diagnostics)
        operations = {name.text: self._operation(item, keys, name, value) for name, value in override.pairs}
        for name, _ in item.pairs:
            key = keys.get(name.text)
            if key and (key.append or key.replace) and key.name not in operations:
                message = f"`{key.name}` has no entry under `override`"
                self._diagnostics.add("LN0110", message, name.span, help=f"add `{key.name}: replace` there")
        if len(self._diagnostics) > before:
            raise BadValueError
        return operations

    def _operation(self, item: nodes.Mapping, keys: Mapping[str, Key], name: nodes.Scalar, value: nodes.Node) -> str:
        key = keys.get(name.text)
        possible = {"append": bool(key and key.append), "replace": bool(key and key.replace)}
        operation = value.text if isinstance(value, nodes.Scalar) else ""
        others = " or ".join(f"`{name.text}: {other}`" for other, yes in possible.items() if yes)
        help_text = f"write {others}" if others else None
        if operation not in possible:
            self._diagnostics.add("LN0109", f"unknown override of `{name.text}`", value.span, help=help_text)
        elif not possible[operation]:
            verb = "appended to" if operation == "append" else "replaced"
            self._diagnostics.add("LN0109", f"`{name.text}` cannot be {verb}", name.span, help=help_text)
        elif not item.get(name.text):
            message = f"`{name.text}` is to be overridden, but the item has no `{name.text}`"
            self._diagnostics.add("LN0110", message, name.span, help=f"add `{name.text}` to the item")
        return operation


def _stand_ins(place: Span) -> dict[str, Any]:
    """Values for the keys of a rule that has errors and is never used."""
    text = MappedText.whole("-", place)
    return {"output": text, "desc": text, "priority": Priority.DEBUG}


def _attribute(key: str) -> str:
    return key.replace("-", "_")


def _plain(value: Any) -> Any:
    """Tags as texts; everything else as it is."""
    if isinstance(value, tuple) and all(isinstance(item, MappedText) for item in value):
        return tuple(item.text for item in value)
    return value


def _key_span(mapping: nodes.Mapping, name: str) -> Span:
    pair = mapping.get(name)
    return pair[0].span if pair else mapping.span


def _value_span(mapping: nodes.Mapping, name: str) -> Span:
    pair = mapping.get(name)
    return pair[1].span if pair else mapping.span
