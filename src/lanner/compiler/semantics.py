"""What operators and transformers do to values.

The functions here are what generated code calls, and what the reference interpreter of the tests is checked against.
A value is a text, a number or a list of texts; a missing value is None and never reaches an operator. Source:
libsinsp, filter_compare.cpp, sinsp_filtercheck.cpp, prefix_search.h and sinsp_filter_transformers/ of Falco 0.44.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, wraps
from typing import Any

import re2

Test = Callable[[str], bool]

_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_UPPER = {c: c - 32 for c in range(ord("a"), ord("z") + 1)}
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)")
_MAX_NUMBER = 2**64 - 1


def lower(text: str) -> str:
    """A-Z as a-z; other letters stay, as in the C locale that Falco runs in."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper(text: str) -> str:
    """The other way round."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def basename(text: str) -> str:
    """What stands behind the last slash."""
    return text.rpartition("/")[2]


def b64(text: str) -> str | None:
    """The text that a Base64 text encodes, with or without padding; None where it is no Base64.

    Bytes that are not UTF-8 become U+FFFD.
    """
    if text.endswith("="):
        text = text[:-1].removesuffix("=")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data.decode("utf-8", "replace")


def byte_length(text: str) -> int:
    """The number of bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def each(function: Callable[[str], str | None], values: list[str]) -> list[str] | None:
    """The function of every value; None where it has none for one of them."""
    found = []
    for value in values:
        result = function(value)
        if result is None:
            return None
        found.append(result)
    return found


@cache
def optional(function: Callable[[str], str | None], *, is_list: bool) -> Callable[[Any], Any]:
    """The function for a value, or for all values of a list, that may be missing."""

    @wraps(function)
    def apply(value: Any) -> Any:
        if value is None:
            return None
        return each(function, value) if is_list else function(value)

    return apply


def concat(*texts: str | None) -> str | None:
    """The texts one behind the other; None where one is missing."""
    return None if None in texts else "".join(texts)  # type: ignore[arg-type]  # none of them is None here


def join(separator: str | None, values: list[str] | None) -> str | None:
    """The values with the separator between them."""
    return None if separator is None or values is None else separator.join(values)


def gather(*values: str | int | list[str] | None) -> list[str] | None:
    """A transformer's list argument: the values of all its elements; None where one is missing."""
    found: list[str] = []
    for value in values:
        if value is None:
            return None
        if isinstance(value, list):
            found += value
        else:
            found.append(str(value))
    return found or None


def getopt(arguments: list[str] | None, options: str | None) -> list[str] | None:
    """The short options of an argument list, each followed by its value where it takes one, `?` for an unknown one.

    Long options are passed over; `--` and the first argument that is no option end the search. An option without the
    value that it needs gives an empty text.
    """
    if arguments is None or options is None:
        return None
    return [text for option, value in _options(arguments, options) for text in _as_listed(option, value)] or None


def getopt_value(arguments: list[str] | None, options: str | None, wanted: str) -> str | None:
    """The value of one short option, or the option itself where it takes none; the last one counts."""
    if arguments is None or options is None:
        return None
    found = None
    for option, value in _options(arguments, options):
        if option == wanted:
            found = option if value is None else value
        elif option == "" and value == wanted:
            found = ""
    return found


def _as_listed(option: str, value: str | None) -> list[str]:
    if option == "":
        return [""]
    return [option] if value is None else [option, value]


def _options(arguments: list[str], spec: str) -> list[tuple[str, str | None]]:
    """Options and their values; ("", option) for one whose value is missing."""
    takes_value = {c for at, c in enumerate(spec) if c != ":" and spec[at + 1 : at + 2] == ":"}
    known = set(spec) - {":"}
    found: list[tuple[str, str | None]] = []
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith("--") and len(argument) > 2:
            continue
        if argument in ("", "-", "--") or not argument.startswith("-"):
            break
        for at in range(1, len(argument)):
            option = argument[at]
            if option not in known:
                found.append(("?", None))
            elif option not in takes_value:
                found.append((option, None))
            else:
                value = argument[at + 1 :] or next(rest, None)
                found.append((option, value) if value is not None else ("", option))
                break
    return found


