"""Patterns to texts that they match: the shortest way through a regular expression, or through a glob.

What is found is a guess, which callers try on the pattern: not all of the syntax is known.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<escape>\\.)|(?P<group>\((?:\?[imsx-]*:)?)|(?P<close>\))|(?P<bar>\|)|(?P<any>\.)|(?P<anchor>[\^$])
    |(?P<set>\[\^?\]?(?:\[:\w+:\]|\\.|[^\]])*\])|(?P<count>[*+?]\??|\{\d+(?:,\d*)?\}\??)|(?P<text>.)""",
    re.VERBOSE | re.DOTALL,
)
_CLASSES = {"d": "0", "w": "x", "s": " ", "b": "", "B": "", "A": "", "z": "", "n": "\n", "t": "\t"}
_NAMED = {"digit": "0", "space": " ", "blank": " ", "upper": "A", "punct": "-", "xdigit": "0", "cntrl": "\x01"}
_MAX_COUNT = 1000


def regex_example(pattern: str) -> str:
    """A text that the pattern probably matches: the first of each alternative, each repetition as short as may be."""
    levels: list[tuple[list[str], list[str] | None]] = [([], None)]
    for token in _TOKEN.finditer(pattern):
        text, done = levels[-1]
        kind, found = token.lastgroup, token.group()
        if kind == "group":
            levels.append(([], None))
        elif kind == "close" and len(levels) > 1:
            levels.pop()
            levels[-1][0].append("".join(text if done is None else done))
        elif kind == "bar":
            levels[-1] = ([], text if done is None else done)
        elif kind == "count":
            if text:
                text[-1] *= _least(found)
        else:
            text.append(_of(kind or "", found))
    text, done = levels[0]
    return "".join(text if done is None else done)


def glob_example(pattern: str) -> str:
    """A text that a glob pattern matches, without what its stars stand for."""
    found = re.sub(r"\[([^\]])[^\]]*\]", r"\1", pattern)
    return found.replace("*", "").replace("?", "x")


def _least(count: str) -> int:
    if count[0] != "{":
        return 1 if count[0] == "+" else 0
    return min(int(re.findall(r"\d+", count)[0]), _MAX_COUNT)


def _of(kind: str, token: str) -> str:
    match kind:
        case "escape":
            return _CLASSES.get(token[1], token[1])
        case "any":
            return "x"
        case "anchor":
            return ""
        case "set":
            return _member(token)
        case _:
            return token


def _member(token: str) -> str:
    """A character of a set in brackets."""
    if token.startswith("[^"):
        excluded = token[2:-1]
        return next((char for char in "x-0 ZQ/:~" if char not in excluded and not _in_named(char, excluded)), "x")
    if named := re.match(r"\[\[:(\w+):\]", token):
        return _NAMED.get(named[1], "x")
    return _CLASSES.get(token[2], token[2]) if token[1] == "\\" else token[1]


def _in_named(char: str, excluded: str) -> bool:
    """Whether a range or class within a negated set holds the character."""
    ranges = re.findall(r"(\w)-(\w)", excluded)
    words = re.findall(r"\[:(\w+):\]", excluded)
    return any(low <= char <= high for low, high in ranges) or any(
        (word in ("alpha", "alnum", "lower", "print", "graph") and char.isalpha())
        or (word in ("digit", "alnum", "xdigit") and char.isdigit())
        for word in words
    )
