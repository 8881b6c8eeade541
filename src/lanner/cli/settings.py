"""What detection does and how alerts look: Falco's settings as one frozen value, whatever they were given by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lanner.rules.files import DEFAULT_RULES
from lanner.rules.priority import Priority

if TYPE_CHECKING:
    from lanner.cli.messages import Console
    from lanner.compiler.load import AppendOutput
    from lanner.config.load import LoadedConfig
    from lanner.config.models import AppendedOutput, Config, RuleSelection, Webserver
    from lanner.config.plugins import LoadedPlugin

Matching: TypeAlias = Literal["all", "first"]


@dataclass(frozen=True, slots=True)
class Switch:
    """Rules to switch on or off: those whose name fits a pattern with `*`, and those with a tag."""

    enabled: bool
    rule: str = ""
    tag: str = ""


PROFILES: Mapping[str, tuple[Switch, ...]] = {
    "default": (),
    "strict": (Switch(enabled=True, tag="strict"),),
    "activity": (Switch(enabled=True, tag="strict"), Switch(enabled=True, tag="activity")),
}
"""The profiles of `--profile`, each with what it adds to the rules that are enabled as they come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings by the names of `falco.yaml`, and the selection of rules.

    Attributes:
        rules_files: Files and folders with rules, and `default` for the default rules; none: these.
        loaded_plugins: Name and version of the plugins that count as loaded; None: all.
        plugins: The plugins of the configuration that events can come from.
        audit_endpoint: Address on which the configured web server takes audit events; None: nowhere.
        audit_certificate: PEM file with certificate and key of an https `audit_endpoint`.
        allow_unauthenticated: Listen beyond loopback though nothing asks who posts.
        rule_matching: Whether all rules that match an event alert, or only the first.
        priority: Rules below it are not loaded.
        switches: Rules to switch on or off, in order.
        tags: Only rules with one of these tags, when there are any.
        not_tags: No rules with one of these tags.
        disabled: No rules whose name fits one of these globs.
        append_output: What is added to outputs.
        static_fields: Values of the fields `static.NAME`, by name.
        json_output: Alerts as JSON.
        json_include_output_property: JSON alerts have `output`.
        json_include_tags_property: JSON alerts have `tags`.
        json_include_message_property: JSON alerts have `message`.
        json_include_output_fields_property: JSON alerts have `output_fields`.
        time_format_iso_8601: Date and time in UTC in front of alerts.
        buffered_outputs: Accepted; alerts are handed on with each block of events that was evaluated.
        stdout_output: Alerts are written to standard output.
        log_format: Messages as text or JSON, of programs that run until they are stopped.
        log_level: The least level of messages.
        log_stderr: Messages go to standard error.
        log_syslog: Messages go to syslog.
        config: The configuration with all its keys; None: there is none.
        config_files: The files that it was read from.
        again: Reads the same anew.
    """

    rules_files: tuple[str, ...] = ()
    loaded_plugins: Mapping[str, str] | None = None
    plugins: tuple[LoadedPlugin, ...] = ()
    audit_endpoint: str | None = None
    audit_certificate: str | None = None
    allow_unauthenticated: bool = False
    rule_matching: Matching = "all"
    priority: Priority = Priority.DEBUG
    switches: tuple[Switch, ...] = ()
    tags: frozenset[str] = frozenset()
    not_tags: frozenset[str] = frozenset()
    disabled: tuple[str, ...] = ()
    append_output: tuple[AppendOutput, ...] = ()
    static_fields: Mapping[str, str] = field(default_factory=dict)
    json_output: bool = False
    json_include_output_property: bool = True
    json_include_tags_property: bool = True
    json_include_message_property: bool = False
    json_include_output_fields_property: bool = True
    time_format_iso_8601: bool = False
    buffered_outputs: bool = False
    stdout_output: bool = True
    log_format: Literal["auto", "text", "json"] = "auto"
    log_level: str = "info"
    log_stderr: bool = True
    log_syslog: bool = False
    config: Config | None = field(default=None, compare=False, repr=False)
    config_files: tuple[str, ...] = field(default=(), compare=False)
    again: Callable[[Console], Settings] | None = field(default=None, compare=False, repr=False)


_SAME = (
    "allow_unauthenticated",
    "rule_matching",
    "json_output",
    "json_include_output_property",
    "json_include_tags_property",
    "json_include_message_property",
    "json_include_output_fields_property",
    "time_format_iso_8601",
    "buffered_outputs",
    "static_fields",
    "log_format",
    "log_level",
    "log_stderr",
    "log_syslog",
)
"""Keys of a configuration that are settings as they are."""


def settings_of(loaded: LoadedConfig, config: Config) -> Settings:
    """The settings of a configuration without errors; of `rules_files` only what exists, as in Falco."""
    same: dict[str, Any] = {name: getattr(config, name) for name in _SAME}
    server = config.webserver
    return Settings(
        **same,
        rules_files=tuple(path for path in rules_files_of(config) if path == DEFAULT_RULES or os.path.exists(path)),
        loaded_plugins=loaded.plugins.versions,
        plugins=loaded.plugins.sources,
        audit_endpoint=_endpoint(server) if server.enabled and server.k8s_audit_endpoint else None,
        audit_certificate=server.ssl_certificate if server.ssl_enabled else None,
        priority=Priority.parse(config.priority) or Priority.DEBUG,
        switches=tuple(switch for entry in config.rules for switch in _switches(entry)),
        append_output=tuple(_append_output(entry, config.static_fields) for entry in config.append_output),
        stdout_output=config.stdout_output.enabled,
        config=config,
        config_files=loaded.files,
    )


def rules_files_of(config: Config) -> list[str]:
    """The rule files of a configuration under all names of the key, whether they exist or not."""
    return [*config.rules_files, *config.rules_file, *config.rule_files]


def _endpoint(server: Webserver) -> str:
    host = f"[{server.listen_address}]" if ":" in server.listen_address else server.listen_address
    path = "/" + server.k8s_audit_endpoint.lstrip("/")
    return f"http{'s' if server.ssl_enabled else ''}://{host}:{server.listen_port}{path}"


def _switches(entry: RuleSelection) -> list[Switch]:
    """What an entry of `rules` says; with both, only `enable` counts, as in Falco."""
    selector = entry.enable or entry.disable
    return [Switch(entry.enable is not None, selector.rule, selector.tag)] if selector else []


def _append_output(entry: AppendedOutput, static_fields: Iterable[str]) -> AppendOutput:
    """One entry of Falco's `append_output`; of all fields for audit events, static ones alone are suggested.

    Source: Falco 0.44, configuration.h, init_falco_engine.cpp (`format_suggested_field`).
    """
    from lanner.compiler.load import AppendOutput  # noqa: PLC0415 - kept out of the start of the program

    suggested = [f"static_{name}=%static.{name}" for name in static_fields] if entry.suggested_output else []
    return AppendOutput(
        source=entry.match.source,
        rule=entry.match.rule,
        tags=frozenset(entry.match.tags),
        extra_output=" ".join(filter(None, (entry.extra_output, *suggested))),
        extra_fields=tuple(field for found in entry.extra_fields for field in _extra_fields(found)),
    )


def _extra_fields(found: str | Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """`ka.auditid` is a field under its own name, `{"key": "text with %fields"}` a text under a key."""
    if isinstance(found, str):
        return [(found, f"%{found}", True)]
    return [(key, text, False) for key, text in found.items()]
