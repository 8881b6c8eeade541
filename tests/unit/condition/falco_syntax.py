"""Falco's condition language, read by hand from left to right as Falco itself does; the grammar is checked against it.

It gives a tree of plain tuples, or raises `Refused`. Source: libsinsp, filter/parser.cpp. One thing differs as it does
in Lanner: behind `or(…)` and `and(…)` without a blank, operators bind as they do elsewhere.
"""

import re
from collections.abc import Callable
from typing import Any

Tree = tuple[Any, ...]

_BLANKS = " \t\b\r\n"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_FIELD = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+")
_BARE = re.compile(r"""[^()"' \t-\r=,]+""")
_BARE_ARGUMENT = re.compile(r"""[^\[\]"' \t-\r]+""")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[+-]?[0-9]+\.?[0-9]*(?:[eE][+-][0-9]+)?")
_NOT = re.compile(r"not[ \t-\r]+")
_SYMBOLS = ("<=", "<", ">=", ">")
_TEXT_SYMBOLS = ("==", "=", "!=")
_WORDS = ("glob", "iglob", "contains", "icontains", "bcontains", "startswith", "bstartswith", "endswith", "regex")
_TRANSFORMERS = ("tolower(", "toupper(", "b64(", "basename(", "len(", "join(", "concat(", "getopt(")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", " ": "\\", "\\": "\\", "/": "/"}


class Refused(Exception):
    """The text is not in the language."""


