"""Many rules out of few, as an installation with many tenants has them.

A set of `n` rules is the first `n` of one sequence: the rules of the files themselves, then for tenant 1, 2, … a copy
of each with another name and a further conjunct. Same files and number, same text: nothing is random. Some copies are
about namespaces that are in use, but each also asks for a name that no recorded event has, so that sets of any size
raise the same alerts and differ in matching alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import yaml

Item: TypeAlias = dict[str, Any]

NAMESPACES = ("kube-node-lease", "ci", "payments", "shop", "data", "monitoring", "search", "kube-system")
"""Namespaces that events of the recordings are about; tenants have them in turn."""

CONJUNCTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "names": (
            "ka.target.namespace = {tenant}",
            "ka.user.name in ({tenant}-admin, {tenant}-ci, {tenant}-operator)",
            "ka.target.namespace = {namespace} and ka.user.name = {tenant}-admin",
            "ka.target.namespace = {tenant} and not ka.user.name in ({tenant}-admin, {tenant}-ci)",
        ),
        "texts": (
            "ka.target.name startswith {tenant}-",
            'ka.uri contains "/{tenant}/"',
            'ka.user.name startswith "{tenant}:"',
        ),
    }
)
"""By scheme, what copies add; tenant k takes number k, modulo how many there are."""


def read_items(paths: Iterable[Path]) -> list[Item]:
    """All items of rule files, in order."""
    return [item for path in paths for item in yaml.safe_load(path.read_text("utf-8"))]


def generate(items: Sequence[Item], size: int, scheme: str = "names") -> list[Item]:
    """Lists and macros as they are, and `size` rules.

    Args:
        items: Of the rule files to copy from.
        size: How many rules to give.
        scheme: A key of `CONJUNCTS`.
    """
    shared = [item for item in items if "rule" not in item]
    return [*shared, *islice(_rules([item for item in items if "rule" in item], CONJUNCTS[scheme]), size)]


def write(items: Sequence[Item], path: Path) -> None:
    """Write items as a rule file."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    path.write_text(yaml.dump(items, Dumper=dumper, sort_keys=False, width=1_000_000), "utf-8")


def _rules(originals: Sequence[Item], conjuncts: Sequence[str]) -> Iterator[Item]:
    yield from originals
    for number in count(1):
        namespace = NAMESPACES[number % len(NAMESPACES)]
        conjunct = conjuncts[number % len(conjuncts)].format(tenant=f"tenant-{number}", namespace=namespace)
        for rule in originals:
            name = f"{rule['rule']} (tenant {number})"
            yield {**rule, "rule": name, "condition": f"({rule['condition'].strip()}) and {conjunct}"}
