"""Rule files while they are written: problems, what fits at a place, and what a word means.

Texts come as they are at the moment, often broken in the middle of a word, so that what can be told from lines and
words is told from these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from lanner.compiler.load import load
from lanner.compiler.resolve import Resolver
from lanner.condition.layout import lay_out
from lanner.condition.operators import MODIFIERS, OPERATORS, TRANSFORMERS
from lanner.diagnostics import Diagnostic, Diagnostics, MappedText, SourceFile
from lanner.fields.catalogue import FIELDS
from lanner.fields.listing import describe
from lanner.rules import nodes
from lanner.rules.collector import collect
from lanner.rules.keys import ITEMS
from lanner.rules.model import Collection
from lanner.rules.reader import read_file

MAX_ITEMS = 200
"""Items of a list that are shown of it."""

_WIDTH = 100
_KEY = re.compile(r"( *)(?:- +)?([a-z_-]+):(?: |$)")
_WORD = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]*")
_BEFORE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.]*$")
_DEFINED = re.compile(r"^ *- +(macro|list): *[\"']?([^\s\"'#]+)", re.MULTILINE)


class Kind(StrEnum):
    """What a word is."""

    FIELD = "field"
    MACRO = "macro"
    LIST = "list"
    OPERATOR = "operator"
    MODIFIER = "modifier"
    TRANSFORMER = "transformer"


_OFFERED: Mapping[str, frozenset[Kind]] = MappingProxyType(
    {
        "condition": frozenset(Kind),
        "output": frozenset({Kind.FIELD, Kind.TRANSFORMER}),
        "fields": frozenset({Kind.FIELD}),
        "comps": frozenset({Kind.OPERATOR}),
        "items": frozenset({Kind.LIST}),
        "values": frozenset({Kind.LIST}),
    }
)
"""By the key whose value is written, which words fit."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word that can be written: what it is, and what is told of it beside its name."""

    text: str
    kind: Kind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """Words for a place, and where the word begins that they take the place of."""

    start: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Hover:
    """What is told of the word from `start` to `end`, in Markdown."""

    start: int
    end: int
    markdown: str


