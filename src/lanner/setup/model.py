"""What a user says of the cluster, and the files that are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Files = dict[str, str]
"""By name, the text of each file."""

LOOPBACK = "http://127.0.0.1:9765/k8s-audit"


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known of the cluster.

    Attributes:
        policy: The audit policy, as the text of its file.
        policy_object: The same as an object.
        rules: By name, the texts of rule files that Lanner is to be given.
        rules_files: These names, and `default` for the default rules, in order; none: these alone.
        url: Where the API servers post; `LOOPBACK` for a Lanner beside each of them.
        ca: The CA's certificate, client certificate, client key and token: paths on the machines of the API servers.
        token: A bearer token that the API servers send and Lanner knows; empty: none.
        metrics_token: A bearer token that opens Lanner's metrics; not for a Lanner beside each API server.
        image: Of the container.
        namespace: That Lanner runs in.
        source_ranges: The networks that the API servers post from.
        watch: Whether Lanner watches the API servers' metrics, and sends canaries.
        apiserver_port: Where an API server listens on its own node.
        names: What a provider's things are called, by the name of the option.
    """

    policy: str = ""
    policy_object: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    rules_files: tuple[str, ...] = ()
    url: str = LOOPBACK
    ca: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    token_file: str | None = None
    token: str = field(default="", repr=False)
    metrics_token: str = field(default="", repr=False)
    image: str = "lanner:latest"
    namespace: str = "lanner"
    source_ranges: tuple[str, ...] = ()
    watch: bool = False
    apiserver_port: int = 6443
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether Lanner runs beside each API server."""
        return self.url == LOOPBACK


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values as often as they stand there."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(*documents: object, head: str = "") -> str:
    """Objects as documents of a YAML file, with comment lines at its head."""
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    texts = (yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True) for each in documents)
    return comment + "---\n".join(texts)
