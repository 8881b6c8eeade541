"""Expected results written into test files: only what differs is changed, comments and layout stay.

A change is a stretch of the file and the text that takes its place. What differs within an expected alert is written
first; alerts that are missing or unexpected follow in the next round, when the file has been read again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from lanner.diagnostics import Diagnostics, SourceFile
from lanner.engine.alert import Alert
from lanner.rules import nodes
from lanner.workbench.models import NONE
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.runner import Outcome, differences, run_cases
from lanner.workbench.suites import Expectation, ReadyCase, read_suite

_ROUNDS = 4
"""What differs, what is missing or unexpected, and a look at the result."""


class Change(NamedTuple):
    """The characters from `start` to `end` of a file are replaced."""

    start: int
    end: int
    text: str


def updated(file: SourceFile, book: RuleBook, choose: Callable[[ReadyCase], bool]) -> SourceFile:
    """The file with what comes out as what is expected, for the cases that are chosen; as it is when it has errors."""
    for _ in range(_ROUNDS):
        diagnostics = Diagnostics()
        cases = filter(choose, read_suite(file, book, diagnostics))
        if diagnostics.errors:
            break
        changes = [change for outcome in run_cases(cases, book) for change in _changes(outcome)]
        if not changes:
            break
        file = SourceFile(file.name, _applied(file.text, changes))
    return file


def write(file: SourceFile) -> None:
    """Replace a file on disk as a whole, so that a crash leaves the old one or the new one.

    Raises:
        OSError: It cannot be written.
    """
    path = Path(file.name).resolve()
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(file.text.encode())
        new.chmod(path.stat().st_mode)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        error.filename = file.name
        raise


def _applied(text: str, changes: Iterable[Change]) -> str:
    for change in sorted(changes, reverse=True):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def _changes(outcome: Outcome) -> list[Change]:
    if outcome.passed:
        return []
    inner = [change for expected, alert in outcome.different for change in _inner(expected, alert)]
    return inner or list(_outer(outcome))


def _inner(expected: Expectation, alert: Alert) -> Iterator[Change]:
    """The values that differ within an expected alert; a field that the output lacks is left for people."""
    for difference in differences(expected, alert):
        node: nodes.Node = expected.node
        key, _, name = difference.name.partition(".")
        if key == "fields" and name not in alert.output_fields:
            continue
        for step in (key, name) if name else (key,):
            pair = node.get(step) if isinstance(node, nodes.Mapping) else None
            node = pair[1] if pair else node
        yield Change(node.span.start, _end(node), _dumped(difference.actual))


def _outer(outcome: Outcome) -> Iterator[Change]:
    """What is missing taken out, and what is unexpected put in."""
    case = outcome.case
    new = [_entry(alert, case) for alert in outcome.unexpected]
    gone = {id(expected.node) for expected in outcome.missing}
    pair = case.node.get("expect")
    if pair is None:
        yield _added(case.node, _value(new, case.node))
        return
    value = pair[1]
    items = value.items if isinstance(value, nodes.Sequence) else () if _is_word(value) else (value,)
    kept = [item for item in items if id(item) not in gone]
    if isinstance(value, nodes.Sequence) and not _is_flow(value) and kept:
        yield from (_taken_out(item) for item in items if id(item) in gone)
        if new:
            at, dash = _line_end(kept[-1]), "\n" + " " * (value.span.position[1] - 1) + "- "
            yield Change(at, at, "".join(dash + entry for entry in new))
        return
    texts = [item.span.file.text[item.span.start : _end(item)] for item in kept]
    start = pair[0].span.end
    if "#" in pair[0].span.file.text[start : value.span.start]:  # a comment behind the key stays
        yield Change(value.span.start, _end(value), _flow([*texts, *new]))
    else:
        yield Change(start, _end(value), f":{_value([*texts, *new], case.node)}")


def _entry(alert: Alert, case: ReadyCase) -> str:
    rule = {} if case.rules == (alert.rule,) else {"rule": alert.rule}
    return _dumped({**rule, "priority": alert.priority.value})


def _value(entries: list[str], case: nodes.Mapping) -> str:
    """What stands behind the colon: several entries have lines of their own where the case has lines."""
    if len(entries) < 2 or _is_flow(case):
        return f" {_flow(entries)}"
    indent = "\n" + " " * (case.span.position[1] + 1)
    return "".join(f"{indent}- {entry}" for entry in entries)


def _flow(entries: list[str]) -> str:
    return NONE if not entries else entries[0] if len(entries) == 1 else f"[{', '.join(entries)}]"


def _added(case: nodes.Mapping, value: str) -> Change:
    """The key put behind the last one."""
    last = case.pairs[-1][1]
    if _is_flow(case):
        return Change(_end(last), _end(last), f", expect:{value}")
    at = _line_end(last)
    return Change(at, at, f"\n{' ' * (case.span.position[1] - 1)}expect:{value}")


def _taken_out(item: nodes.Node) -> Change:
    """The lines of an item of a list."""
    return Change(item.span.file.text.rfind("\n", 0, item.span.start), _line_end(item), "")


def _is_word(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Scalar) and node.text == NONE


def _is_flow(node: nodes.Node) -> bool:
    return node.span.text[:1] in ("[", "{")


def _end(node: nodes.Node) -> int:
    """Where a node's text ends; a block's span goes on through the comments behind it."""
    while not isinstance(node, nodes.Scalar) and not _is_flow(node):
        node = node.pairs[-1][1] if isinstance(node, nodes.Mapping) else node.items[-1]
    return len(node.span.file.text[: node.span.end].rstrip())


def _line_end(node: nodes.Node) -> int:
    """The end of the line that a node ends on, behind a comment there."""
    text = node.span.file.text
    at = text.find("\n", _end(node))
    return len(text) if at < 0 else at


def _dumped(value: object) -> str:
    """The value as YAML that can stand in a flow, on one line."""
    text: str = yaml.safe_dump([value], default_flow_style=True, width=1 << 30, allow_unicode=True, sort_keys=False)
    return text.strip()[1:-1]
