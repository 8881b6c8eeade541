"""A watch that has seen everything, each thing another number of times, and what metrics show of it."""

from collections.abc import Mapping

from lanner.vigil.concern import Concern, Standing
from lanner.vigil.hush import Hush
from lanner.vigil.sight import Sight
from lanner.vigil.sources import Source

SIGHT = Sight(
    clock=1000.0,
    sources={
        "webhook": Source(
            hush=Hush(began=0, since=999 - 131, day=0, count=5, gaps=(7.0,)),
            limit_s=133.0,
            refused={},
            refused_since={},
        )
    },
    standing={("silent", "webhook"): Standing(Concern("silent", "webhook", "nothing comes; look"), 900, 900, 0)},
)

VALUES: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] = {
    "lanner_blind": {(("check", "silent"), ("subject", "webhook")): 1},
    "lanner_source_silence_seconds": {(("source", "webhook"),): 132},
    "lanner_source_silence_limit_seconds": {(("source", "webhook"),): 133},
}