def read(text: str) -> Tree:
    """The tree of a condition."""
    reader = _Reader(text)
    tree = reader.chain("or", lambda: reader.chain("and", reader.negation))
    if reader.at != len(text):
        raise Refused(text[reader.at :])
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    # What may stand at a place

    def blanks(self) -> bool:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in _BLANKS:
            self.at += 1
        return self.at > start

    def takes(self, *words: str) -> str:
        for word in words:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return word
        return ""

    def matches(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found.group() if found else ""

    def takes_word(self, *words: str) -> str:
        """One of the words with a blank behind it."""
        for word in words:
            start = self.at
            if self.takes(word) and self.blanks():
                return word
            self.at = start
        return ""

    def needs(self, mark: str) -> None:
        if not self.takes(mark):
            raise Refused(mark)

    def quoted(self) -> str | None:
        quote = self.text[self.at : self.at + 1]
        if not quote or quote not in "\"'":
            return None
        for end in range(self.at + 1, len(self.text)):
            if self.text[end] == quote and self.text[end - 1] != "\\":
                body, self.at = self.text[self.at + 1 : end], end + 1
                return _unescaped(body, quote)
        return None

    # Conditions

    def chain(self, word: str, part: Callable[[], Tree]) -> Tree:
        self.blanks()
        parts = [part()]
        self.blanks()
        while self.takes(word):
            if not self.blanks() and self.text[self.at : self.at + 1] != "(":
                raise Refused(word)
            parts.append(part())
            self.blanks()
        return parts[0] if len(parts) == 1 else (word, *parts)

    def negation(self) -> Tree:
        self.blanks()
        negated = False
        while self.matches(_NOT):
            negated = not negated
        if self.text.startswith("not(", self.at):
            self.at += 3
            negated = not negated
        tree = self.check()
        return ("not", tree) if negated else tree

    def check(self) -> Tree:
        self.blanks()
        if self.takes("("):
            tree = self.chain("or", lambda: self.chain("and", self.negation))
            self.needs(")")
            return tree
        left = self.operand()
        if left:
            return self.comparison(left)
        name = self.matches(_NAME)
        if not name:
            raise Refused("a check is missing")
        return ("macro", name)

    def comparison(self, left: Tree) -> Tree:
        self.blanks()
        if self.takes("exists"):
            return ("check", left, "exists", None, None)
        if operator := self.takes(*_SYMBOLS):
            self.blanks()
            return ("check", left, operator, None, self.value_of() or self.literal(_NUMBER))
        symbol = self.takes(*_TEXT_SYMBOLS)
        if operator := symbol or self.takes_word(*_WORDS):
            has_blank = self.blanks() or not symbol
            start = self.at
            if has_blank and (modifier := self.takes_word("oneof", "anyof", "allof")) and self.list_follows():
                return ("check", left, operator, modifier, self.values() or self.list_name())
            self.at = start
            return ("check", left, operator, None, self.value_of() or self.plain())
        if operator := self.takes("intersects", "in", "pmatch"):
            self.blanks()
            return ("check", left, operator, None, self.values() or self.value_of() or self.list_name())
        raise Refused("an operator is missing")

    def list_follows(self) -> bool:
        rest = self.text[self.at :]
        return rest.startswith("(") or bool(_NAME.match(rest) and not re.match(r"(and|or|not)(?![a-zA-Z0-9])", rest))

    # Values

    def literal(self, pattern: re.Pattern[str]) -> Tree:
        text = self.matches(pattern)
        if not text:
            raise Refused("a value is missing")
        return ("literal", text)

    def plain(self) -> Tree:
        self.blanks()
        text = self.quoted()
        return self.literal(_BARE) if text is None else ("literal", text)

    def values(self) -> Tree | None:
        if not self.takes("("):
            return None
        self.blanks()
        found = []
        if not self.takes(")"):
            found.append(self.plain())
            self.blanks()
            while self.takes(","):
                found.append(self.plain())
                self.blanks()
            self.needs(")")
        return ("list", tuple(found))

    def list_name(self) -> Tree:
        name = self.matches(_NAME)
        if not name:
            raise Refused("a list is missing")
        return ("name", name)

    def value_of(self) -> Tree | None:
        """A field behind `val(`, or a transformer."""
        if not self.takes("val("):
            return self.transformer()
        self.blanks()
        field = self.field()
        self.blanks()
        self.needs(")")
        if not field:
            raise Refused("val() needs a field")
        return ("call", "val", (field,), None)

    # Fields and transformers

    def operand(self) -> Tree | None:
        return self.field() or self.transformer()

    def field(self) -> Tree | None:
        name = self.matches(_FIELD)
        return ("field", name, self.bracketed()) if name else None

    def bracketed(self) -> str | None:
        if not self.takes("["):
            return None
        argument = self.quoted()
        if argument is None and not (argument := self.matches(_BARE_ARGUMENT)):
            raise Refused("an argument is missing")
        self.needs("]")
        return argument

    def transformer(self) -> Tree | None:
        opening = self.takes(*_TRANSFORMERS)
        if not opening:
            return None
        arguments = [self.argument(in_list=False)]
        while self.takes(","):
            arguments.append(self.argument(in_list=False))
        self.needs(")")
        return ("call", opening[:-1], tuple(arguments), self.bracketed())

    def argument(self, *, in_list: bool) -> Tree:
        self.blanks()
        quoted = None if self.text[self.at : self.at + 1] not in ("'", '"') else self.quoted()
        if quoted is not None:
            found: Tree | None = ("literal", quoted)
        elif number := self.matches(_NUMBER):
            found = ("literal", number)
        elif not in_list and self.takes("("):
            found = self.argument_list()
        else:
            found = self.operand()
        if not found:
            raise Refused("an argument is missing")
        self.blanks()
        return found

    def argument_list(self) -> Tree:
        self.blanks()
        found = []
        if not self.takes(")"):
            found.append(self.argument(in_list=True))
            while self.takes(","):
                found.append(self.argument(in_list=True))
            self.needs(")")
        return ("arguments", tuple(found))


def _unescaped(body: str, quote: str) -> str:
    out = []
    at = 0
    while at < len(body):
        if body[at] != "\\":
            out.append(body[at])
            at += 1
            continue
        escape = body[at + 1 : at + 2]
        if escape == "x" and (code := re.compile("[0-9a-fA-F]{2}").match(body, at + 2)):
            out.append(chr(int(code.group(), 16)))
            at += 4
        elif escape in _ESCAPES or escape == quote:
            out.append(_ESCAPES.get(escape, escape))
            at += 2
        else:
            raise Refused("an escape is unknown")
    return "".join(out)
