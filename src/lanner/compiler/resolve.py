"""Conditions with names to conditions without: macros and lists are put in as nodes.

Lists are put in where a value stands, not wherever their name occurs in the text.

Source of which macro sees which, and how a list's item is read: Falco, rule_loader_compiler.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from operator import is_

from lanner.condition import (
    And,
    Check,
    Expr,
    ListName,
    Literal,
    LiteralList,
    MacroName,
    Not,
    Or,
    ParseError,
    Place,
    parse_condition,
    parse_list,
)
from lanner.condition.ast import Value, checks, children
from lanner.diagnostics import Diagnostics, Label, MappedText
from lanner.rules.model import Broken, Collection, Entry, ListDef, MacroDef

MAX_NODES = 200_000
"""Checks, connectives and values of one condition with everything put in."""

MAX_DEPTH = 300
"""Levels of one condition with everything put in; the code that is made of it nests as deep."""

_LIST_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+")
"""What lists are called as a rule, and hardly anything in Kubernetes is."""

_BARE = re.compile(r"[^()\"'\s=,]+")


@dataclass(frozen=True, slots=True)
class Closed:
    """A condition without names, or what is left of it.

    Attributes:
        expr: Macros that are used more than once are one object.
        size: Number of nodes and values, shared ones counted each time.
        depth: Levels.
        uses: The macros that the text itself names: what was put in, and where the name stands.
        is_complete: Whether nothing is missing; what could not be put in was reported, the rest can still be checked.
    """

    expr: Expr
    size: int
    depth: int
    uses: tuple[tuple[Expr, Place], ...] = ()
    is_complete: bool = True


class Resolver:
    """Puts macros and lists into conditions, and remembers which were used.

    Diagnostics: LN0201, LN0202, LN0208, LN0209, LN0210, missing_list, split_item. Where something is wrong with a
    macro, it is reported once, and conditions that use it come out incomplete, or as None when nothing is left of them.
    """

    def __init__(self, collection: Collection, diagnostics: Diagnostics) -> None:
        self._collection = collection
        self._diagnostics = diagnostics
        self._lists = _Lists(collection, diagnostics)
        self._macros: dict[str, Closed | None] = {}
        self._parsed: dict[str, Expr | None] = {}
        self.used_macros: set[str] = set()
        for name, entry in collection.macros.items():
            self._parsed[name] = expr = self._parse(entry.item.condition)
            self._doubt(expr)
        for name in _dependencies_first(collection.macros, self._references):
            expr = self._parsed[name]
            self._macros[name] = None if expr is None else self._closed(expr, collection.macros[name])

    @property
    def used_lists(self) -> set[str]:
        """Lists that a condition or another list names."""
        return self._lists.used()

    def macro(self, name: str) -> Expr | None:
        """What stands in conditions for the name of a macro; None when there is no such macro, or it has errors."""
        closed = self._macros.get(name)
        return closed.expr if closed else None

    def rule(self, condition: MappedText, *, has_exceptions: bool = False) -> Closed | None:
        """The condition of a rule, as far as it and its macros have no errors.

        Args:
            condition: Its text.
            has_exceptions: Whether it is one part of the text, in front of those of exceptions.
        """
        expr = self._parse(condition)
        self._doubt(children(expr)[0] if expr and has_exceptions else expr)
        return None if expr is None else self._closed(expr, None)

    def _doubt(self, expr: Expr | None) -> None:
        """Warn of texts that are meant to be the names of lists, as their look tells."""
        for check in checks(expr) if expr else ():
            right = check.right
            named = Literal(right.name, place=right.place) if isinstance(right, ListName) else None
            items = (named,) if named else right.items if isinstance(right, LiteralList) else ()
            for item in items:
                if item.quoted or item.text in self._collection.lists or not _LIST_LIKE.fullmatch(item.text):
                    continue
                near = get_close_matches(item.text[:120], self._collection.lists, 1, 0.8)
                if near or len(items) == 1:
                    message = f"there is no list `{item.text}`, so that this is a text"
                    hint = f"did you mean `{near[0]}`?" if near else f'define it, or write `"{item.text}"` for a text'
                    span = item.place.span if item.place else None
                    self._diagnostics.add("missing_list", message, span, help=hint)

    def _parse(self, text: MappedText) -> Expr | None:
        try:
            return parse_condition(text)
        except ParseError as problem:
            self._diagnostics.add("LN0201", problem.message, problem.span, label=problem.label, help=problem.help)
            return None

    def _references(self, name: str) -> Iterator[str]:
        """The macros that a macro names and sees."""
        entry = self._collection.macros[name]
        stack = [self._parsed[name]]
        while stack:
            node = stack.pop()
            if isinstance(node, MacroName) and self._sees(entry, node.name):
                yield node.name
            elif node is not None:
                stack.extend(children(node))

    def _sees(self, user: Entry[MacroDef] | None, name: str) -> bool:
        entry = self._collection.macros.get(name)
        return entry is not None and (user is None or entry.index < user.visibility)

    def _closed(self, expr: Expr, user: Entry[MacroDef] | None) -> Closed | None:
        uses: list[tuple[Expr, Place]] = []
        closed = self._close(expr, user, uses)
        return closed and replace(closed, uses=tuple(uses))

    def _close(self, node: Expr, user: Entry[MacroDef] | None, uses: list[tuple[Expr, Place]]) -> Closed | None:
        match node:
            case MacroName():
                macro = self._macro(node, user)
                if macro and node.place:
                    uses.append((macro.expr, node.place))
                return macro
            case Check():
                return self._check(node)
        parts: list[Closed] = []
        failed = False
        for child in children(node):
            part = self._close(child, user, uses)
            if part is None:
                failed = True
            else:
                parts.append(part)
        return self._combined(node, parts, is_complete=not failed) if parts else None

    def _combined(self, node: And | Or | Not, parts: list[Closed], *, is_complete: bool) -> Closed | None:
        exprs = tuple(part.expr for part in parts)
        size = 1 + sum(part.size for part in parts)
        depth = 1 + max(part.depth for part in parts)
        if size > MAX_NODES or depth > MAX_DEPTH:
            self._too_large(node.place, size, depth)
            return None
        is_complete = is_complete and all(part.is_complete for part in parts)
        if len(exprs) == len(children(node)) and all(map(is_, exprs, children(node))):
            return Closed(node, size, depth, is_complete=is_complete)
        expr = replace(node, child=exprs[0]) if isinstance(node, Not) else replace(node, children=exprs)
        return Closed(expr, size, depth, is_complete=is_complete)

    def _too_large(self, place: Place | None, size: int, depth: int) -> None:
        if size > MAX_NODES:
            message = f"condition has more than {MAX_NODES:,} parts with its macros and lists put in"
        else:
            message = f"condition is nested {depth} levels deep with its macros put in, the limit is {MAX_DEPTH}"
        self._diagnostics.add("LN0210", message, place.span if place else None)

    def _macro(self, node: MacroName, user: Entry[MacroDef] | None) -> Closed | None:
        name = node.name
        span = node.place.span if node.place else None
        entry = self._collection.macros.get(name)
        if entry is None:
            if Broken("macro", name) not in self._collection.broken:
                self._diagnostics.add("LN0202", f"unknown macro `{name}`", span, help=self._suggestion(name))
        elif (user is not None and user.item.name == name) or (self._sees(user, name) and name not in self._macros):
            place = Label(entry.item.place, "the macro is defined here")
            self._diagnostics.add(
                "LN0209", f"macro `{name}` refers to itself", span, label=f"leads back to `{name}`", related=(place,)
            )
        elif not self._sees(user, name):
            place = Label(entry.item.place, "it is defined here, below")
            self._diagnostics.add(
                "LN0202",
                f"macro `{name}` is not visible here",
                span,
                help=f"move `{name}` above the macro that uses it",
                related=(place,),
            )
        else:
            self.used_macros.add(name)
            return self._macros[name]
        return None

    def _suggestion(self, name: str) -> str | None:
        if name in self._collection.lists:
            return f"`{name}` is a list: compare a field with it, such as `ka.verb in ({name})`"
        near = get_close_matches(name[:120], self._collection.macros, 1)
        return f"did you mean `{near[0]}`?" if near else "define it above, or load what does, such as `default`"

    def _check(self, check: Check) -> Closed | None:
        right: Value | None = check.right
        match right:
            case LiteralList():
                right = self._lists.expanded(right)
            case ListName() if right.name not in self._collection.lists:
                right = LiteralList((Literal(right.name, place=right.place),), right.place)
            case ListName() | Literal() if _list_name(right) in self._collection.lists:
                right = self._single(check, right)
        if right is None and check.right is not None:
            return None
        size = 1 + (len(right.items) if isinstance(right, LiteralList) else 1)
        if size > MAX_NODES:
            self._too_large(check.place, size, 1)
            return None
        return Closed(check if right is check.right else replace(check, right=right), size, 1)

    def _single(self, check: Check, value: ListName | Literal) -> Literal | LiteralList | None:
        """The one item of a list whose name stands where one value is expected."""
        name = _list_name(value)
        items = self._lists.items(name)
        if items is None:
            return None
        if len(items) == 1:
            return items[0] if isinstance(value, Literal) else LiteralList(items, value.place)
        self._diagnostics.add(
            "LN0208",
            f"list `{name}` has {len(items)} items where one value is expected",
            value.place.span if value.place else None,
            help=f"write `({name})`" if isinstance(value, ListName) else f"write `in ({name})`",
            related=(Label(self._collection.lists[name].item.place, "the list is defined here"),),
        )
        return None


class _Lists:
    """Lists with the lists among their items put in."""

    def __init__(self, collection: Collection, diagnostics: Diagnostics) -> None:
        self._lists = collection.lists
        self._diagnostics = diagnostics
        self._read: dict[str, tuple[Literal, ...]] = {}
        self._done: dict[str, tuple[Literal, ...] | None] = {}
        self._unreadable: set[str] = set()

    def expanded(self, values: LiteralList) -> LiteralList | None:
        """The values, with those that are names of lists replaced by what is in these; None after an error.

        A list that stands alone is shared, not copied.
        """
        if not any(self._is_name(item) for item in values.items):
            return values
        lone = len(values.items) == 1
        items = self.items(values.items[0].text) if lone else self._joined(values.items)
        return None if items is None else replace(values, items=items)

    def items(self, name: str) -> tuple[Literal, ...] | None:
        """What is in a list, down to the last list in it; None after an error."""
        if name in self._done:
            return self._done[name]
        for each in _dependencies_first([name], self._references, self._done):
            items = None if each in self._unreadable else self._joined(self._own(each), within=each)
            if items is not None and len(items) > MAX_NODES:
                message = f"list `{each}` has more than {MAX_NODES:,} items with the lists in it put in"
                self._diagnostics.add("LN0210", message, self._lists[each].item.place)
                items = None
            self._done[each] = items
        return self._done[name]

    def used(self) -> set[str]:
        """Lists that were put in somewhere, or that another list names after they are defined."""
        named = {
            item.text
            for entry in self._lists.values()
            for item in entry.item.items
            if item.text in self._lists and self._lists[item.text].index < entry.visibility
        }
        return named | set(self._done)

    def _is_name(self, item: Literal) -> bool:
        return not item.quoted and item.text in self._lists

    def _joined(self, values: Iterable[Literal], within: str = "") -> tuple[Literal, ...] | None:
        """The values with lists put in.

        FALCO-COMPAT: within a loop of lists the name that closes it is a text.
        """
        joined: list[Literal] = []
        for value in values:
            if not self._is_name(value) or (within and value.text not in self._done):
                joined.append(value)
                continue
            items = self.items(value.text)
            if items is None:
                return None
            joined.extend(items)
            if len(joined) > MAX_NODES:
                break
        return tuple(joined)

    def _references(self, name: str) -> Iterator[str]:
        return (item.text for item in self._own(name) if self._is_name(item))

    def _own(self, name: str) -> tuple[Literal, ...]:
        if name not in self._read:
            entry: Entry[ListDef] = self._lists[name]
            read = [self._item(item) for item in entry.item.items]
            if None in read:
                self._unreadable.add(name)
            self._read[name] = tuple(value for values in read for value in values or ())
        return self._read[name]

    def _item(self, item: MappedText) -> tuple[Literal, ...] | None:
        """FALCO-COMPAT: an item stands for the values that its text would be in a condition; None after an error."""
        text = item.text
        if text in self._lists or _BARE.fullmatch(text):
            return (Literal(text, place=Place(item, 0, len(text))),)
        try:
            values = parse_list(enclosed("(", quoted(item), ")")).items
        except ParseError as problem:
            self._diagnostics.add(
                "LN0201",
                f"list item `{text}` cannot be read as a value",
                problem.span,
                label=problem.label,
                help="put double quotes inside single quotes: '\"…\"'",
            )
            return None
        if len(values) > 1:
            self._diagnostics.add(
                "split_item",
                f"list item `{text}` is split into {len(values)} values",
                item.span(0, len(text)),
                help=f"write '\"{text}\"' to keep it whole",
            )
        return values


def quoted(text: MappedText) -> MappedText:
    """FALCO-COMPAT: a text with a blank is put in double quotes, unless it begins with a quote."""
    return enclosed('"', text, '"') if " " in text.text and text.text[0] not in "\"'" else text


def enclosed(before: str, text: MappedText, after: str) -> MappedText:
    """The text between two others, which stand for the place where it begins."""
    span = text.pieces[0].span
    return MappedText.concat([MappedText.whole(before, span), text, MappedText.whole(after, span)])


def _list_name(value: ListName | Literal) -> str:
    if isinstance(value, ListName):
        return value.name
    return "" if value.quoted else value.text


def _dependencies_first(
    names: Iterable[str], references: Callable[[str], Iterable[str]], done: Iterable[str] = ()
) -> Iterator[str]:
    """The names and all that they refer to, each once and, loops aside, behind all that it refers to."""
    seen = set(done)
    for root in names:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(references(root)))]
        while stack:
            name, rest = stack[-1]
            following = next((other for other in rest if other not in seen), None)
            if following is None:
                stack.pop()
                yield name
            else:
                seen.add(following)
                stack.append((following, iter(references(following))))
