"""Addresses and networks of the Internet protocols, as rules compare them."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_address(text: str) -> Address | None:
    """The address that a text is, without its zone; an IPv4 address in IPv6 is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def parse_network(text: str) -> Network | None:
    """The network that a text in CIDR notation is, or that of a single address; bits behind the prefix are ignored."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


class Networks:
    """A set of networks, by version and length of the prefix: how many there are does not slow the lookup down."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for text in networks:
            if network := parse_network(text):
                shift = network.max_prefixlen - network.prefixlen
                prefixes = self._prefixes.setdefault((network.version, shift), set())
                prefixes.add(int(network.network_address) >> shift)
        self.has = lru_cache(4096)(self._has)

    def _has(self, text: str) -> bool:
        """Whether a text is an address in one of the networks."""
        address = parse_address(text)
        return address is not None and any(
            version == address.version and int(address) >> shift in prefixes
            for (version, shift), prefixes in self._prefixes.items()
        )
