"""Fields and transformers to expressions, and the names that generated code has for things."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.compiler import semantics
from lanner.compiler.operands import Constants, OperandCompiler, is_numbering, paths, variable_name
from lanner.condition import Call, Field, Literal, parse_operand, to_text
from lanner.condition.ast import Argument
from lanner.diagnostics import MappedText
from lanner.events.context import Context
from lanner.events.decode import EventDecoder
from lanner.events.schema import EventSchema
from tests.property.strategies import LIST_FIELDS, TEXT_FIELDS, events, text_lists, texts
from tests.reference import Value, value_of


def operand(text: str) -> Argument:
    return parse_operand(MappedText.literal(text))


def values(nodes: list[Argument], text: bytes, *, slow: bool = False) -> list[Any]:
    """What the expressions of operands give for an event."""
    schema = EventSchema(path for node in nodes for path in paths(node))
    constants = Constants()
    compiler = OperandCompiler(schema, constants)
    decoder = EventDecoder(schema)
    batch = decoder.lines(text + b"\nnonsense") if slow else decoder.lines(text)
    context = Context("here", lambda: 10**18)
    context.begin(batch)
    context.at(batch.events[0], 0)
    names = {**constants.values, "e": batch.events[0], "c": context}
    codes = [compiler.compile(node).code for node in nodes]
    names.update(constants.values)
    return [eval(code, names) for code in codes]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ka.verb", "Get"),
        ("tolower(ka.verb)", "get"),
        ("toupper(tolower(ka.verb))", "GET"),
        ("len(ka.verb)", 3),
        ("len(ka.user.groups)", 2),
        ("tolower(ka.user.groups)", ["a", "b"]),
        ("basename(tolower(ka.user.groups))", ["a", "b"]),
        ("toupper(tolower(ka.user.groups))", ["A", "B"]),
        ("tolower(tolower(ka.target.name))", None),
        ("len(ka.target.name)", None),
        ('join("/", (ka.verb, "x", 5))', "Get/x/5"),
        ('join("/", ka.user.groups)', "A/B"),
        ('join("/", (ka.verb, ka.target.name))', None),
        ("concat(ka.verb, ka.verb)", "GetGet"),
        ("b64(ka.user.name)", "hi"),
        ("b64(b64(ka.user.name))", "\ufffd"),
        ("ka.response.code", "201"),
        ("jevt.value[/responseStatus/code]", "201"),
        ("jevt.value[/user/groups]", '["A","B"]'),
        ("jevt.value[/user/groups/1]", "B"),
        ("jevt.value[/requestObject/x~1y/z]", "1.50"),
        ("jevt.value[/missing/x]", None),
        ("ka.uri.param[b]", "2"),
        ("evt.source", "k8s_audit"),
        ("evt.asynctype", None),
        ("evt.num", 1),
        ("evt.hostname", "here"),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
def test_an_operand_gives_its_value(text: str, value: Value, slow: bool) -> None:
    event = (
        b'{"auditID":"i","verb":"Get","user":{"username":"aGk=","groups":["A","B"]},"requestURI":"/x?a=1&b=2",'
        b'"responseStatus":{"code":201},"requestObject":{"x/y":{"z":1.50}}}'
    )
    assert values([operand(text)], event, slow=slow) == [value]


@given(st.lists(texts | text_lists, min_size=1, max_size=5), events)
def test_operands_give_what_the_reference_gives(nodes: list[Any], event: dict[str, Any]) -> None:
    known = [node for node in nodes if not isinstance(node, Field) or node.name != "evt.num"]
    expected = [value_of(node, event) for node in known]
    for slow in (False, True):
        assert values(known, json.dumps(event).encode(), slow=slow) == expected


_STEPS = st.lists(st.text("ab/~,:()| _-é", max_size=3), max_size=3)


def pointer(steps: list[str]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


_POINTERS = _STEPS.map(pointer).map(lambda text: Field("jevt.value", text))
_MADE: st.SearchStrategy[Any] = st.recursive(
    _POINTERS,
    lambda inner: st.one_of(
        inner.map(lambda node: Call("tolower", (node,))),
        st.tuples(inner, inner | st.builds(Literal, st.text("a,)('|", max_size=3), st.just(True))).map(
            lambda pair: Call("concat", pair)
        ),
    ),
    max_leaves=3,
)


@given(st.lists(_MADE, min_size=2, max_size=6))
def test_operands_of_equal_keys_are_equal(nodes: list[Any]) -> None:
    compiler = OperandCompiler(EventSchema(path for node in nodes for path in paths(node)), Constants())
    by_key: dict[str, str] = {}
    for node in nodes:
        meaning = to_text(node)
        assert by_key.setdefault(compiler.compile(node).key, meaning) == meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("concat(jevt.value[/a,text:/b], jevt.value[/c])", "concat(jevt.value[/a], jevt.value[/b,text:/c])"),
        ("jevt.value[/x/p~01y]", "jevt.value[/x/p~1y]"),
        ("jevt.value[/a/b]", "jevt.value[/a~1b]"),
        ("ka.user.groups", "jevt.value[/user/groups]"),
        ('concat("a,b", "c")', 'concat("a", "b,c")'),
        ('getopt(ka.user.groups, "ab:")[a]', 'getopt(ka.user.groups, "ab:")[b]'),
        ('getopt(ka.user.groups, "ab:")[a]', 'getopt(ka.user.groups, "ab:")'),
        ("len(ka.verb)", "tolower(ka.verb)"),
    ],
)
def test_operands_that_look_alike_have_keys_of_their_own(one: str, other: str) -> None:
    nodes = [operand(one), operand(other)]
    compiler = OperandCompiler(EventSchema(path for node in nodes for path in paths(node)), Constants())
    assert compiler.compile(nodes[0]).key != compiler.compile(nodes[1]).key


def test_keys_grow_with_the_nesting_and_no_faster() -> None:
    node: Any = Field("ka.verb")
    for _ in range(150):
        node = Call("concat", (node, Literal("'\"\\", True)))
    assert len(OperandCompiler(EventSchema([("verb",)]), Constants()).compile(node).key) < 10_000


@given(st.lists(st.text("ab:/_1|é", max_size=4), max_size=12))
def test_variables_have_names_of_their_own(keys: list[str]) -> None:
    names: list[str] = []
    for key in dict.fromkeys(keys):
        names.append(variable_name(key, names))
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.isascii() for name in names)


def test_a_name_with_a_number_does_not_take_that_of_another() -> None:
    names: list[str] = []
    for key in ("text:/a", "text:/a_2", "text:/a-"):
        names.append(variable_name(key, names))
    assert len(set(names)) == 3


def test_constants_are_shared_where_they_are_equal() -> None:
    constants = Constants()
    assert constants.name("keys", ("a",)) == constants.name("keys", ("a",)) != constants.name("keys", ("b",))
    assert constants.name("values", frozenset("a")) != constants.name("keys", frozenset("a"))
    assert constants.function(semantics.lower) == constants.function(semantics.lower)
    one = constants.function(semantics.optional(semantics.lower, is_list=False))
    assert one == constants.function(semantics.optional(semantics.lower, is_list=False))
    assert one != constants.function(semantics.optional(semantics.lower, is_list=True))


def test_a_transformer_reads_the_paths_of_all_its_fields() -> None:
    node = operand('join("/", (ka.verb, tolower(jevt.value[/requestObject/a]), "x"))')
    assert list(paths(node)) == [("verb",), ("requestObject", "a")]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("evt.num", True), ('concat("a", tolower(evt.num))', True), ("ka.verb", False), ("len(ka.verb)", False)],
)
def test_the_running_number_is_known_to_be_asked_for(text: str, numbers: bool) -> None:
    assert is_numbering(operand(text)) is numbers


@pytest.mark.parametrize("field", [*TEXT_FIELDS, *LIST_FIELDS], ids=to_text)
def test_a_field_is_a_list_where_its_values_are(field: Field) -> None:
    compiled = OperandCompiler(EventSchema(paths(field)), Constants()).compile(field)
    assert compiled.is_list is (field in LIST_FIELDS)
