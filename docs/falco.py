"""What Falco has, and how Lanner stands to it where its own tables do not say so.

Source: Falco 0.44.1, app/options.cpp (flags), config_json_schema.h (keys), configuration.cpp (defaults); for what older
versions had, the same files of theirs, back to 0.32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How Lanner stands to something that Falco has."""

    SAME = "same"
    BETTER = "better"
    DIFFERS = "differs"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Remark:
    """What Lanner does otherwise, and what to do about it."""

    verdict: Verdict
    text: str


def _same(text: str = "") -> Remark:
    return Remark(Verdict.SAME, text)


def _better(text: str) -> Remark:
    return Remark(Verdict.BETTER, text)


def _differs(text: str) -> Remark:
    return Remark(Verdict.DIFFERS, text)


FLAGS: Mapping[str, Remark] = {
    "-h, --help": _differs("Shows Lanner's commands, and Falco's flags below them."),
    "-c": _better(
        "Without it the first of `./lanner.yaml`, `/etc/lanner/lanner.yaml` and `/etc/falco/falco.yaml`, and if there "
        "is none the defaults; Falco needs a file."
    ),
    "--config-schema": _same("The schema of Lanner's keys, Falco's among them."),
    "--rule-schema": _same(),
    "--disable-source": _better("`syscall` may be named, though it is never there; so may a source by its name."),
    "--dry-run": _same(),
    "--enable-source": _same(),
    "-i": _same(),
    "-L": _same(),
    "-l": _better("An unknown name is an error that suggests the nearest."),
    "--list": _differs("The fields that audit events have; `lanner fields` adds the least audit level of each."),
    "--list-events": _same(),
    "--list-plugins": _same("Those of other packages are among them."),
    "-M": _same("Parts of a second are taken too."),
    "--markdown": _same(),
    "--format": _same(),
    "-N": _same(),
    "-o, --option": _better("A misspelt key is an error with a suggestion."),
    "--plugin-info": _same(),
    "-p, --print": _same("`-pc` and `-pk` add nothing: they are about containers' system calls."),
    "-P, --pidfile": _same(),
    "-r": _better("Without it, and without `rules_files`, the default rules are used; Falco ends."),
    "--support": _differs("JSON with Lanner's versions, the system, the command line and the rule files."),
    "-U, --unbuffered": _same("Alerts are never held back, with or without it."),
    "-V, --validate": _better("All errors of all files at once. Errors end it with status 2, not 1."),
    "-v": _same("Shows warnings of rule files in full; without it they are counted."),
    "--version": _differs("Lanner's version, and that of the engine as which it counts; no driver."),
    "--page-size": _same(),
}
"""The flags of Falco 0.44, in the order of its help. For those that Lanner refuses, its own table says why."""

OLDER_FLAGS: Mapping[str, tuple[str, str]] = {
    "-D": ("0.38", "`rules` in the configuration; with `lanner run` and `lanner scan`, `--disable`"),
    "-t": ("0.38", "`rules` in the configuration; with `lanner run` and `lanner scan`, `--tag`"),
    "-T": ("0.38", "`rules` in the configuration; with `lanner run` and `lanner scan`, `--not-tag`"),
    "-e": ("0.37", "the same: `-e FILE` reads events from a file, then ends; or `lanner scan FILE`"),
    "-d, --daemon": ("0.35", "leave it out; let systemd or Kubernetes start it"),
    "--list-syscall-events": ("0.35", "leave it out"),
    "-s, --stats-interval": ("0.35", "leave it out"),
    "-k, --k8s-api": ("0.36", "leave it out: audit events carry all that Lanner needs"),
    "-K, --k8s-api-cert": ("0.36", "leave it out"),
    "--k8s-node": ("0.36", "leave it out"),
    "-m, --mesos-api": ("0.34", "leave it out"),
    "--cri": ("0.39", "leave it out"),
    "--disable-cri-async": ("0.38", "leave it out"),
    "-A": ("0.40", "leave it out: all events are looked at"),
    "-b, --print-base64": ("0.40", "leave it out"),
    "-S, --snaplen": ("0.40", "leave it out"),
    "-u, --userspace": ("0.36", "leave it out"),
    "--modern-bpf": ("0.37", "leave it out"),
    "--nodriver": ("0.37", "leave it out: there is no driver"),
    "-g, --gvisor-config": ("0.37", "leave it out"),
    "--gvisor-root": ("0.37", "leave it out"),
    "--gvisor-generate-config": ("0.43", "leave it out"),
}
"""Flags that Falco no longer has: the last version that had it, and what to write for Lanner."""

