"""The plugin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lanner.plugins.aks.options import Options, need
from lanner.plugins.aks.records import converter
from lanner.plugins.common import needing
from lanner.sources.base import Source
from lanner.sources.plugin import Context, Finding, Plugin

_UNNAMED = ("", "default")  # what upstream's configurations have where they name no cluster


def open_source(open_params: str, options: Options, context: Context) -> Source:
    """A member of the event hub's consumer group.

    Raises:
        SourceError: The options cannot be used, or a library is not installed.
    """
    need(options)
    with needing("aks"):
        from lanner.plugins.aks.source import EventHubSource  # noqa: PLC0415 - see `needing`
    names = [name.strip() for name in open_params.split(",") if name.strip() not in _UNNAMED]
    limited = replace(context, limits=replace(context.limits, max_event_size=options.max_event_size))
    return EventHubSource(options, converter(names), limited)


async def check(open_params: str, options: Options) -> Sequence[Finding]:
    """Whether the event hub can be read, and checkpoints be kept.

    Raises:
        SourceError: The options cannot be used, or a library is not installed.
    """
    need(options)
    with needing("aks"):
        from lanner.plugins.aks.check import findings  # noqa: PLC0415 - see `needing`
    return await findings(options)


PLUGIN = Plugin(
    name="k8saudit-aks",
    description="The audit log of Azure Kubernetes Service, from an event hub.",
    version="0.6.0",
    open=open_source,
    open_params="names of clusters as they are to be spelled, with commas between; may be empty",
    options=Options,
    extra="aks",
    check=check,
)
