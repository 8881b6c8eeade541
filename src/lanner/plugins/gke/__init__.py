"""k8saudit-gke: the audit log of Google Kubernetes Engine, from Pub/Sub.

Source: Falco plugins, k8saudit-gke 0.9.0 (names and meaning of options, form of `open_params`).
"""

from __future__ import annotations

from collections.abc import Sequence

from lanner.plugins.gke.options import ALIASES, FILE_SCHEME, Options, subscriptions
from lanner.sources.base import Source, SourceError
from lanner.sources.plugin import Context, Finding, Plugin, Start

_SEEK = (
    "leave `--from-start` out; a subscription with `--retain-acked-messages` is set back with "
    "`gcloud pubsub subscriptions seek NAME --time=TIME`"
)


def open_source(open_params: str, options: Options, context: Context) -> Source:
    """The subscriptions, or the files.

    Raises:
        SourceError: The parameter names none, Google's libraries are not installed, or it is to begin with the first.
    """
    if open_params.startswith(FILE_SCHEME):
        from lanner.plugins.gke.files import FileSource  # noqa: PLC0415 - what is not used need not be imported

        return FileSource(open_params.removeprefix(FILE_SCHEME).strip(), options, context)
    from lanner.plugins.gke.clients import check_installed  # noqa: PLC0415 - what is not used need not be imported
    from lanner.plugins.gke.source import PubSubSource  # noqa: PLC0415 - what is not used need not be imported

    found = subscriptions(open_params, options)
    if context.start is Start.FIRST:
        reason = "Pub/Sub gives what was not acknowledged, and has no start to go back to"
        raise SourceError(open_params, reason, _SEEK, action="read from the start")
    check_installed()
    return PubSubSource(found, options, context)


async def check(open_params: str, options: Options) -> Sequence[Finding]:
    """Test credentials, subscriptions and permissions."""
    from lanner.plugins.gke import checks  # noqa: PLC0415 - what is not used need not be imported

    return await checks.check(open_params, options)


PLUGIN = Plugin(
    name="k8saudit-gke",
    description="The audit log of Google Kubernetes Engine, from subscriptions of Pub/Sub.",
    version="0.9.0",
    open=open_source,
    open_params=(
        "a subscription, by its name or as `projects/PROJECT/subscriptions/NAME`, or several with commas between; "
        "`file://PATH` for log entries in files"
    ),
    options=Options,
    aliases=ALIASES,
    extra="gke",
    check=check,
)
