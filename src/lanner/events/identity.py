"""What tells an event from every other, and is the same when it comes again.

All that an event says counts, byte by byte, and not its audit ID alone, which a client can choose and repeat: else one
event could be hidden behind another. Only the names of its kind and version, at its beginning, do not count, because
the items of a webhook's list lack them.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hashlib import _Hash

Hash: TypeAlias = "_Hash"

_HEAD = re.compile(rb'\s*+\{\s*+(?:"(?:kind|apiVersion)"\s*+:\s*+"[^"\\]*+"\s*+,\s*+)*+')


def content_hash(document: bytes | memoryview) -> Hash:
    """A hash of what an event says, to which more can be added.

    Args:
        document: Its JSON, without blanks behind it.
    """
    head = _HEAD.match(document)
    return sha256(memoryview(document)[head.end() :] if head else document)
