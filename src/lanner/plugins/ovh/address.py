"""The address of a stream's tail, whose token nobody else is to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

from lanner.sources.base import SourceError

MASK = "***"
EXAMPLE = "write the address of the stream's WebSocket, like `gra1.logs.ovh.com/tail/?tk=TOKEN`"
_SCHEME = "wss://"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a tail is read.

    Attributes:
        url: The whole address, with the token.
        host: Its host, and port if it names one.
        shown: The address with stars for the token.
        token: The secret.
    """

    url: str = field(repr=False)
    host: str
    shown: str
    token: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `open_params`: the address, with or without `wss://`.

        Raises:
            SourceError: It is none, has no token, or would send the token in clear text.
        """
        given = text.strip()
        if not given:
            raise _refused("", "there is no address", EXAMPLE)
        url = given if "://" in given else _SCHEME + given
        try:
            parts = urlsplit(url)
            host, has_user, _ = parts.hostname, "@" in parts.netloc, parts.port
            token = "".join(parse_qs(parts.query).get("tk", [])[:1])
        except ValueError:
            raise _refused("", "it is no address", EXAMPLE) from None
        place = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
        if parts.scheme.lower() != "wss":
            raise _refused(place, f"`{parts.scheme}://` is no encrypted WebSocket", f"begin it with `{_SCHEME}`")
        if not host or has_user or any(character in given for character in "<> "):
            raise _refused(place, "it is no address of a tail", EXAMPLE)
        if not token:
            raise _refused(place, "it has no token (`tk`)", EXAMPLE)
        return cls(url, parts.netloc, f"{_SCHEME}{place}?tk={MASK}", token)

    def mask(self, text: str) -> str:
        """The text with stars for the token, in each way of writing it."""
        query = urlsplit(self.url).query
        for secret in sorted({query, self.token, quote(self.token), quote(self.token, safe="")}, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


def _refused(place: str, reason: str, help_text: str) -> SourceError:
    return SourceError(place or "open_params", reason, help_text)
