"""Documents in a line, and events in a list, to the text of each, without decoding.

What is wrong with one of them stays with that one.
"""

from __future__ import annotations

import re

from stringzilla import find

# A text, to the end where it is not closed, or one of the characters that structure what is no text; all else lies
# between. The repeat never goes back.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+|[\[\]{},]', re.DOTALL)
_ITEMS = re.compile(rb"\s*:\s*\[")
_EVENT_LIST = re.compile(rb'\s*:\s*"EventList"')
_HEAD = re.compile(
    rb'\{"kind":"EventList","apiVersion":"[^"\\]{0,64}",(?:"metadata":\{\},)?"items":'
    rb'(?=\[\{(?:"(?:kind|apiVersion)":"[^"\\]{0,64}",)*+"level":")'
)
_FIRST_ITEM = re.compile(rb'\[(\{(?:"(?:kind|apiVersion)":"[^"\\]{0,64}",)*+"level":")')
_TAILS = (b"}]}", b"}]}\n")
_OPENERS = (b"[", b"{")
_CLOSERS = (b"]", b"}")


def documents(line: bytes) -> list[bytes]:
    """The texts of the objects and lists that follow each other, and of what stands between them, in order."""
    found = []
    depth = start = 0
    for token in _TOKEN.finditer(line):
        text = token.group()
        if text in _OPENERS:
            if depth == 0:
                found.append(line[start : token.start()])
                start = token.start()
            depth += 1
        elif text in _CLOSERS and depth:
            depth -= 1
            if depth == 0:
                found.append(line[start : token.end()])
                start = token.end()
    found.append(line[start:])
    return [text for text in found if text.strip()]


def elements(document: bytes) -> list[bytes] | None:
    """The texts of a list's elements, or of an `EventList`'s items, in order; None for anything else.

    The last element of a document that ends too early is what there is of it.
    """
    start = document.lstrip()[:1]
    if start == b"[":
        return _split(document, document.index(b"[") + 1)
    at = _items_of_list(document) if start == b"{" else None
    return None if at is None else _split(document, at)


def parts(document: bytes | memoryview, size: int) -> list[int]:
    """Where to cut an `EventList` as API servers write it into lists of items.

    An item can hold what looks like a border of two. So each part is to be decoded as a list by itself: if all those up
    to a cut are lists, the cut is at a border, because nothing but items and commas is left before it.

    Args:
        document: JSON.
        size: The bytes of a part, about.

    Returns:
        The place of the opening bracket, of commas between items, and of the closing bracket; nothing where the
        document is written in another way.
    """
    head = _HEAD.match(document)
    tail = next((tail for tail in _TAILS if document[-len(tail) :] == tail), None)
    first = _FIRST_ITEM.match(document, head.end()) if head else None
    if first is None or tail is None:
        return []
    places, end = [first.start()], len(document) - len(tail) + 1
    if end - places[0] > size:
        view, border = memoryview(document), b"}," + first[1]
        while (at := find(view, border, places[-1] + size)) >= 0:
            places.append(at + 1)
    return [*places, end]


def _items_of_list(document: bytes) -> int | None:
    """Where the first item of an `EventList` begins."""
    depth = 0
    items = None
    is_list = False
    for token in _TOKEN.finditer(document):
        text = token.group()
        if text in _OPENERS:
            depth += 1
        elif text in _CLOSERS:
            depth -= 1
        elif depth == 1 and text == b'"items"' and (found := _ITEMS.match(document, token.end())):
            items = found.end()
        elif depth == 1 and text == b'"kind"' and _EVENT_LIST.match(document, token.end()):
            is_list = True
        if is_list and items is not None:
            return items
    return None


def _split(document: bytes, start: int) -> list[bytes]:
    found = []
    depth = 0
    for token in _TOKEN.finditer(document, start):
        text = token.group()
        if text in _OPENERS:
            depth += 1
        elif text in _CLOSERS:
            depth -= 1
        if depth < 0 or (depth == 0 and text == b","):
            found.append(document[start : token.start()])
            start = token.end()
        if depth < 0:
            break
    else:
        found.append(document[start:])
    return [text for text in found if text.strip()]
