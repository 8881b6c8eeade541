"""What Lanner is when rule files ask for versions of the engine and of plugins.

Source: Falco libs, libsinsp/version.h; Falco, rule_loader_collector.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_VERSION = re.compile(r"\s*(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_NUMBER = re.compile(r"\d{1,9}")


class Version(NamedTuple):
    """Three numbers, compared in order."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def satisfies(self, wanted: Version) -> bool:
        """Whether this version can do what the other promises: the same major version, and not an older one."""
        return self.major == wanted.major and self >= wanted


ENGINE = Version(0, 62, 0)
"""The version of Falco's rules engine that Lanner is equal to."""

FALCO = Version(0, 44, 1)
"""The Falco whose place Lanner takes."""

PLUGINS: Mapping[str, str] = {
    "k8saudit": "0.18.0",
    "k8saudit-gke": "0.9.0",
    "k8saudit-eks": "0.12.0",
    "k8saudit-aks": "0.6.0",
    "k8saudit-ovh": "0.6.0",
    "json": "0.7.4",
}
"""The plugins that are built in, and the versions of Falco's plugins that they are equal to."""

WITHOUT_EVENTS = frozenset({"json"})
"""Those of them that only extract fields; all others bring events."""

AUDIT_SOURCE = "k8s_audit"
SYSCALL_SOURCE = "syscall"


def parse_version(text: str) -> Version | None:
    """The version written as x.y.z, or None. What follows the third number does not count, as in Falco."""
    match = _VERSION.match(text)
    return Version(*map(int, match.groups())) if match else None


def parse_engine_version(text: str) -> Version | None:
    """As `parse_version`; a number N alone means 0.N.0."""
    return Version(0, int(text), 0) if _NUMBER.fullmatch(text) else parse_version(text)


def event_sources(loaded: Mapping[str, str]) -> frozenset[str]:
    """The sources that rules can have with these plugins; system calls always count."""
    has_events = not loaded.keys() <= WITHOUT_EVENTS
    return frozenset({SYSCALL_SOURCE, AUDIT_SOURCE} if has_events else {SYSCALL_SOURCE})
