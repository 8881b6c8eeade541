"""Files of rule tests to cases that are ready to be run: rules loaded, events made, expectations complete."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec
from msgspec import inspect

from lanner.compiler.load import LoadedRules
from lanner.config.reader import read
from lanner.diagnostics import Diagnostics, SourceFile, Span
from lanner.rules import nodes
from lanner.rules.files import DEFAULT_RULES
from lanner.rules.priority import Priority
from lanner.workbench.events import EMPTY, EventMaker
from lanner.workbench.models import ALERT, EACH, NONE, Case, EventSpec, Expected, RuleTest, Suite
from lanner.workbench.pick import PickError
from lanner.workbench.rulebook import RuleBook

_SUITE = inspect.type_info(Suite)


@dataclass(frozen=True, slots=True)
class Expectation:
    """An alert that a case expects; None stands for anything.

    Attributes:
        rule: The rule's name.
        priority: Of the alert.
        output: The whole message.
        fields: Some output fields with their values as texts, lists of texts, or None for a missing value.
        node: The entry in the file.
    """

    rule: str
    priority: Priority | None
    output: str | None
    fields: Mapping[str, str | list[str] | None]
    node: nodes.Node


@dataclass(frozen=True, slots=True)
class ReadyCase:
    """A case that can be run.

    Attributes:
        name: As the file has it.
        rules: The rules whose alerts count; none: all that are enabled.
        loaded: The rules, with the overrides of the test.
        payload: The events, as JSON lines.
        expected: None where the file does not say.
        place: The case's name in the file.
        node: The case in the file.
        equivalent: The mistakes that the file says to change nothing, as names of rules or macros and changes.
    """

    name: str
    rules: tuple[str, ...]
    loaded: LoadedRules
    payload: bytes
    expected: tuple[Expectation, ...] | None
    place: Span
    node: nodes.Mapping
    equivalent: frozenset[tuple[str, str]] = frozenset()


def read_suite(file: SourceFile, book: RuleBook, diagnostics: Diagnostics) -> list[ReadyCase]:
    """The cases of a file; those with errors are left out.

    Args:
        file: The test file.
        book: Loads the rules.
        diagnostics: Gets LN0102, LN0106, LN0113, LN0501, LN0502, LN0601 to LN0603, duplicate_key, and what is wrong
            with the rules.
    """
    documents = nodes.parse_yaml(file, diagnostics)
    if documents is None or diagnostics.errors:
        return []
    root = documents[0] if documents else None
    if not isinstance(root, nodes.Mapping):
        span = root.span if root else Span(file, 0, 0)
        is_rules = isinstance(root, nodes.Sequence) and root.items
        hint = "`lanner rules check` reads a file of rules; one of tests begins with `tests:`"
        hint = hint if is_rules else "begin it with `tests:`"
        diagnostics.add("LN0502", "a file of rule tests takes a mapping", span, help=hint)
        return []
    value = read(root, _SUITE, diagnostics)
    if diagnostics.errors:
        return []
    return list(_Reader(file, root, msgspec.convert(value, Suite), book, diagnostics).cases())


class _BadCaseError(Exception):
    """A case with something wrong in it, which was reported."""


class _Reader:
    def __init__(
        self, file: SourceFile, root: nodes.Mapping, suite: Suite, book: RuleBook, diagnostics: Diagnostics
    ) -> None:
        self._file = file
        self._root = root
        self._suite = suite
        self._book = book
        self._diagnostics = diagnostics
        self._folder = os.path.dirname(file.name)
        self._maker = EventMaker(self._folder, suite.bases)
        self._equivalent = frozenset((each.rule, each.change) for each in suite.equivalent)

    def cases(self) -> Iterator[ReadyCase]:
        names = self._suite.rules
        rules = [name if name == DEFAULT_RULES else os.path.join(self._folder, name) for name in names]
        for test, node in zip(self._suite.tests, _items(self._root, "tests"), strict=True):
            overrides = node.get("overrides") if test.overrides else None
            text = _alone(overrides[1].span) if overrides else None
            loaded = self._book.load(rules, text, self._diagnostics)
            if loaded is not None:
                yield from self._test(test, node, loaded)

    def _test(self, test: RuleTest, node: nodes.Mapping, loaded: LoadedRules) -> Iterator[ReadyCase]:
        scope = (test.rule,) if isinstance(test.rule, str) else tuple(test.rule)
        known = {rule.name for rule in loaded.rules}
        place = node.get("rule")
        unknown = [name for name in scope if not self._is_known(name, known, place[1] if place else node)]
        if unknown:
            return
        seen: set[str] = set()
        for case, case_node in zip(test.cases, _items(node, "cases"), strict=True):
            name = case_node.get("name")
            if name and case.name in seen:
                self._incomplete(f"two cases are called `{case.name}`", name[1], "each needs a name of its own")
            seen.add(case.name)
            try:
                events = self._events(case, case_node, test.event or EMPTY)
                expected = self._expected(case, case_node, scope, known)
            except _BadCaseError:
                continue
            place_of = name[1].span if name else case_node.span
            if expected and case.expect == EACH:
                expected *= len(events)
            payload = b"\n".join(events)
            yield ReadyCase(case.name, scope, loaded, payload, expected, place_of, case_node, self._equivalent)

    def _events(self, case: Case, node: nodes.Mapping, start: EventSpec) -> list[bytes]:
        """The events of a case, or `_BadCaseError`."""
        specs: list[tuple[EventSpec, nodes.Node]] = [(case, node)]
        if case.events:
            specs = list(zip(case.events, _items(node, "events"), strict=True))
            own = next((pair for name in EventSpec.__struct_fields__ if (pair := node.get(name))), None)
            if own:
                help_text = "write it into one of the events, or leave one out"
                raise self._incomplete(f"`{own[0].text}` stands beside `events`", own[0], help_text)
        found: list[bytes] = []
        for spec, place in specs:
            try:
                found += self._maker.make(spec, start)
            except PickError as problem:
                span = _event_place(place, problem.key)
                self._diagnostics.add("LN0602", problem.message, span, help=problem.help)
                raise _BadCaseError from None
        return found

    def _expected(
        self, case: Case, node: nodes.Mapping, scope: tuple[str, ...], known: set[str]
    ) -> tuple[Expectation, ...] | None:
        """What a case expects, None where it does not say, or `_BadCaseError`."""
        pair = node.get("expect")
        if case.expect is None or pair is None:
            return None
        if case.expect == NONE:
            return ()
        places = pair[1].items if isinstance(pair[1], nodes.Sequence) else (pair[1],)
        items = case.expect if isinstance(case.expect, list) else [case.expect]
        return tuple(self._item(item, place, scope, known) for item, place in zip(items, places, strict=True))

    def _item(self, item: str | Expected, node: nodes.Node, scope: tuple[str, ...], known: set[str]) -> Expectation:
        if isinstance(item, str):
            item = Expected() if item in (ALERT, EACH) else Expected(rule=item)
        if item.rule is None and len(scope) != 1:
            word = node.text if isinstance(node, nodes.Scalar) else ALERT
            message = f"`{word}` does not say which rule raises it"
            raise self._incomplete(message, node, "write the rule's name, or name one as `rule` of the test")
        rule = item.rule if item.rule is not None else scope[0]
        place = node.get("rule") if isinstance(node, nodes.Mapping) else None
        if not self._is_known(rule, known, place[1] if place else node):
            raise _BadCaseError
        if scope and rule not in scope:
            raise self._incomplete(f"alerts of `{rule}` do not count here", node, "add it to `rule` of the test")
        priority = Priority.parse(item.priority) if item.priority else None
        fields = {name: as_text(value) for name, value in item.fields.items()}
        return Expectation(rule, priority, item.output, fields, node)

    def _is_known(self, name: str, known: set[str], node: nodes.Node) -> bool:
        if name in known:
            return True
        near = get_close_matches(name[:120], known, 1)
        hint = f"did you mean `{near[0]}`?" if near else "the rule files of these tests define no such rule"
        place = next((each for each in _scalars(node) if each.text == name), node)
        self._diagnostics.add("LN0601", f"no rule is called `{name}`", place.span, help=hint)
        return False

    def _incomplete(self, message: str, node: nodes.Node, help_text: str) -> _BadCaseError:
        """Report what does not fit together; the error may be raised by the caller."""
        self._diagnostics.add("LN0603", message, node.span, help=help_text)
        return _BadCaseError()


def as_text(value: object) -> str | list[str] | None:
    """A value of a test file as an output field has it."""
    if isinstance(value, list):
        return [str(as_text(item)) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _items(node: nodes.Mapping, name: str) -> tuple[nodes.Mapping, ...]:
    """The mappings of a list; one alone is a list of one."""
    pair = node.get(name)
    if pair is None:
        return ()
    items = pair[1].items if isinstance(pair[1], nodes.Sequence) else (pair[1],)
    return tuple(item for item in items if isinstance(item, nodes.Mapping))


def _scalars(node: nodes.Node) -> Iterator[nodes.Scalar]:
    if isinstance(node, nodes.Scalar):
        yield node
    elif isinstance(node, nodes.Sequence):
        yield from (item for item in node.items if isinstance(item, nodes.Scalar))


def _event_place(node: nodes.Node, key: str) -> Span:
    """The value of the key that is to blame where the event has it, else what names the event best."""
    if isinstance(node, nodes.Mapping):
        for name in (key, "file", "base", "name"):
            if pair := node.get(name):
                return pair[1].span
    return node.span


def _alone(span: Span) -> SourceFile:
    """The file with blanks for everything outside of a span, so that places in it stay what they are."""
    text = span.file.text
    before, after = (re.sub(r"[^\n]", " ", part) for part in (text[: span.start], text[span.end :]))
    return SourceFile(span.file.name, f"{before}{span.text}{after}")
