"""A connection to a tail, and in words what went wrong with one.

Only here the WebSocket library is used, which an extra brings.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from lanner.plugins.ovh.address import EXAMPLE, Address
from lanner.sources.base import SourceError, reason_of

OPEN_TIMEOUT_S = 20.0
_CLOSE_TIMEOUT_S = 2.0

_NEW_ADDRESS = (
    "copy the address again: Logs Data Platform, the stream, Monitor in real-time; WebSocket broadcasting has to be "
    "enabled for the stream"
)
_REFUSALS = {400: EXAMPLE, 401: _NEW_ADDRESS, 403: _NEW_ADDRESS, 404: f"{EXAMPLE}; {_NEW_ADDRESS}", 410: _NEW_ADDRESS}
"""What the platform answers when it is no use to ask again, and what to do then."""

# The library would write the address with its token when it is asked for much detail.
_SILENT = logging.getLogger("lanner.plugins.ovh.websockets")
_SILENT.disabled = True


class Lost(Exception):
    """A connection that was not made, or has ended; the text says why. Another attempt may help."""


@dataclass(slots=True)
class Connection:
    """An open connection."""

    _socket: ClientConnection
    _max_size: int
    _quiet_s: float
    _pong: asyncio.Future[float] | None = None

    async def receive(self) -> bytes | None:
        """The next message; None: there was none for a while, and the platform has answered a ping.

        Raises:
            Lost: The connection has ended, or is silent and pings are not answered.
        """
        while True:
            try:
                with _losing(self._max_size):
                    async with asyncio.timeout(self._quiet_s):
                        frame = await self._socket.recv(decode=False)
            except TimeoutError:
                if self._pong is None:
                    self._pong = await self._ping()
                elif self._pong.done():
                    self._pong = None
                    return None
                else:
                    raise Lost(f"nothing came for {2 * self._quiet_s:g} s, not even the answer to a ping") from None
            else:
                self._pong = None
                return frame

    async def answered(self, timeout_s: float) -> None:
        """Ask the platform whether it is there, and wait for the answer.

        Raises:
            Lost: The connection has ended, or there is no answer in time.
        """
        try:
            with _losing(self._max_size):
                async with asyncio.timeout(timeout_s):
                    await (await self._ping())
        except TimeoutError:
            raise Lost(f"a ping was not answered within {timeout_s:g} s") from None

    async def _ping(self) -> asyncio.Future[float]:
        with _losing(self._max_size):
            return asyncio.ensure_future(await self._socket.ping())


@asynccontextmanager
async def connected(
    address: Address, *, max_size: int, quiet_s: float, open_timeout_s: float = OPEN_TIMEOUT_S
) -> AsyncIterator[Connection]:
    """Connect to a tail.

    Args:
        address: Where.
        max_size: The largest message in bytes; a larger one ends the connection.
        quiet_s: After how long without a message the platform is asked whether it is there.
        open_timeout_s: How long it may take.

    Raises:
        SourceError: The platform refuses; it is no use to ask again.
        Lost: It cannot be reached.
    """
    # A paused socket shows no pongs, so that the library's own pings would end the connection of a slow reader.
    opening = connect(
        address.url,
        open_timeout=open_timeout_s,
        close_timeout=_CLOSE_TIMEOUT_S,
        ping_interval=None,
        max_size=max_size,
        logger=_SILENT,
    )
    try:
        opened = await opening
    except Exception as error:  # its causes are many: the network, TLS, proxies, what the other side says
        raise _explained(error, address, open_timeout_s) from None
    async with opened:
        yield Connection(opened, max_size, quiet_s)


@contextmanager
def _losing(max_size: int) -> Iterator[None]:
    """Say in words that a connection has ended."""
    try:
        yield
    except ConnectionClosed as error:
        raise Lost(_ending(error, max_size)) from None


def _ending(error: ConnectionClosed, max_size: int) -> str:
    """Why a connection has ended; what the other side says of it is left out."""
    if error.rcvd is not None and not (error.sent is not None and not error.rcvd_then_sent):
        return f"the platform closed the connection (code {error.rcvd.code})"
    if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
        return f"a message was larger than {max_size:,} bytes, and was dropped with the connection"
    if error.sent is not None:
        return f"the platform broke the protocol (code {error.sent.code})"
    return "the connection broke off"


def _explained(error: Exception, address: Address, timeout_s: float) -> SourceError | Lost:
    """What an attempt to connect has come to."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in _REFUSALS:
        return SourceError(address.shown, f"the platform refuses it (HTTP {status})", _REFUSALS[status])
    match error:
        case TimeoutError():
            reason = f"no answer within {timeout_s:g} s"
        case _ if status is not None:
            reason = f"the platform answered HTTP {status}"
        case ssl.SSLCertVerificationError():
            reason = (
                f"its certificate is not trusted ({error.verify_message}); SSL_CERT_FILE may name another authority"
            )
        case socket.gaierror():
            reason = "there is no such host"
        case _:
            reason = reason_of(error)
    return Lost(f"cannot connect to {address.host}: {address.mask(reason)}")