def parse_number(text: str) -> int | None:
    """The number that a value stands for where a field is a number, or None.

    FALCO-COMPAT: unsigned, 64 bits, decimal; a minus sign counts down from 2**64, and what is too large is 2**64 - 1.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number = min(int(match.group(2)[:25]) if len(match.group(2)) < 25 else _MAX_NUMBER, _MAX_NUMBER)
    return (-number) % 2**64 if match.group(1) == "-" and number < _MAX_NUMBER else number


def regex_options() -> Any:
    """How Falco reads regular expressions: POSIX syntax, leftmost-longest, nothing printed on errors."""
    options = re2.Options()
    options.posix_syntax = True
    options.longest_match = True
    options.log_errors = False
    return options


def regex_test(pattern: str) -> Test:
    """Whether a text matches a regular expression as a whole, in linear time.

    Raises:
        re2.error: the expression is malformed, or needs what RE2 leaves out to stay linear.
    """
    return _full_match(re2.compile(pattern, regex_options()))


def glob_test(pattern: str, ignore_case: bool = False) -> Test:
    """Whether a text matches a pattern of fnmatch(3): `*`, `?`, `[…]`; a backslash makes the next character plain.

    Every text is a pattern; one of more than `MAX_GLOB` characters matches nothing.
    """
    if len(pattern) > MAX_GLOB:
        return _never
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.case_sensitive = not ignore_case
    expression = "".join(map(_glob_part, _GLOB.finditer(_SURROGATE.sub("\ufffd", pattern))))
    return _full_match(re2.compile(expression, options))


def glob(text: str, pattern: str, ignore_case: bool) -> bool:
    """Whether a text matches a pattern that an event brings; what an event could make take long does not match."""
    return len(text) * len(pattern) <= _MAX_GLOB_WORK and glob_test(pattern, ignore_case)(text)


def _never(text: str) -> bool:
    return False


def _full_match(compiled: Any) -> Test:
    fullmatch = compiled.fullmatch

    def test(text: str) -> bool:
        try:
            return fullmatch(text) is not None
        except UnicodeEncodeError:
            return fullmatch(_SURROGATE.sub("\ufffd", text)) is not None

    return test


MAX_GLOB = 1024
"""Characters of a pattern of `glob`; names and paths of Kubernetes are shorter."""

_MAX_AUTOMATON = 10_000  # characters of the texts that one automaton looks for; RE2 has room for some 60,000
_MAX_GLOB_WORK = 10_000_000  # steps of the slowest way that RE2 has; they take a tenth of a second

_SURROGATE = re.compile("[\ud800-\udfff]")
_CLASS = r"\[:(?:alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit):\]"
_GLOB = re.compile(
    r"(?P<any>\*)|(?P<one>\?)|(?P<text>[^*?\[\\]+)|\\(?P<plain>.)"
    rf"|\[(?P<negated>[!^]?+)(?P<body>\]?+(?:{_CLASS}|\\.|[^\]\\])*+)\]|(?P<bracket>\[)|(?P<end>\\)",
    re.DOTALL,
)
_BRACKET = re.compile(rf"({_CLASS})|\\?+(.)-\\?+(.)|\\?+(.)", re.DOTALL)
_ALL = r"\x{0}-\x{10ffff}"


def _glob_part(found: re.Match[str]) -> str:
    """A part of a pattern as a regular expression."""
    match found.lastgroup:
        case "any":
            return ".*"
        case "one":
            return "."
        case "body":
            return _bracket(found["body"], is_negated=bool(found["negated"]))
        case "end":  # fnmatch(3): a backslash with nothing behind it matches nothing
            return f"[^{_ALL}]"
        case _:
            return re2.escape(found[found.lastgroup or 0])  # type: ignore[no-any-return]  # re2 has no types


def _bracket(body: str, *, is_negated: bool) -> str:
    """The characters between brackets; a range that runs backwards holds none."""
    parts = []
    for named, first, last, single in _BRACKET.findall(body):
        if named or single:
            parts.append(named or f"\\x{{{ord(single):x}}}")
        elif first <= last:
            parts.append(f"\\x{{{ord(first):x}}}-\\x{{{ord(last):x}}}")
    if not parts:
        return "." if is_negated else f"[^{_ALL}]"
    return f"[{'^' if is_negated else ''}{''.join(parts)}]"


def parts_of(texts: Iterable[str]) -> Callable[[str], list[str]]:
    """The function from a text to those of many texts that it holds, each once, by automata over it."""
    searches = [_search(portion) for portion in _portions(texts)]
    return lambda text: [found for search in searches for found in search(text)]


def part_test(texts: Iterable[str]) -> Test:
    """Whether a text holds one of many texts."""
    find = parts_of(texts)
    return lambda text: bool(find(text))


def _portions(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in groups that one automaton has room for."""
    portion: list[str] = []
    size = 0
    for text in dict.fromkeys(texts):
        size += len(text)
        if portion and size > _MAX_AUTOMATON:
            yield portion
            portion, size = [], len(text)
        portion.append(text)
    yield portion


def _search(texts: list[str]) -> Callable[[str], list[str]]:
    def one_by_one(text: str) -> list[str]:
        return [part for part in texts if part in text]

    automaton = re2.Set.SearchSet()
    try:
        for part in texts:
            automaton.Add(re2.escape(part))
        automaton.Compile()
    except (re2.error, UnicodeEncodeError):
        return one_by_one

    def search(text: str) -> list[str]:
        try:
            return [texts[hit] for hit in automaton.Match(text) or ()]
        except UnicodeEncodeError:
            return one_by_one(text)

    return search


def network_test(values: Iterable[str]) -> Test:
    """Whether a text is one of the addresses, or an address in one of the networks."""
    from lanner.events.addresses import Networks  # noqa: PLC0415 - kept out of the start of the program

    return Networks(values).has


def path_test(paths: Sequence[str]) -> Test:
    """Whether a path is one of the paths or lies below one; components are compared whole and may be patterns."""
    wanted = [[_component_test(part) for part in path.split("/") if part] for path in paths]

    def test(text: str) -> bool:
        parts = [part for part in text.split("/") if part]
        return any(
            len(tests) <= len(parts) and all(passes(part) for passes, part in zip(tests, parts, strict=False))
            for tests in wanted
        )

    return test


def _component_test(part: str) -> Test:
    return glob_test(part) if any(c in part for c in "?*[") else part.__eq__
