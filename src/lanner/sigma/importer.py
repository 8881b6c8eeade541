"""Sigma files to a Falco rule file, and a report of what could not be carried over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import yaml
from sigma.collection import SigmaCollection
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import PythonRegexEngine
from sigma.rule import SigmaLevel, SigmaRule, SigmaRuleBase, SigmaStatus

from lanner.compiler.load import load
from lanner.condition import And, Expr, MacroName, Or, to_text
from lanner.diagnostics import Diagnostics, SourceFile, Span
from lanner.diagnostics.render import printable
from lanner.rules.format import format_rules
from lanner.rules.nodes import Mapping as MappingNode
from lanner.rules.nodes import Node, Scalar, parse_yaml
from lanner.rules.nodes import Sequence as SequenceNode
from lanner.rules.priority import Priority
from lanner.sigma.convert import Converter, NotCarriedError
from lanner.sigma.fields import target_of

COMPLETED = "sigma_event"
"""The macro that leaves out events of requests that were only received: each comes again with its response."""

_MACRO = f"""\
# A request is logged when it is received and again when it was answered; only the latter is looked at.
- macro: {COMPLETED}
  condition: (not ka.stage = RequestReceived)
"""
_PRIORITIES: Mapping[SigmaLevel | None, Priority] = MappingProxyType(
    {
        SigmaLevel.CRITICAL: Priority.CRITICAL,
        SigmaLevel.HIGH: Priority.ERROR,
        SigmaLevel.MEDIUM: Priority.WARNING,
        SigmaLevel.LOW: Priority.NOTICE,
        SigmaLevel.INFORMATIONAL: Priority.INFORMATIONAL,
        None: Priority.NOTICE,
    }
)
# Expressions are only looked over here, by an engine that does not print what it finds; Lanner's own check follows.
_POLICY = SigmaPolicy(regex_engine=PythonRegexEngine())
_OFF = (SigmaStatus.DEPRECATED, SigmaStatus.UNSUPPORTED)
_OUTPUT = (
    "user=%ka.user.name impersonated=%ka.impuser.name verb=%ka.verb resource=%ka.target.resource"
    " subresource=%ka.target.subresource name=%ka.target.name ns=%ka.target.namespace uri=%ka.uri"
    " resp=%ka.response.code decision=%ka.auth.decision sourceips=%ka.sourceips useragent=%ka.useragent"
)
_UNWRAPPED = 1_000_000
_PRODUCT = ("kubernetes", "audit")


class Fate(StrEnum):
    """What became of a Sigma rule."""

    IMPORTED = "imported"
    CHANGED = "imported with differences"
    FAILED = "not imported"
    SKIPPED = "not about audit logs"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report: a Sigma rule, what became of it, and why."""

    file: str
    title: str
    fate: Fate
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Imported:
    """What came of all files.

    Attributes:
        text: The rule file; empty when no rule was imported.
        lines: A line for each Sigma rule, in order.
        diagnostics: What could not be carried over, and what is not quite the same.
    """

    text: str
    lines: list[Line]
    diagnostics: Diagnostics


def import_sigma(files: Sequence[SourceFile], diagnostics: Diagnostics) -> Imported:
    """Turn Sigma files into one rule file.

    Diagnostics: LN0102, LN0106, LN0113, LN0801, LN0802, sigma_difference.
    """
    importer = _Importer(diagnostics)
    for file in files:
        importer.add(file)
    parts = [importer.macro, *importer.rules] if importer.rules else []
    text = format_rules(SourceFile("<import>", "\n".join(parts)), Diagnostics())
    assert text is not None  # noqa: S101 - INVARIANT: each rule has been loaded
    return Imported(text if importer.rules else "", importer.lines, diagnostics)


