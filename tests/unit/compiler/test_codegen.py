"""Generated functions: what they look like, how deep they go, and that no text becomes code."""

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.compiler.codegen import compile_function
from lanner.compiler.load import Rule
from lanner.compiler.ruleset import RuleSet, compile_selected
from lanner.condition import And, Call, Check, Expr, Field, Literal, LiteralList, Not, Or
from lanner.engine.engine import Engine
from tests.unit.compiler.rules import made
from tests.unit.engine.engines import check, event, names, rule
from tests.unit.engine.engines import engine as engine_of

KIND = ("ResponseComplete", "create", "pods", None, "alice")


def ruleset(*rules: Rule) -> RuleSet:
    return compile_selected(rules)


def test_a_function_reads_as_a_person_would_write_it() -> None:
    rules = ruleset(
        made("One", "ka.verb=create and ka.target.name=x and not ka.target.namespace in (a, b)"),
        made("Two", "ka.verb=get and ka.target.name=y"),
        made("Three", "ka.target.name startswith z"),
    )
    source = rules.source(KIND)
    assert "'One'" in source
    assert "'Two'" not in source
    assert source.index("'One'") < source.index("'Three'")
    assert "create" not in source
    assert source.count("e.objectRef") == 2
    assert source.startswith("def match(e, c):\n")
    assert rules.source(("RequestReceived", "get", "pods", None, "alice")) != source


def test_where_no_rule_can_match_there_is_no_function() -> None:
    rules = ruleset(made("A", "ka.verb=get and ka.target.name=x"))
    assert rules.specialise(KIND) is None
    assert rules.source(KIND) == ""


def test_a_rule_that_the_kind_decides_needs_no_test() -> None:
    rules = ruleset(made("A", "ka.verb=create and ka.target.resource=pods"))
    assert "if" not in rules.source(KIND)
    match = rules.specialise(KIND)
    assert match is not None
    assert list(match(None, None)) == [0]


def test_a_body_is_looked_at_once_and_only_when_it_must_be() -> None:
    body = "jevt.value[/requestObject/x]"
    rules = ruleset(*(made(str(n), f"ka.target.name=n{n} and {body} contains {n}") for n in range(3)))
    source = rules.source(KIND)
    tree = ast.parse(source)
    lookups = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "member"]
    decoded: list[str] = []

    class Context:
        def member(self, name: str) -> dict[str, str]:
            decoded.append(name)
            return {"x": "2"}

    match = rules.specialise(KIND)
    assert match is not None
    assert len(lookups) == 3
    for name, expected in (("other", []), ("n2", ["requestObject"])):
        made_event = rules.schema.from_object({"objectRef": {"name": name}})
        assert list(match(made_event, Context())) == ([2] if expected else [])
        assert decoded == expected


HOSTILE = (
    "'''\nimport os\n",
    'x"""; raise SystemExit #',
    "\\",
    "\r\n    raise SystemExit\n",
    "\u2028raise SystemExit\u2029\x85\x0c\x0braise SystemExit",
    "{exit()}",
    "%s",
    "\x00",
    "é\U0001f600\u202e",
)


def sources(rules: RuleSet) -> list[str]:
    return [rules.source(KIND), *(rules.source_text(each.name) for each in rules.rules)]


