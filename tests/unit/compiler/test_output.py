import pytest

from lanner.compiler.load import OutputField, OutputTemplate
from lanner.compiler.output import MAX_WIDTH
from lanner.condition import Call, Field
from tests.unit.compiler.loading import load_text, only_rule, problems, rule


def template(output: str) -> OutputTemplate:
    return only_rule(rule("ka.verb=a", output)).output


def shown(output: str) -> list[str | tuple[str, int]]:
    """Texts, and key and width of fields."""
    return [part if isinstance(part, str) else (part.key, part.width) for part in template(output).segments]


@pytest.mark.parametrize(
    ("output", "segments"),
    [
        ("plain", ["plain"]),
        ("*plain", ["plain"]),
        ("a=%ka.verb b", ["a=", ("ka.verb", 0), " b"]),
        ("%ka.verb%ka.stage", [("ka.verb", 0), ("ka.stage", 0)]),
        ("%ka.verb.", [("ka.verb", 0), "."]),
        ("(%ka.verb)", ["(", ("ka.verb", 0), ")"]),
        ("%10ka.verb|", [("ka.verb", 10), "|"]),
        ("%ka.uri.param[a b]", [("ka.uri", 0), ".param[a b]"]),
        ("%ka.uri.param[command]!", [("ka.uri.param[command]", 0), "!"]),
        ('%ka.uri.param["a b"]', [("ka.uri.param[a b]", 0)]),
        ("%jevt.value[/a/b~1c]", [("jevt.value[/a/b~1c]", 0)]),
        ("%5toupper(ka.verb)x", [("toupper(ka.verb)", 5), "x"]),
        ('%join("-", (ka.verb, ka.stage))', [("join(-,(ka.verb,ka.stage))", 0)]),
        ('%concat(ka.verb, ")", ka.stage)', [("concat(ka.verb,),ka.stage)", 0)]),
        ("line\nbreak %evt.time", ["line\nbreak ", ("evt.time", 0)]),
    ],
)
def test_outputs_are_texts_and_fields(output: str, segments: list[str | tuple[str, int]]) -> None:
    assert shown(output) == segments


def test_the_entries_of_output_fields_are_the_fields_and_those_in_transformers() -> None:
    found = template('%ka.verb %toupper(ka.user.name) %ka.verb %10ka.verb %join(",", (ka.stage, ka.verb))')
    assert [field.key for field in found.fields] == ["ka.verb", "ka.user.name", "ka.stage"]
    assert all(isinstance(field.operand, Field) and field.width == 0 for field in found.fields)
    transformer = found.segments[2]
    assert isinstance(transformer, OutputField)
    assert isinstance(transformer.operand, Call)


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("100% sure", [("LN0301", "%")]),
        ("100%", [("LN0301", "%")]),
        ("100%% of %ka.verb", [("LN0301", "%"), ("LN0301", "%")]),
        ("%verb", [("LN0301", "%")]),
        ("%10", [("LN0301", "%10")]),
        ("% ka.verb", [("LN0301", "%")]),
        ("%tolower(ka.verb", [("LN0301", "%tolower(")]),
        ("%tolower(ka.verb ka.stage)", [("LN0301", "%tolower(ka.verb ka.stage)")]),
        (f"%{MAX_WIDTH + 1}ka.verb", [("LN0301", f"%{MAX_WIDTH + 1}")]),
        ("a %ka.nope b %ka.nah", [("LN0302", "%ka.nope"), ("LN0302", "%ka.nah")]),
        ("%evt.type", [("LN0302", "%evt.type")]),
        ("%tolower(ka.nope)", [("LN0302", "%tolower(ka.nope)")]),
        ("%len(evt.num)", [("LN0303", "%len(evt.num)")]),
        ("%ka.req.volume.hostpath", [("LN0303", "%ka.req.volume.hostpath")]),
    ],
)
def test_what_is_wrong_is_underlined(output: str, found: list[tuple[str, str]]) -> None:
    assert problems(load_text(rule("ka.verb=a", output))) == found


@pytest.mark.parametrize(
    ("output", "underlined", "segments"),
    [
        ("%ka.uri.param", "%ka.uri.param", [("ka.uri", 0), ".param"]),
        ("%ka.verb[0]", "%ka.verb[0]", [("ka.verb", 0), "[0]"]),
        ("%ka.verbs", "%ka.verbs", [("ka.verb", 0), "s"]),
        ("%tolower(ka.verb)[x]", "%tolower(ka.verb)[x]", [("tolower(ka.verb)", 0), "[x]"]),
    ],
)
def test_a_name_that_begins_with_a_field_prints_the_field_with_a_warning(
    output: str, underlined: str, segments: list[str | tuple[str, int]]
) -> None:
    assert problems(load_text(rule("ka.verb=a", output))) == [("shortened_field", underlined)]
    assert shown(output) == segments


def test_an_output_of_blanks_is_empty() -> None:
    result = load_text(rule("ka.verb=a").replace("output: |-\n    x", "output: '  '"))
    assert [code for code, _ in problems(result)] == ["LN0301"]


def test_what_is_appended_to_an_output_is_underlined_in_its_file() -> None:
    result = load_text(rule("ka.verb=a"), "- rule: A\n  output: and %ka.nope\n  override: {output: append}\n")
    assert problems(result) == [("LN0302", "%ka.nope")]
    assert result.diagnostics[0].file_name == "1.yaml"


def test_very_long_names_are_read_in_no_time() -> None:
    name = "ka." + "a" * 200_000
    assert [code for code, _ in problems(load_text(rule("ka.verb=a", f"%{name}")))] == ["LN0302"]
