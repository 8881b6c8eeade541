"""Every key of the configuration: its type, default, meaning and standing; reading, schema and pages go by it.

Source: Falco 0.44, config_json_schema.h (keys and types), configuration.cpp (defaults, older keys).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from lanner.rules.priority import Priority


class Standing(StrEnum):
    """What Lanner does with a key."""

    USED = "used"
    ACCEPTED = "accepted, without effect"
    LATER = "not yet"


STANDING = "standing"
WORDS = "words"
"""Names in the extra part of a key's description: its standing, and the words that it takes, in any case."""

_ACCEPTED = {STANDING: Standing.ACCEPTED}
_LATER = {STANDING: Standing.LATER}
_PRIORITIES = (*(priority.value.lower() for priority in Priority), "info")


def _used(description: str, **bounds: Any) -> Meta:
    return Meta(description=description, **bounds)


def _accepted(description: str) -> Meta:
    """A key that only concerns system calls, or that Lanner has no need of."""
    return Meta(description=description, extra=_ACCEPTED)


def _later(description: str, **bounds: Any) -> Meta:
    """A key with a meaning that this version does not have yet."""
    return Meta(description=description, extra=_LATER, **bounds)


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping with known keys."""


class ConfigFile(Section, frozen=True):
    """One entry of `config_files`."""

    path: Annotated[str, _used("File, or folder whose files are read in the order of their names.")]
    strategy: Annotated[
        Literal["append", "override", "add-only"],
        _used("`append` adds to lists and replaces the rest, `override` replaces all, `add-only` replaces nothing."),
    ] = "append"


class RuleSelector(Section, frozen=True):
    """Which rules an entry of `rules` is about."""

    rule: Annotated[str, _used("Name of a rule; `*` stands for any text.")] = ""
    tag: Annotated[str, _used("Rules with this tag.")] = ""


class RuleSelection(Section, frozen=True):
    """One entry of `rules`; they apply in order."""

    enable: Annotated[RuleSelector | None, _used("Rules to switch on.")] = None
    disable: Annotated[RuleSelector | None, _used("Rules to switch off.")] = None


class AppendMatch(Section, frozen=True):
    """Which rules an entry of `append_output` is about; without keys, all."""

    source: Annotated[str, _used("Rules of this source.")] = ""
    tags: Annotated[list[str], _used("Rules with all of these tags.")] = []
    rule: Annotated[str, _used("The rule of this name.")] = ""


class AppendedOutput(Section, frozen=True):
    """One entry of `append_output`."""

    match: Annotated[AppendMatch, _used("To which rules it is added.")] = AppendMatch()
    extra_output: Annotated[str, _used("Text behind the output.")] = ""
    extra_fields: Annotated[
        list[str | dict[str, str]],
        _used("Further entries of `output_fields`: names of fields, or mappings of a key to a text with fields."),
    ] = []
    suggested_output: Annotated[bool, _accepted("Fields that plugins suggest; those of audit events suggest none.")] = (
        False
    )


class Plugin(Section, frozen=True):
    """One entry of `plugins`."""

    name: Annotated[str, _used("The plugin's name.")]
    library_path: Annotated[str, _accepted("The plugin's library; Lanner's plugins are built in.")] = ""
    init_config: Annotated[
        dict[str, Any] | str | None, _used("The plugin's options: a mapping, or a text with JSON or YAML.")
    ] = None
    open_params: Annotated[str, _used("Where events come from; for k8saudit an address to listen on, or a file.")] = ""


class Kmod(Section, frozen=True):
    """`engine.kmod`."""

    buf_size_preset: Annotated[int, _accepted("Size of the driver's buffers.")] = 4
    drop_failed_exit: Annotated[bool, _accepted("Whether failed system calls are dropped.")] = False


class ModernEbpf(Kmod, frozen=True):
    """`engine.modern_ebpf`."""

    cpus_for_each_buffer: Annotated[int, _accepted("Processors that share a buffer.")] = 2
    disable_iterators: Annotated[bool, _accepted("Whether the kernel's iterators are left alone.")] = False


class Replay(Section, frozen=True):
    """`engine.replay`."""

    capture_file: Annotated[str, _accepted("Capture of system calls to read.")] = ""


class Engine(Section, frozen=True):
    """`engine`."""

    kind: Annotated[str, _accepted("Which driver collects system calls.")] = "modern_ebpf"
    kmod: Annotated[Kmod, _accepted("Of the kernel module.")] = Kmod()
    modern_ebpf: Annotated[ModernEbpf, _accepted("Of the eBPF probe.")] = ModernEbpf()
    replay: Annotated[Replay, _accepted("Of captures.")] = Replay()
    ebpf: Annotated[dict[str, Any], _accepted("Of the eBPF probe of older versions.")] = {}
    gvisor: Annotated[dict[str, Any], _accepted("Of gVisor, of older versions.")] = {}


class Capture(Section, frozen=True):
    """`capture`."""

    enabled: Annotated[bool, _accepted("Whether alerts start captures.")] = False
    path_prefix: Annotated[str, _accepted("Where captures are written.")] = "/tmp/falco"  # noqa: S108 - Falco's default
    mode: Annotated[Literal["rules", "all_rules"], _accepted("Which rules start captures.")] = "rules"
    default_duration: Annotated[int, _accepted("Length of a capture, in milliseconds.")] = 5000
    max_file_size_mb: Annotated[int, _accepted("Size of a capture, in MiB.")] = 0


class OutputsQueue(Section, frozen=True):
    """`outputs_queue`."""

    capacity: Annotated[int, _later("Alerts that may wait for outputs; 0: no bound.", ge=0)] = 0


class StdoutOutput(Section, frozen=True):
    """`stdout_output`."""

    enabled: Annotated[bool, _used("Whether alerts are written to standard output.")] = True


class SyslogOutput(Section, frozen=True):
    """`syslog_output`."""

    enabled: Annotated[bool, _later("Whether alerts are sent to syslog.")] = False


class FileOutput(Section, frozen=True):
    """`file_output`."""

    enabled: Annotated[bool, _later("Whether alerts are written to a file.")] = False
    keep_alive: Annotated[bool, _later("Whether the file stays open between alerts.")] = False
    filename: Annotated[str, _later("The file.")] = ""


class ProgramOutput(Section, frozen=True):
    """`program_output`."""

    enabled: Annotated[bool, _later("Whether alerts are piped to a program.")] = False
    keep_alive: Annotated[bool, _later("Whether one process takes all alerts.")] = False
    program: Annotated[str, _later("The command, for a shell.")] = ""


class HttpOutput(Section, frozen=True):
    """`http_output`."""

    enabled: Annotated[bool, _later("Whether alerts are posted.")] = False
    url: Annotated[str, _later("Where to.")] = ""
    user_agent: Annotated[str, _later("How the client calls itself.")] = "falcosecurity/falco"
    insecure: Annotated[bool, _later("Whether the server's certificate is left unchecked.")] = False
    ca_cert: Annotated[str, _later("Certificate of the authority, PEM.")] = ""
    ca_bundle: Annotated[str, _later("File with certificates of authorities.")] = ""
    ca_path: Annotated[str, _later("Folder with certificates of authorities.")] = "/etc/ssl/certs"
    mtls: Annotated[bool, _later("Whether the client has a certificate.")] = False
    client_cert: Annotated[str, _later("The client's certificate, PEM.")] = "/etc/ssl/certs/client.crt"
    client_key: Annotated[str, _later("Its key, PEM.")] = "/etc/ssl/certs/client.key"
    echo: Annotated[bool, _later("Whether answers are printed.")] = False
    compress_uploads: Annotated[bool, _later("Whether posts are compressed.")] = False
    keep_alive: Annotated[bool, _later("Whether the connection stays open between alerts.")] = False
    max_consecutive_timeouts: Annotated[int, _later("Timeouts before alerts are dropped.", ge=0, le=255)] = 5


class Webserver(Section, frozen=True):
    """`webserver`."""

    enabled: Annotated[bool, _used("Whether the server listens.")] = False
    threadiness: Annotated[int, _accepted("Threads; Lanner needs one.")] = 0
    listen_port: Annotated[int, _used("Port to listen on.", ge=0, le=65535)] = 8765
    listen_address: Annotated[str, _used("Address to listen on.")] = "0.0.0.0"  # noqa: S104 - Falco's default
    k8s_audit_endpoint: Annotated[
        str, _used("Path that takes posts of audit events, as in old versions of Falco; none: no posts here.")
    ] = ""
    k8s_healthz_endpoint: Annotated[str, _later("Path that says whether all is well.")] = "/healthz"
    prometheus_metrics_enabled: Annotated[bool, _later("Whether `/metrics` is served.")] = False
    ssl_enabled: Annotated[bool, _used("Whether the server speaks HTTPS.")] = False
    ssl_certificate: Annotated[str, _used("PEM file with certificate and key.")] = "/etc/falco/falco.pem"


class LibsLogger(Section, frozen=True):
    """`libs_logger`."""

    enabled: Annotated[bool, _accepted("Whether Falco's libraries log.")] = True
    severity: Annotated[str, _accepted("From which severity on.")] = "info"


class SyscallEventTimeouts(Section, frozen=True):
    """`syscall_event_timeouts`."""

    max_consecutives: Annotated[int, _accepted("Timeouts before an alert.")] = 1000


class SyscallEventDrops(Section, frozen=True):
    """`syscall_event_drops`."""

    threshold: Annotated[float, _accepted("Share of lost system calls that counts.")] = 0.1
    actions: Annotated[list[str], _accepted("What to do about lost system calls.")] = []
    rate: Annotated[float, _accepted("How often, per second.")] = 0.03333
    max_burst: Annotated[float, _accepted("How often at once.")] = 1.0
    simulate_drops: Annotated[bool, _accepted("Whether to pretend.")] = False


class Metrics(Section, frozen=True):
    """`metrics`."""

    enabled: Annotated[bool, _later("Whether metrics are written.")] = False
    interval: Annotated[str, _later("How often, such as 15m.")] = "5000"
    output_rule: Annotated[bool, _later("Whether as an alert.")] = False
    output_file: Annotated[str, _later("File to write them to.")] = ""
    rules_counters_enabled: Annotated[bool, _later("Alerts by rule.")] = True
    resource_utilization_enabled: Annotated[bool, _later("Processor and memory.")] = True
    state_counters_enabled: Annotated[bool, _accepted("Of the state of system calls.")] = True
    kernel_event_counters_enabled: Annotated[bool, _accepted("Of the driver.")] = True
    kernel_event_counters_per_cpu_enabled: Annotated[bool, _accepted("Of the driver, by processor.")] = True
    libbpf_stats_enabled: Annotated[bool, _accepted("Of libbpf.")] = True
    plugins_metrics_enabled: Annotated[bool, _later("Of plugins.")] = True
    kernel_iter_event_counters_enabled: Annotated[bool, _accepted("Of the kernel's iterators.")] = True
    jemalloc_stats_enabled: Annotated[bool, _accepted("Of the allocator.")] = True
    convert_memory_to_mb: Annotated[bool, _later("Memory in megabytes.")] = True
    include_empty_values: Annotated[bool, _later("Counters that are 0, too.")] = False


class BaseSyscalls(Section, frozen=True):
    """`base_syscalls`."""

    all: Annotated[bool, _accepted("Whether all are collected.")] = False
    custom_set: Annotated[list[str], _accepted("Which are collected.")] = []
    repair: Annotated[bool, _accepted("Whether missing ones are added.")] = False


class FalcoLibs(Section, frozen=True):
    """`falco_libs`."""

    thread_table_size: Annotated[int, _accepted("Threads that are known at a time.")] = 262144
    thread_table_auto_purging_interval_s: Annotated[int, _accepted("How often old threads are forgotten.")] = 300
    thread_table_auto_purging_thread_timeout_s: Annotated[int, _accepted("When a thread is old.")] = 300
    snaplen: Annotated[int, _accepted("Bytes kept of a buffer.")] = 0


class Config(Section, frozen=True):
    """A configuration."""

    config_files: Annotated[
        list[str | ConfigFile], _used("Further configuration files, or folders; a path, or a mapping.")
    ] = []
    watch_config_files: Annotated[bool, _later("Whether changed files are read again.")] = True
    rules_files: Annotated[list[str], _used("Rule files and folders; those that do not exist are left out.")] = []
    rules_file: Annotated[list[str], _used("Older name of `rules_files`.")] = []
    rule_files: Annotated[list[str], _used("Other name of `rules_files`.")] = []
    rules: Annotated[list[RuleSelection], _used("Which rules are switched on or off, in order.")] = []
    load_plugins: Annotated[list[str] | None, _used("Plugins that count as loaded; without it, all.")] = None
    plugins: Annotated[list[Plugin], _used("Options of plugins, and where their events come from.")] = []
    allow_unauthenticated: Annotated[
        bool, _used("Whether an address beyond this machine may be listened on without asking who posts.")
    ] = False
    rule_matching: Annotated[
        Literal["all", "first"], _used("Whether all rules that match an event alert, or only the first.")
    ] = "all"
    priority: Annotated[
        str, Meta(description="Rules below this priority are not loaded.", extra={WORDS: _PRIORITIES})
    ] = "debug"
    json_output: Annotated[bool, _used("Whether alerts are JSON.")] = False
    json_include_output_property: Annotated[bool, _used("Whether JSON alerts have `output`.")] = True
    json_include_message_property: Annotated[bool, _used("Whether JSON alerts have `message`.")] = False
    json_include_output_fields_property: Annotated[bool, _used("Whether JSON alerts have `output_fields`.")] = True
    json_include_tags_property: Annotated[bool, _used("Whether JSON alerts have `tags`.")] = True
    append_output: Annotated[list[AppendedOutput], _used("What is added to the outputs of rules.")] = []
    static_fields: Annotated[dict[str, str], _later("Fields with fixed values for outputs.")] = {}
    time_format_iso_8601: Annotated[bool, _used("Whether times in text are date and time in UTC.")] = False
    buffered_outputs: Annotated[bool, _used("Accepted; alerts are handed on with each block of events.")] = False
    outputs_queue: Annotated[OutputsQueue, _used("Alerts on their way to outputs.")] = OutputsQueue()
    output_timeout: Annotated[int, _later("How long an output may take, in milliseconds.", ge=0)] = 2000
    stdout_output: Annotated[StdoutOutput, _used("Alerts to standard output.")] = StdoutOutput()
    syslog_output: Annotated[SyslogOutput, _later("Alerts to syslog.")] = SyslogOutput()
    file_output: Annotated[FileOutput, _later("Alerts to a file.")] = FileOutput()
    program_output: Annotated[ProgramOutput, _later("Alerts to a program.")] = ProgramOutput()
    http_output: Annotated[HttpOutput, _later("Alerts to a server.")] = HttpOutput()
    webserver: Annotated[Webserver, _used("The server for posts, health and metrics.")] = Webserver()
    log_stderr: Annotated[bool, _accepted("Whether messages go to standard error; Lanner's always do.")] = False
    log_syslog: Annotated[bool, _later("Whether messages go to syslog.")] = True
    log_level: Annotated[str, _later("From which severity on there are messages.")] = "info"
    metrics: Annotated[Metrics, _later("Metrics.")] = Metrics()
    buffer_format_base64: Annotated[bool, _accepted("How bytes of system calls are printed.")] = False
    plugins_hostinfo: Annotated[bool, _accepted("Whether plugins see the host's files.")] = True
    engine: Annotated[Engine, _accepted("How system calls are collected.")] = Engine()
    capture: Annotated[Capture, _accepted("Captures of system calls.")] = Capture()
    libs_logger: Annotated[LibsLogger, _accepted("Messages of Falco's libraries.")] = LibsLogger()
    syscall_event_timeouts: Annotated[SyscallEventTimeouts, _accepted("Missing system calls.")] = SyscallEventTimeouts()
    syscall_event_drops: Annotated[SyscallEventDrops, _accepted("Lost system calls.")] = SyscallEventDrops()
    base_syscalls: Annotated[BaseSyscalls, _accepted("Which system calls are collected.")] = BaseSyscalls()
    falco_libs: Annotated[FalcoLibs, _accepted("Limits of Falco's libraries.")] = FalcoLibs()
    grpc: Annotated[dict[str, Any], _accepted("Of older versions.")] = {}
    grpc_output: Annotated[dict[str, Any], _accepted("Of older versions.")] = {}
    outputs: Annotated[dict[str, Any], _accepted("Of older versions: rate of alerts.")] = {}
    container_engines: Annotated[dict[str, Any], _accepted("Of older versions.")] = {}
    metadata_download: Annotated[dict[str, Any], _accepted("Of older versions.")] = {}
    syscall_buf_size_preset: Annotated[int, _accepted("Of older versions.")] = 4
    syscall_drop_failed_exit: Annotated[bool, _accepted("Of older versions.")] = False
    modern_bpf: Annotated[dict[str, Any], _accepted("Of older versions.")] = {}
