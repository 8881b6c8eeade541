"""From the keys of `blindness` to what is watched."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from lanner.config.blindness import ApiServer, Blindness
from lanner.config.durations import parse_ms
from lanner.config.reader import near
from lanner.outputs.sink import OptionError
from lanner.vigil.kube import IN_CLUSTER, Access
from lanner.vigil.plan import CanaryPlan, MetricsPlan, SilencePlan, VigilPlan

_PATH = re.compile(r"[\x21\x24-\x7e]{1,2048}")
"""A path and its query, encoded as in a URL."""

_EXAMPLE = "write it like `10m`, `1h30m`"


def vigil_plan(keys: Blindness, sources: Collection[str], environment: Mapping[str, str] = os.environ) -> VigilPlan:
    """What is watched.

    Args:
        keys: The section.
        sources: Names that sources can have; a path is one too.
        environment: Where a pod finds its API server.

    Raises:
        OptionError: A key cannot be used; it is named with its sections.
    """
    silence = keys.silence
    _check_names("blindness.silence.sources", silence.sources, sources)
    _check_names("blindness.apiserver.metrics.sources", keys.apiserver.metrics.sources, sources)
    given = silence.sources.items()
    plan = SilencePlan(
        at_least_s=_seconds("blindness.silence.at_least", silence.at_least, 1),
        at_most_s=_seconds("blindness.silence.at_most", silence.at_most, 1),
        fixed_s={name: _seconds(f"blindness.silence.sources.{name}", text, 1, or_0=True) for name, text in given},
    )
    if plan.at_most_s < plan.at_least_s:
        raise OptionError("blindness.silence.at_most", "is less than `blindness.silence.at_least`", _EXAMPLE)
    return VigilPlan(
        silence=plan if silence.enabled else None,
        late_s=_seconds("blindness.late_after", keys.late_after, 1, or_0=True),
        access=_access(keys.apiserver, environment),
        metrics=_metrics(keys.apiserver),
        canary=_canary(keys.apiserver),
    )


def _check_names(key: str, names: Iterable[str], sources: Collection[str]) -> None:
    """See that sources can have these names.

    Raises:
        OptionError: One cannot.
    """
    for name in names:
        if name not in sources and "/" not in name:
            help_text = near(name, [*sources]) or f"there are {', '.join(sorted(sources))}"
            raise OptionError(key, f"there is no source `{name}`", help_text)


def _access(keys: ApiServer, environment: Mapping[str, str]) -> Access:
    return Access(
        urls=tuple(map(_url, keys.urls)) or (_own_cluster(environment),),
        ca_file=keys.ca_file,
        token_file=keys.token_file,
        server_name=keys.server_name,
    )


def _own_cluster(environment: Mapping[str, str]) -> str:
    """The address of the API server that a pod is told by Kubernetes."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return IN_CLUSTER
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def _url(text: str) -> str:
    """An address, without the slash at its end.

    Raises:
        OptionError: It is none, or one that would send a token for everybody to read.
    """
    key, help_text = "blindness.apiserver.urls", "write `https://HOST:PORT`"
    try:
        found = urlsplit(text)
        has_place = bool(found.hostname) and (found.port or 1) > 0 and text.isprintable() and " " not in text
    except ValueError:
        has_place = False
    if not has_place or found.scheme not in ("http", "https"):
        raise OptionError(key, f"`{text}` is not `https://` and a host", help_text)
    if found.username is not None or found.path not in ("", "/") or found.query or found.fragment:
        raise OptionError(key, f"`{found.scheme}://{found.hostname}…` has more in it than a host and a port", help_text)
    if found.scheme == "http" and found.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise OptionError(key, f"`{text}` is not encrypted, and not this machine", help_text)
    return f"{found.scheme}://{found.netloc}"


def _metrics(keys: ApiServer) -> MetricsPlan | None:
    if not keys.metrics.enabled:
        return None
    if not 1 <= keys.metrics.missing_percent <= 100:
        key, text = "blindness.apiserver.metrics.missing_percent", f"`{keys.metrics.missing_percent}` is no share"
        raise OptionError(key, text, "write a number from 1 to 100")
    return MetricsPlan(
        interval_s=_seconds("blindness.apiserver.metrics.interval", keys.metrics.interval, 1),
        arrival_s=_seconds("blindness.apiserver.metrics.arrival", keys.metrics.arrival, 1),
        missing_percent=keys.metrics.missing_percent,
        sources=tuple(keys.metrics.sources),
    )


def _canary(keys: ApiServer) -> CanaryPlan | None:
    found, key = keys.canary, "blindness.apiserver.canary"
    if not found.enabled:
        return None
    if not found.path.startswith("/") or not _PATH.fullmatch(found.path):
        raise OptionError(f"{key}.path", f"`{found.path}` is no path", "write it as in a URL, from the slash on")
    plan = CanaryPlan(
        path=found.path,
        interval_s=_seconds(f"{key}.interval", found.interval, 1),
        within_s=_seconds(f"{key}.within", found.within, 1),
    )
    most_s = plan.interval_s / max(1, len(keys.urls))
    if plan.within_s > most_s:
        servers = f", divided by {len(keys.urls)} API servers" if len(keys.urls) > 1 else ""
        help_text = f"one is awaited at a time: at most `interval`{servers}, which is {most_s:g} s"
        raise OptionError(f"{key}.within", f"`{found.within}` is longer than there is until the next one", help_text)
    return plan


def _seconds(key: str, text: str, least_s: float, *, or_0: bool = False) -> float:
    """A time in seconds.

    Raises:
        OptionError: It is none, or too short.
    """
    if or_0 and text.strip() == "0":
        return 0.0
    found = parse_ms(text)
    if found is None or found < least_s * 1000:
        other = ", or 0" if or_0 else ""
        raise OptionError(key, f"`{text}` is no time of at least {least_s:g} s{other}", _EXAMPLE)
    return found / 1000
