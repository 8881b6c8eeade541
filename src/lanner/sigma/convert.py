"""Detections of a Sigma rule, as pySigma parsed them, to a condition.

Sigma compares texts without regard to case; conditions do so with `tolower`, `icontains` and `iglob`, and need not
where Kubernetes itself has lower case only. Source: Sigma specification 2.1, modifiers and wildcards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)

from lanner.condition import And, Call, Check, Expr, Field, Literal, LiteralList, Not, Or
from lanner.condition.ast import Operand
from lanner.sigma.fields import ADDRESSES, Target, target_of

_COMPARISONS = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
}
_DECISIONS = {"allow", "forbid"}
_CLASSES = {"d": "[0-9]", "w": "[0-9A-Za-z_]", "s": "[[:space:]]", "D": "[^0-9]", "W": "[^0-9A-Za-z_]"}
_ESCAPE = re.compile(r"\\(.)|\[(?:\^?\]?)(?:\\.|[^\]\\])*\]|\(\?:", re.DOTALL)
_PLAIN = re.compile(r"(?P<start>\^?)(?P<text>[A-Za-z0-9_/ -]+)(?P<end>\$?)")
_GLOB_CHARACTERS = re.compile(r"([*?\[\\])")
_MERGED = {"=": "in", "intersects": "intersects"}
_TEXT_OPERATORS = {"contains", "icontains", "startswith", "endswith", "glob", "iglob", "regex"}


class NotCarriedError(Exception):
    """Something in a Sigma rule that a condition cannot say; the text says what, `field` of which Sigma field."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(slots=True)
