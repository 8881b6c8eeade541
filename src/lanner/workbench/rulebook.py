"""Rules for tests and explanations, loaded and compiled once however many ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lanner.compiler.load import LoadedRules, load
from lanner.compiler.ruleset import RuleSet, Selection, compile_selected
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.rules.files import DEFAULT_RULES, read_rule_files, rule_paths

_Paths = tuple[str, ...]


@dataclass(slots=True)
class RuleBook:
    """Loads and compiles rules.

    Attributes:
        instead: Rule files that take the place of those that tests name.
    """

    instead: _Paths = ()
    _files: dict[_Paths, list[SourceFile] | None] = field(default_factory=dict)
    _loaded: dict[tuple[_Paths, str | None], LoadedRules | None] = field(default_factory=dict)
    _compiled: dict[tuple[int, _Paths], RuleSet] = field(default_factory=dict)

    def load(self, paths: Sequence[str], more: SourceFile | None, diagnostics: Diagnostics) -> LoadedRules | None:
        """The rules of files, with the items of one more file behind them; None when there are errors.

        Args:
            paths: Files and folders; none: the default rules.
            more: A file whose items are loaded last.
            diagnostics: Gets the errors in the files.
        """
        chosen = self.instead or tuple(paths)
        key = chosen, f"{more.name}\n{more.text}" if more else None
        if key not in self._loaded:
            self._loaded[key] = self._load(chosen, more, diagnostics)
        return self._loaded[key]

    def compiled(self, loaded: LoadedRules, names: _Paths = ()) -> RuleSet:
        """Rules of these names, disabled ones too, ready to be matched; without names, all that are enabled."""
        key = id(loaded), names
        if key not in self._compiled:
            admits = Selection().admits
            chosen = [rule for rule in loaded.rules if (rule.name in names if names else admits(rule))]
            self._compiled[key] = compile_selected(tuple(chosen))
        return self._compiled[key]

    def _load(self, paths: _Paths, more: SourceFile | None, diagnostics: Diagnostics) -> LoadedRules | None:
        if paths not in self._files:
            self._files[paths] = self._read(paths, diagnostics)
        sources = self._files[paths]
        if sources is None:
            return None
        result = load([*sources, more] if more else sources)
        for found in result.diagnostics:
            if found.severity == "error":
                diagnostics.items.append(found)
        return result.rules

    @staticmethod
    def _read(paths: _Paths, diagnostics: Diagnostics) -> list[SourceFile] | None:
        sources, found = read_rule_files(rule_paths(paths or (DEFAULT_RULES,)))
        diagnostics.items.extend(found.items)
        return None if found.errors else sources
