"""The TLS of a listener: its certificate, the CAs of its clients, and what they are exchanged for while it runs."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from lanner.sources.base import SourceError, reason_of
from lanner.sources.renewal import Rotating


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

    @property
    def paths(self) -> tuple[str, ...]:
        """All files."""
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path)

    def rotating(self, tell: Callable[[str, str | None], None] = lambda text, help: None) -> Rotating[ssl.SSLContext]:
        """A context that is made anew when a file changes; while they cannot be used, that of before stays.

        Args:
            tell: Told when they have changed and cannot be used, with what to do.

        Raises:
            SourceError: They cannot be used.
        """
        return Rotating(self.paths, lambda: tls_context(self), without=lambda before: before, tell=tell)


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Make a server's TLS context.

    A client without a certificate gets through the handshake, so that it can be answered and counted; one whose
    certificate no CA has signed does not. Sessions are not resumed: each connection proves itself anew.

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
    if files.client_ca:
        _ask_clients(context, files.client_ca)
    return context


def _ask_clients(context: ssl.SSLContext, path: str) -> None:
    help_text = "`clientCA` names a PEM file with the certificates of the CAs that sign client certificates"
    _see(path, help_text)
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, ValueError) as error:
        raise SourceError(path, "no certificate of a CA", help_text) from error
    if not context.cert_store_stats()["x509_ca"]:
        raise SourceError(path, "no certificate of a CA", help_text)
    context.verify_mode = ssl.CERT_OPTIONAL


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
