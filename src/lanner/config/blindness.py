"""The keys of `blindness`, which Falco does not have: what is watched for events that are missed."""

from __future__ import annotations

from typing import Annotated

from lanner.config.section import Section, used

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a pod finds its service account's token, and the certificate of the cluster's authority."""


class Silence(Section, frozen=True):
    """`blindness.silence`."""

    enabled: Annotated[bool, used("Whether an alert says that a source sends nothing for longer than is usual.")] = True
    at_least: Annotated[str, used("No shorter silence is told of.")] = "10m"
    at_most: Annotated[str, used("Every longer silence is told of, however quiet the source has been.")] = "12h"
    sources: Annotated[
        dict[str, str],
        used("How long a source may be silent, by its name, in place of what is learned; `0`: any time."),
    ] = {}


class WatchedMetrics(Section, frozen=True):
    """`blindness.apiserver.metrics`."""

    enabled: Annotated[bool, used("Whether the metrics of the API servers are watched.")] = False
    interval: Annotated[str, used("How often they are asked for.")] = "30s"
    arrival: Annotated[str, used("How long an event that an API server has recorded may be on its way to Lanner.")] = (
        "3m"
    )
    missing_percent: Annotated[
        int, used("How many percent of the events that the API servers record may be missing; `100`: it is not told.")
    ] = 5
    sources: Annotated[
        list[str], used("The sources that these API servers' events come by; without one, any source.")
    ] = []


class WatchedCanary(Section, frozen=True):
    """`blindness.apiserver.canary`."""

    enabled: Annotated[bool, used("Whether requests are sent whose audit events must come back.")] = False
    path: Annotated[
        str, used("What is asked for with GET: what the service account may get, whether it is there or not.")
    ] = "/api/v1/namespaces/lanner/configmaps/lanner-canary"
    interval: Annotated[str, used("How often each API server is asked.")] = "5m"
    within: Annotated[str, used("How long the event may take to come back.")] = "2m"


class ApiServer(Section, frozen=True):
    """`blindness.apiserver`."""

    urls: Annotated[
        list[str],
        used("Addresses of all API servers, without a path; without one, that of the cluster Lanner runs in."),
    ] = []
    ca_file: Annotated[
        str, used("Certificates of the authorities that their certificates are by, PEM; empty: those of the system.")
    ] = f"{ACCOUNT}/ca.crt"
    token_file: Annotated[
        str, used("File with the bearer token to send, over HTTPS alone; read anew each time; empty: none.")
    ] = f"{ACCOUNT}/token"
    server_name: Annotated[str, used("The name in their certificates; empty: that of the address.")] = ""
    metrics: Annotated[WatchedMetrics, used("Events that API servers lose, by their own count.")] = WatchedMetrics()
    canary: Annotated[WatchedCanary, used("Requests whose audit events must come back in time.")] = WatchedCanary()


class Blindness(Section, frozen=True):
    """`blindness`."""

    silence: Annotated[Silence, used("Sources that send nothing.")] = Silence()
    late_after: Annotated[
        str, used("How long after it happened an event may be evaluated before an alert says so; `0`: any time.")
    ] = "5m"
    apiserver: Annotated[ApiServer, used("API servers that are asked whether events are missing.")] = ApiServer()
