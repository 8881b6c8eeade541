"""The labels that users give their clusters, from the Container API, kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lanner.plugins.gke.entry import Cluster
from lanner.sources.base import reason_of
from lanner.sources.plugin import Context, Trouble

MAX_CLUSTERS = 1024
"""Clusters whose labels are kept: whoever can write to the topic says which clusters there are."""

RETRY_S = 60.0
"""How long nobody asks again for a cluster whose labels were not to be had."""

_NONE: Mapping[str, str] = {}

Fetch = Callable[[str], Mapping[str, str]]
"""Gives the labels of a cluster by its name in the Container API; blocks; raises what its client raises."""


@dataclass(frozen=True, slots=True)
class _Kept:
    labels: Mapping[str, str]
    until: float


class ClusterLabels:
    """The labels of clusters. Where they are not to be had, events go without them, or with those that were known."""

    def __init__(
        self, fetch: Fetch, expiration_s: float, context: Context, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare.

        Args:
            fetch: Asks for labels, in a thread.
            expiration_s: For how long labels are kept.
            context: To be told of labels that are not to be had.
            clock: The time in seconds.
        """
        self._fetch = fetch
        self._expiration_s = expiration_s
        self._context = context
        self._clock = clock
        self._kept: dict[Cluster, _Kept] = {}

    async def of_all(self, clusters: Iterable[Cluster]) -> Mapping[Cluster, Mapping[str, str]]:
        """The labels of each cluster; those that are not known are asked for at the same time."""
        wanted = list(clusters)
        now = self._clock()
        missing = [each for each in wanted if (kept := self._kept.get(each)) is None or kept.until <= now]
        found = dict(zip(missing, await asyncio.gather(*map(self._ask, missing)), strict=True))
        found = {each: found[each] if each in found else self._kept[each].labels for each in wanted}
        while len(self._kept) > MAX_CLUSTERS:
            del self._kept[next(iter(self._kept))]
        return found

    async def _ask(self, cluster: Cluster) -> Mapping[str, str]:
        try:
            labels = dict(await asyncio.to_thread(self._fetch, cluster.path))
            lasts_s = self._expiration_s
        except Exception as error:  # what a client of an API can raise is not known; no event is lost for it
            before = self._kept.get(cluster)
            labels, lasts_s = dict(before.labels if before else _NONE), min(RETRY_S, self._expiration_s)
            text = f"the labels of {cluster.path} are not to be had: {reason_of(error)}; events go without them"
            self._context.tell(Trouble.RETRY, text)
        self._kept.pop(cluster, None)
        self._kept[cluster] = _Kept(labels, self._clock() + lasts_s)
        return labels
