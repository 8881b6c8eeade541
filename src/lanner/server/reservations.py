"""Addresses of a run: whether they are to be had, and how they are kept while processes come and go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from lanner.server.office import Reserved
from lanner.server.plan import Plan
from lanner.sources.base import SourceError
from lanner.sources.listener import bind, reserve
from lanner.sources.webhook import WebhookOptions


class Reservations:
    """Keeps addresses for as long as the run lasts; port 0 stays the one that was found."""

    def __init__(self, resources: ExitStack) -> None:
        """Keep none yet.

        Args:
            resources: Lets go of them at the end of the run.
        """
        self._resources = resources
        self._kept: dict[tuple[str, int, int], tuple[str, int]] = {}

    def of_sources(self, plan: Plan) -> Mapping[str, tuple[str, int]]:
        """Host and port of each webhook of a plan, by name.

        Raises:
            SourceError: One is not to be had, or two ask for the same.
        """
        taken = _taken(plan)
        asked = [*taken.values()]
        return {name: self._keep(*asked[at], asked[:at].count(asked[at])) for at, name in enumerate(taken)}

    def of_web(self, plan: Plan) -> Reserved:
        """That for health and metrics, if it has one; sources that ask for the same come before it.

        Raises:
            SourceError: It is not to be had, or a source has it.
        """
        if not plan.web or not plan.web.listening:
            return {}
        at = plan.web.listening.host, plan.web.listening.port
        return {at: self._keep(*at, [*_taken(plan).values()].count(at))}

    def _keep(self, host: str, port: int, before: int) -> tuple[str, int]:
        """Keep an address.

        Args:
            host: Where to listen.
            port: Likewise.
            before: How many of the same plan asked for the same before; port 0 is another one for each of them.

        Raises:
            SourceError: The address is not to be had, or another of the same plan has it: the kernel would give
                connections now to the one, now to the other.
        """
        if before and port:
            help_text = "give each source, and `webserver`, a port of its own"
            raise SourceError(f"{host}:{port}", "address already in use", help_text, action="listen on")
        key = host, port, before
        if key not in self._kept:
            kept = self._resources.enter_context(reserve(host, port))
            address, number = kept.getsockname()[:2]
            self._kept[key] = address if host else "", number
        return self._kept[key]


def see_addresses(plan: Plan, running: Iterable[WebhookOptions]) -> None:
    """See that addresses are to be had which were not listened on before.

    Raises:
        SourceError: One is not.
    """
    listened = {(webhook.host, webhook.port) for webhook in running}
    for source in plan.sources:
        if source.webhook and (source.webhook.host, source.webhook.port) not in listened:
            bind(source.webhook.host, source.webhook.port).close()


def _taken(plan: Plan) -> dict[str, tuple[str, int]]:
    """What webhooks ask for, by name."""
    return {each.name: (each.webhook.host, each.webhook.port) for each in plan.sources if each.webhook}
