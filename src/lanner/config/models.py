"""Every key of the configuration: its type, default, meaning and standing; reading, schema and pages go by it.

Source: Falco 0.44, config_json_schema.h (keys and types), configuration.cpp (defaults, older keys).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from lanner.config.blindness import Blindness
from lanner.config.outputs import (
    AlertOutput,
    FileOutput,
    HttpOutput,
    NotifyOutput,
    ProgramOutput,
    StdoutOutput,
    SyslogOutput,
)
from lanner.config.section import PRIORITIES, WORDS, Section, Standing, accepted, used
from lanner.config.storage import Storage

__all__ = ["Config", "Standing"]


class ConfigFile(Section, frozen=True):
    """One entry of `config_files`."""

    path: Annotated[str, used("File, or folder whose files are read in the order of their names.")]
    strategy: Annotated[
        Literal["append", "override", "add-only"],
        used("`append` adds to lists and replaces the rest, `override` replaces all, `add-only` replaces nothing."),
    ] = "append"


class RuleSelector(Section, frozen=True):
    """Which rules an entry of `rules` is about."""

    rule: Annotated[str, used("Name of a rule; `*` stands for any text.")] = ""
    tag: Annotated[str, used("Rules with this tag.")] = ""


class RuleSelection(Section, frozen=True):
    """One entry of `rules`; they apply in order."""

    enable: Annotated[RuleSelector | None, used("Rules to switch on.")] = None
    disable: Annotated[RuleSelector | None, used("Rules to switch off.")] = None


class AppendMatch(Section, frozen=True):
    """Which rules an entry of `append_output` is about; without keys, all."""

    source: Annotated[str, used("Rules of this source.")] = ""
    tags: Annotated[list[str], used("Rules with all of these tags.")] = []
    rule: Annotated[str, used("The rule of this name.")] = ""


class AppendedOutput(Section, frozen=True):
    """One entry of `append_output`."""

    match: Annotated[AppendMatch, used("To which rules it is added.")] = AppendMatch()
    extra_output: Annotated[str, used("Text behind the output.")] = ""
    extra_fields: Annotated[
        list[str | dict[str, str]],
        used("Further entries of `output_fields`: names of fields, or mappings of a key to a text with fields."),
    ] = []
    suggested_output: Annotated[bool, used("Fields that are suggested: those of `static_fields`.")] = False


class PluginEntry(Section, frozen=True):
    """One entry of `plugins`."""

    name: Annotated[str, used("The plugin's name.")]
    library_path: Annotated[str, accepted("The plugin's library; here plugins are Python packages.")] = ""
    init_config: Annotated[
        dict[str, Any] | str | None, used("The plugin's options: a mapping, or a text with JSON or YAML.")
    ] = None
    open_params: Annotated[str, used("Where events come from; for k8saudit an address to listen on, or a file.")] = ""


class SourceEntry(Section, frozen=True):
    """One entry of `sources`, which Falco does not have."""

    name: Annotated[str, used("What messages and metrics call it; no two have the same.", min_length=1)]
    plugin: Annotated[str, used("The plugin that its events come from.")] = "k8saudit"
    open_params: Annotated[str, used("Where events come from; for k8saudit an address to listen on, or a file.")] = ""
    init_config: Annotated[
        dict[str, Any] | str | None, used("The plugin's options: a mapping, or a text with JSON or YAML.")
    ] = None
    rules_files: Annotated[list[str], used("Rule files for its events, and `default`; without one, those of all.")] = []


class Kmod(Section, frozen=True):
    """`engine.kmod`."""

    buf_size_preset: Annotated[int, accepted("Size of the driver's buffers.")] = 4
    drop_failed_exit: Annotated[bool, accepted("Whether failed system calls are dropped.")] = False


class ModernEbpf(Kmod, frozen=True):
    """`engine.modern_ebpf`."""

    cpus_for_each_buffer: Annotated[int, accepted("Processors that share a buffer.")] = 2
    disable_iterators: Annotated[bool, accepted("Whether the kernel's iterators are left alone.")] = False


class Replay(Section, frozen=True):
    """`engine.replay`."""

    capture_file: Annotated[str, accepted("Capture of system calls to read.")] = ""


class Engine(Section, frozen=True):
    """`engine`."""

    kind: Annotated[str, accepted("Which driver collects system calls.")] = "modern_ebpf"
    kmod: Annotated[Kmod, accepted("Of the kernel module.")] = Kmod()
    modern_ebpf: Annotated[ModernEbpf, accepted("Of the eBPF probe.")] = ModernEbpf()
    replay: Annotated[Replay, accepted("Of captures.")] = Replay()
    ebpf: Annotated[dict[str, Any], accepted("Of the eBPF probe of older versions.")] = {}
    gvisor: Annotated[dict[str, Any], accepted("Of gVisor, of older versions.")] = {}


class Capture(Section, frozen=True):
    """`capture`."""

    enabled: Annotated[bool, accepted("Whether alerts start captures.")] = False
    path_prefix: Annotated[str, accepted("Where captures are written.")] = "/tmp/falco"  # noqa: S108 - Falco's default
    mode: Annotated[Literal["rules", "all_rules"], accepted("Which rules start captures.")] = "rules"
    default_duration: Annotated[int, accepted("Length of a capture, in milliseconds.")] = 5000
    max_file_size_mb: Annotated[int, accepted("Size of a capture, in MiB.")] = 0


class OutputsQueue(Section, frozen=True):
    """`outputs_queue`."""

    capacity: Annotated[
        int, used("Alerts that are kept in memory for outputs that keep up, at most 64 MiB of them; 0: 10,000.", ge=0)
    ] = 0


class Webserver(Section, frozen=True):
    """`webserver`."""

    enabled: Annotated[bool, used("Whether the server listens.")] = False
    threadiness: Annotated[int, accepted("Threads; Lanner needs one.")] = 0
    listen_port: Annotated[int, used("Port to listen on.", ge=0, le=65535)] = 8765
    listen_address: Annotated[str, used("Address to listen on.")] = "0.0.0.0"  # noqa: S104 - Falco's default
    k8s_audit_endpoint: Annotated[
        str, used("Path that takes posts of audit events, as in old versions of Falco; none: no posts here.")
    ] = ""
    k8s_healthz_endpoint: Annotated[str, used("Path that says whether all is well.")] = "/healthz"
    prometheus_metrics_enabled: Annotated[bool, used("Whether `/metrics` is served.")] = False
    ssl_enabled: Annotated[bool, used("Whether the server speaks HTTPS.")] = False
    ssl_certificate: Annotated[str, used("PEM file with certificate and key.")] = "/etc/falco/falco.pem"
    token_file: Annotated[
        str, used("File of bearer tokens, one of which `/metrics`, `/versions` and posts then ask for (Lanner's own).")
    ] = ""


class LibsLogger(Section, frozen=True):
    """`libs_logger`."""

    enabled: Annotated[bool, accepted("Whether Falco's libraries log.")] = True
    severity: Annotated[str, accepted("From which severity on.")] = "info"


class SyscallEventTimeouts(Section, frozen=True):
    """`syscall_event_timeouts`."""

    max_consecutives: Annotated[int, accepted("Timeouts before an alert.")] = 1000


class SyscallEventDrops(Section, frozen=True):
    """`syscall_event_drops`."""

    threshold: Annotated[float, accepted("Share of lost system calls that counts.")] = 0.1
    actions: Annotated[list[str], accepted("What to do about lost system calls.")] = []
    rate: Annotated[float, accepted("How often, per second.")] = 0.03333
    max_burst: Annotated[float, accepted("How often at once.")] = 1.0
    simulate_drops: Annotated[bool, accepted("Whether to pretend.")] = False


class Metrics(Section, frozen=True):
    """`metrics`."""

    enabled: Annotated[bool, used("Whether metrics are written.")] = False
    interval: Annotated[str, used("How often, such as 15m.")] = "5000"
    output_rule: Annotated[bool, used("Whether as an alert.")] = False
    output_file: Annotated[str, used("File to write them to.")] = ""
    rules_counters_enabled: Annotated[bool, used("Alerts by rule.")] = True
    resource_utilization_enabled: Annotated[bool, used("Processor and memory.")] = True
    state_counters_enabled: Annotated[bool, accepted("Of the state of system calls.")] = True
    kernel_event_counters_enabled: Annotated[bool, accepted("Of the driver.")] = True
    kernel_event_counters_per_cpu_enabled: Annotated[bool, accepted("Of the driver, by processor.")] = True
    libbpf_stats_enabled: Annotated[bool, accepted("Of libbpf.")] = True
    plugins_metrics_enabled: Annotated[bool, accepted("Of plugins.")] = True
    kernel_iter_event_counters_enabled: Annotated[bool, accepted("Of the kernel's iterators.")] = True
    jemalloc_stats_enabled: Annotated[bool, accepted("Of the allocator.")] = True
    convert_memory_to_mb: Annotated[bool, used("Memory in megabytes.")] = True
    include_empty_values: Annotated[bool, used("Counters that are 0, too.")] = False


class BaseSyscalls(Section, frozen=True):
    """`base_syscalls`."""

    all: Annotated[bool, accepted("Whether all are collected.")] = False
    custom_set: Annotated[list[str], accepted("Which are collected.")] = []
    repair: Annotated[bool, accepted("Whether missing ones are added.")] = False


class FalcoLibs(Section, frozen=True):
    """`falco_libs`."""

    thread_table_size: Annotated[int, accepted("Threads that are known at a time.")] = 262144
    thread_table_auto_purging_interval_s: Annotated[int, accepted("How often old threads are forgotten.")] = 300
    thread_table_auto_purging_thread_timeout_s: Annotated[int, accepted("When a thread is old.")] = 300
    snaplen: Annotated[int, accepted("Bytes kept of a buffer.")] = 0


class Config(Section, frozen=True):
    """A configuration."""

    config_files: Annotated[
        list[str | ConfigFile], used("Further configuration files, or folders; a path, or a mapping.")
    ] = []
    watch_config_files: Annotated[bool, used("Whether changed files are read again.")] = True
    rules_files: Annotated[
        list[str],
        used("Rule files and folders, `default` for the default rules; those that do not exist are left out."),
    ] = []
    rules_file: Annotated[list[str], used("Older name of `rules_files`.")] = []
    rule_files: Annotated[list[str], used("Other name of `rules_files`.")] = []
    rules: Annotated[list[RuleSelection], used("Which rules are switched on or off, in order.")] = []
    load_plugins: Annotated[list[str] | None, used("Plugins that count as loaded; without it, all.")] = None
    plugins: Annotated[list[PluginEntry], used("Options of plugins, and where their events come from.")] = []
    sources: Annotated[
        list[SourceEntry], used("Sources of events in one process, each with its own rules, beside those of `plugins`.")
    ] = []
    allow_unauthenticated: Annotated[
        bool, used("Whether an address beyond this machine may be listened on without asking who posts.")
    ] = False
    rule_matching: Annotated[
        Literal["all", "first"], used("Whether all rules that match an event alert, or only the first.")
    ] = "all"
    priority: Annotated[
        str, Meta(description="Rules below this priority are not loaded.", extra={WORDS: PRIORITIES})
    ] = "debug"
    json_output: Annotated[bool, used("Whether alerts are JSON.")] = False
    json_include_output_property: Annotated[bool, used("Whether JSON alerts have `output`.")] = True
    json_include_message_property: Annotated[bool, used("Whether JSON alerts have `message`.")] = False
    json_include_output_fields_property: Annotated[bool, used("Whether JSON alerts have `output_fields`.")] = True
    json_include_tags_property: Annotated[bool, used("Whether JSON alerts have `tags`.")] = True
    append_output: Annotated[list[AppendedOutput], used("What is added to the outputs of rules.")] = []
    static_fields: Annotated[
        dict[str, str], used("Fields with fixed values, for conditions and outputs: `static.NAME`.")
    ] = {}
    time_format_iso_8601: Annotated[bool, used("Whether times in text are date and time in UTC.")] = False
    buffered_outputs: Annotated[bool, used("Accepted; alerts are handed on with each block of events.")] = False
    store: Annotated[Storage, used("Where alerts are kept until outputs have them, and after.")] = Storage()
    outputs_queue: Annotated[OutputsQueue, used("Alerts on their way to outputs.")] = OutputsQueue()
    output_timeout: Annotated[
        int, accepted("How long outputs may take, in milliseconds; here none can hold up detection, or another.")
    ] = 2000
    stdout_output: Annotated[StdoutOutput, used("Alerts to standard output.")] = StdoutOutput()
    syslog_output: Annotated[SyslogOutput, used("Alerts to syslog.")] = SyslogOutput()
    file_output: Annotated[FileOutput, used("Alerts to a file.")] = FileOutput()
    program_output: Annotated[ProgramOutput, used("Alerts to a program.")] = ProgramOutput()
    http_output: Annotated[HttpOutput, used("Alerts to a server.")] = HttpOutput()
    notify_outputs: Annotated[
        list[NotifyOutput], used("Alerts to people: chats, pagers, e-mail and other services that Apprise knows.")
    ] = []
    webserver: Annotated[Webserver, used("The server for posts, health and metrics.")] = Webserver()
    log_stderr: Annotated[
        bool, used("Whether messages of `lanner run` go to standard error; what ends the program always does.")
    ] = True
    log_syslog: Annotated[bool, used("Whether messages of `lanner run` go to the system's log.")] = False
    log_level: Annotated[
        str, Meta(description="Messages of `lanner run` below this level are left out.", extra={WORDS: PRIORITIES})
    ] = "info"
    log_format: Annotated[
        Literal["auto", "text", "json"],
        used("Messages of `lanner run` as text or JSON; `auto`: text on a terminal, else JSON."),
    ] = "auto"
    metrics: Annotated[Metrics, used("Metrics at intervals.")] = Metrics()
    blindness: Annotated[Blindness, used("Whether events are missed: what is watched, and told of.")] = Blindness()
    buffer_format_base64: Annotated[bool, accepted("How bytes of system calls are printed.")] = False
    plugins_hostinfo: Annotated[bool, accepted("Whether plugins see the host's files.")] = True
    engine: Annotated[Engine, accepted("How system calls are collected.")] = Engine()
    capture: Annotated[Capture, accepted("Captures of system calls.")] = Capture()
    libs_logger: Annotated[LibsLogger, accepted("Messages of Falco's libraries.")] = LibsLogger()
    syscall_event_timeouts: Annotated[SyscallEventTimeouts, accepted("Missing system calls.")] = SyscallEventTimeouts()
    syscall_event_drops: Annotated[SyscallEventDrops, accepted("Lost system calls.")] = SyscallEventDrops()
    base_syscalls: Annotated[BaseSyscalls, accepted("Which system calls are collected.")] = BaseSyscalls()
    falco_libs: Annotated[FalcoLibs, accepted("Limits of Falco's libraries.")] = FalcoLibs()
    grpc: Annotated[dict[str, Any], accepted("Of older versions.")] = {}
    grpc_output: Annotated[dict[str, Any], accepted("Of older versions.")] = {}
    outputs: Annotated[dict[str, Any], accepted("Of older versions: rate of alerts.")] = {}
    container_engines: Annotated[dict[str, Any], accepted("Of older versions.")] = {}
    metadata_download: Annotated[dict[str, Any], accepted("Of older versions.")] = {}
    syscall_buf_size_preset: Annotated[int, accepted("Of older versions.")] = 4
    syscall_drop_failed_exit: Annotated[bool, accepted("Of older versions.")] = False
    modern_bpf: Annotated[dict[str, Any], accepted("Of older versions.")] = {}


def alert_outputs(config: Config) -> list[AlertOutput]:
    """The sections of all outputs, enabled or not."""
    sections = (getattr(config, name) for name in config.__struct_fields__)
    return [*(section for section in sections if isinstance(section, AlertOutput)), *config.notify_outputs]
