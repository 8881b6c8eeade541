"""Mutants: rules with one mistake each, and whether a test notices.

A mutant is made by one of the edits in `_edits`: a part is left out, `and` and `or` change places, a check is turned
into its opposite, an operator becomes a wider one, a transformer, one of the values in parentheses or an alternative of
a regular expression is left out. Named lists stay as they are, and so do exceptions, which are values that users give.

A test notices when the rule raises more or fewer alerts on a case's events than without the mistake. Mutants of a macro
are tried in every rule that uses it; one test of one of them is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from lanner.compiler.check import operand_kind
from lanner.compiler.scope import Scope
from lanner.condition import And, Call, Check, Expr, Literal, LiteralList, Not, Or, to_text
from lanner.condition.ast import children
from lanner.diagnostics import Span
from lanner.rules.versions import AUDIT_SOURCE, PLUGINS
from lanner.workbench.evidence import Path, Sheet, Unit, own_nodes, place_of
from lanner.workbench.patterns import without_alternatives
from lanner.workbench.wording import written

Edit: TypeAlias = Callable[[Expr], Expr | None]
"""From a node to the one with the mistake, or None where it cannot be made."""

_WIDER = {"startswith": "contains", "endswith": "contains", "in": "intersects", "intersects": "in"}
"""Operators with another that is easily meant; the last two differ for lists of values alone."""

_BOUNDARIES = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake in a rule or macro.

    Attributes:
        unit: Where it is.
        path: The node that is changed.
        what: The change, for people; unique within the unit.
        place: The node in the rule file.
        edit: The change.
    """

    unit: Unit
    path: Path
    what: str
    place: Span | None
    edit: Edit


def survivors(sheets: Sequence[Sheet], mutants_of: Iterable[Mutant] | None = None) -> list[Mutant]:
    """The mutants that no case notices, in the order of the rules."""
    homes: dict[Unit, list[Sheet]] = {}
    for sheet in sheets:
        for unit in sheet.units():
            homes.setdefault(unit, []).append(sheet)
    found = mutants(sheets) if mutants_of is None else mutants_of
    return [mutant for mutant in found if not any(_notices(sheet, mutant) for sheet in homes[mutant.unit])]


def mutants(sheets: Iterable[Sheet]) -> list[Mutant]:
    """All mutants of the rules of the sheets and of their macros."""
    done: dict[Unit, list[Mutant]] = {}
    for sheet in sheets:
        for unit, root in sheet.units().items():
            if unit not in done:
                done[unit] = [*_distinct(_mutants(unit, root, sheet.macros))]
    return [mutant for found in done.values() for mutant in found]


def _mutants(unit: Unit, root: Expr, macros: Mapping[int, str]) -> Iterator[Mutant]:
    nodes = dict(own_nodes(unit, root, macros))
    for path, node in nodes.items():
        is_macro = id(node) in macros and not (unit.is_macro and path == ())
        parent = nodes.get(path[:-1]) if path else None
        place = place_of(path, nodes, macros)
        text = macros[id(node)] if is_macro else written(node)
        edits = [] if isinstance(parent, Not) else [_opposite(text)]
        if not is_macro:
            edits += _edits(node, macros)
        for what, edit in edits:
            yield Mutant(unit, path, what, place, edit)


def _distinct(found: Iterable[Mutant]) -> Iterator[Mutant]:
    """The mutants, those whose texts are equal with a number."""
    seen: dict[str, int] = {}
    for mutant in found:
        seen[mutant.what] = seen.get(mutant.what, 0) + 1
        number = seen[mutant.what]
        yield mutant if number == 1 else replace(mutant, what=f"{mutant.what} ({number})")


def _opposite(text: str) -> tuple[str, Edit]:
    return f"`{text}` turned into its opposite", Not


