"""The TLS of a listener: its certificate, the CAs of its clients, and what they are exchanged for while it runs."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from lanner.sources.base import SourceError, reason_of
from lanner.sources.renewal import Rotating

_MAX_AUTHORITIES = 16 << 20


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What TLS is made of: PEM files.

    Attributes:
        certificate: The certificate, and its key when that has no file of its own.
        key: The key; None: it is with the certificate.
        client_ca: The CAs that sign client certificates; None: clients are not asked for one.
    """

    certificate: str
    key: str | None = None
    client_ca: str | None = None


class Tls:
    """The TLS of a listener, as its files are.

    A client without a certificate gets through the handshake, so that it can be answered and counted; one whose
    certificate no CA has signed does not. Certificate and CAs are looked at apart. A certificate that cannot be used
    leaves that of before in use. CAs that cannot be used are CAs of nobody, and so are those of before: no client is
    asked for a certificate, and whoever needs one is denied.
    """

    def __init__(self, files: TlsFiles, tell: Callable[[str, str | None], None] = lambda text, help: None) -> None:
        """Read the files.

        Args:
            files: What it is made of.
            tell: Told when they have changed and cannot be used, with what to do.

        Raises:
            SourceError: They cannot be used.
        """
        self._files = files
        chain = [path for path in (files.certificate, files.key) if path]
        self._bare = Rotating(chain, lambda: tls_context(files), without=lambda before: before, tell=tell)
        """It asks no client for anything."""
        self._trusted: Rotating[str] | None = None
        if path := files.client_ca:
            self._trusted = Rotating([path], lambda: _read_authorities(path), without=lambda before: "", tell=tell)
        self._made_of: tuple[ssl.SSLContext, str] | None = None
        self._context = self._bare.value
        self.changes = 0
        """How many times another context has taken the place of the one before."""
        self.get()

    def get(self) -> ssl.SSLContext:
        """The context for new connections; nearly free while the files stay as they are."""
        bare, trusted = self._bare.get(), self._trusted.get() if self._trusted else ""
        if self._made_of != (bare, trusted):
            before = self._context
            self._context = self._asking(trusted) if trusted else bare
            is_whole = not trusted or self._context is not bare
            self._made_of = (bare, trusted) if is_whole else None
            self.changes += self._context is not before
        return self._context

    def _asking(self, trusted: str) -> ssl.SSLContext:
        """A context that asks clients; the one that asks nobody where the certificate cannot be read by now."""
        try:
            context = tls_context(self._files)
        except SourceError:
            return self._bare.value
        context.load_verify_locations(cadata=trusted)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Make a server's TLS context, which asks no client for a certificate.

    There are no tickets, so that each connection over TLS 1.3 proves itself anew. One over TLS 1.2 can be resumed by
    whoever holds its keys, with the certificate that it was begun with, for as long as this context is in use: `ssl`
    gives no way to keep OpenSSL from remembering it. That the certificate has not expired is seen at each request.

    Raises:
        SourceError: a file cannot be read, holds no certificate or no key, or the two do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    for path in (files.certificate, files.key or files.certificate):
        _see(path, "`sslCertificate` names a PEM file")
    try:
        # The empty password keeps an encrypted key from being asked for at the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except (ssl.SSLError, ValueError) as error:
        is_mismatch = getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"
        reason = "the key does not belong to the certificate" if is_mismatch else "no usable certificate and key"
        help_text = "put the certificate and its unencrypted key into one PEM file, or name the key by `sslKey`"
        raise SourceError(files.certificate, reason, help_text) from error
    return context


def _read_authorities(path: str) -> str:
    """The certificates of CAs that a file holds, in PEM.

    Raises:
        SourceError: It cannot be read, or holds none.
    """
    help_text = "`clientCA` names a PEM file with the certificates of the CAs that sign client certificates"
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_AUTHORITIES + 1)
    except OSError as error:
        raise SourceError(path, reason_of(error), help_text) from error
    if len(text) > _MAX_AUTHORITIES:
        raise SourceError(path, "larger than 16 MiB", help_text)
    found = text.decode("ascii", "ignore")  # what stands between certificates is for people
    tried = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        tried.load_verify_locations(cadata=found)
    except (ssl.SSLError, ValueError) as error:
        raise SourceError(path, "no certificate of a CA", help_text) from error
    if not tried.cert_store_stats()["x509_ca"]:
        raise SourceError(path, "no certificate of a CA", help_text)
    return found


def _see(path: str, help_text: str) -> None:
    """See that a file can be read: the words of `ssl` do not say which cannot.

    Raises:
        SourceError: It cannot.
    """
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SourceError(path, reason_of(error), help_text) from error
