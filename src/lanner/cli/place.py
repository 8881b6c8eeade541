"""Where the events of `lanner run` come from: what the user named, or the configuration, or the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lanner.cli.messages import Failure
from lanner.cli.settings import Settings

if TYPE_CHECKING:
    from lanner.config.plugins import LoadedPlugin

DEFAULT_SOURCE = "http://127.0.0.1:9765/k8s-audit"


@dataclass(frozen=True, slots=True)
class Place:
    """Where events come from.

    Attributes:
        address: A URL to listen on, a file to follow, or `-`.
        options: Options of the k8saudit plugin for it.
        is_configured: Whether a configuration names it: then it is wanted even when other machines can reach it, and a
            file is read from its start.
    """

    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_configured: bool = False


def choose_place(source: str | None, settings: Settings) -> Place:
    """Where events come from.

    Args:
        source: What the user named: an address, a file, `-`, or a configured plugin.
        settings: With the plugins and the web server of the configuration.

    Raises:
        Failure: The plugin is not available yet, or there are several and none was named.
    """
    named = {plugin.name: plugin for plugin in settings.plugins}
    if source is not None:
        return _of_plugin(named[source]) if source in named else Place(source)
    if len(named) > 1:
        raise Failure(
            f"{len(named)} plugins are configured to give events", f"name one of {', '.join(named)} as SOURCE"
        )
    if named:
        return _of_plugin(*named.values())
    if settings.audit_endpoint:
        certificate = {"sslCertificate": settings.audit_certificate} if settings.audit_certificate else {}
        return Place(settings.audit_endpoint, certificate, is_configured=True)
    return Place(DEFAULT_SOURCE)


def _of_plugin(plugin: LoadedPlugin) -> Place:
    if plugin.name != "k8saudit":
        raise Failure(
            f"plugin `{plugin.name}` is not available yet as a source of events",
            "give SOURCE: an address to listen on, a file, or `-`",
        )
    return Place(plugin.open_params or DEFAULT_SOURCE, plugin.options, is_configured=bool(plugin.open_params))
