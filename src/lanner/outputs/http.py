"""Alerts to a web server, such as falcosidekick: one post an alert. Source: Falco, outputs_http.cpp."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from lanner.engine.alert import Alert
from lanner.outputs.format import for_terminal
from lanner.outputs.sink import Encoding, OptionError, RefusedError
from lanner.outputs.tls import TlsOptions

if TYPE_CHECKING:
    import httpx

_MAX_ANSWER = 64 * 1024
_MAX_ECHO = 1024
_REFUSALS = frozenset({400, 413, 415, 422})
"""Answers to this alert's body; all others that are no success may be another one for the same alert later."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions(TlsOptions):
    """The keys of `http_output`, and two of Lanner's own.

    Attributes:
        url: Where to post.
        user_agent: What to call oneself.
        echo: Tell what the server answers.
        compress_uploads: Compress bodies with gzip; falcosidekick does not read them then.
        keep_alive: Use a connection for many posts; else each has its own.
        max_consecutive_timeouts: How often to try again at once when the server does not answer in time.
        headers: More headers, which may replace the usual ones.
        timeout_s: How long connecting, sending and the answer may take, each.
    """

    url: str
    user_agent: str = "lanner"
    echo: bool = False
    compress_uploads: bool = False
    keep_alive: bool = False
    max_consecutive_timeouts: int = 5
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 10


class HttpOutput:
    """Posts an alert as a body of its own, without a line break, as JSON or as plain text.

    A proxy is taken from the environment (`HTTPS_PROXY`, `NO_PROXY` …) as curl does; redirects are not followed.
    """

    max_batch: ClassVar[int] = 1

    def __init__(
        self, options: HttpOptions, encoding: Encoding, *, echo: Callable[[str], None] = lambda _: None
    ) -> None:
        """Check the options; the server is sought with the first write.

        Args:
            options: Where and how.
            encoding: How alerts look.
            echo: Told the server's answers, if the options want that.

        Raises:
            OptionError: An option cannot be used.
        """
        self._options = options
        self._encoding = encoding
        self._echo = echo
        self._url, self._server = _checked_url(options.url)
        self._headers = _headers(options, encoding)
        self._context = options.context()
        self._client: httpx.Client | None = None
        self._wants_reopen = False

    @property
    def place(self) -> str:
        """The server, without name, password and path, which may be secrets."""
        return self._server

    def write(self, alerts: Sequence[Alert]) -> None:
        """Post the alerts, in order.

        Raises:
            RefusedError: The server does not take this alert's body.
            OSError: The server cannot be reached, or answers with no success.
        """
        for alert in alerts:
            body = self._encoding.encode(alert).removesuffix(b"\n")
            if self._options.compress_uploads:
                body = gzip.compress(body, compresslevel=6, mtime=0)
            self._deliver(body)

    def flush(self) -> None:
        """Nothing waits: each post was answered."""

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def reopen(self) -> None:
        """Connect anew with the next write."""
        self._wants_reopen = True

    def _deliver(self, body: bytes) -> None:
        for left in range(self._options.max_consecutive_timeouts, -1, -1):
            try:
                self._post(body)
            except TimeoutError:
                if not left:
                    raise
            else:
                return

    def _post(self, body: bytes) -> None:
        import httpx  # noqa: PLC0415 - only who posts needs it

        try:
            with self._connected().stream("POST", self._url, content=body) as response:
                answer = self._read(response)
        except httpx.TimeoutException as error:
            raise TimeoutError(f"no answer within {self._options.timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise OSError(_reason(error)) from error
        if self._options.echo:
            self._echo(for_terminal(answer[:_MAX_ECHO]).decode())
        status = response.status_code
        if status in _REFUSALS:
            raise RefusedError(f"the server refuses the alert with status {status}")
        if not response.is_success:
            raise OSError(f"the server answers with status {status}")

    def _read(self, response: httpx.Response) -> bytes:
        """As much of the answer as one cares for; a connection with more in it is given up."""
        until = time.monotonic() + self._options.timeout_s
        answer = b""
        for piece in response.iter_raw():
            answer += piece
            if len(answer) > _MAX_ANSWER or time.monotonic() > until:
                break
        return answer

    def _connected(self) -> httpx.Client:
        wants_reopen, self._wants_reopen = self._wants_reopen, False
        if wants_reopen:
            self.close()
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> httpx.Client:
        import httpx  # noqa: PLC0415 - only who posts needs it

        options = self._options
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1 if options.keep_alive else 0)
        return httpx.Client(verify=self._context, limits=limits, headers=self._headers, timeout=options.timeout_s)


def _headers(options: HttpOptions, encoding: Encoding) -> dict[str, str]:
    usual = {
        "User-Agent": options.user_agent,
        "Content-Type": "application/json" if encoding.json else "text/plain",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive" if options.keep_alive else "close",
    }
    if options.compress_uploads:
        usual["Content-Encoding"] = "gzip"
    own = {name.lower() for name in options.headers}
    headers = {name: value for name, value in usual.items() if name.lower() not in own} | dict(options.headers)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise OptionError("headers", f"`{name}` is no header of printable ASCII characters")
    return headers


def _checked_url(text: str) -> tuple[str, str]:
    """The address without quotes around it, which Falco takes off too, and its server alone."""
    import httpx  # noqa: PLC0415 - only who posts needs it

    url = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise OptionError("url", "no address", "write `https://host:port/path`") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise OptionError("url", "not `http://` or `https://` and a host", "write `https://host:port/path`")
    return url, f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def _reason(error: httpx.HTTPError) -> str:
    """What went wrong, without the address: it may hold a password."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return for_terminal(str(error).encode()).decode().lower()
