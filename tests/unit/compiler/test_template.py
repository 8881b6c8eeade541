"""What an alert says: the message, and the typed fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.compiler.load import AppendOutput, load
from lanner.compiler.operands import Constants, OperandCompiler, paths
from lanner.compiler.output import parse_output
from lanner.compiler.ruleset import compile_rules
from lanner.compiler.scope import Scope
from lanner.compiler.template import compile_render, text_source
from lanner.diagnostics import MappedText, SourceFile
from lanner.engine.alert import Alert
from lanner.engine.engine import Engine
from lanner.events.context import Context
from lanner.events.decode import EventDecoder
from lanner.events.schema import EventSchema
from lanner.rules.versions import AUDIT_SOURCE, PLUGINS
from tests.unit.engine.engines import check, event, rule

EVENT = event(
    "get", user={"username": "eve", "groups": ["a", "b,c"]}, requestObject={"x": None, "y": [1.5, {"z": "é"}]}
).replace(b"1.5", b"1.50")


def alert(output: str, text: bytes = EVENT) -> Alert:
    (found,) = check("ka.verb exists", output).process(text).alerts
    return found


@pytest.mark.parametrize(
    ("output", "message", "fields"),
    [
        ("plain", "plain", {}),
        ("%ka.verb", "get", {"ka.verb": "get"}),
        ("<%ka.verb|%ka.verb>", "<get|get>", {"ka.verb": "get"}),
        ("%ka.target.name", "<NA>", {"ka.target.name": None}),
        ("%ka.user.groups", "(a,b,c)", {"ka.user.groups": ["a", "b,c"]}),
        ("%ka.sourceips", "<NA>", {"ka.sourceips": None}),
        ("%evt.num", "1", {"evt.num": 1}),
        ("%toupper(ka.verb)", "GET", {"ka.verb": "get"}),
        ('%join("+", ka.user.groups)', "a+b,c", {"ka.user.groups": ["a", "b,c"]}),
        ("%len(ka.user.groups)", "2", {"ka.user.groups": ["a", "b,c"]}),
        ("%len(ka.target.name)", "<NA>", {"ka.target.name": None}),
        ("%5ka.verb|", "get  |", {"ka.verb": "get"}),
        ("%2ka.verb|", "ge|", {"ka.verb": "get"}),
        ("%6ka.target.name|", "<NA>  |", {"ka.target.name": None}),
        ("%8ka.user.groups|", "(a,b,c) |", {"ka.user.groups": ["a", "b,c"]}),
        ("%jevt.value[/requestObject/x]", "<NA>", {"jevt.value[/requestObject/x]": None}),
        ("%jevt.value[/requestObject/y]", '[1.50,{"z":"é"}]', {"jevt.value[/requestObject/y]": '[1.50,{"z":"é"}]'}),
        ("{e} {{c}} '\"\\ é", "{e} {{c}} '\"\\ é", {}),
    ],
)
def test_an_output_prints_texts_and_fields(output: str, message: str, fields: dict[str, Any]) -> None:
    found = alert(output)
    assert found.message == message
    assert found.output_fields == fields


def test_fields_are_sorted_by_their_names() -> None:
    found = alert("%ka.verb %evt.num %ka.user.name %ka.auditid")
    assert list(found.output_fields) == ["evt.num", "ka.auditid", "ka.user.name", "ka.verb"]


def test_times_are_numbers_in_fields_and_readable_in_the_message() -> None:
    text = event("get", stageTimestamp="2024-01-01T00:00:01.000002Z")
    found = alert("%evt.time.iso8601 %evt.rawtime", text)
    assert found.message.startswith("2024-01-01T00:00:01.000002000")
    assert str(found.time_ns) in found.message


_PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="%")


@given(st.text(_PLAIN, min_size=1, max_size=12))
def test_texts_are_printed_as_they_stand(text: str) -> None:
    template, problems = parse_output(MappedText.literal(text), Scope.of(AUDIT_SOURCE, PLUGINS))
    assert template is not None, problems
    constants = Constants()
    source = text_source(template, OperandCompiler(EventSchema([]), constants), constants)
    assert compile_render(source, constants, "text")(None, None) == text.removeprefix("*")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), st.integers(1, 12))
def test_a_width_is_in_characters(name: str, width: int) -> None:
    text = event("get", user={"username": name})
    assert alert(f"%{width}ka.user.name", text).message == name[:width].ljust(width)


def test_a_configuration_adds_texts_and_fields() -> None:
    additions = [
        AppendOutput(extra_output="by %ka.user.name"),
        AppendOutput(extra_fields=(("ka.user.groups", "", True), ("who", "<%ka.user.name>", False))),
        AppendOutput(rule="Other", extra_output="never"),
    ]
    result = load([SourceFile("r.yaml", rule("A", "ka.verb exists", "%ka.verb"))], append_output=additions)
    assert result.rules is not None
    (found,) = Engine(compile_rules(result.rules)).process(EVENT).alerts
    assert found.message == "get by eve"
    assert found.output_fields == {
        "ka.user.groups": ["a", "b,c"],
        "ka.user.name": "eve",
        "ka.verb": "get",
        "who": "<eve>",
    }


def test_a_template_alone_is_rendered() -> None:
    template, _ = parse_output(MappedText.literal("%ka.verb: %toupper(ka.user.name)"), Scope.of(AUDIT_SOURCE, PLUGINS))
    assert template is not None
    schema = EventSchema(path for found in template.fields for path in paths(found.operand))
    constants = Constants()
    render = compile_render(text_source(template, OperandCompiler(schema, constants), constants), constants, "text")
    batch = EventDecoder(schema).lines(EVENT)
    context = Context("here", lambda: 1)
    context.begin(batch)
    context.at(batch.events[0], 0)
    assert render(batch.events[0], context) == "get: EVE"
