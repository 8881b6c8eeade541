"""The reference page of rule tests, from the models that they are read by and the base events that ship."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from docs.markup import code, page, table
from msgspec import inspect

from lanner.workbench.events import EventMaker, shipped_bases
from lanner.workbench.models import Case, Equivalent, EventSpec, Expected, RuleTest, Suite


def rule_tests() -> str:
    """The keys of files of rule tests, and the base events."""
    intro = (
        "The keys of a file of rule tests, and the base events that come with Lanner. [Testing "
        "rules](../guide/testing-rules.md) shows how they are used."
    )
    sections = (
        ("A file", Suite, ()),
        ("A test", RuleTest, ()),
        ("A case", Case, EventSpec.__struct_fields__),
        ("An event", EventSpec, ()),
        ("An expected alert", Expected, ()),
        ("A mistake that changes nothing", Equivalent, ()),
    )
    parts = [_model_table(title, model, leave_out) for title, model, leave_out in sections]
    return page("Keys of rule tests", intro, *parts, _base_events())


def _model_table(title: str, model: Any, leave_out: Iterable[str]) -> str:
    """The keys of a section of a file; a case is an event, whose keys have a table of their own."""
    info: Any = inspect.type_info(model)
    fields = [field for field in info.fields if field.name not in leave_out]
    rows = (
        (code(field.name), "yes" if field.required else "", field.type.extra_json_schema["description"])
        for field in sorted(fields, key=lambda field: not field.required)
    )
    also = "A case has the keys of an event as well.\n\n" if leave_out else ""
    return f"## {title}\n\n{also}{table(('key', 'required', 'meaning'), rows)}"


def _base_events() -> str:
    maker = EventMaker("")
    rows = []
    for name in shipped_bases():
        event = json.loads(maker.make(EventSpec(base=name))[0])
        target = event.get("objectRef", {})
        resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
        status = str(event["responseStatus"]["code"])
        rows.append((code(name), event["verb"], resource, target.get("namespace", ""), event["level"], status))
    head = ("base event", "verb", "resource", "namespace", "level", "code")
    return f"## Base events\n\nEach is a request of the user `alice` unless it says otherwise.\n\n{table(head, rows)}"