@dataclass(slots=True)
class Analysis:
    """Answers about one text.

    Attributes:
        file: The text as it is at the moment.
        before: Files that are loaded in front of it.
    """

    file: SourceFile
    before: Sequence[SourceFile] = ()
    _collection: Collection | None = field(default=None)

    def is_rule_file(self) -> bool:
        """Whether it is one, as far as can be told: some item has one of the kinds."""
        documents = nodes.parse_yaml(self.file, Diagnostics())
        if documents is None:  # broken at the moment
            return re.search(rf"^ *- +(?:{'|'.join(ITEMS)}):", self.file.text, re.MULTILINE) is not None
        items = (item for each in documents if isinstance(each, nodes.Sequence) for item in each.items)
        return any(isinstance(item, nodes.Mapping) and any(map(item.get, ITEMS)) for item in items)

    def problems(self) -> list[Diagnostic]:
        """What is wrong with the text, and not with the files in front of it."""
        if not self.is_rule_file():
            return []
        found = load([*self.before, self.file]).diagnostics
        return [each for each in found if each.file_name == self.file.name]

    def complete(self, offset: int) -> Completion:
        """The words that fit at a place."""
        before = _BEFORE.search(self.file.text, 0, offset)
        start = before.start() if before else offset
        kinds = _OFFERED.get(self._key_at(offset), frozenset())
        if self._key_at(offset) == "output" and "%" not in self.file.text[max(start - 1, 0) : start]:
            kinds = frozenset()
        return Completion(start, tuple(word for word in self._words() if word.kind in kinds))

    def hover(self, offset: int) -> Hover | None:
        """What the word at a place means; None for a word that means nothing there."""
        text = self.file.text
        line = text.rfind("\n", 0, offset) + 1
        end = text.find("\n", offset)
        word = next((w for w in _WORD.finditer(text, line, end if end >= 0 else len(text)) if w.end() >= offset), None)
        if word is None or word.start() > offset or self._key_at(offset) not in (*_OFFERED, "macro", "list"):
            return None
        markdown = self._describe(word[0])
        return Hover(word.start(), word.end(), markdown) if markdown else None

    def _key_at(self, offset: int) -> str:
        """The key whose value a place is in, by the indentation of lines: the text may be no YAML at the moment."""
        lines = self.file.text[:offset].split("\n")
        indent = len(lines[-1]) - len(lines[-1].lstrip(" ")) if lines[-1].strip() else _WIDTH
        for number, line in enumerate(reversed(lines)):
            key = _KEY.match(line)
            if key and (number == 0 or len(key[1]) < indent):
                return key[2]
            if line.strip():
                indent = min(indent, len(line) - len(line.lstrip(" ")))
        return ""

    def _words(self) -> Iterator[Word]:
        yield from (Word(spec.name, Kind.FIELD, spec.desc) for spec in FIELDS.values())
        seen: set[tuple[str, str]] = set()
        for file in (self.file, *self.before):
            for kind, name in _DEFINED.findall(file.text):
                if (kind, name) not in seen:
                    seen.add((kind, name))
                    yield Word(name, Kind(kind))
        yield from (Word(name, Kind.OPERATOR, row.description) for name, row in OPERATORS.items() if name.isalpha())
        yield from (Word(name, Kind.MODIFIER, text) for name, text in MODIFIERS.items())
        yield from (Word(name, Kind.TRANSFORMER, text) for name, text in TRANSFORMERS.items())

    def _describe(self, word: str) -> str | None:
        name = next((each for each in _prefixes(word) if each in FIELDS), None)
        if name:
            return describe(FIELDS[name])
        collection = self._collected()
        if word in collection.macros:
            return self._macro(word, collection)
        if word in collection.lists:
            return _list(word, collection)
        if word in OPERATORS:
            return f"`{word}` (operator)\n\n{OPERATORS[word].description}"
        if word in MODIFIERS:
            return f"`{word}` (modifier)\n\n{MODIFIERS[word]}"
        return f"`{word}(` (transformer)\n\n{TRANSFORMERS[word]}" if word in TRANSFORMERS else None

    @staticmethod
    def _macro(name: str, collection: Collection) -> str:
        """A macro with all that it names put in."""
        entry = collection.macros[name].item
        closed = Resolver(collection, Diagnostics()).rule(MappedText.literal(name))
        written = " ".join(entry.condition.text.split())
        lines = lay_out(closed.expr, _WIDTH) if closed else []
        if lines == [written] or not lines:
            return f"`{name}` (macro)\n\n{_code([written])}"
        return f"`{name}` (macro)\n\n{_code([written])}\n\nwith macros and lists put in:\n\n{_code(lines)}"

    def _collected(self) -> Collection:
        if self._collection is None:
            read = (read_file(file, Diagnostics()) for file in (*self.before, self.file))
            self._collection = collect((item for each in read if each for item in each.items), Diagnostics())
        return self._collection


def _list(name: str, collection: Collection) -> str:
    items = [each.text for each in collection.lists[name].item.items]
    more = f"\n… and {len(items) - MAX_ITEMS:,} more" if len(items) > MAX_ITEMS else ""
    return f"`{name}` (list of {len(items):,})\n\n{_code([', '.join(items[:MAX_ITEMS])])}{more}"


def _code(lines: Iterable[str]) -> str:
    """Lines between fences that are longer than any run of backticks in them."""
    text = "\n".join(lines)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])
    return f"{fence}\n{text}\n{fence}"


def _prefixes(word: str) -> Iterator[str]:
    """The word, and what is left of it without its last parts: the dot of a sentence is no part of a field."""
    while word:
        yield word
        word = word.rpartition(".")[0]