def foreign(source: str, rules: RuleSet) -> set[str]:
    """The names that code uses and that are neither its own, nor constants, nor among the few that it may use."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    own = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    return {node.id for node in nodes} - own - set(rules._constants) - {"e", "c", "U", "sum", "sorted", "set", "str"}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_of_a_rule_becomes_code(text: str) -> None:
    values: list[Expr] = [
        Check(Field("ka.target.name"), "=", Literal(text, True)),
        Check(Field("ka.target.name"), "in", LiteralList((Literal(text, True), Literal("x")))),
        Check(Field("ka.target.name"), "contains", Literal(text, True)),
        Check(Field("ka.target.name"), "startswith", LiteralList((Literal(text, True), Literal("y"))), "oneof"),
        Check(Field("ka.target.name"), "glob", Literal(text, True)),
        Check(Field("ka.target.name"), "pmatch", LiteralList((Literal(text, True),))),
        Check(Field("jevt.value", f"/{text}"), "exists"),
        Check(Field("jevt.value", f"/requestObject/{text}"), "exists"),
        Check(Field("jevt.value", f"/annotations/{text}"), "exists"),
        Check(Field("ka.uri.param", text), "exists"),
        Check(Call("getopt", (Field("ka.user.groups"), Literal(text, True)), text[:1]), "exists"),
        Check(Call("join", (Literal(text, True), Field("ka.user.groups"))), "=", Literal("x")),
    ]
    hostile = ruleset(*(made(f"{n} {text}", value) for n, value in enumerate(values)))
    for source in sources(hostile):
        assert foreign(source, hostile) <= {"frozenset"}
    engine = Engine(hostile)
    assert engine.process(b'{"auditID":"i","verb":"create","objectRef":{"name":"nothing"}}').events == 1
    named = json.dumps({"auditID": "i", "verb": "create", "objectRef": {"name": text}}).encode()
    assert f"0 {text}" in names(engine.process(named))


@given(st.text(max_size=12))
def test_any_name_of_a_rule_can_stand_in_generated_code(name: str) -> None:
    rules = ruleset(made(name, "ka.target.name=x"))
    for source in sources(rules):
        ast.parse(source)
    found = Engine(rules).process(b'{"auditID":"i","objectRef":{"name":"x"}}').alerts
    assert [alert.rule for alert in found] == [name]


def chain(levels: int, *, negated: bool = False) -> list[str]:
    """Macros of which each names the one before, and a rule that names the last."""
    macros = ["- macro: m0\n  condition: ka.target.name=zero\n"]
    for n in range(1, levels):
        text = f"ka.verb=get and m{n - 1}" if n % 2 else f"ka.verb={n} or m{n - 1}"
        text = f"not (ka.verb=get and m{n - 1})" if negated else text
        macros.append(f"- macro: m{n}\n  condition: {text}\n")
    return [*macros, rule("A", f"m{levels - 1}")]


@pytest.mark.parametrize(("levels", "negated"), [(100, False), (250, False), (298, False), (150, True), (149, True)])
def test_conditions_may_be_as_deep_as_loading_allows(levels: int, negated: bool) -> None:
    detect = engine_of(*chain(levels, negated=negated))
    found = [
        bool(detect.process(event(verb, objectRef={"name": name})).alerts)
        for verb in ("get", "put")
        for name in ("zero", "one")
    ]
    if negated:
        assert found == [levels % 2 == 1, levels % 2 == 0, True, True]
    else:
        assert found == [True, False, False, False]


@pytest.mark.parametrize(
    ("opening", "closing", "levels"),
    [("tolower(", ")", 150), ('concat("a", ', ")", 150), ('join("/", (', "))", 75), ("basename(toupper(", "))", 75)],
)
@pytest.mark.parametrize("field", ["ka.verb", "ka.user.name", "jevt.value[/requestObject/x]"])
def test_transformers_may_be_as_deep_as_the_language_allows(
    opening: str, closing: str, levels: int, field: str
) -> None:
    text = opening * levels + field + closing * levels
    detect = check(f"{text} exists", f"%{text}")
    assert names(detect.process(event("get", user={"username": "x"}, requestObject={"x": "y"}))) == ["A"]
    inner = opening * (levels - 1) + field + closing * (levels - 1)
    detect = check(f"ka.verb=get and (ka.user.name=x or {inner} exists)")
    expected = [] if field == "ka.user.name" else ["A"]
    assert names(detect.process(event("get", requestObject={"x": "y"}))) == expected


def test_lists_of_texts_may_be_transformed_often() -> None:
    detect = check("tolower(" * 150 + "ka.user.groups" + ")" * 150 + " in (a, b)")
    assert names(detect.process(event(user={"groups": ["A", "b"]}))) == ["A"]
    assert names(detect.process(event(user={"groups": ["A", "c"]}))) == []


def test_a_wide_condition_is_no_problem() -> None:
    parts = tuple(Check(Field("ka.target.name"), "contains", Literal(f"x{n}")) for n in range(3000))
    for condition, name, expected in (
        (Or(parts), "x2999", True),
        (And(parts), "x2999", False),
        (Not(Or(parts)), "y", True),
    ):
        engine = Engine(ruleset(made("A", condition)))
        assert bool(engine.process(event(objectRef={"name": name})).alerts) is expected


def test_functions_see_their_constants_and_the_builtin_names() -> None:
    function = compile_function("def double(x):\n    return sum((x, y))\n", {"y": 3}, "double")
    assert function(4) == 7
    assert function.__code__.co_filename == "<double>"