class Converter:
    """Turns detections into conditions.

    Attributes:
        remarks: What is not quite the same as in the Sigma rule, each once, in order.
        fields: The Sigma fields that were used.
    """

    remarks: dict[str, None] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)

    def condition(self, node: Any) -> Expr:
        """The condition for a parsed Sigma condition.

        Raises:
            NotCarriedError: It cannot be said.
        """
        match node:
            case ConditionAND():
                return _joined(And, map(self.condition, node.args))
            case ConditionOR():
                return _joined(Or, map(self.condition, node.args))
            case ConditionNOT():
                return Not(self.condition(node.args[0]))
            case ConditionFieldEqualsValueExpression():
                return self._value(node.field, node.value)
            case ConditionValueExpression():
                return self._keyword(node.value)
            case _:
                raise NotCarriedError("a condition that selects nothing")

    def _value(self, name: str, value: Any) -> Expr:
        self.fields.add(name)
        if isinstance(value, SigmaExpansion):
            return _joined(Or, (self._value(name, each) for each in value.values))
        if isinstance(value, SigmaCIDRExpression):
            return self._network(name, value)
        target = self._target(name)
        if target.field.name == "ka.response.code" and str(value).lower() in _DECISIONS:
            self._remark("a response code is a number; `allow` and `forbid` are taken for the authorization decision")
            target = self._target("annotations.authorization.k8s.io/decision")
            value = SigmaString(str(value).lower())
        match value:
            case SigmaNull():
                return Not(Check(target.field, "exists"))
            case SigmaExists():
                found = Check(target.field, "exists")
                return found if value else Not(found)
            case SigmaBool():
                return _equal(target, target.field, "true" if value else "false")
            case SigmaNumber():
                return _equal(target, target.field, str(value))
            case SigmaString():
                return self._text(name, target, value)
            case SigmaRegularExpression():
                return self._regex(name, target, value)
            case SigmaCompareExpression():
                return self._comparison(name, target, value)
            case SigmaFieldReference():
                return self._reference(name, target, value)
            case _:
                raise NotCarriedError(f"nothing in conditions is like the value of `{name}`", name)

    def _target(self, name: str) -> Target:
        target = target_of(name)
        if target is None:
            raise NotCarriedError(f"field `{name}`: audit events have no such member", name)
        self._remark(target.remark)
        return target

    def _remark(self, text: str) -> None:
        if text:
            self.remarks[text] = None

    # Kinds of values

    def _text(self, name: str, target: Target, value: SigmaString) -> Expr:
        parts = _parts(value, name)
        if parts == [SpecialChars.WILDCARD_MULTI]:
            return Check(target.field, "exists")
        is_exact = isinstance(value, SigmaCasedString) or (
            target.is_lower and all(not isinstance(part, str) or part == part.lower() for part in parts)
        )
        operator, text = _pattern(parts, is_exact=is_exact)
        if operator == "=":
            is_folded = not is_exact and text.lower() != text.upper()
            left = Call("tolower", (target.field,)) if is_folded else target.field
            return _equal(target, left, text.lower() if is_folded else text)
        left = self._searched(name, target, operator)
        if operator in ("startswith", "endswith") and not is_exact:
            left, text = Call("tolower", (left,)), text.lower()
        return Check(left, operator, Literal(text, quoted=True))

    def _searched(self, name: str, target: Target, operator: str) -> Operand:
        """What a text is looked for in: of a list, its elements behind each other."""
        if not target.is_list:
            return target.field
        if operator not in ("contains", "icontains"):
            raise NotCarriedError(f"field `{name}` is a list, in which a pattern cannot be looked for", name)
        self._remark(f"`{name}` is a list, and the text is looked for in its elements with commas between them")
        return Call("join", (Literal(",", quoted=True), target.field))

    def _regex(self, name: str, target: Target, value: SigmaRegularExpression) -> Expr:
        if target.is_list:
            raise NotCarriedError(f"field `{name}` is a list, in which a regular expression cannot be looked for", name)
        if SigmaRegularExpressionFlag.MULTILINE in value.flags:
            raise NotCarriedError(f"a regular expression over lines for `{name}`", name)
        if plain := _PLAIN.fullmatch(str(value.regexp)):
            ends = "" if plain["start"] else "*", "" if plain["end"] else "*"
            kind = SigmaString if SigmaRegularExpressionFlag.IGNORECASE in value.flags else SigmaCasedString
            return self._text(name, target, kind(plain["text"].join(ends)))
        text = _posix(str(value.regexp), name)
        left: Operand = target.field
        if SigmaRegularExpressionFlag.IGNORECASE in value.flags:
            if re.search(r"[A-Z]", _ESCAPE.sub("", text)) or re.search(r"\[[^\]]*[A-Z]", text):
                raise NotCarriedError(f"a regular expression for `{name}` with capitals that ignores case", name)
            left = Call("tolower", (target.field,))
        return Check(left, "regex", Literal(text, quoted=True))

    @staticmethod
    def _comparison(name: str, target: Target, value: SigmaCompareExpression) -> Expr:
        if value.op is CompareOperators.NEQ:
            return Not(_equal(target, target.field, str(value.number)))
        if not target.is_number:
            raise NotCarriedError(f"field `{name}` is a text, which would be compared by its letters", name)
        return Check(target.field, _COMPARISONS[value.op], Literal(str(value.number)))

    def _reference(self, name: str, target: Target, value: SigmaFieldReference) -> Expr:
        other = self._target(value.field)
        if target.is_list or other.is_list:
            raise NotCarriedError(f"fields `{name}` and `{value.field}`: lists cannot be compared like this", name)
        operator = "startswith" if value.starts_with else "endswith" if value.ends_with else "="
        left, right = (Call("tolower", (each.field,)) for each in (target, other))
        return Check(left, operator, right)

    def _network(self, name: str, value: SigmaCIDRExpression) -> Expr:
        if name not in ADDRESSES:
            raise NotCarriedError(f"field `{name}` is not compared with networks", name)
        return Check(ADDRESSES[name], "intersects", LiteralList((Literal(value.cidr, quoted=True),)))

    def _keyword(self, value: Any) -> Expr:
        """A text that is looked for in the whole event."""
        if not isinstance(value, SigmaString | SigmaNumber):
            raise NotCarriedError("a keyword that is no text")
        self._remark("keywords are looked for in the whole event as JSON text")
        parts = [SpecialChars.WILDCARD_MULTI, *_parts(SigmaString(str(value)), "keywords"), SpecialChars.WILDCARD_MULTI]
        operator, text = _pattern(parts, is_exact=False)
        return Check(Field("jevt.obj"), operator, Literal(text, quoted=True))


