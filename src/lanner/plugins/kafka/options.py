"""What can be told to the source, to the properties of librdkafka.

Source: librdkafka, CONFIGURATION.md (names and defaults of properties).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lanner.sources.base import MIB, SourceError
from lanner.sources.plugin import secret

Form = Literal["auto", "audit", "gke", "eks", "aks"]

EXAMPLE = "write it like `broker1:9092,broker2:9092/topic`"
GROUP = "lanner"

_TOPIC = re.compile(r"\^\S+|[A-Za-z0-9._-]{1,249}")
_BROKER = re.compile(r"[^\s,/]+")
_SCHEME = re.compile(r"[A-Za-z+]+://")

OWN_PROPERTIES: Mapping[str, str] = {
    "auto.commit.enable": "offsets are committed once their events have been evaluated and their alerts stored",
    "auto.offset.reset": "say where to begin with the option `start`",
    "bootstrap.servers": "brokers stand in `open_params`",
    "enable.auto.commit": "offsets are committed once their events have been evaluated and their alerts stored",
    "enable.auto.offset.store": "offsets are committed once their events have been evaluated and their alerts stored",
    "group.id": "name the group with the option `group`",
    "metadata.broker.list": "brokers stand in `open_params`",
    "partition.assignment.strategy": "partitions are taken over one by one, which is `cooperative-sticky`",
}
"""Properties that nobody may set, and why: what an acknowledgement means depends on them, or an option sets them."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`init_config` of kafka."""

    group: Annotated[str, Meta(description="Consumer group; its members share the partitions.", min_length=1)] = GROUP
    start: Annotated[
        Literal["earliest", "latest"],
        Meta(description="Where to begin in a partition of which the group has no offset yet."),
    ] = "earliest"
    format: Annotated[
        Form,
        Meta(
            description="What a message holds: audit events, log entries of GKE, CloudWatch's envelope of EKS, "
            "diagnostic records of AKS; `auto` looks at each message."
        ),
    ] = "auto"
    tls: Annotated[bool, Meta(description="Whether to speak TLS with the brokers.")] = False
    tls_ca: Annotated[str, Meta(description="PEM file of the CA; without it, those of the system.")] = ""
    tls_certificate: Annotated[str, Meta(description="PEM file of the client's certificate.")] = ""
    tls_key: Annotated[str, Meta(description="PEM file of its key.")] = ""
    tls_key_password: Annotated[str, secret("Password of the key.")] = ""
    sasl_mechanism: Annotated[
        Literal["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"],
        Meta(description="How to authenticate by SASL, if at all."),
    ] = "none"
    sasl_username: Annotated[str, Meta(description="User of SASL.")] = ""
    sasl_password: Annotated[str, secret("Password of SASL.")] = ""
    batch_messages: Annotated[
        int, Meta(description="How many messages are evaluated together at most.", ge=1, le=100_000)
    ] = 1000
    batch_bytes: Annotated[
        int, Meta(description="How many bytes of messages are evaluated together, but for the last one.", ge=1)
    ] = 4 * MIB
    properties: Annotated[
        dict[str, str | int | float | bool],
        secret("Further properties of librdkafka, such as `fetch.min.bytes`."),
    ] = {}


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages come from: brokers as one text, and topics; one that begins with `^` is a pattern of names."""

    brokers: str
    topics: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.brokers}/{','.join(self.topics)}"


def read_place(open_params: str) -> Place:
    """The brokers and topics of `open_params`: `BROKER[:PORT][,…]/TOPIC[,…]`.

    Raises:
        SourceError: They cannot be understood.
    """
    brokers, slash, topics = open_params.strip().partition("/")
    names = tuple(name.strip() for name in topics.split(",") if name.strip())
    hosts = tuple(host.strip() for host in brokers.split(",") if host.strip())
    if _SCHEME.match(open_params.strip()):
        raise SourceError(open_params, "brokers are given without a scheme", EXAMPLE, action="open")
    if not hosts or not all(_BROKER.fullmatch(host) for host in hosts):
        raise SourceError(open_params, "it names no broker", EXAMPLE, action="open")
    if not slash or not names:
        raise SourceError(open_params, "it names no topic", EXAMPLE, action="open")
    for name in names:
        if not _TOPIC.fullmatch(name):
            help_text = "letters, digits, `.`, `_` and `-`; a pattern begins with `^`"
            raise SourceError(open_params, f"`{name}` cannot be the name of a topic", help_text, action="open")
    return Place(",".join(hosts), names)


def client_properties(place: Place, options: Options) -> dict[str, Any]:
    """What librdkafka is told, for any kind of client.

    Raises:
        SourceError: A property is one that Lanner sets.
    """
    for name in options.properties:
        if (reason := OWN_PROPERTIES.get(name)) is not None:
            raise SourceError(str(place), f"property `{name}` cannot be set", reason, action="open")
    return {
        "client.id": "lanner",
        "bootstrap.servers": place.brokers,
        **_security(options),
        **options.properties,
    }


def consumer_properties(place: Place, options: Options) -> dict[str, Any]:
    """What librdkafka is told for a member of the group.

    Raises:
        SourceError: A property is one that Lanner sets.
    """
    given = client_properties(place, options)
    is_classic = given.get("group.protocol", "classic") == "classic"
    shared = {"partition.assignment.strategy": "cooperative-sticky"} if is_classic else {}  # else the brokers' business
    return {
        "queued.max.messages.kbytes": 16 * 1024,  # of each partition, read ahead; librdkafka's own bound is 64 MiB
        **given,
        **shared,
        "group.id": options.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # so that messages which were deleted unread are noticed
    }


def _security(options: Options) -> dict[str, Any]:
    has_sasl = options.sasl_mechanism != "none"
    given = {
        "ssl.ca.location": options.tls_ca,
        "ssl.certificate.location": options.tls_certificate,
        "ssl.key.location": options.tls_key,
        "ssl.key.password": options.tls_key_password,
        "sasl.mechanism": options.sasl_mechanism if has_sasl else "",
        "sasl.username": options.sasl_username,
        "sasl.password": options.sasl_password,
    }
    protocol = f"{'sasl_' if has_sasl else ''}{'ssl' if options.tls else 'plaintext'}"
    return {"security.protocol": protocol, **{name: value for name, value in given.items() if value}}
