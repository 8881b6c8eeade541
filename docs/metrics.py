"""The page of the metrics, from the table that `/metrics` shows."""

from __future__ import annotations

from docs.markup import code, page, table

from lanner.server.metrics import LATENCY, LATENCY_DESCRIPTION, METRICS, Metric

_FALCO = "falcosecurity_"
_COLUMNS = ("metric", "kind", "labels", "meaning")


def metrics() -> str:
    """The text of the page."""
    intro = (
        "What `/metrics` shows, with `webserver.prometheus_metrics_enabled`. Names that begin with `falcosecurity_` "
        "are Falco's, and mean what they mean there; metrics about system calls are left out. "
        "[Operations](../guide/operations.md) says which to watch."
    )
    falcos = [metric for metric in METRICS if metric.name.startswith(_FALCO)]
    own = [metric for metric in METRICS if metric not in falcos]
    latency = (code(LATENCY), "histogram", code("source"), LATENCY_DESCRIPTION)
    return page(
        "Metrics",
        intro,
        f"## With Falco's names\n\n{table(_COLUMNS, map(_row, falcos))}",
        f"## Of Lanner's own\n\n{table(_COLUMNS, [*map(_row, own), latency])}",
    )


def _row(metric: Metric) -> tuple[str, str, str, str]:
    labels = ", ".join(code(label) for label in metric.labels.split(", ") if label)
    return code(metric.name), metric.kind, labels, metric.description
