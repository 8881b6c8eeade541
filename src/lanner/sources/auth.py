"""Who may post: client certificates, bearer tokens, and lists of clients and networks.

Sources: RFC 6750 (bearer tokens); Kubernetes, the webhook's kubeconfig (`client-certificate`, `tokenFile`).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import ssl
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from lanner.sources.base import SourceError, reason_of
from lanner.sources.renewal import Rotating

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CERTIFICATE_KINDS = ("CN", "O", "DNS", "IP", "URI", "email")
KINDS = (*CERTIFICATE_KINDS, "token")
"""What a client can be named by: members of its certificate's subject and alternative names, or its token's name."""

MIN_TOKEN = 16
"""Characters of the shortest token; shorter ones could be guessed."""

_MAX_TOKENS = 1000
_MAPPED = 96
"""Bits before an IPv4 address in IPv6."""

IPV6_SITE = 64
"""Bits of an IPv6 address that tell sites apart: a single machine can use all addresses that begin with them."""

_MAX_FILE = 1 << 20
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_NAME = re.compile(r"[A-Za-z0-9._@:-]{1,100}")
_SPECIAL = re.compile(r"[?\[]")
"""What `fnmatch` would not take for itself."""

_SUBJECT = {"commonName": "CN", "organizationName": "O"}
_ALTERNATIVE = {"DNS": "DNS", "IP Address": "IP", "URI": "URI", "email": "email"}


class Denial(StrEnum):
    """Why somebody may not post."""

    NETWORK = "network"
    NO_CERTIFICATE = "no_certificate"
    UNTRUSTED = "untrusted_certificate"
    EXPIRED = "certificate_expired"
    NO_TOKEN = "no_token"  # noqa: S105 - the name of a reason
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - as above
    NO_CREDENTIALS = "no_credentials"
    CLIENT = "client"

    @property
    def is_known(self) -> bool:
        """Whether it is known who asks, so that the answer is 403; else it is 401."""
        return self in (Denial.NETWORK, Denial.CLIENT)


DENIALS: Mapping[Denial, str] = {
    Denial.NETWORK: "its address is in none of `allowedNetworks`",
    Denial.NO_CERTIFICATE: "it shows no client certificate",
    Denial.UNTRUSTED: "no CA of `clientCA` has signed its certificate, or it has expired",
    Denial.EXPIRED: "its client certificate has expired",
    Denial.NO_TOKEN: "it sends no bearer token",
    Denial.UNKNOWN_TOKEN: "its bearer token is not in `tokenFile`",
    Denial.NO_CREDENTIALS: "it has neither client certificate nor bearer token",
    Denial.CLIENT: "no entry of `allowedClients` fits it",
}
"""Each in words for people."""


class Denied(Exception):
    """Raised for somebody who may not post."""

    def __init__(self, denial: Denial, names: Sequence[str] = ()) -> None:
        super().__init__(denial)
        self.denial = denial
        self.names = tuple(names)
        """Who it is, as far as its credentials prove it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A verified client certificate: its names, such as `CN:kube-apiserver`, and its end, in seconds since 1970."""

    names: tuple[str, ...]
    expires_s: float


@dataclass(slots=True)
class Peer:
    """Who is at the other end of a connection.

    Attributes:
        address: Its address; IPv4 in IPv6 is told as IPv4. None: it has none, as over a socket of the file system.
        certificate: What its certificate says, if it has shown one and a CA that is trusted has signed that.
        is_known: Whether a request over this connection was taken already.
        is_named: Whether posts may come from its address because a network is named that is smaller than a site.
    """

    address: Address | None = None
    certificate: Certificate | None = None
    is_known: bool = False
    is_named: bool = False

    @property
    def site(self) -> Hashable:
        """What bounds count by, and messages: the address, or the network of one of IPv6 that nobody has named."""
        if isinstance(self.address, ipaddress.IPv6Address) and not self.is_named:
            return int(self.address) >> (128 - IPV6_SITE)
        return self.address


@dataclass(frozen=True, slots=True)
class Client:
    """One entry of `allowedClients`.

    Attributes:
        pattern: A kind and a pattern, such as `CN:kube-apiserver-*`; `*` is any text.
        networks: The networks that such a client may come from; none: any.
    """

    pattern: str
    networks: tuple[Network, ...] = ()

    def fits(self, names: Iterable[str], address: Address | None) -> bool:
        """Whether a client with these names, at this address, is meant."""
        is_near = not self.networks or is_within(address, self.networks)
        pattern = _SPECIAL.sub("[\\g<0>]", self.pattern)
        return is_near and any(fnmatchcase(name, pattern) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may post.

    Attributes:
        client_ca: PEM file with the CAs that sign client certificates; None: certificates are not asked for.
        token_file: File of bearer tokens; None: tokens are not asked for.
        needs_all: With both, whether certificate and token must hold; else one of them is enough.
        clients: Those that are allowed; none: all that are authenticated.
        networks: Those that posts may come from; none: any.
    """

    client_ca: str | None = None
    token_file: str | None = None
    needs_all: bool = True
    clients: tuple[Client, ...] = ()
    networks: tuple[Network, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether anybody has to prove who it is."""
        return bool(self.client_ca or self.token_file)


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, of which only the digest is kept."""

    name: str
    digest: bytes


class Guard:
    """Decides about each request."""

    def __init__(self, access: Access, tell: Callable[[str, str | None], None] = lambda text, help: None) -> None:
        """Read the tokens.

        Args:
            access: Who may post.
            tell: Told when the file of tokens has changed and cannot be used; nobody is let in with a token then.

        Raises:
            SourceError: The file of tokens cannot be used.
        """
        self.access = access
        path = access.token_file
        self._tokens: Rotating[tuple[Token, ...]] | None = None
        if path:
            self._tokens = Rotating([path], lambda: read_tokens(path), without=lambda before: (), tell=tell)

    def check(self, peer: Peer, authorization: Sequence[bytes]) -> None:
        """Let a request in.

        Args:
            peer: Who sends it.
            authorization: The values of its headers of that name.

        Raises:
            Denied: It may not come in.
        """
        access = self.access
        if access.networks and not is_within(peer.address, access.networks):
            raise Denied(Denial.NETWORK)
        names: list[str] = []
        failures: list[Denial] = []
        if access.client_ca:
            failures += self._check_certificate(peer.certificate, names)
        if self._tokens is not None:
            failures += self._check_token(self._tokens.get(), authorization, names)
        if failures and (access.needs_all or not names):
            raise Denied(_verdict(failures, needs_all=access.needs_all), names)
        if access.clients and not any(client.fits(names, peer.address) for client in access.clients):
            raise Denied(Denial.CLIENT, names)

    def _check_certificate(self, certificate: Certificate | None, names: list[str]) -> list[Denial]:
        if certificate is None:
            return [Denial.NO_CERTIFICATE]
        if certificate.expires_s <= time.time():  # the connection may be older than that
            return [Denial.EXPIRED]
        names += certificate.names
        return []

    def _check_token(self, tokens: tuple[Token, ...], values: Sequence[bytes], names: list[str]) -> list[Denial]:
        if not values:
            return [Denial.NO_TOKEN]
        scheme, _, token = values[0].partition(b" ")
        if len(values) > 1 or scheme.lower() != b"bearer":
            return [Denial.UNKNOWN_TOKEN]
        digest = hashlib.sha256(token.strip()).digest()
        found = [each.name for each in tokens if hmac.compare_digest(each.digest, digest)]  # always all of them
        names += [f"token:{name}" for name in found]
        return [] if found else [Denial.UNKNOWN_TOKEN]


def _verdict(failures: Sequence[Denial], *, needs_all: bool) -> Denial:
    """What to call a request that lacks these."""
    if set(failures) == {Denial.NO_CERTIFICATE, Denial.NO_TOKEN}:
        return Denial.NO_CREDENTIALS
    shown = [each for each in failures if each not in (Denial.NO_CERTIFICATE, Denial.NO_TOKEN)]
    return failures[0] if needs_all or not shown else shown[0]


def read_tokens(path: str) -> tuple[Token, ...]:
    """The tokens of a file: one a line, alone or after a name and a space; lines that begin with `#` are comments.

    A token without a name is called after its line, such as `line-1`.

    Raises:
        SourceError: The file cannot be read, holds no token, or a line that is none. What it holds is never told.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise SourceError(path, reason_of(error), "`tokenFile` names a file with a token a line") from error
    if len(text) > _MAX_FILE:
        raise SourceError(path, "larger than 1 MiB", "`tokenFile` names a file with a token a line")
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith(b"#"):
            tokens.append(_token(path, number, words))
    if not tokens:
        raise SourceError(path, "no token", "write one a line, such as the output of `openssl rand -hex 32`")
    if len(tokens) > _MAX_TOKENS:
        raise SourceError(path, f"more than {_MAX_TOKENS} tokens", "use client certificates for so many clients")
    return tuple(tokens)


def _token(path: str, number: int, words: Sequence[bytes]) -> Token:
    *names, token = words
    name = names[0].decode("utf-8", "replace") if names else f"line-{number}"
    if len(names) > 1 or not _NAME.fullmatch(name) or not _TOKEN.fullmatch(token):
        help_text = "write `NAME TOKEN`, or the token alone; letters, digits and `-._~+/` make a token"
        raise SourceError(path, f"line {number} is no token", help_text)
    if len(token) < MIN_TOKEN:
        help_text = "make it with `openssl rand -hex 32`"
        raise SourceError(path, f"the token of line {number} has less than {MIN_TOKEN} characters", help_text)
    return Token(name, hashlib.sha256(token).digest())


def certificate_of(found: Mapping[str, Any] | None) -> Certificate | None:
    """A verified certificate, as `ssl` tells it; None when there is none."""
    if not found:
        return None
    subject = (pair for part in found.get("subject", ()) for pair in part)
    names = [f"{_SUBJECT[kind]}:{value}" for kind, value in subject if kind in _SUBJECT]
    others = found.get("subjectAltName", ())
    names += [f"{_ALTERNATIVE[kind]}:{value}" for kind, value in others if kind in _ALTERNATIVE]
    return Certificate(tuple(names), ssl.cert_time_to_seconds(found["notAfter"]))


def address_of(host: str) -> Address | None:
    """The address of a peer, as sockets tell it; None when it is none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


def is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of some networks."""
    return address is not None and any(address in network for network in networks)


def network_of(text: str) -> Network:
    """A network such as `10.0.0.0/8`, or an address alone.

    Raises:
        ValueError: It is none; the text says so, and what to write.
    """
    try:
        found = ipaddress.ip_network(text.strip())
    except ValueError:
        raise ValueError(f"`{text}` is no network; write it like `10.0.0.0/24`, with no bit set beyond") from None
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is None or found.prefixlen < _MAPPED:
        return found
    return ipaddress.ip_network((mapped, found.prefixlen - _MAPPED))  # as addresses of peers are told


def client_of(text: str) -> Client:
    """An entry of `allowedClients`: `KIND:PATTERN`, or `KIND:PATTERN from NETWORK,…`.

    Raises:
        ValueError: It is none; the text says so, and what to write.
    """
    pattern, found, networks = text.rpartition(" from ")
    pattern = pattern if found else text
    kind, colon, value = pattern.strip().partition(":")
    if kind not in KINDS or not colon or not value:
        raise ValueError(f"`{text}` names no client; write it like `CN:kube-apiserver-*`; kinds are {', '.join(KINDS)}")
    return Client(pattern.strip(), tuple(map(network_of, networks.split(","))) if found else ())