@dataclass(slots=True)
class _Importer:
    diagnostics: Diagnostics
    rules: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    macro: str = ""

    def add(self, file: SourceFile) -> None:
        if parse_yaml(file, self.diagnostics) is None:
            self.lines.append(Line(file.name, "", Fate.FAILED, ("not YAML",)))
            return
        try:
            collection = SigmaCollection.from_yaml(file.text, collect_errors=True, policy=_POLICY)
        except Exception as error:
            self._failed(file, "", "LN0801", _first_line(error))
            return
        of_rules = {id(problem) for rule in collection.rules for problem in rule.errors}
        for problem in (each for each in collection.errors if id(each) not in of_rules):
            self._failed(file, "", "LN0801", _first_line(problem))
        for rule in collection.rules:
            self._add_rule(file, rule)

    def _add_rule(self, file: SourceFile, rule: SigmaRuleBase) -> None:
        title = _line(rule.title)
        if not isinstance(rule, SigmaRule):
            self._failed(file, title, "LN0802", "it counts or connects events, which needs memory of earlier ones")
        elif rule.errors:
            self._failed(file, title, "LN0801", _first_line(rule.errors[0]))
        elif (rule.logsource.product, rule.logsource.service) != _PRODUCT:
            self.lines.append(Line(file.name, title, Fate.SKIPPED))
        else:
            self._convert(file, rule, title)

    def _convert(self, file: SourceFile, rule: SigmaRule, title: str) -> None:
        converter = Converter()
        try:
            conditions = [converter.condition(each.parsed) for each in rule.detection.parsed_condition]
        except NotCarriedError as error:
            self._failed(file, title, "LN0802", str(error), _place_of(file, error.field))
            return
        except Exception as error:
            self._failed(file, title, "LN0801", _first_line(error))
            return
        condition = conditions[0] if len(conditions) == 1 else Or(tuple(conditions))
        if "stage" not in converter.fields:
            condition = _narrowed(condition)
        name = self._name(rule, title)
        text = _rule_text(rule, name, condition)
        if problem := _problem(text):
            self._failed(file, title, "LN0802", problem)
            return
        self.names.add(name)
        self.rules.append(text)
        if "stage" not in converter.fields:
            self.macro = _MACRO
        for remark in converter.remarks:
            self.diagnostics.add("sigma_difference", f"rule `{title}`: {remark}", file=file.name)
        fate = Fate.CHANGED if converter.remarks else Fate.IMPORTED
        self.lines.append(Line(file.name, title, fate, tuple(converter.remarks)))

    def _failed(self, file: SourceFile, title: str, code: str, reason: str, span: Span | None = None) -> None:
        reason = _line(reason)
        rule = f"rule `{title}` " if title else "the file "
        verb = "cannot be read" if code == "LN0801" else "cannot be carried over"
        self.diagnostics.add(code, f"{rule}{verb}: {reason}", span, file=file.name)
        self.lines.append(Line(file.name, title, Fate.FAILED, (reason,)))

    def _name(self, rule: SigmaRule, title: str) -> str:
        """The title; of a second rule with the same one, its id behind it."""
        name = title.replace("%", " percent") or "Sigma rule"
        if name in self.names and rule.id:
            name = f"{name} ({str(rule.id)[:8]})"
        number = 2
        unique = name
        while unique in self.names:
            unique, number = f"{name} {number}", number + 1
        return unique


def _narrowed(condition: Expr) -> Expr:
    return And((MacroName(COMPLETED), *(condition.children if isinstance(condition, And) else (condition,))))


def _problem(text: str) -> str | None:
    """What keeps the rule from being loaded."""
    result = load([SourceFile("<rule>", f"{_MACRO}\n{text}")])
    return next((found.message for found in result.diagnostics if found.severity == "error"), None)


def _rule_text(rule: SigmaRule, name: str, condition: Expr) -> str:
    """The rule as an item of a rule file, with where it comes from as comments above."""
    item: dict[str, Any] = {
        "rule": name,
        "desc": _line(rule.description or "") or name,
        "condition": to_text(condition),
        "exceptions": [{"name": "known_users", "fields": ["ka.user.name", "ka.target.namespace"]}],
        "output": f"{name} ({_OUTPUT}{''.join(_more_output(rule.fields))})",
        "priority": _PRIORITIES[rule.level].value.upper(),
        "source": "k8s_audit",
        "tags": [*dict.fromkeys(["k8s", "sigma", *map(_tag, rule.tags)])],
    }
    if "kx." in item["condition"]:
        item["skip-if-unknown-filter"] = True  # Falco has no such fields
    if rule.status in _OFF:
        item["enabled"] = False
    comments = "".join(f"# {line}\n" for line in _comments(rule))
    text: str = yaml.safe_dump([item], sort_keys=False, default_flow_style=None, allow_unicode=True, width=_UNWRAPPED)
    return comments + text


def _more_output(fields: Iterable[str]) -> Iterator[str]:
    """Fields that the Sigma rule wants to be shown, beyond those that all outputs have."""
    shown = {word.partition("=%")[2] for word in _OUTPUT.split()}
    for target in filter(None, map(target_of, fields)):
        name = to_text(target.field)
        if name not in shown:
            shown.add(name)
            yield f" {name.rpartition('.')[2].rpartition('/')[2].rstrip(']')}=%{name}"


def _tag(tag: Any) -> str:
    """`attack.t1609` as `T1609`, a tactic as `mitre_execution`, anything else as it is."""
    if tag.namespace != "attack":
        return _line(str(tag))
    word = str(tag.name)
    is_technique = word[:1] in "tsg" and word[1:5].isdigit()
    return _line(word.upper() if is_technique else f"mitre_{word.replace('-', '_')}")


def _comments(rule: SigmaRule) -> Iterator[str]:
    author = f", by {_line(rule.author)}" if rule.author else ""
    yield f"Sigma rule {rule.id or 'without an id'}{author}{f', {rule.date}' if rule.date else ''}"
    if rule.license:
        yield f"License: {_line(rule.license)}"
    for title, lines in (("References", rule.references), ("False positives", rule.falsepositives)):
        if lines:
            yield f"{title}:"
            yield from (f"  {_line(str(line))}" for line in lines)


def _line(value: object) -> str:
    """What stands in a Sigma file on one line, with nothing in it that is not to be seen."""
    return "" if value is None else printable(" ".join(str(value).split()))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _place_of(file: SourceFile, name: str) -> Span | None:
    """Where a Sigma field is named: a key in front of its modifiers."""
    stack: list[Node] = list(parse_yaml(file, Diagnostics()) or ())
    while stack:
        node = stack.pop()
        match node:
            case MappingNode(pairs):
                for key, value in pairs:
                    if name and key.text.partition("|")[0] == name:
                        return Span(file, key.span.start, key.span.start + len(name))
                    stack.append(value)
            case SequenceNode(items):
                stack.extend(items)
            case Scalar():
                pass
    return None
