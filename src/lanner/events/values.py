"""Decoded JSON: how it is read from bytes, looked into, and turned into the text that rules compare.

Every value may come from an attacker, in any shape: nothing here raises for odd data, it yields None or less.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What JSON decodes to. A JSON null is a missing value wherever a field is read."""


class RawNumber(float):
    """A JSON number with a fraction or an exponent, which keeps its spelling: `1.0` and `1e3` print as sent."""

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> "RawNumber":
        """Make a number from its JSON spelling."""
        number = super().__new__(cls, literal)
        number.literal = literal
        return number


def _encode_number(number: RawNumber) -> msgspec.Raw:
    # The encoder asks for types that it does not know: in `Json`, a subclass of float is the only one.
    return msgspec.Raw(number.literal.encode())


_decode = msgspec.json.Decoder(float_hook=RawNumber).decode
_encode = msgspec.json.Encoder(enc_hook=_encode_number).encode

# One escape sequence: a surrogate pair, else group 1, a surrogate without its other half, else anything else.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"
_MAX_DIGITS = 4300
"""Digits of an integer that Python converts."""

# A text, or the digits before a number's end, its point or its exponent. Each takes all it can: nothing is read twice.
_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|-?[0-9]++[.eE]?', re.DOTALL)


def decode_json(data: bytes | msgspec.Raw) -> Json:
    """Decode one JSON document, numbers with their spelling kept.

    Invalid UTF-8 and lone surrogates, which a client can put into a patch, become U+FFFD as they do in the API
    server's own decoder, so that they cannot hide the rest of a body; nor can an integer of more digits than Python
    converts, which is kept as a text. Of equal keys the last counts, as there.

    Raises:
        msgspec.DecodeError: the data is no JSON, or is nested too deeply (about 900 levels; the cause is a
            RecursionError then).
    """
    try:
        return _decode(data)  # type: ignore[no-any-return]  # the decoder is untyped: it decodes any JSON
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_repaired(bytes(data))
    except RecursionError as error:
        raise msgspec.DecodeError("the data is nested too deeply") from error


def _decode_repaired(data: bytes) -> Json:
    text = data.decode("utf-8", "replace").encode()
    repaired = _ESCAPE.sub(lambda escape: _REPLACEMENT if escape[1] else escape[0], text)
    repaired = _NUMBER.sub(_without_huge_integer, repaired)
    try:
        return _decode(repaired)  # type: ignore[no-any-return]  # the decoder is untyped: it decodes any JSON
    except RecursionError as error:
        raise msgspec.DecodeError("the data is nested too deeply") from error


def _without_huge_integer(found: re.Match[bytes]) -> bytes:
    text = found[0]
    is_huge = len(text) > _MAX_DIGITS and text[:1] != b'"' and text[-1:].isdigit()
    return b'"%b"' % text if is_huge else text


def walk(value: Json, keys: Iterable[str]) -> Json:
    """Look up a path: each key names an object's member, or gives a list's index in decimal.

    Returns:
        The value there; None when the path ends early, leads through a text or number, or ends at null.

    Source: Falco plugins, k8saudit extract.go and json.go (both read with fastjson's `Get`).
    """
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list):
            value = _element(value, key)
        else:
            return None
    return value


def _element(values: list[Json], key: str) -> Json:
    # Nine digits are more than any list has elements, and int() of a huge text would be slow or raise.
    if len(key) > 9 or not (key.isascii() and key.isdigit()):
        return None
    index = int(key)
    return values[index] if index < len(values) else None


def select(value: Json, keys: Iterable[str], index: int | None = None) -> list[Json]:
    """Look up a path that fans out at every list on its way, such as `spec containers image`.

    Args:
        value: Where to begin.
        keys: Member names. A list met before a key stands for its elements; a list at the end is left whole.
        index: With an index, only that element of each list counts.

    Returns:
        The values found, in order, without missing ones.

    Source: Falco plugins, k8saudit extract.go, `getValuesRecursive`, save that a missing value is left out.
    """
    found = [value]
    for key in keys:
        members: list[Json] = []
        for item in found:
            if isinstance(item, dict):  # nearly always, hence without a generator
                if (member := item.get(key)) is not None:
                    members.append(member)
            elif isinstance(item, list):
                for element in spread((item,), index):
                    if isinstance(element, dict) and (member := element.get(key)) is not None:
                        members.append(member)
        if not members:
            return members
        found = members
    return found


def spread(values: Iterable[Json], index: int | None = None) -> Iterator[Json]:
    """Yield the values, with the elements of a list (or only the one at `index`) in the list's place."""
    for value in values:
        if not isinstance(value, list):
            yield value
        elif index is None:
            yield from value
        elif 0 <= index < len(value):
            yield value[index]


def as_text(value: Json) -> str | None:
    """Turn a value into the text that rules compare and alerts show.

    A text stays as it is; a boolean, number, list or object becomes compact JSON, keys in their order; null is
    missing: None.
    """
    if isinstance(value, str):
        return value
    return None if value is None else encode_json(value).decode()


def encode_json(value: Json) -> bytes:
    """Encode a value as compact JSON in UTF-8, keys in their order, however deeply it is nested."""
    try:
        return _encode(value)
    except RecursionError:
        return _encode_deep(value)


def indented(text: str) -> str:
    """A JSON text with a line for each value; spelt as it is, unless a lone surrogate has to be replaced for that.

    What cannot be read or laid out, because it is nested too deeply, is given as it is.
    """
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        pass  # a lone surrogate, which the decoder passes over where no rule asks for the text around it
    try:
        return msgspec.json.format(encode_json(decode_json(text.encode())).decode(), indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text


def _encode_deep(value: Json) -> bytes:
    """Encode without recursion: how deep the encoder may go depends on its caller, an attacker must not profit."""
    done: list[bytes] = []
    open_items: list[Iterator[bytes | tuple[Json]]] = [iter([(value,)])]
    while open_items:
        item = next(open_items[-1], None)
        if item is None:
            open_items.pop()
        elif isinstance(item, bytes):
            done.append(item)
        elif isinstance(item[0], (dict, list)):
            open_items.append(_pieces(item[0]))
        else:
            done.append(_encode(item[0]))
    return b"".join(done)


def _pieces(container: dict[str, Json] | list[Json]) -> Iterator[bytes | tuple[Json]]:
    """Split a container into punctuation (bytes) and the values between (each wrapped in a tuple)."""
    comma = b""
    if isinstance(container, list):
        yield b"["
        for value in container:
            yield comma
            yield (value,)
            comma = b","
        yield b"]"
        return
    yield b"{"
    for key, value in container.items():
        yield comma + _encode(key) + b":"
        yield (value,)
        comma = b","
    yield b"}"


def as_texts(values: Iterable[Json]) -> list[str] | None:
    """Turn values into texts, leaving out missing ones; None when nothing is left."""
    return [text for value in values if (text := as_text(value)) is not None] or None


def list_texts(value: Json, index: int | None = None) -> list[str] | None:
    """Turn a list's elements (or only the one at `index`) into texts; None when it is no list, or nothing is left."""
    return as_texts(spread((value,), index)) if isinstance(value, list) else None
