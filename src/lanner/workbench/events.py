"""Events of rule tests, made of base events, files and what differs from these."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

import msgspec
from jsonpatch import InvalidJsonPatch, JsonPatchException, JsonPointerException, apply_patch
from msgspec import inspect

from lanner.config.reader import read
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.events.values import Json, decode_json, encode_json
from lanner.rules.nodes import parse_yaml
from lanner.workbench.models import EventSpec, Part
from lanner.workbench.pick import PickError, is_audit_event, pick_events

BASES = "base-events.yaml"
MAX_STEPS = 32
"""Base events that an event is made of, one on top of the other."""

EMPTY = EventSpec()
_MAX_SAMPLE = 120


class _Bases(Part, frozen=True, kw_only=True):
    bases: dict[str, EventSpec]


@cache
def shipped_bases() -> Mapping[str, EventSpec]:
    """The base events that come with Lanner, by name."""
    file = SourceFile(BASES, (files("lanner") / "data" / BASES).read_text(encoding="utf-8"))
    diagnostics = Diagnostics()
    documents = parse_yaml(file, diagnostics)
    value = read(documents[0], inspect.type_info(_Bases), diagnostics) if documents else None
    if diagnostics.items:
        raise ValueError([found.message for found in diagnostics])
    return msgspec.convert(value, _Bases).bases


@dataclass(frozen=True, slots=True)
class EventMaker:
    """Makes the events of one test file.

    Attributes:
        folder: What paths in the file are relative to.
        bases: The base events of the file; those that come with Lanner stand behind them.
    """

    folder: str
    bases: Mapping[str, EventSpec] = field(default_factory=dict)

    def make(self, spec: EventSpec, start: EventSpec = EMPTY) -> list[bytes]:
        """The JSON texts of the events that a specification describes; several only where a file has them.

        Args:
            spec: The event.
            start: What it starts from when it names neither a base event nor a file.

        Raises:
            PickError: It cannot be made, or is no audit event.
        """
        texts = [encode_json(event) for event in self._made(self._steps(spec, start))]
        for text in texts:
            if not is_audit_event(text):
                shown = text[:_MAX_SAMPLE].decode("utf-8", "replace")
                raise PickError(
                    "what comes out is no audit event", f"it is `{shown}`; `base: request` gives it the rest"
                )
        return texts

    def _steps(self, spec: EventSpec, start: EventSpec) -> list[EventSpec]:
        """What is put on top of each other, from the ground up."""
        own = spec.base is None and spec.file is None
        steps = [spec, start] if own else [spec]
        while (name := steps[-1].base) is not None:
            if steps[-1].file is not None:
                raise PickError("an event starts from `base` or from `file`, not from both", key="file")
            if len(steps) > MAX_STEPS:
                raise PickError(
                    f"base event `{name}` is made of more than {MAX_STEPS} others, or of itself", key="base"
                )
            steps.append(self._base(name))
        return steps[::-1]

    def _base(self, name: str) -> EventSpec:
        known = {**shipped_bases(), **self.bases}
        if name not in known:
            near = get_close_matches(name[:120], known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"base events are {', '.join(known)}"
            raise PickError(f"no base event is called `{name}`", hint, "base")
        return known[name]

    def _made(self, steps: list[EventSpec]) -> list[Json]:
        ground = steps[0]
        line = next((step.line for step in reversed(steps) if step.line is not None), None)
        found: list[Json] = [{}]
        if ground.file is not None:
            found = [decode_json(text) for text in pick_events(os.path.join(self.folder, ground.file), line)]
        elif line is not None:
            raise PickError("`line` stands without a `file`", key="line")
        for step in steps:
            found = [_changed(event, step) for event in found]
        return found


def _changed(event: Json, step: EventSpec) -> Json:
    """The event with the differences of one step."""
    if step.merge:
        event = merged(event, step.merge)
    for number, operation in enumerate(step.patch, 1):
        event = _patched(event, operation, number)
    return event


def _patched(event: Json, operation: dict[str, Json], number: int) -> Json:
    """The event after one operation of a JSON patch."""
    try:
        changed: Json = apply_patch(event, [operation])
    except (InvalidJsonPatch, TypeError):
        hint = "an operation has `op`, `path` and, as a rule, `value`"
        raise PickError(f"operation {number} of `patch` is malformed", hint, "patch") from None
    except (JsonPatchException, JsonPointerException):
        path = operation.get("path")
        raise PickError(f"operation {number} of `patch` does not fit the event at `{path}`", key="patch") from None
    except RecursionError:
        raise PickError("`patch` cannot change an event that is nested so deeply", key="patch") from None
    return changed


def merged(value: Json, patch: Json) -> Json:
    """A JSON merge patch applied to a value. Source: RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), change)
    return result
