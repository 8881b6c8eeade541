"""What a watch knows, as a value: it is shown, measured, and handed on to another process that goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lanner.vigil.apiserver import Server
from lanner.vigil.balance import Balance
from lanner.vigil.canary import Canary
from lanner.vigil.concern import Key, Standing
from lanner.vigil.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that a watch knows.

    Attributes:
        clock: Seconds for which it was watched.
        sources: By name.
        servers: API servers by address.
        balance: What they record beside what arrives.
        canaries: Those that were sent to them, likewise.
        awaited: The address of the API server that the last one was sent to, and when.
        standing: What is wrong now.
    """

    clock: float = 0.0
    sources: Mapping[str, Source] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    balance: Balance = field(default_factory=Balance)
    canaries: Mapping[str, Canary] = field(default_factory=dict)
    awaited: tuple[str, float] | None = None
    standing: Mapping[Key, Standing] = field(default_factory=dict)

    @property
    def blind(self) -> tuple[str, ...]:
        """What is wrong now, in words for people."""
        return tuple(each.concern.message.partition(";")[0] for each in self.standing.values())