def _edits(node: Expr, macros: Mapping[int, str]) -> list[tuple[str, Edit]]:
    """What can be wrong with a node beyond its being the opposite."""
    match node:
        case And() | Or():
            words = ("and", "or") if isinstance(node, And) else ("or", "and")
            swapped = (f"`{words[1]}` for `{words[0]}` in `{written(node)}`", _swapped)
            without = [
                (f"`{macros.get(id(child)) or written(child)}` left out", _without_child(at))
                for at, child in enumerate(node.children)
            ]
            return [swapped, *without]
        case Check():
            return [*_check_edits(node)]
        case _:
            return []


def _check_edits(check: Check) -> Iterator[tuple[str, Edit]]:
    text = written(check)
    for other in (_WIDER.get(check.operator), _BOUNDARIES.get(check.operator)):
        if other and (check.operator not in ("in", "intersects") or _is_list(check)):
            yield f"`{other}` for `{check.operator}` in `{text}`", _with_operator(other)
    if isinstance(check.left, Call) and check.left.transformer in ("tolower", "toupper"):
        yield f"`{check.left.transformer}` left out of `{text}`", _without_transformer
    if isinstance(check.right, LiteralList) and len(check.right.items) > 1:
        for at, item in enumerate(check.right.items):
            if item.place and check.place and item.place.text is check.place.text:
                yield f"`{to_text(item)}` left out of `{text}`", _without_item(at, item.text)

    if check.operator == "regex" and isinstance(check.right, Literal):
        for alternative, pattern in without_alternatives(check.right.text):
            yield f"`{alternative}` left out of `{text}`", _with_pattern(check.right.text, pattern)


def _is_list(check: Check) -> bool:
    kind = operand_kind(check.left, Scope.of(AUDIT_SOURCE, PLUGINS), [])
    return kind is not None and kind.is_list


def _swapped(node: Expr) -> Expr | None:
    match node:
        case And():
            return Or(node.children, node.place)
        case Or():
            return And(node.children, node.place)
        case _:
            return None


def _without_child(at: int) -> Edit:
    def edit(node: Expr) -> Expr | None:
        if not isinstance(node, And | Or) or at >= len(node.children):
            return None
        left = (*node.children[:at], *node.children[at + 1 :])
        return left[0] if len(left) == 1 else replace(node, children=left)

    return edit


def _with_operator(operator: str) -> Edit:
    return lambda node: replace(node, operator=operator) if isinstance(node, Check) else None


def _with_pattern(pattern: str, other: str) -> Edit:
    def edit(node: Expr) -> Expr | None:
        if not isinstance(node, Check) or not isinstance(node.right, Literal) or node.right.text != pattern:
            return None
        return replace(node, right=replace(node.right, text=other))

    return edit


def _without_transformer(node: Expr) -> Expr | None:
    if not isinstance(node, Check) or not isinstance(node.left, Call):
        return None
    inner = node.left.arguments[0]
    return replace(node, left=inner)  # type: ignore[arg-type]  # the argument of a transformer of one text is an operand


def _without_item(at: int, text: str) -> Edit:
    def edit(node: Expr) -> Expr | None:
        if not isinstance(node, Check) or not isinstance(node.right, LiteralList):
            return None
        items = node.right.items
        if at >= len(items) or items[at].text != text:
            return None
        return replace(node, right=replace(node.right, items=(*items[:at], *items[at + 1 :])))

    return edit


def _notices(sheet: Sheet, mutant: Mutant) -> bool:
    """Whether a case of the sheet has another number of alerts with the mistake."""
    root: Expr | None = sheet.units().get(mutant.unit)
    node = _at(root, mutant.path) if root is not None else None
    changed = mutant.edit(node) if node is not None else None
    if node is None or changed is None:
        return False
    right = sheet.holds(sheet.rule.condition)
    wrong = sheet.holds(sheet.rule.condition, {id(node): changed})
    return any((right & events).bit_count() != (wrong & events).bit_count() for _, events in sheet.cases)


def _at(node: Expr, path: Path) -> Expr | None:
    for at in path:
        below = children(node)
        if at >= len(below):
            return None
        node = below[at]
    return node
