"""One question to an API server, as a service account; certificates and token are read anew each time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from lanner.sources.base import reason_of

IN_CLUSTER = "https://kubernetes.default.svc"

TIMEOUT_S = 10.0
"""For connecting, for sending, and between two pieces of the answer, each."""

ANSWER_S = 30.0
"""For all of it."""

MAX_ANSWER = 256 * 1024 * 1024
_MAX_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How API servers are asked.

    Attributes:
        urls: Their addresses, without a path.
        ca_file: Certificates of the authorities to trust, PEM; empty: those of the system.
        token_file: The bearer token; empty: none.
        server_name: The name in their certificates; empty: that of the address.
    """

    urls: tuple[str, ...] = (IN_CLUSTER,)
    ca_file: str = ""
    token_file: str = ""
    server_name: str = ""


class Unanswered(Exception):
    """An API server could not be asked, or did not answer as it should.

    Attributes:
        reason: Why, in a few words.
        help: What to do about it.
    """

    def __init__(self, reason: str, help: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.help = help


async def ask(access: Access, url: str, path: str, take: Callable[[bytes], None] = lambda _: None) -> int:
    """Get something of an API server, over a connection of its own: behind a balancer each may lead to another server.

    Args:
        access: How to ask.
        url: The server's address.
        path: What to get, with its query.
        take: Given the answer, piece by piece.

    Returns:
        The status of the answer.

    Raises:
        Unanswered: There is no answer, or no end of it.
    """
    await asyncio.to_thread(import_module, "httpx")  # the first time takes long
    import httpx  # noqa: PLC0415 - only who asks needs it

    context, headers = _context(access, url), _headers(access, url)
    extensions = {"sni_hostname": access.server_name} if access.server_name else {}
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            httpx.AsyncClient(verify=context, timeout=TIMEOUT_S, trust_env=False) as client,
            client.stream("GET", f"{url}{path}", headers=headers, extensions=extensions) as response,
        ):
            size = 0
            async for piece in response.aiter_raw():
                size += len(piece)
                if size > MAX_ANSWER:
                    raise Unanswered("its answer is larger than 256 MiB", _SEE_URL)
                take(piece)
            return response.status_code
    except TimeoutError:
        raise Unanswered(f"no answer within {ANSWER_S:g} s", _SEE_WAY) from None
    except httpx.TimeoutException:
        raise Unanswered(f"no answer within {TIMEOUT_S:g} s", _SEE_WAY) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Unanswered(*_words(error)) from error


_SEE_WAY = "see whether a NetworkPolicy or a firewall lets Lanner reach the API server"
_SEE_URL = "see `blindness.apiserver.urls`"


def _context(access: Access, url: str) -> ssl.SSLContext | bool:
    """Which authorities are trusted; read anew each time, because a cluster's authority is renewed too."""
    if not url.startswith("https://"):
        return False
    try:
        return ssl.create_default_context(cafile=access.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = reason_of(error) if not isinstance(error, ssl.SSLError) else "no certificates in PEM"
        raise Unanswered(f"cannot read `{access.ca_file}`: {reason}", "see `blindness.apiserver.ca_file`") from error


def _headers(access: Access, url: str) -> dict[str, str]:
    """What is sent beside the path; a token goes over HTTPS alone, and is read anew because the kubelet renews it."""
    usual = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "lanner"}
    if not access.token_file or not url.startswith("https://"):
        return usual
    help_text = "see `blindness.apiserver.token_file`; in a pod, `automountServiceAccountToken: true`"
    try:
        with open(access.token_file, "rb") as file:
            token = file.read(_MAX_TOKEN).strip()
    except OSError as error:
        raise Unanswered(f"cannot read `{access.token_file}`: {reason_of(error)}", help_text) from error
    if not token or not all(0x21 <= byte <= 0x7E for byte in token):
        raise Unanswered(f"`{access.token_file}` holds no token", help_text)
    return {**usual, "Authorization": f"Bearer {token.decode('ascii')}"}


def _words(error: Exception) -> tuple[str, str]:
    """What is wrong with a connection, and what to do."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            help_text = "see `blindness.apiserver.ca_file`, and `server_name` beside it"
            return f"its certificate is not trusted: {cause.verify_message or reason_of(cause)}", help_text
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused", "see whether it runs, and `blindness.apiserver.urls`"
        cause = cause.__cause__ or cause.__context__
    return reason_of(error), _SEE_WAY
