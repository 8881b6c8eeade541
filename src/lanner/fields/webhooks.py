"""Admission webhooks: where they lead, and what they did to a request.

Source: Kubernetes, admissionregistration/v1; the annotations of apiserver/pkg/admission/plugin/webhook (mutating and
validating `dispatcher.go`).
"""

from collections.abc import Callable, Iterator

import msgspec

from lanner.events.values import Json, as_text, as_texts, decode_json, walk
from lanner.fields.patches import elements, written
from lanner.fields.workloads import container_texts, host_paths, spec_flag

_PATCHED = "patch.webhook.admission.k8s.io/"
_FAILED_OPEN = "failed-open."


def _webhooks(body: Json) -> Iterator[Json]:
    return elements(walk(written(body), ("webhooks",)))


def targets(body: Json) -> list[str] | None:
    """Where the webhooks of a configuration send what they see: a URL, or `namespace/name` of a service."""
    found = []
    for webhook in _webhooks(body):
        url = as_text(walk(webhook, ("clientConfig", "url")))
        service = walk(webhook, ("clientConfig", "service"))
        if url is not None:
            found.append(url)
        elif isinstance(service, dict):
            found.append(f"{as_text(service.get('namespace')) or ''}/{as_text(service.get('name')) or ''}")
    return found or None


def failure_policies(body: Json) -> list[str] | None:
    """What the webhooks of a configuration let happen when they fail: `Fail` or `Ignore`."""
    return as_texts(walk(webhook, ("failurePolicy",)) for webhook in _webhooks(body))


def admission_patches(annotations: Json) -> list[str] | None:
    """The patches that mutating webhooks made to the request, as JSON."""
    return _annotated(annotations, _PATCHED)


def injected(annotations: Json) -> list[str] | None:
    """What the patches of mutating webhooks put into pods of what reaches for the node."""
    bodies = [_operations(text) for text in admission_patches(annotations) or ()]
    return [name for name, is_in in _INJECTIONS.items() if any(map(is_in, bodies))] or None


_INJECTIONS: dict[str, Callable[[Json], bool]] = {
    "privileged": lambda body: "true" in (container_texts(("securityContext", "privileged"), body) or ()),
    "host_network": lambda body: spec_flag("hostNetwork", body) == "true",
    "host_pid": lambda body: spec_flag("hostPID", body) == "true",
    "host_ipc": lambda body: spec_flag("hostIPC", body) == "true",
    "hostpath": lambda body: host_paths(body) is not None,
    "container": lambda body: container_texts(("image",), body) is not None,
}


def _operations(text: str) -> Json:
    try:
        return walk(decode_json(text.encode("utf-8", "replace")), ("patch",))
    except msgspec.DecodeError:
        return None


def failed_open(annotations: Json) -> list[str] | None:
    """The webhooks that could not be asked, and without which the request went on."""
    return _annotated(annotations, _FAILED_OPEN)


def _annotated(annotations: Json, prefix: str) -> list[str] | None:
    if not isinstance(annotations, dict):
        return None
    return as_texts(value for key, value in annotations.items() if key.startswith(prefix))
