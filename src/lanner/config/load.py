"""Configuration files and options to one checked configuration.

Source: Falco 0.44, configuration.cpp, yaml_helper.h (what is merged how, and in which order).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping as Table
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lanner.config.environment import expand
from lanner.config.models import Config
from lanner.config.options import ORIGIN, Option, put, read_option
from lanner.config.outputs import AlertOutput
from lanner.config.plugins import Plugins, select_plugins
from lanner.config.reader import config_info, items, read, read_config
from lanner.config.secrets import veiled
from lanner.diagnostics import Diagnostic, Diagnostics, SourceFile, Span
from lanner.rules.files import read_rule_files
from lanner.rules.nodes import Mapping, Node, Scalar, Sequence, parse_yaml

INCLUDES = "config_files"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """What loading a configuration gave.

    Attributes:
        config: The configuration, None when there are errors.
        plugins: What of it is about plugins.
        root: The merged document, whose nodes know where they come from.
        files: The names of all files that were read.
        diagnostics: All problems, by file and place.
    """

    config: Config | None
    plugins: Plugins
    root: Mapping
    files: tuple[str, ...]
    diagnostics: Items[Diagnostic]


def load_config(
    path: str | None, options: Iterable[str] = (), environment: Table[str, str] | None = None
) -> LoadedConfig:
    """Load a file, the files that it includes, and options over them.

    Args:
        path: The file; None for options alone.
        options: Each `KEY=VALUE`, in order.
        environment: Where `${NAME}` is looked up; the process's unless given.

    Returns:
        What was found; problems are in its diagnostics: LN0101, LN0102, LN0106, LN0113, LN0501 to LN0504 and
        duplicate_key.
    """
    loader = _Loader(os.environ if environment is None else environment, Diagnostics())
    return loader.load(path, options)


class _Loader:
    def __init__(self, environment: Table[str, str], diagnostics: Diagnostics) -> None:
        self._environment = environment
        self._diagnostics = diagnostics
        self._files: list[str] = []

    def load(self, path: str | None, options: Iterable[str]) -> LoadedConfig:
        found = [option for text in options if (option := read_option(text, self._diagnostics))]
        empty = SourceFile(path or ORIGIN, "")
        root = (self._read(path) if path is not None else None) or Mapping((), Span(empty, 0, 0))
        includes = [option for option in found if option.path[0] == INCLUDES]
        root = self._included(self._changed(root, includes), path)
        root = self._changed(root, [option for option in found if option not in includes])
        config = read_config(root, self._diagnostics)
        if config:
            self._check_selection(config, root)
            self._check_names(config, root)
        plugins = select_plugins(config, root, self._diagnostics) if config else Plugins()
        failed = bool(self._diagnostics.errors)
        return LoadedConfig(
            None if failed else config, plugins, root, tuple(self._files), tuple(veiled(self._diagnostics.ordered()))
        )

    def _changed(self, root: Mapping, options: Iterable[Option]) -> Mapping:
        for option in options:
            root = put(root, option, self._diagnostics)
        return root

    def _read(self, path: str) -> Mapping | None:
        """The mapping that a file holds, or None after an error; of several documents the first counts, as in Falco."""
        self._files.append(path)
        if os.path.isdir(path):  # never raises, unlike its counterpart in pathlib
            self._diagnostics.add("LN0101", f"cannot read `{path}`: it is a folder", file=path)
            return None
        files, found = read_rule_files([path])
        self._diagnostics.items.extend(found)
        documents = parse_yaml(files[0], self._diagnostics) if files else None
        if not documents:
            return None
        root = expand(documents[0], self._environment)
        if isinstance(root, Mapping):
            return root
        if not (isinstance(root, Scalar) and root.is_null):
            self._diagnostics.add("LN0502", "a configuration takes a mapping", root.span)
        return None

    def _check_selection(self, config: Config, root: Mapping) -> None:
        for entry, node in zip(config.rules, items(root, "rules"), strict=True):
            selector = entry.enable or entry.disable
            if selector is None or not (selector.rule or selector.tag):
                help_text = "write `enable:` or `disable:`, and below it `rule:` or `tag:`"
                self._diagnostics.add("LN0502", "the entry selects no rules", node.span, help=help_text)

    def _check_names(self, config: Config, root: Mapping) -> None:
        """Messages and metrics tell outputs apart by name, and so does a reload."""
        sections = ((key, getattr(config, key)) for key in config.__struct_fields__)
        taken = {key.removesuffix("_output") for key, section in sections if isinstance(section, AlertOutput)}
        for entry, node in zip(config.notify_outputs, items(root, "notify_outputs"), strict=True):
            found = node.get("name") if isinstance(node, Mapping) else None
            span = found[1].span if found else node.span
            if not entry.name.strip():
                self._diagnostics.add("LN0502", "`name` takes a text that is not empty", span)
            elif entry.name in taken:
                self._diagnostics.add("LN0502", f"`{entry.name}` is the name of another output", span)
            taken.add(entry.name)

    # Files that a configuration includes

    def _included(self, root: Mapping, path: str | None) -> Mapping:
        for entry in items(root, INCLUDES):
            name, strategy = self._entry(entry)
            if path is not None and name and _is_same(name, path):
                self._diagnostics.add("LN0504", f"`{name}` is the file that includes it", entry.span)
                continue
            for file in self._below(name, entry):
                more = self._read(file)
                root = _merged(root, self._without_includes(more), strategy) if more else root
        return root

    def _entry(self, entry: Node) -> tuple[str, str]:
        """Path and strategy of an entry; an empty path when it does not fit, which reading the whole reports."""
        fields = {field.name: field.type for field in config_info().fields}
        value: Any = read(entry, fields[INCLUDES].type.item_type, Diagnostics())
        if isinstance(value, str):
            return value, "append"
        value = value or {}
        return value.get("path") or "", value.get("strategy") or "append"

    def _below(self, name: str, entry: Node) -> list[str]:
        """The files of a folder in the order of their names, or the file itself; what does not exist is none."""
        try:
            path = Path(name)
            if name and path.is_dir():
                return sorted(str(each) for each in path.iterdir() if each.is_file())
            return [name] if name and path.exists() else []
        except (OSError, ValueError) as problem:
            reason = (problem.strerror if isinstance(problem, OSError) else None) or "it is no path"
            self._diagnostics.add("LN0504", f"cannot read `{name}`: {reason.lower()}", entry.span)
            return []

    def _without_includes(self, root: Mapping) -> Mapping:
        nested = root.get(INCLUDES)
        if nested is None:
            return root
        message = "a file that is included cannot include others"
        self._diagnostics.add("LN0504", message, nested[0].span, help=f"name them under `{INCLUDES}` of the main file")
        return Mapping(tuple(pair for pair in root.pairs if pair[0].text != INCLUDES), root.span)


def _merged(root: Mapping, more: Mapping, strategy: str) -> Mapping:
    """The keys of both; `append` adds to lists, else `add-only` keeps what is there, and others replace it."""
    pairs = {key.text: (key, value) for key, value in root.pairs}
    for key, value in more.pairs:
        old = pairs.get(key.text)
        if old is None:
            pairs[key.text] = key, value
        elif strategy == "append" and isinstance(value, Sequence) and isinstance(old[1], Sequence):
            pairs[key.text] = old[0], Sequence((*old[1].items, *value.items), old[1].span)
        elif strategy != "add-only":
            pairs[key.text] = key, value
    return Mapping(tuple(pairs.values()), root.span)


def _is_same(left: str, right: str) -> bool:
    try:
        return Path(left).resolve() == Path(right).resolve()
    except (OSError, ValueError, RuntimeError):
        return left == right
