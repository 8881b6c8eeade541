"""The options of k8saudit-gke, and what its parameter names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from lanner.sources.base import Limits, SourceError

FILE_SCHEME = "file://"

_SUBSCRIPTION = re.compile(r"projects/(?P<project>[^/\s]+)/subscriptions/(?P<name>[^/\s]+)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_HELP = (
    "write the name of a subscription, `projects/PROJECT/subscriptions/NAME`, several of them with commas between, "
    "or `file://PATH`"
)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`init_config` of k8saudit-gke."""

    project_id: Annotated[
        str, Meta(description="Project of the subscriptions that are named alone; empty: that of the credentials.")
    ] = ""
    credentials_file: Annotated[
        str, Meta(description="File with credentials; empty: Application Default Credentials.")
    ] = ""
    num_goroutines: Annotated[int, Meta(description="Accepted, without effect.", ge=1)] = 10
    maxout_stand_messages: Annotated[
        int, Meta(description="Messages of a subscription that are held at most before they are acknowledged.", ge=1)
    ] = 1000
    fetch_cluster_metadata: Annotated[
        bool, Meta(description="Ask the Container API for the labels of clusters, which become annotations.")
    ] = False
    cache_expiration: Annotated[
        int, Meta(description="Minutes for which the labels of a cluster are kept.", ge=1, le=525_600)
    ] = 10
    use_async: Annotated[bool, Meta(description="Accepted, without effect.")] = True
    max_event_size: Annotated[
        int, Meta(description="Largest log entry in bytes; a larger one is evaluated on its metadata.", ge=1)
    ] = Limits().max_event_size


ALIASES = {
    "set_cluster_labels": "fetch_cluster_metadata",
    "max_outstanding_messages": "maxout_stand_messages",
}
"""Other names of options: the first is that of upstream's example, the second that of its code."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription; without a project it is in that of the credentials."""

    name: str
    project: str = ""

    def path(self, default_project: str) -> str:
        """Its full name."""
        return f"projects/{self.project or default_project}/subscriptions/{self.name}"


def subscriptions(open_params: str, options: Options) -> tuple[Subscription, ...]:
    """The subscriptions that a parameter names.

    Raises:
        SourceError: It names none, or not in a form that can be one.
    """
    found = tuple(_subscription(text, options) for text in re.split(r"[\s,]+", open_params) if text)
    if not found:
        raise SourceError("open_params", "no subscription is named", _HELP, action="open")
    return tuple(dict.fromkeys(found))


def _subscription(text: str, options: Options) -> Subscription:
    if full := _SUBSCRIPTION.fullmatch(text):
        return Subscription(full["name"], full["project"])
    if not _NAME.fullmatch(text):
        raise SourceError(text, "this cannot be the name of a subscription", _HELP, action="open")
    return Subscription(text, options.project_id)
