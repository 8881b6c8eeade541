"""k8saudit-eks: the audit log of Amazon's Elastic Kubernetes Service, from CloudWatch Logs.

Source: Falco plugins, k8saudit-eks 0.12.0 (names and defaults of options, `open_params`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from lanner.plugins.common import MaxEventSize, needing
from lanner.sources.base import Limits, Source, SourceError
from lanner.sources.plugin import Context, Finding, Plugin

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`init_config` of k8saudit-eks."""

    profile: Annotated[
        str, Meta(description="Profile of Amazon's configuration; empty: AWS_PROFILE, or what else has credentials.")
    ] = ""
    region: Annotated[
        str, Meta(description="Region of the cluster; empty: AWS_REGION, AWS_DEFAULT_REGION, or the profile's.")
    ] = ""
    buffer_size: Annotated[int, Meta(description="Log events that are handed on at a time.", ge=1)] = 200
    shift: Annotated[
        float,
        Meta(
            description="How many seconds before its start the first run begins, and polls before the newest event, "
            "but no more than `late`.",
            ge=0,
        ),
    ] = 1
    polling_interval: Annotated[float, Meta(description="Seconds between polls.", gt=0)] = 5
    use_async: Annotated[bool, Meta(description="Accepted, without effect.")] = True
    max_event_size: MaxEventSize = Limits().max_event_size
    late: Annotated[
        float,
        Meta(
            description="How many seconds after newer ones an event may appear in CloudWatch and still be found; it is "
            "looked for twice in this time (Lanner's own).",
            ge=0,
        ),
    ] = 120


def open_source(open_params: str, options: Options, context: Context) -> Source:
    """The logs of the clusters that are named.

    Raises:
        SourceError: There is no name, it can be no cluster's, or the library is not installed.
    """
    clusters = _clusters(open_params)
    with needing("eks"):
        from lanner.plugins.eks.logs import Place, region_of  # noqa: PLC0415 - see `needing`
        from lanner.plugins.eks.poll import LogsSource, Pace  # noqa: PLC0415 - as above
    places = [Place(cluster, region_of(options.region), options.profile) for cluster in clusters]
    limits = replace(context.limits, max_event_size=options.max_event_size)
    pace = Pace(interval=options.polling_interval, shift=options.shift, late=options.late, batch=options.buffer_size)
    return LogsSource(places, limits, context, pace)


async def check(open_params: str, options: Options) -> Sequence[Finding]:
    """Ask who it is, and for events of each cluster's log."""
    try:
        clusters = _clusters(open_params)
        with needing("eks"):
            from lanner.plugins.eks.checks import findings  # noqa: PLC0415 - see `needing`
            from lanner.plugins.eks.logs import Place, region_of  # noqa: PLC0415 - as above
    except SourceError as error:
        return [Finding(error.path, False, error.reason, error.help)]
    places = [Place(cluster, region_of(options.region), options.profile) for cluster in clusters]
    return [each for place in places for each in await asyncio.to_thread(list, findings(place))]


def _clusters(open_params: str) -> list[str]:
    """The names of clusters, each once."""
    names = [*dict.fromkeys(name for name in map(str.strip, open_params.split(",")) if name)]
    help_text = "write the name of the cluster, or several with commas between them"
    if not names:
        raise SourceError("open_params", "there is no name of a cluster", help_text)
    for name in names:
        if not _NAME.fullmatch(name):
            raise SourceError("open_params", f"`{name}` can be no name of a cluster", help_text)
    return names


PLUGIN = Plugin(
    name="k8saudit-eks",
    description="The audit log of Amazon EKS, from CloudWatch Logs.",
    version="0.12.0",
    open=open_source,
    open_params="the name of the cluster, or several with commas between them",
    options=Options,
    extra="eks",
    check=check,
)
