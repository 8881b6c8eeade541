"""Where the events of `lanner run` come from: what the user named, or the configuration, or the default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lanner.cli.messages import Failure, did_you_mean
from lanner.cli.settings import Settings

if TYPE_CHECKING:
    from lanner.config.plugins import LoadedPlugin

DEFAULT_SOURCE = "http://127.0.0.1:9765/k8s-audit"

_WEBSERVER = "webserver"

UNNAMED = ("webhook", _WEBSERVER, "stdin")
"""What places are called that have no name of their own; a file has its path."""

EVENT_SOURCE = "k8s_audit"
"""What Falco calls the events of all these places."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where events come from.

    Attributes:
        name: What messages and metrics call it.
        address: A URL to listen on, a file to follow, or `-`.
        options: Options of the k8saudit plugin for it.
        is_configured: Whether a configuration names it: then a file is read from its start.
        is_wanted: Whether it may be listened on though other machines can reach it, because a key of Falco's says so.
        rules_files: Rule files for its events; none: those of all.
    """

    name: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_configured: bool = False
    is_wanted: bool = False
    rules_files: tuple[str, ...] = ()


def choose_places(source: str | None, settings: Settings) -> tuple[Place, ...]:
    """Where events come from: at least one place, all with different names.

    Args:
        source: What the user named: an address, a file, `-`, or a configured plugin or source.
        settings: With the plugins, the sources and the web server of the configuration.

    Raises:
        Failure: A plugin is not available yet, or two sources have the same name.
    """
    if source is None:
        return tuple(_configured(settings)) or (Place("webhook", DEFAULT_SOURCE),)
    for plugin in settings.plugins:
        if plugin.name == source:
            return (_of_plugin(plugin),)
    named = [place for place in _of_sources(settings) if place.name == source]
    return tuple(named) or (Place(_name(source), source),)


def select_places(places: Sequence[Place], enabled: Sequence[str], disabled: Sequence[str]) -> tuple[Place, ...]:
    """The places that Falco's `--enable-source` and `--disable-source` leave; a name is a place's, or its events'.

    Raises:
        Failure: A name is unknown, both flags are given, or nothing is left.
    """
    if enabled and disabled:
        raise Failure("`--enable-source` and `--disable-source` exclude each other", "leave one of them out")
    known = [EVENT_SOURCE, "syscall", *(place.name for place in places)]
    for name in (*enabled, *disabled):
        if name not in known:
            raise Failure(f"unknown source `{name}`", did_you_mean(name, known) or f"there are {', '.join(known)}")
    left = tuple(
        place
        for place in places
        if (not enabled or not {place.name, EVENT_SOURCE}.isdisjoint(enabled))
        and {place.name, EVENT_SOURCE}.isdisjoint(disabled)
    )
    if not left:
        raise Failure("no source of events is left", f"leave `{EVENT_SOURCE}` enabled")
    return left


def _configured(settings: Settings) -> Iterator[Place]:
    yield from map(_of_plugin, settings.plugins)
    yield from _of_sources(settings)
    if settings.audit_endpoint:
        if settings.config and any(entry.name == _WEBSERVER for entry in settings.config.sources):
            raise Failure(
                f"two sources have the name `{_WEBSERVER}`",
                "it is that of `webserver.k8s_audit_endpoint`: choose another",
            )
        certificate = {"sslCertificate": settings.audit_certificate} if settings.audit_certificate else {}
        yield Place(_WEBSERVER, settings.audit_endpoint, certificate, is_configured=True, is_wanted=True)


def _of_plugin(plugin: LoadedPlugin) -> Place:
    _check_plugin(plugin.name)
    address, is_given = plugin.open_params or DEFAULT_SOURCE, bool(plugin.open_params)
    return Place(plugin.name, address, plugin.options, is_configured=is_given, is_wanted=is_given)


def _of_sources(settings: Settings) -> Iterator[Place]:
    entries = settings.config.sources if settings.config else []
    names = [plugin.name for plugin in settings.plugins]
    for entry in entries:
        _check_plugin(entry.plugin)
        if entry.name in names:
            raise Failure(f"two sources have the name `{entry.name}`", "give each of `sources` a name of its own")
        names.append(entry.name)
        address = entry.open_params or DEFAULT_SOURCE
        yield Place(entry.name, address, entry.init_config, is_configured=True, rules_files=tuple(entry.rules_files))


def _check_plugin(name: str) -> None:
    if name != "k8saudit":
        raise Failure(
            f"plugin `{name}` is not available yet as a source of events",
            "give SOURCE: an address to listen on, a file, or `-`",
        )


def _name(source: str) -> str:
    if source == "-":
        return "stdin"
    return "webhook" if source.startswith(("http://", "https://")) else source
