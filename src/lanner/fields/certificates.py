"""Whom a certificate signing request names: the subject of a PKCS #10 request, read from its DER.

Two texts are wanted of a structure of five levels, from bytes that an attacker chose and that Go's parser, not one of
Python's, decides about. So the reader here follows the structure, takes what it finds, and gives nothing for the rest.

Source: RFC 2986 (request), RFC 5280 (Name); Go, crypto/x509/pkix (of several common names the last counts).
"""

import base64
import binascii
from collections.abc import Iterator

from lanner.events.values import Json

_MAX_REQUEST = 64 * 1024
"""Characters of a request that are looked at; the largest keys in use make requests of 8 KiB."""

_SEQUENCE, _SET, _OID, _BMP = 0x30, 0x31, 0x06, 0x1E
_COMMON_NAME = b"\x55\x04\x03"
_ORGANIZATION = b"\x55\x04\x0a"


def common_name(body: Json) -> str | None:
    """The common name that a CertificateSigningRequest asks for: the user's name, for a client certificate."""
    return next(reversed(_subject(body, _COMMON_NAME)), None)


def organizations(body: Json) -> list[str] | None:
    """The organizations that it asks for: the user's groups, for a client certificate."""
    return _subject(body, _ORGANIZATION) or None


def _subject(body: Json, wanted: bytes) -> list[str]:
    spec = body.get("spec") if isinstance(body, dict) else None
    request = spec.get("request") if isinstance(spec, dict) else None
    if not isinstance(request, str):
        return []
    pem = _decoded(request[:_MAX_REQUEST].encode("ascii", "replace"))
    return [text for block in _blocks(pem) for text in _names(_decoded(block), wanted)]


def _blocks(pem: bytes) -> Iterator[bytes]:
    """What stands in the blocks of a PEM text, whatever they are called; in time linear in the text."""
    for part in pem.split(b"-----BEGIN ")[1:]:
        _, _, content = part.partition(b"-----")
        yield content.partition(b"-----END")[0]


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=False)
    except (binascii.Error, ValueError):
        return b""


def _names(der: bytes, wanted: bytes) -> Iterator[str]:
    """The texts of one type of attribute in the subject of a request."""
    for _, request in _children(der, _SEQUENCE):
        for _, info in _children(request, _SEQUENCE):
            for _, subject in [*_children(info, _SEQUENCE)][:1]:
                for _, part in _children(subject, _SET):
                    for _, attribute in _children(part, _SEQUENCE):
                        kind, *values = _children(attribute) or [(0, b"")]
                        if kind == (_OID, wanted):
                            yield from (_text(tag, value) for tag, value in values)


def _children(data: bytes, wanted: int | None = None) -> list[tuple[int, bytes]]:
    """The elements that bytes hold one after the other, all or those of one tag; what is cut off ends them."""
    found = []
    at = 0
    while at + 2 <= len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big") if size <= 4 else len(data)
            at += size
        if wanted in (None, tag):
            found.append((tag, data[at : at + length]))
        at += length
    return found


def _text(tag: int, value: bytes) -> str:
    return value.decode("utf-16-be" if tag == _BMP else "utf-8", "replace")
