"""The keys of outputs: their types, defaults, meanings and standing.

Source: Falco 0.44, config_json_schema.h and configuration.cpp, for the keys that `falco.yaml` has too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from lanner.config.section import PRIORITIES, WORDS, Section, secret, used


class RateLimit(Section, frozen=True):
    """`rate_limit` of an output."""

    rate: Annotated[float, used("Alerts a second on average; 0: no limit.", ge=0, le=1_000_000)] = 0.0
    max_burst: Annotated[int, used("Alerts that may come at once.", ge=1, le=1_000_000)] = 1000
    summary_s: Annotated[float, used("Seconds until a summary of what was held back.", ge=1, le=86_400)] = 60.0


class AlertOutput(Section, frozen=True):
    """What every output has: which alerts go there, and how many."""

    enabled: Annotated[bool, used("Whether alerts go there.")] = False
    priority: Annotated[
        str,
        Meta(description="Alerts below this priority do not go there.", extra={WORDS: PRIORITIES}),
    ] = "debug"
    rules: Annotated[list[str], used("Globs of rule names; without one, all rules.")] = []
    tags: Annotated[list[str], used("Tags, one of which an alert needs; without one, none.")] = []
    sources: Annotated[list[str], used("Sources of events, such as `k8s_audit` or `internal`; without one, all.")] = []
    rate_limit: Annotated[RateLimit, used("How many alerts go there.")] = RateLimit()


class LineOutput(AlertOutput, frozen=True):
    """What every output has that gets a line for each alert."""

    format: Annotated[Literal["text", "json"] | None, used("How alerts look; without it, as `json_output` says.")] = (
        None
    )
    template: Annotated[
        str, used("A line for each alert, with names such as `%rule` and `%ka.user.name` in it; JSON if `format` is.")
    ] = ""


class TlsOutput(LineOutput, frozen=True):
    """What an output has besides that speaks TLS."""

    insecure: Annotated[bool, used("Whether the server's certificate is left unchecked.")] = False
    ca_cert: Annotated[str, used("Certificate of the only authority to trust, PEM.")] = ""
    ca_bundle: Annotated[str, used("File with certificates of the only authorities to trust.")] = ""
    ca_path: Annotated[str, used("Folder with certificates of authorities.")] = "/etc/ssl/certs"
    mtls: Annotated[bool, used("Whether the client has a certificate.")] = False
    client_cert: Annotated[str, used("The client's certificate, PEM.")] = "/etc/ssl/certs/client.crt"
    client_key: Annotated[str, used("Its key, PEM.")] = "/etc/ssl/certs/client.key"


class StdoutOutput(LineOutput, frozen=True):
    """`stdout_output`."""

    enabled: Annotated[bool, used("Whether alerts are written to standard output.")] = True


class SyslogOutput(TlsOutput, frozen=True):
    """`syslog_output`."""

    transport: Annotated[Literal["local", "udp", "tcp", "tls"], used("How messages reach the daemon.")] = "local"
    path: Annotated[str, used("The daemon's local socket.")] = "/dev/log"
    host: Annotated[str, used("The daemon's host, for the other transports.")] = ""
    port: Annotated[int, used("Its port; 0: 514 for UDP, 601 for TCP, 6514 for TLS.", ge=0, le=65535)] = 0
    facility: Annotated[str, used("Facility, such as `user`, `daemon` or `local0`.")] = "user"
    app_name: Annotated[str, used("What messages say they come from.")] = "lanner"
    header: Annotated[
        Literal["rfc5424", "local"] | None, used("Which header; without it, as the transport wants it.")
    ] = None
    max_message_bytes: Annotated[int, used("Longer messages are cut there.", ge=480, le=64 * 1024 * 1024)] = 8192
    timeout_s: Annotated[float, used("Seconds for connecting and for sending.", ge=0.1, le=3600)] = 10.0


class FileOutput(LineOutput, frozen=True):
    """`file_output`."""

    keep_alive: Annotated[bool, used("Whether the file stays open between alerts.")] = False
    filename: Annotated[str, used("The file.")] = ""


class ProgramOutput(LineOutput, frozen=True):
    """`program_output`."""

    keep_alive: Annotated[bool, used("Whether one process takes all alerts.")] = False
    program: Annotated[str, used("The command, for a shell.")] = ""
    timeout_s: Annotated[float, used("Seconds it may take for an alert.", ge=0.1, le=3600)] = 30.0


class HttpOutput(TlsOutput, frozen=True):
    """`http_output`."""

    url: Annotated[str, used("Where to.")] = ""
    user_agent: Annotated[str, used("How the client calls itself.")] = "falcosecurity/falco"
    headers: Annotated[dict[str, str], secret("More headers, such as `Authorization`.")] = {}
    echo: Annotated[bool, used("Whether answers are printed.")] = False
    compress_uploads: Annotated[bool, used("Whether posts are compressed.")] = False
    keep_alive: Annotated[bool, used("Whether the connection stays open between alerts.")] = False
    max_consecutive_timeouts: Annotated[int, used("How often to try again at once.", ge=0, le=255)] = 5
    timeout_s: Annotated[float, used("Seconds for connecting, sending and the answer, each.", ge=0.1, le=3600)] = 10.0


class NotifyOutput(AlertOutput, frozen=True, kw_only=True):
    """One entry of `notify_outputs`."""

    enabled: Annotated[bool, used("Whether alerts go there.")] = True
    name: Annotated[str, used("What messages and metrics call it.")]
    urls: Annotated[list[str], secret("Addresses of services in the form of Apprise, such as `slack://…`.")]
    title: Annotated[str, used("A template of the title.")] = "%priority: %rule"
    template: Annotated[str, used("A template of the text.")] = "%message\n%time on %hostname"
    max_chars: Annotated[int, used("Longer texts are cut there.", ge=200, le=100_000)] = 4000
    timeout_s: Annotated[float, used("Seconds for connecting and for the answer, each.", ge=0.1, le=3600)] = 10.0
    give_up_s: Annotated[float, used("Seconds after which an alert that fails is given up.", ge=0, le=86_400)] = 300.0
