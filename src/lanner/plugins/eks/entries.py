"""Log events to audit events: with the cluster's name, and what is left of a line that CloudWatch cut."""

from __future__ import annotations

from lanner.plugins.texts import Content, judged, with_cluster

CUT_MARK = "[Truncated...]"
"""What a line ends with that was too long for CloudWatch Logs. Source: Falco plugins, k8saudit-eks."""


def content_of(message: str, cluster: str) -> Content:
    """The event of a log line, with the cluster's name among its annotations, where `ka.cluster.name` has it from."""
    return with_cluster(judged(message.removesuffix(CUT_MARK).encode("utf-8", "replace")), cluster)
