"""Expected results written into test files: only what differs is changed, comments and layout stay.

Where a YAML alias stands for what is expected, the case is left to people: what it stands for is somewhere else.

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
from lanner.rules.places import end_of, is_flow, line_end, start_of
from lanner.workbench.models import EACH, NONE
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
    result = file
    for _ in range(_ROUNDS):
        diagnostics = Diagnostics()
        cases = filter(choose, read_suite(result, book, diagnostics))
        if diagnostics.errors:
            return file
        changes = [change for outcome in run_cases(cases, book) for change in _changes(outcome)]
        if not changes:
            break
        result = SourceFile(file.name, _applied(result.text, changes))
    return result


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
    """The text with the changes; of two that meet, as cases that are used twice bring them, one counts."""
    done = len(text) + 1
    for change in sorted(set(changes), reverse=True):
        if change.end <= done and change.start < done:
            text = text[: change.start] + change.text + text[change.end :]
            done = change.start
    return text


def _changes(outcome: Outcome) -> list[Change]:
    pair = outcome.case.node.get("expect")
    if outcome.passed or (pair and not _is_in_place(pair)):
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
        yield Change(start_of(node), end_of(node), _dumped(difference.actual))


def _outer(outcome: Outcome) -> Iterator[Change]:
    """What is missing taken out, and what is unexpected put in."""
    case = outcome.case
    pair = case.node.get("expect")
    is_each = pair is not None and isinstance(pair[1], nodes.Scalar) and pair[1].text == EACH
    new = [_entry(alert, case) for alert in (outcome.alerts if is_each else outcome.unexpected)]
    gone = {id(expected.node) for expected in outcome.missing}
    if pair is None:
        yield _added(case.node, _value(new, case.node))
        return
    value = pair[1]
    items = value.items if isinstance(value, nodes.Sequence) else () if _is_word(value) else (value,)
    kept = [item for item in items if id(item) not in gone]
    if isinstance(value, nodes.Sequence) and not is_flow(value) and kept:
        yield from (_taken_out(item) for item in items if id(item) in gone)
        if new:
            at, dash = line_end(kept[-1]), "\n" + " " * (value.span.position[1] - 1) + "- "
            yield Change(at, at, "".join(dash + entry for entry in new))
        return
    texts = [item.span.file.text[item.span.start : end_of(item)] for item in kept]
    start = pair[0].span.end
    if pair[0].span.file.text[start : start_of(value)].strip() != ":":  # a comment or an anchor behind the key stays
        yield Change(start_of(value), end_of(value), _flow([*texts, *new]))
    else:
        yield Change(start, end_of(value), f":{_value([*texts, *new], case.node)}")


def _entry(alert: Alert, case: ReadyCase) -> str:
    rule = {} if case.rules == (alert.rule,) else {"rule": alert.rule}
    return _dumped({**rule, "priority": alert.priority.value})


def _value(entries: list[str], case: nodes.Mapping) -> str:
    """What stands behind the colon: several entries have lines of their own where the case has lines."""
    if len(entries) < 2 or is_flow(case):
        return f" {_flow(entries)}"
    indent = "\n" + " " * (case.span.position[1] + 1)
    return "".join(f"{indent}- {entry}" for entry in entries)


def _flow(entries: list[str]) -> str:
    return NONE if not entries else entries[0] if len(entries) == 1 else f"[{', '.join(entries)}]"


def _added(case: nodes.Mapping, value: str) -> Change:
    """The key put behind the last one."""
    key, last = case.pairs[-1]
    if is_flow(case):
        at = end_of(last, key.span.end)
        return Change(at, at, f", expect:{value}")
    at = line_end(last, key.span.end)
    return Change(at, at, f"\n{' ' * (case.span.position[1] - 1)}expect:{value}")


def _taken_out(item: nodes.Node) -> Change:
    """The lines of an item of a list."""
    return Change(item.span.file.text.rfind("\n", 0, item.span.start), line_end(item), "")


def _is_word(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Scalar) and node.text in (NONE, EACH)


def _is_in_place(pair: tuple[nodes.Scalar, nodes.Node]) -> bool:
    """Whether a value stands behind its key with all that it holds: no alias leads to another place."""
    at, stack = pair[0].span.end, [pair[1]]
    while stack:
        node = stack.pop()
        if node.span.start < at:
            return False
        at = node.span.start
        if isinstance(node, nodes.Mapping):
            stack.extend(each for key, value in reversed(node.pairs) for each in (value, key))
        elif isinstance(node, nodes.Sequence):
            stack.extend(reversed(node.items))
    return True


def _dumped(value: object) -> str:
    """The value as YAML that can stand in a flow, on one line."""
    text: str = yaml.safe_dump([value], default_flow_style=True, width=1 << 30, allow_unicode=True, sort_keys=False)
    return text.strip()[1:-1]
