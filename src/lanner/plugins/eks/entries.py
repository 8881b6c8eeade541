"""Log events to audit events: with the cluster's name, and what is left of a line that CloudWatch cut."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from lanner.plugins.texts import DECODE_ERRORS, Content, Standing, judged

CUT_MARK = "[Truncated...]"
"""What a line ends with that was too long for CloudWatch Logs. Source: Falco plugins, k8saudit-eks."""

_NAME = "cluster_name"
_decode = msgspec.json.Decoder(dict[str, Raw]).decode


def content_of(message: str, cluster: str) -> Content:
    """The event of a log line, with the cluster's name among its annotations, where `ka.cluster.name` has it from."""
    found = judged(message.removesuffix(CUT_MARK).encode("utf-8", "replace"))
    match found.standing:
        case Standing.EVENT if found.text.startswith(b"{"):
            return Content(Standing.EVENT, _named(found.text, cluster))
        case Standing.CUT if found.text.startswith(b"{"):
            # Annotations come last in an event, so that a line that was cut has none.
            start = msgspec.json.encode({"annotations": {_NAME: cluster}})[:-1] + b","
            return Content(Standing.CUT, start + found.text[1:])
    return found


def _named(text: bytes, cluster: str) -> bytes:
    try:
        event = _decode(text)
        annotations = _decode(event["annotations"]) if "annotations" in event else {}
    except DECODE_ERRORS:
        return text  # nested too deeply, or not annotations: it is evaluated as it is
    name = Raw(msgspec.json.encode(cluster))
    return msgspec.json.encode({**event, "annotations": {**annotations, _NAME: name}})
