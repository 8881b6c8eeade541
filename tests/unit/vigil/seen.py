"""A watch that has seen everything, each thing another number of times, and what metrics show of it."""

from collections.abc import Mapping

from lanner.vigil.apiserver import Server
from lanner.vigil.canary import Canary
from lanner.vigil.concern import Concern, Standing
from lanner.vigil.hush import Hush
from lanner.vigil.scrape import Totals
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
    servers={
        "https://api:6443": Server(
            hush=Hush.start(0, 0),
            limit_s=0,
            first_s=0,
            answers=134,
            failures=135,
            counted=Totals(events=136, errors={"webhook": 137, "log": 138}, rejected=139),
        )
    },
    canaries={"https://api:6443": Canary(returned=140, missed=141, failed=142, round_trip_s=14.5)},
    standing={("silent", "webhook"): Standing(Concern("silent", "webhook", "nothing comes; look"), 900, 900, 0)},
)

VALUES: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] = {
    "lanner_blind": {(("check", "silent"), ("subject", "webhook")): 1},
    "lanner_source_silence_seconds": {(("source", "webhook"),): 132},
    "lanner_source_silence_limit_seconds": {(("source", "webhook"),): 133},
    "lanner_apiserver_scrapes_total": {
        (("result", "answered"), ("server", "https://api:6443")): 134,
        (("result", "failed"), ("server", "https://api:6443")): 135,
    },
    "lanner_apiserver_events_total": {(("server", "https://api:6443"),): 136},
    "lanner_apiserver_lost_events_total": {
        (("plugin", "webhook"), ("server", "https://api:6443")): 137,
        (("plugin", "log"), ("server", "https://api:6443")): 138,
    },
    "lanner_apiserver_rejected_requests_total": {(("server", "https://api:6443"),): 139},
    "lanner_canaries_total": {
        (("result", "returned"), ("server", "https://api:6443")): 140,
        (("result", "missing"), ("server", "https://api:6443")): 141,
        (("result", "not_sent"), ("server", "https://api:6443")): 142,
    },
    "lanner_canary_round_trip_seconds": {(("server", "https://api:6443"),): 14.5},
}
