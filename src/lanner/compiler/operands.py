"""Fields and transformers as Python expressions over an event (`e`) and its context (`c`).

An expression gives the value, or None where it is missing: a text, a number, or a list that is never empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, assert_never

from lanner.compiler import semantics
from lanner.condition import ArgumentList, Call, Field, Literal, to_text
from lanner.condition.ast import Argument
from lanner.events.context import PLUGIN, SOURCE
from lanner.events.schema import Access, EventSchema, Leaf, Path
from lanner.events.values import as_text, list_texts, walk
from lanner.fields.catalogue import (
    ArgKind,
    Derived,
    FieldSpec,
    FieldType,
    Json,
    Meta,
    Pointer,
    PointerArgument,
    Static,
    parse_pointer,
    spec_of,
)

_MAX_NAME = 40

SEARCHABLE = re.compile(r"""[A-Za-z0-9_.@%+=~^*!?$#;|()'/ -]{5,}""")
"""What stands in raw JSON as it stands in texts and keys: no quote, no bracket, nothing that JSON puts between tokens
or that it escapes but with `\\u` or `\\/`. Shorter texts are found too often to be worth the look."""

_ENGINE_CONSTANTS = {"source": SOURCE, "pluginname": PLUGIN, "asynctype": None}
"""What the engine knows of every event alike."""


@dataclass(frozen=True, slots=True)
class Operand:
    """How to get a value.

    Attributes:
        key: Equal for equal values: what is compared when expressions are shared.
        code: A Python expression over `e`, `c` and constants of `Constants`.
        is_list: Whether the value is a list of texts.
        is_number: Whether it is a number.
        is_address: Whether it is an address, or a list of them.
        is_cheap: Whether getting it costs less than remembering it.
        path: Where in the event the value stands, for one that is read as it stands.
        is_always: Whether every event has the value.
        constant: The value as a tuple of one, if all events have the same.
        raw: The raw member of the event in whose JSON the value stands, for a text that is read as it stands.
        hint: An expression that is true wherever there is a value, and costs less than the value, if there is one.
    """

    key: str
    code: str
    is_list: bool = False
    is_number: bool = False
    is_address: bool = False
    is_cheap: bool = False
    path: Path | None = None
    is_always: bool = False
    constant: tuple[str | None] | None = None
    raw: str | None = None
    hint: str | None = None


class Constants:
    """Objects that generated code refers to by name: sets, functions, regular expressions."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def name(self, kind: str, value: Any, key: Any = None) -> str:
        """The name of a constant; one with an equal `key` (the value itself, unless given) is shared."""
        known = (kind, value if key is None else key)
        if known not in self._names:
            self._names[known] = f"{kind}_{len(self._names)}"
            self.values[self._names[known]] = value
        return self._names[known]

    def function(self, function: Callable[..., Any]) -> str:
        """The name of a function: its own, with a number."""
        named = getattr(function, "func", function)  # a partial has none itself
        return self.name(named.__name__.lstrip("_"), function)


def variable_name(key: str, taken: Collection[str]) -> str:
    """A name for the value of an operand that says what it is, and that no other variable has."""
    words = re.sub(r"\W+", "_", key.partition(":")[2] or key, flags=re.ASCII).strip("_")
    name = f"v_{words[:_MAX_NAME]}"
    if name not in taken:
        return name
    return next(other for n in count(len(taken)) if (other := f"{name}_{n}") not in taken)


def paths(operand: Argument) -> Iterator[Path]:
    """The paths of the event that a field, or the fields in a transformer, read."""
    match operand:
        case Field():
            spec = spec_of(operand.name)
            match spec.extract:
                case Pointer(keys):
                    yield keys
                case PointerArgument():
                    yield parse_pointer(operand.argument or "")
                case Derived(roots):
                    yield from (tuple(root.split("/")) for root in roots)
                case Meta() | Static():
                    pass
        case Call():
            for argument in operand.arguments:
                yield from paths(argument)
        case ArgumentList():
            for item in operand.items:
                yield from paths(item)
        case Literal():
            pass
        case _:
            assert_never(operand)


def is_numbering(operand: Argument) -> bool:
    """Whether a field, or a field in a transformer, gives the event's running number."""
    match operand:
        case Field():
            return spec_of(operand.name).extract == Meta("num")
        case Call():
            return any(map(is_numbering, operand.arguments))
        case ArgumentList():
            return any(map(is_numbering, operand.items))
        case _:
            return False


class OperandCompiler:
    """Turns checked fields and transformers into expressions, for events of one schema."""

    def __init__(self, schema: EventSchema, constants: Constants) -> None:
        self._schema = schema
        self._constants = constants

    def compile(self, node: Argument) -> Operand:
        """The expression for a field, a transformer, or a constant among a transformer's arguments."""
        match node:
            case Field():
                return self._field(node)
            case Call():
                return self._call(node)
            case ArgumentList():
                inner = ", ".join(self.compile(item).code for item in node.items)
                return Operand(to_text(node), f"{self._function(semantics.gather)}({inner})", is_list=True)
            case Literal():
                return Operand(to_text(node), repr(node.text), is_cheap=True)
            case _:
                assert_never(node)

    def _field(self, node: Field) -> Operand:
        spec = spec_of(node.name)
        match spec.extract:
            case Pointer(keys):
                return self._pointer(keys, spec.is_list)
            case PointerArgument():
                return self._pointer(parse_pointer(node.argument or ""), is_list=False)
            case Meta(name):
                return self._meta(name, spec.type is FieldType.NUMBER)
            case Derived(roots, function, words):
                return self._derived(node, spec, roots, function, words)
            case Static():
                key, code = f"static:{node.argument}", repr(node.argument)
                return Operand(key, code, is_cheap=True, is_always=True, constant=(node.argument,))

    @staticmethod
    def _meta(name: str, is_number: bool) -> Operand:
        """What the engine knows of an event; it has all of it for all events."""
        if name in _ENGINE_CONSTANTS:
            value = _ENGINE_CONSTANTS[name]
            return Operand(name, repr(value), is_cheap=True, is_always=value is not None, constant=(value,))
        code = f"c.{name}()"
        if name == "rawtime" and not is_number:
            code = f"str({code})"
        return Operand(f"{name}:{is_number}", code, is_number=is_number, is_always=True)

    def _derived(
        self, node: Field, spec: FieldSpec, roots: tuple[str, ...], function: Any, words: tuple[str, ...]
    ) -> Operand:
        arguments = [self._root(root) for root in roots]
        if spec.arg is ArgKind.INDEX:
            arguments.append("None" if node.argument is None else str(int(node.argument)))
        elif spec.arg is ArgKind.KEY:
            arguments.append(repr(node.argument))
        return Operand(
            to_text(node),
            f"{self._function(function)}({', '.join(arguments)})",
            is_list=spec.is_list,
            is_number=spec.type is FieldType.NUMBER,
            is_address=spec.type is FieldType.ADDRESS,
            path=tuple(roots[0].split("/")) if len(roots) == 1 and "/" in roots[0] else None,
            hint=self._body_hint(roots[0], words) if words else None,
        )

    def _root(self, root: str) -> str:
        """A member of the event, decoded, or a text within one."""
        if "/" in root:
            return self._pointer(tuple(root.split("/")), is_list=False).code
        access = self._schema.access((root,), is_list=True)
        match access.leaf:
            case Leaf.RAW if access.attributes:
                return f"c.member({access.attributes[0]!r})"
            case Leaf.RAW:
                return f"c.outer({root!r})"
            case _:
                return f"e.{access.attributes[0]}"

    def _pointer(self, path: Path, is_list: bool) -> Operand:
        access = self._schema.access(path, is_list=is_list)
        steps = (f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path)
        key = f"{'list' if is_list else 'text'}:{''.join(steps)}"
        match access.leaf:
            case Leaf.RAW:
                code = self._walk(access, list_texts if is_list else as_text)
                raw = access.attributes[0] if access.attributes else None
                keys = (step for step in reversed(access.rest) if not step.isdigit())  # digits may be an index
                word = next((key for key in keys if SEARCHABLE.fullmatch(key)), None)
                hint = self._hint(raw, (word,)) if raw and word else None
                return Operand(key, code, is_list=is_list, raw=None if is_list else raw, hint=hint)
            case Leaf.TEXT:
                code = _attribute(access)
                if is_list:
                    code = f"{self._function(list_texts)}({code})"
                return Operand(key, code, is_list=is_list, is_cheap=True, path=None if is_list else path)
            case Leaf.NUMBER:
                return Operand(key, f"{self._function(_number_text)}({_attribute(access)})", is_cheap=True)
            case Leaf.TEXTS:
                return Operand(key, f"({_attribute(access)} or None)", is_list=True, is_cheap=True)
            case _:
                assert_never(access.leaf)

    def _body_hint(self, root: str, words: tuple[str, ...]) -> str | None:
        """A look for words in a member of the event, if it is kept raw."""
        access = self._schema.access((root,), is_list=True)
        return self._hint(access.attributes[0], words) if access.leaf is Leaf.RAW and access.attributes else None

    def _hint(self, member: str, words: Iterable[str]) -> str:
        parts = tuple(word.encode() for word in words)
        return f"c.may_hold({member!r}, {self._constants.name('parts', parts)})"

    def _walk(self, access: Access, convert: Any) -> str:
        rest = access.rest
        if access.attributes:
            root = f"c.member({access.attributes[0]!r})"
        elif rest:
            root, rest = f"c.outer({rest[0]!r})", rest[1:]
        else:
            root = "c.whole()"
        if rest:
            keys = self._constants.name("keys", rest)
            root = f"{self._function(walk)}({root}, {keys})"
        return f"{self._function(convert)}({root})"

    def _function(self, function: Any) -> str:
        return self._constants.function(function)

    def _call(self, node: Call) -> Operand:
        arguments = [self.compile(argument) for argument in node.arguments]
        key = f"{node.transformer}({','.join(f'{len(a.key)}|{a.key}' for a in arguments)})"
        if node.argument is not None:
            key += f"[{node.argument}]"
        first = arguments[0]
        codes = ", ".join(argument.code for argument in arguments)
        match node.transformer:
            case "val":
                return first
            case "len":
                function = self._function(len if first.is_list else semantics.byte_length)
                return Operand(key, self._if_present(first.code, f"{function}(t)"), is_number=True)
            case "join" | "concat":
                return Operand(key, f"{self._function(getattr(semantics, node.transformer))}({codes})")
            case "getopt" if node.argument is None:
                return Operand(key, f"{self._function(semantics.getopt)}({codes})", is_list=True)
            case "getopt":
                return Operand(key, f"{self._function(semantics.getopt_value)}({codes}, {node.argument!r})")
        transform = _TEXT_TRANSFORMERS[node.transformer]
        if isinstance(node.arguments[0], Call):  # many in each other: Python bounds the parentheses of an expression
            code = f"{self._function(semantics.optional(transform, is_list=first.is_list))}({first.code})"
            return Operand(key, code, is_list=first.is_list, path=first.path)
        transformer = self._function(transform)
        body = f"{self._function(semantics.each)}({transformer}, t)" if first.is_list else f"{transformer}(t)"
        return Operand(key, self._if_present(first.code, body), is_list=first.is_list, path=first.path)

    @staticmethod
    def _if_present(code: str, body: str) -> str:
        return f"({body} if (t := {code}) is not None else None)"


_TEXT_TRANSFORMERS = {
    "tolower": semantics.lower,
    "toupper": semantics.upper,
    "basename": semantics.basename,
    "b64": semantics.b64,
}
_NUMBER_TEXTS = {code: str(code) for code in range(1000)}


def _number_text(value: Json) -> str | None:
    """A number member as text; an HTTP status, nearly always."""
    if value is None:
        return None
    try:
        return _NUMBER_TEXTS[value]  # type: ignore[index]  # another type of value is a KeyError or TypeError
    except (KeyError, TypeError):
        return as_text(value)


def _attribute(access: Access) -> str:
    """Reading an attribute of the event, or of a struct in it that may be missing."""
    match access.attributes:
        case (name,):
            return f"e.{name}"
        case (outer, inner):
            return f"e.{outer}.{inner}"
        case _:
            raise AssertionError(access.attributes)
