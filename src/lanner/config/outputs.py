"""The keys of outputs: their types, defaults, meanings and standing.

Source: Falco 0.44, config_json_schema.h and configuration.cpp, for the keys that `falco.yaml` has too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from lanner.config.section import LATER, PRIORITIES, WORDS, Section, later, secret, used


class RateLimit(Section, frozen=True):
    """`rate_limit` of an output."""

    rate: Annotated[float, later("Alerts a second on average; 0: no limit.", ge=0, le=1_000_000)] = 0.0
    max_burst: Annotated[int, later("Alerts that may come at once.", ge=1, le=1_000_000)] = 1000
    summary_s: Annotated[float, later("Seconds until a summary of what was held back.", ge=1, le=86_400)] = 60.0


class AlertOutput(Section, frozen=True):
    """What every output has: which alerts go there, and how many."""

    enabled: Annotated[bool, later("Whether alerts go there.")] = False
    priority: Annotated[
        str,
        Meta(description="Alerts below this priority do not go there.", extra={WORDS: PRIORITIES, **LATER}),
    ] = "debug"
    rules: Annotated[list[str], later("Globs of rule names; without one, all rules.")] = []
    tags: Annotated[list[str], later("Tags, one of which an alert needs; without one, none.")] = []
    sources: Annotated[list[str], later("Sources of events, such as `k8s_audit` or `internal`; without one, all.")] = []
    rate_limit: Annotated[RateLimit, later("How many alerts go there.")] = RateLimit()


class LineOutput(AlertOutput, frozen=True):
    """What every output has that gets a line for each alert."""

    format: Annotated[Literal["text", "json"] | None, later("How alerts look; without it, as `json_output` says.")] = (
        None
    )
    template: Annotated[
        str, later("A line for each alert, with names such as `%rule` and `%ka.user.name` in it; JSON if `format` is.")
    ] = ""


class TlsOutput(LineOutput, frozen=True):
    """What an output has besides that speaks TLS."""

    insecure: Annotated[bool, later("Whether the server's certificate is left unchecked.")] = False
    ca_cert: Annotated[str, later("Certificate of the only authority to trust, PEM.")] = ""
    ca_bundle: Annotated[str, later("File with certificates of the only authorities to trust.")] = ""
    ca_path: Annotated[str, later("Folder with certificates of authorities.")] = "/etc/ssl/certs"
    mtls: Annotated[bool, later("Whether the client has a certificate.")] = False
    client_cert: Annotated[str, later("The client's certificate, PEM.")] = "/etc/ssl/certs/client.crt"
    client_key: Annotated[str, later("Its key, PEM.")] = "/etc/ssl/certs/client.key"


class StdoutOutput(LineOutput, frozen=True):
    """`stdout_output`."""

    enabled: Annotated[bool, used("Whether alerts are written to standard output.")] = True


class SyslogOutput(TlsOutput, frozen=True):
    """`syslog_output`."""

    transport: Annotated[Literal["local", "udp", "tcp", "tls"], later("How messages reach the daemon.")] = "local"
    path: Annotated[str, later("The daemon's local socket.")] = "/dev/log"
    host: Annotated[str, later("The daemon's host, for the other transports.")] = ""
    port: Annotated[int, later("Its port; 0: 514 for UDP, 601 for TCP, 6514 for TLS.", ge=0, le=65535)] = 0
    facility: Annotated[str, later("Facility, such as `user`, `daemon` or `local0`.")] = "user"
    app_name: Annotated[str, later("What messages say they come from.")] = "lanner"
    header: Annotated[
        Literal["rfc5424", "local"] | None, later("Which header; without it, as the transport wants it.")
    ] = None
    max_message_bytes: Annotated[int, later("Longer messages are cut there.", ge=480, le=64 * 1024 * 1024)] = 8192
    timeout_s: Annotated[float, later("Seconds for connecting and for sending.", ge=0.1, le=3600)] = 10.0


class FileOutput(LineOutput, frozen=True):
    """`file_output`."""

    keep_alive: Annotated[bool, later("Whether the file stays open between alerts.")] = False
    filename: Annotated[str, later("The file.")] = ""


class ProgramOutput(LineOutput, frozen=True):
    """`program_output`."""

    keep_alive: Annotated[bool, later("Whether one process takes all alerts.")] = False
    program: Annotated[str, later("The command, for a shell.")] = ""
    timeout_s: Annotated[float, later("Seconds it may take for an alert.", ge=0.1, le=3600)] = 30.0


class HttpOutput(TlsOutput, frozen=True):
    """`http_output`."""

    url: Annotated[str, later("Where to.")] = ""
    user_agent: Annotated[str, later("How the client calls itself.")] = "falcosecurity/falco"
    headers: Annotated[dict[str, str], secret("More headers, such as `Authorization`.")] = {}
    echo: Annotated[bool, later("Whether answers are printed.")] = False
    compress_uploads: Annotated[bool, later("Whether posts are compressed.")] = False
    keep_alive: Annotated[bool, later("Whether the connection stays open between alerts.")] = False
    max_consecutive_timeouts: Annotated[int, later("How often to try again at once.", ge=0, le=255)] = 5
    timeout_s: Annotated[float, later("Seconds for connecting, sending and the answer, each.", ge=0.1, le=3600)] = 10.0


class NotifyOutput(AlertOutput, frozen=True, kw_only=True):
    """One entry of `notify_outputs`."""

    enabled: Annotated[bool, later("Whether alerts go there.")] = True
    name: Annotated[str, later("What messages and metrics call it.")]
    urls: Annotated[list[str], secret("Addresses of services in the form of Apprise, such as `slack://…`.")]
    title: Annotated[str, later("A template of the title.")] = "%priority: %rule"
    template: Annotated[str, later("A template of the text.")] = "%message\n%time on %hostname"
    max_chars: Annotated[int, later("Longer texts are cut there.", ge=200, le=100_000)] = 4000
    timeout_s: Annotated[float, later("Seconds for connecting and for the answer, each.", ge=0.1, le=3600)] = 10.0
    give_up_s: Annotated[float, later("Seconds after which an alert that fails is given up.", ge=0, le=86_400)] = 300.0
