"""TLS as a client, for every output that speaks it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from lanner.outputs.sink import OptionError

_USUAL_PATH = "/etc/ssl/certs"
"""What `falco.yaml` names; a small image may be without it, and trusts what Python trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Whom to trust, and who one is; the names of `http_output` in `falco.yaml`. Empty texts are unset.

    Attributes:
        insecure: Do not verify the server.
        ca_cert: A PEM file of the authorities that may sign the server's certificate; nobody else may then.
        ca_bundle: The same, where `ca_cert` is unset.
        ca_path: A folder of such files, named by hash, trusted beside the system's where no file is named.
        mtls: Show a certificate to the server.
        client_cert: The certificate's PEM file.
        client_key: The file of its unencrypted key.
    """

    insecure: bool = False
    ca_cert: str = ""
    ca_bundle: str = ""
    ca_path: str = ""
    mtls: bool = False
    client_cert: str = ""
    client_key: str = ""

    def context(self) -> ssl.SSLContext:
        """Read the files; TLS 1.2 is the least.

        Raises:
            OptionError: A file cannot be used.
        """
        context = self._trusting()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.mtls:
            self._identify(context)
        return context

    def _trusting(self) -> ssl.SSLContext:
        option = "ca_cert" if self.ca_cert else "ca_bundle"
        file = self.ca_cert or self.ca_bundle
        try:
            context = ssl.create_default_context(cafile=file or None)
        except OSError as error:
            raise OptionError(option, f"cannot use `{file}`: {_reason(error)}", "name a PEM file") from error
        if not file and self.ca_path:
            if Path(self.ca_path).is_dir():
                context.load_verify_locations(capath=self.ca_path)
            elif self.ca_path != _USUAL_PATH:
                raise OptionError("ca_path", f"no folder `{self.ca_path}`", "name a folder of PEM files named by hash")
        return context

    def _identify(self, context: ssl.SSLContext) -> None:
        if not self.client_cert:
            raise OptionError("client_cert", "needed for `mtls`", "name the PEM file of the client's certificate")
        try:
            # A password is given so that an encrypted key is an error and not a question on the terminal.
            context.load_cert_chain(self.client_cert, self.client_key or None, password="")
        except OSError as error:
            files = " and ".join(f"`{file}`" for file in (self.client_cert, self.client_key) if file)
            raise OptionError("client_cert", f"cannot use {files}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "not PEM, encrypted, or key and certificate do not belong together"
    return (error.strerror or "cannot be read").lower()
