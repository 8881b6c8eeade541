"""Where the events of `lanner run` come from: what the user named, or the configuration, or the default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from lanner.cli.messages import Failure, did_you_mean
from lanner.cli.settings import Settings
from lanner.plugins import k8saudit, registry
from lanner.plugins.registry import PluginError
from lanner.sources.plugin import Plugin, Start

if TYPE_CHECKING:
    from lanner.config.plugins import LoadedPlugin

DEFAULT_SOURCE = k8saudit.DEFAULT_ADDRESS

_WEBSERVER = "webserver"

UNNAMED = ("webhook", _WEBSERVER, "stdin")
"""What places are called that have no name of their own; a file has its path."""

_DEFAULTS = k8saudit.Options()

EVENT_SOURCE = "k8s_audit"
"""What Falco calls the events of all these places."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where events come from.

    Attributes:
        name: What messages and metrics call it.
        open_params: As the plugin takes it; for k8saudit a URL to listen on, a file to follow, or `-`.
        plugin: What kind of source it is.
        options: The plugin's options.
        start: Where it begins, if it can choose.
        is_wanted: Whether it may be listened on though other machines can reach it, because a key of Falco's says so.
        rules_files: Rule files for its events; none: those of all.
    """

    name: str
    open_params: str
    plugin: Plugin = k8saudit.PLUGIN
    options: Any = _DEFAULTS
    start: Start = Start.NEW
    is_wanted: bool = False
    rules_files: tuple[str, ...] = ()


def choose_places(source: str | None, settings: Settings) -> tuple[Place, ...]:
    """Where events come from: at least one place, all with different names.

    Args:
        source: What the user named: an address, a file, `-`, a configured plugin or source, or another plugin.
        settings: With the plugins, the sources and the web server of the configuration.

    Raises:
        Failure: A plugin cannot be used, or two sources have the same name.
    """
    if source is None:
        return tuple(_configured(settings)) or (Place("webhook", DEFAULT_SOURCE),)
    named = [place_of_plugin(plugin) for plugin in settings.plugins if plugin.name == source]
    return tuple(named[:1]) or (_of_word(source),)


def _of_word(source: str) -> Place:
    """What is not configured: a plugin with its defaults, else an address, a file or standard input."""
    is_place = source == k8saudit.STDIN or "/" in source or os.path.exists(source)
    if is_place or source not in registry.names():
        return Place(_name(source), source)
    try:
        plugin = registry.find(source)
    except PluginError as error:
        raise Failure(error.message, error.help) from error
    return Place(source, "", plugin, plugin.options(), start=Start.KEPT)


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
    names: list[str] = []
    for plugin in settings.plugins:
        if plugin.name in names:
            raise Failure(f"two sources have the name `{plugin.name}`", "give each of `sources` a name of its own")
        names.append(plugin.name)
        yield place_of_plugin(plugin)
    if settings.audit_endpoint:
        if _WEBSERVER in names:
            raise Failure(
                f"two sources have the name `{_WEBSERVER}`",
                "it is that of `webserver.k8s_audit_endpoint`: choose another",
            )
        options = _DEFAULTS
        if settings.audit_certificate:
            options = msgspec.structs.replace(options, ssl_certificate=settings.audit_certificate)
        found = Place(_WEBSERVER, settings.audit_endpoint, options=options, is_wanted=True)
        yield _asking(found, settings.config.webserver.token_file if settings.config else "")


def _asking(place: Place, token_file: str) -> Place:
    """The web server's place for posts; where it asks for tokens it does so for posts too.

    Raises:
        Failure: Other machines reach it over HTTP, over which an API server sends no token.
    """
    options = msgspec.structs.replace(place.options, token_file=token_file)
    webhook = k8saudit.listening(place.open_params, options)
    if webhook is None or not token_file:
        return place
    if webhook.is_tls:
        return replace(place, options=options)
    if webhook.is_loopback:
        return place
    raise Failure(
        f"`webserver.token_file` cannot guard posts at `{place.open_params}`: API servers send tokens over https only",
        "set `webserver.ssl_enabled`, or take posts by an entry of `sources`, with `tokenFile` or `clientCA`",
    )


def place_of_plugin(loaded: LoadedPlugin) -> Place:
    """The place that a configuration names."""
    return Place(
        loaded.name,
        loaded.open_params,
        loaded.plugin,
        loaded.options,
        start=Start.KEPT,
        is_wanted=bool(loaded.open_params) and not loaded.is_own,
        rules_files=loaded.rules_files,
    )


def _name(source: str) -> str:
    if source == "-":
        return "stdin"
    return "webhook" if source.startswith(("http://", "https://")) else source
