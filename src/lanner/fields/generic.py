"""The fields that any event has: `jevt` and `json` look into its JSON, `evt` is what the engine knows of it.

Source: Falco plugins, json.go; Falco libs, sinsp_filtercheck_gen_event.cpp.
"""

from lanner.fields.spec import ArgKind, FieldSpec, FieldType, Meta, PointerArgument


def _json_fields(prefix: str) -> tuple[FieldSpec, ...]:
    """The fields of the json plugin under one of its two prefixes."""
    return (
        FieldSpec(
            name=f"{prefix}.value",
            desc="The value at a JSON pointer (RFC 6901) into the event: text as it is, anything else as JSON. "
            "In the pointer, `~1` stands for `/` and `~0` for `~`; an empty one gives the whole event.",
            extract=PointerArgument(),
            source="json",
            arg=ArgKind.KEY,
            arg_required=True,
            example="1.31",
            example_arg="/requestObject/metadata/labels/app.kubernetes.io~1version",
        ),
        FieldSpec(name=f"{prefix}.obj", desc="The whole event as indented JSON.", extract=Meta("obj"), source="json"),
        FieldSpec(
            name=f"{prefix}.rawtime",
            desc="The event's time in nanoseconds since the epoch, as text. The same as `evt.rawtime`.",
            extract=Meta("rawtime"),
            source="json",
        ),
    )


JSON_FIELDS = (
    *_json_fields("jevt"),
    FieldSpec(
        name="jevt.time",
        desc="The event's local time of day, `HH:MM:SS.nnnnnnnnn`. The same as `evt.time`.",
        extract=Meta("time"),
        source="json",
    ),
    *_json_fields("json"),
)

EVENT_FIELDS = (
    FieldSpec(
        name="evt.num",
        desc="The event's running number, from 1.",
        extract=Meta("num"),
        source="evt",
        type=FieldType.NUMBER,
    ),
    FieldSpec(
        name="evt.time",
        desc="The event's local time of day, `HH:MM:SS.nnnnnnnnn`, as printed before each alert.",
        extract=Meta("time"),
        source="evt",
    ),
    FieldSpec(
        name="evt.time.iso8601",
        desc="The event's time in ISO 8601, in UTC, with nanoseconds and the offset `+0000`.",
        extract=Meta("iso8601"),
        source="evt",
    ),
    FieldSpec(
        name="evt.datetime",
        desc="The event's local date and time, with nanoseconds.",
        extract=Meta("datetime"),
        source="evt",
    ),
    FieldSpec(
        name="evt.rawtime",
        desc="The event's time in nanoseconds since the epoch.",
        extract=Meta("rawtime"),
        source="evt",
        type=FieldType.NUMBER,
    ),
    FieldSpec(
        name="evt.source",
        desc="The source that the event belongs to: `k8s_audit`.",
        extract=Meta("source"),
        source="evt",
    ),
    FieldSpec(
        name="evt.plugininfo",
        desc="The whole event as JSON, as it was received.",
        extract=Meta("plugininfo"),
        source="evt",
    ),
    FieldSpec(
        name="evt.pluginname",
        desc="The name of the plugin that read the event.",
        extract=Meta("pluginname"),
        source="evt",
    ),
    FieldSpec(
        name="evt.asynctype",
        desc="The type of an asynchronous event. Audit events are none, so it is always missing.",
        extract=Meta("asynctype"),
        source="evt",
    ),
    FieldSpec(
        name="evt.hostname",
        desc="The name of the host that detects: the environment variable `FALCO_HOSTNAME`, else the system's.",
        extract=Meta("hostname"),
        source="evt",
    ),
)
