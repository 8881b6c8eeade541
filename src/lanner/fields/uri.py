"""Fields of the request's URI."""

import re
from urllib.parse import unquote_plus

from lanner.events.values import Json, as_text

_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


def query_parameter(uri: Json, name: str) -> str | None:
    """The first value of a query parameter, decoded; None when the URI has no such parameter."""
    return next(iter(query_parameters(uri, name)), None)


def query_parameters(uri: Json, name: str) -> list[str]:
    """All values of a query parameter, decoded.

    Read as the API server reads it: everything after the first `?` is the query, a `#` too, and a pair with a `;` or
    a broken escape is passed over without hiding the others. Bytes that are not UTF-8 become U+FFFD.

    Source: Go, net/url, `ParseRequestURI` and `URL.Query`.
    """
    query = (as_text(uri) or "").partition("?")[2]
    pairs = (
        pair.partition("=")[::2]
        for pair in query.split("&")
        if pair and ";" not in pair and not _BROKEN_ESCAPE.search(pair)
    )
    return [unquote_plus(value) for key, value in pairs if unquote_plus(key) == name]