def _parts(value: SigmaString, name: str) -> list[str | SpecialChars]:
    """Texts and wildcards; equal wildcards behind each other count once."""
    parts: list[str | SpecialChars] = []
    for part in value.s:
        if not isinstance(part, str | SpecialChars):
            raise NotCarriedError(f"a placeholder in the value of `{name}`", name)
        if not (parts and part is SpecialChars.WILDCARD_MULTI and parts[-1] is part):
            parts.append(part)
    return parts


def _pattern(parts: Sequence[str | SpecialChars], *, is_exact: bool) -> tuple[str, str]:
    """The operator and the text that say what texts with wildcards say."""
    many = SpecialChars.WILDCARD_MULTI
    match list(parts):
        case []:
            return "=", ""
        case [str(text)]:
            return "=", text
        case [first, str(text), last] if first is many and last is many:
            return "contains" if is_exact else "icontains", text
        case [str(text), last] if last is many:
            return "startswith", text
        case [first, str(text)] if first is many:
            return "endswith", text
    text = "".join(
        _GLOB_CHARACTERS.sub(r"\\\1", part) if isinstance(part, str) else "*" if part is many else "?" for part in parts
    )
    return "glob" if is_exact else "iglob", text


def _equal(target: Target, left: Operand, text: str) -> Check:
    literal = Literal(text, quoted=not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", text))
    return Check(left, "intersects", LiteralList((literal,))) if target.is_list else Check(left, "=", literal)


def _posix(expression: str, name: str) -> str:
    """A regular expression that is looked for in a text as one that matches all of it, in RE2's POSIX syntax."""

    def rewritten(found: re.Match[str]) -> str:
        text = found[0]
        if text == "(?:":
            return "("
        if text.startswith("["):
            if re.search(r"\\[dwsDWSbB]", text):
                raise NotCarriedError(f"`{text}` in the regular expression for `{name}`", name)
            return text
        if found[1] in "bBAzZ" or (found[1].isalnum() and found[1] not in _CLASSES and found[1] not in "nrtfvx"):
            raise NotCarriedError(f"`{text}` in the regular expression for `{name}`", name)
        return _CLASSES.get(found[1], text)

    text = _ESCAPE.sub(rewritten, expression)
    is_anchored = "|" not in text
    start = text[1:] if is_anchored and text.startswith("^") else f".*({text}" if not is_anchored else f".*{text}"
    if not is_anchored:
        return f"{start}).*"
    return start[:-1] if start.endswith("$") and not start.endswith("\\$") else f"{start}.*"


def _joined(kind: type[And | Or], parts: Iterable[Expr]) -> Expr:
    """A conjunction or disjunction without others of its kind in it, checks of the same field put together."""
    flat: list[Expr] = []
    for part in parts:
        flat += part.children if isinstance(part, kind) else [part]
    if not flat:
        raise NotCarriedError("a condition that selects nothing")
    merged = _merged(kind, flat)
    return merged[0] if len(merged) == 1 else kind(tuple(merged))


def _merged(kind: type[And | Or], parts: Sequence[Expr]) -> list[Expr]:
    groups: dict[object, list[Expr]] = {}
    for number, part in enumerate(parts):
        groups.setdefault(_group_of(kind, part) or number, []).append(part)
    return [_one(kind, group) for group in groups.values()]


def _group_of(kind: type[And | Or], part: Expr) -> object:
    """What checks that can be put together have in common; None for any other part."""
    if not isinstance(part, Check) or part.modifier or not isinstance(part.right, Literal | LiteralList):
        return None
    is_mergeable = part.operator in _TEXT_OPERATORS or (kind is Or and part.operator in _MERGED)
    return (part.left, part.operator) if is_mergeable else None


def _one(kind: type[And | Or], group: Sequence[Expr]) -> Expr:
    first = group[0]
    if len(group) == 1 or not isinstance(first, Check):
        return first
    values: dict[Literal, None] = {}
    for part in group:
        right = part.right if isinstance(part, Check) else None
        values.update(dict.fromkeys(right.items if isinstance(right, LiteralList) else [right]))  # type: ignore[list-item]
    literals = LiteralList(tuple(values))
    if first.operator in _MERGED:
        return Check(first.left, _MERGED[first.operator], literals)
    return Check(first.left, first.operator, literals, "anyof" if kind is Or else "allof")