KEYS: Mapping[str, str] = {
    "append_output": "match match.source match.tags match.rule extra_output extra_fields suggested_output",
    "static_fields": "",
    "config_files": "path strategy",
    "watch_config_files": "",
    "plugins_hostinfo": "",
    "rules_files": "",
    "rule_files": "",
    "rules": "disable disable.rule disable.tag enable enable.rule enable.tag",
    "engine": "kind kmod kmod.buf_size_preset kmod.drop_failed_exit modern_ebpf modern_ebpf.cpus_for_each_buffer "
    "modern_ebpf.buf_size_preset modern_ebpf.drop_failed_exit modern_ebpf.disable_iterators replay replay.capture_file",
    "capture": "enabled path_prefix mode default_duration max_file_size_mb",
    "load_plugins": "",
    "plugins": "name library_path init_config open_params",
    "time_format_iso_8601": "",
    "buffer_format_base64": "",
    "priority": "",
    "json_output": "",
    "json_include_output_property": "",
    "json_include_message_property": "",
    "json_include_output_fields_property": "",
    "json_include_tags_property": "",
    "buffered_outputs": "",
    "rule_matching": "",
    "outputs_queue": "capacity",
    "stdout_output": "enabled",
    "syslog_output": "enabled",
    "file_output": "enabled keep_alive filename",
    "http_output": "enabled url user_agent insecure ca_cert ca_bundle ca_path mtls client_cert client_key echo "
    "compress_uploads keep_alive max_consecutive_timeouts",
    "program_output": "enabled keep_alive program",
    "webserver": "enabled threadiness listen_port listen_address k8s_healthz_endpoint prometheus_metrics_enabled "
    "ssl_enabled ssl_certificate",
    "log_stderr": "",
    "log_syslog": "",
    "log_level": "",
    "libs_logger": "enabled severity",
    "output_timeout": "",
    "syscall_event_timeouts": "max_consecutives",
    "syscall_event_drops": "threshold actions rate max_burst simulate_drops",
    "metrics": "enabled interval output_rule output_file rules_counters_enabled resource_utilization_enabled "
    "state_counters_enabled kernel_event_counters_enabled kernel_event_counters_per_cpu_enabled libbpf_stats_enabled "
    "plugins_metrics_enabled kernel_iter_event_counters_enabled convert_memory_to_mb include_empty_values "
    "jemalloc_stats_enabled",
    "base_syscalls": "all custom_set repair",
    "falco_libs": "thread_table_size thread_table_auto_purging_interval_s "
    "thread_table_auto_purging_thread_timeout_s snaplen",
    "container_engines": "docker docker.enabled cri cri.enabled cri.sockets cri.disable_async podman podman.enabled "
    "lxc lxc.enabled libvirt_lxc libvirt_lxc.enabled bpm bpm.enabled",
}
"""The keys of Falco 0.44: those of the first level, and below each the names in it."""

OLDER_KEYS = (
    "rules_file",
    "webserver.k8s_audit_endpoint",
    "engine.ebpf",
    "engine.gvisor",
    "grpc",
    "grpc_output",
    "outputs",
    "metadata_download",
    "modern_bpf",
    "syscall_buf_size_preset",
    "syscall_drop_failed_exit",
)
"""Keys that Falco 0.44 no longer has, of versions whose configuration Lanner still takes."""

REMARKS: Mapping[str, Remark] = {
    "config_files.strategy": _same("As in Falco, merging looks at the keys of the first level."),
    "watch_config_files": _better(
        "Rules and configuration are read again without losing an event. When the new ones have errors, those in use "
        "stay, and an alert says so. Falco starts anew."
    ),
    "rules_files": _better("When none of them exists, the default rules are used, with a warning; Falco ends."),
    "rule_files": _better("Falco's schema has it, and nothing reads it."),
    "rules_file": _better("May stand beside `rules_files`."),
    "load_plugins": _better(
        "What it names needs no entry in `plugins`. When it names none of Lanner's plugins, all count as loaded."
    ),
    "plugins.init_config": _better(
        "Lanner's own `sslKey` names a key that is not in the certificate's file; `clientCA`, `tokenFile`, "
        "`clientAuth`, `allowedClients` and `allowedNetworks` say who may post."
    ),
    "plugins.open_params": _differs(
        "An address is the same. A file is read and then followed; to end at its end use `lanner scan` or `-e`."
    ),
    "rule_matching": _differs(
        "The default is `all`: an event raises an alert for each rule that matches. Falco's stock file says `first`, "
        "and that holds."
    ),
    "outputs_queue.capacity": _differs(
        "Each output has a queue of its own, so that a slow one holds up no other. In Falco there is one, and 0 stands "
        "for any number."
    ),
    "stdout_output.enabled": _differs("The default is `true`; in Falco it is off when the key is missing."),
    "syslog_output.enabled": _better("Besides `/dev/log`, UDP, TCP and TLS, by keys of Lanner's own."),
    "file_output.keep_alive": _better("The file is opened anew when it is renamed or removed, and on SIGUSR1."),
    "http_output.url": _better("While the server is away, alerts wait and are posted again; Falco drops them."),
    "http_output.max_consecutive_timeouts": _better("After that it is tried again with pauses; Falco gives it up."),
    "program_output.program": _better("A status other than 0 is counted and said; what it prints goes to stderr."),
    "webserver.k8s_healthz_endpoint": _better("`/readyz` says besides whether all sources take events."),
    "webserver.prometheus_metrics_enabled": _differs(
        "`/metrics` has Falco's names where they mean the same here, and more of Lanner's own."
    ),
    "metrics.output_rule": _differs("The rule has Falco's name; its fields are those that mean something here."),
    "metrics.output_file": _differs("The fields are those that mean something here."),
    "webserver.k8s_audit_endpoint": _better("It works again."),
}
"""What is to be said of keys that have an effect; of the others their standing says enough."""


def keys_of_falco() -> list[str]:
    """The paths of all keys of Falco 0.44, with dots."""
    return [path for key, below in KEYS.items() for path in (key, *(f"{key}.{name}" for name in below.split()))]
