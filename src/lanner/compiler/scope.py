"""Which fields a rule can name: those of its source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from lanner.compiler.problem import Problem
from lanner.fields.catalogue import STATIC_PREFIX, FieldSpec, lookup, spec_of, suggest
from lanner.rules.versions import AUDIT_SOURCE, event_sources


@dataclass(frozen=True, slots=True)
class Scope:
    """The fields of a source.

    Attributes:
        source: The rules' source.
        families: Who gives the fields: names of `FieldSpec.source`.
        static: Names of the fields that the configuration defines, whatever the source.
        evaluated: Whether Lanner evaluates the source; if not, it knows only which fields do not belong there.
    """

    source: str
    families: frozenset[str]
    evaluated: bool
    static: frozenset[str] = frozenset()

    @classmethod
    def of(cls, source: str, plugins: Mapping[str, str], static: Iterable[str] = ()) -> Scope:
        """The scope of a source with these plugins loaded, and with static fields of these names."""
        named = frozenset(f"{STATIC_PREFIX}{name}" for name in static)
        if source != AUDIT_SOURCE:
            return cls(source, frozenset(), False, named)
        families = {"evt", "lanner", AUDIT_SOURCE, *({"json"} & set(plugins))}
        return cls(source, frozenset(families), source in event_sources(plugins), named)

    def known(self, name: str) -> FieldSpec | None:
        """The field of that name, if the source has it."""
        if name in self.static:
            return spec_of(name)
        spec = lookup(name)
        return spec if spec is not None and spec.source in self.families else None

    def field(self, name: str) -> FieldSpec | Problem | None:
        """The field of that name, what is wrong with it, or None where nothing is known about it."""
        if known := self.known(name):
            return known
        spec = lookup(name)
        if not self.evaluated:
            return None if spec is None or spec.source == "evt" else self._foreign(name)
        if spec is not None:
            message = f"field `{name}` needs the plugin `{spec.source}`"
            return Problem("LN0203", message, help=f"load the plugin `{spec.source}`")
        near = next(iter(get_close_matches(name, self.static, 1)), None) or suggest(name)
        return Problem(
            "LN0203",
            f"unknown field `{name}`",
            label=f"not a field of source `{self.source}`",
            help=f"did you mean `{near}`?" if near else "`lanner fields` lists all fields",
        )

    def _foreign(self, name: str) -> Problem:
        return Problem(
            "LN0211",
            f"field `{name}` is of source `{AUDIT_SOURCE}`",
            label=f"the rule is of source `{self.source}`",
            help=f"add `source: {AUDIT_SOURCE}` to the rule",
        )
