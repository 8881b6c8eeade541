"""Each operator, modifier and kind of value in generated code."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.compiler.atoms import Atom, AtomCompiler, Index, IndexKind
from lanner.compiler.operands import Constants, OperandCompiler, paths
from lanner.compiler.ruleset import compile_selected
from lanner.condition import Call, Expr, Field, parse_condition
from lanner.condition.ast import checks
from lanner.condition.printer import quote
from lanner.diagnostics import MappedText
from lanner.engine.engine import Engine
from lanner.events.schema import EventSchema
from tests.reference import holds
from tests.unit.compiler.rules import made

EVENT: dict[str, Any] = {
    "auditID": "i",
    "verb": "get",
    "user": {"username": "Alice", "groups": ["a", "b"]},
    "objectRef": {"name": "/etc/passwd", "namespace": "get"},
    "responseStatus": {"code": 404},
    "sourceIPs": ["b", "c"],
}


def condition(text: str) -> Expr:
    return parse_condition(MappedText.literal(text))


def matches(text: str, event: dict[str, Any] = EVENT) -> bool:
    engine = Engine(compile_selected((made("A", condition(text)),)))
    return bool(engine.process(json.dumps(event).encode()).alerts)


ADDRESSES: dict[str, Any] = {
    "verb": "create",
    "user": {"username": "system:serviceaccount:dev:builder"},
    "sourceIPs": ["203.0.113.7", "10.1.2.3"],
    "requestObject": {"spec": {"expirationSeconds": 86400}},
}
ADDRESSES_HOLD = (
    "kx.source.ip = 10.1.2.3",
    "kx.source.ip in (192.0.2.0/24, 10.0.0.0/8)",
    "kx.source.ip intersects (10.1.2.0/24)",
    "kx.source.ip != 10.1.2.4",
    "kx.source.ips intersects (203.0.113.0/24)",
    "kx.source.ips in (203.0.113.0/24, 10.0.0.0/8)",
    "kx.source.ips exists",
    "kx.token.lifetime > 86399",
    "kx.token.lifetime in (1, 86400)",
    "kx.user.serviceaccount.namespace = dev",
)
ADDRESSES_FAIL = (
    "kx.source.ip = 203.0.113.7",
    "kx.source.ip in (192.0.2.0/24, fd00::/8)",
    "kx.source.ip != 10.0.0.0/8",
    "kx.source.ips in (203.0.113.0/24)",
    "kx.source.ips intersects (192.0.2.0/24)",
    "kx.token.lifetime > 86400",
    "kx.user.serviceaccount.namespace = builder",
)


@pytest.mark.parametrize("text", ADDRESSES_HOLD)
def test_a_check_of_an_address_or_number_holds(text: str) -> None:
    assert matches(text, ADDRESSES)
    assert holds(condition(text), ADDRESSES)


@pytest.mark.parametrize("text", ADDRESSES_FAIL)
def test_a_check_of_an_address_or_number_fails(text: str) -> None:
    assert not matches(text, ADDRESSES)
    assert not holds(condition(text), ADDRESSES)


@pytest.mark.parametrize("address", ["nonsense", "", "10.0.0.1.2"])
def test_what_is_no_address_is_in_no_network(address: str) -> None:
    event = {**ADDRESSES, "sourceIPs": [address]}
    assert not matches("kx.source.ip in (0.0.0.0/0, ::/0)", event)
    assert matches("kx.source.ip != 10.0.0.1", event)


HOLD = (
    "ka.verb exists",
    "ka.verb = get",
    "ka.verb == get",
    "ka.verb != put",
    "ka.response.code < 5",
    "ka.verb in (put, get)",
    "ka.verb in (get)",
    "ka.verb intersects (put, get)",
    "ka.verb contains e",
    'ka.verb contains ""',
    "ka.user.name icontains LIC",
    "ka.verb startswith ge",
    "ka.verb endswith et",
    "ka.verb glob g?t",
    "ka.user.name iglob ALI*",
    "ka.verb regex 'g.t'",
    "ka.target.name pmatch (/var, /etc)",
    "ka.user.groups in (a, b, c)",
    "ka.user.groups intersects (b, z)",
    "ka.response.code = 404",
    "ka.verb = anyof (put, get)",
    "ka.verb = oneof (put, get)",
    "ka.verb = allof (get)",
    "ka.verb != anyof (get, put)",
    "ka.verb != allof (put, post)",
    "ka.verb != oneof (get, put)",
    "ka.verb startswith anyof (p, g)",
    "ka.verb startswith allof (g, ge)",
    "ka.verb startswith oneof (g, p)",
    "ka.verb contains allof (g, e, t)",
    "ka.verb regex oneof ('g.*', 'p.*')",
    "ka.verb glob anyof (p*, g*)",
    "len(ka.verb) = 3",
    "len(ka.verb) != 4",
    "len(ka.verb) >= 3",
    "len(ka.user.groups) < 3",
    "len(ka.verb) in (1, 3)",
    "len(ka.verb) = anyof (1, 3)",
    "len(ka.verb) != anyof (3, 4)",
    "len(ka.verb) != allof (4, 5)",
    "len(ka.verb) = oneof (3, 4)",
    "len(ka.verb) < 99999999999999999999",
    "len(ka.verb) != -1",
    "ka.verb = val(ka.target.namespace)",
    "ka.verb in val(ka.target.namespace)",
    "ka.verb contains val(ka.target.namespace)",
    "toupper(ka.verb) = toupper(ka.target.namespace)",
    "toupper(ka.verb) icontains val(ka.target.namespace)",
    "ka.verb glob val(ka.target.namespace)",
    "ka.verb <= val(ka.target.namespace)",
    "ka.user.groups intersects val(ka.sourceips)",
    "len(ka.verb) = len(ka.target.namespace)",
    "evt.source = k8s_audit",
    "evt.source exists",
    "evt.source in (syscall, k8s_audit)",
    "evt.source startswith k8s",
    "evt.num = 1",
    "evt.num exists",
    "not evt.asynctype exists",
    "not evt.rawtime = 0",
    "evt.rawtime > 0",
)
FAIL = (
    "ka.target.subresource exists",
    "ka.target.subresource != x",
    'ka.target.subresource = ""',
    "ka.target.subresource in (x)",
    "ka.target.subresource contains ''",
    "ka.verb in ()",
    "ka.verb = anyof ()",
    "ka.verb != allof ()",
    "ka.user.groups in (a)",
    "ka.user.groups intersects ()",
    "ka.user.groups in val(ka.sourceips)",
    "ka.verb = allof (get, put)",
    "ka.verb = oneof (get, get)",
    "ka.verb != allof (get, put)",
    "ka.verb startswith oneof (g, ge)",
    "len(ka.verb) = allof (3, 4)",
    "len(ka.verb) = allof (1, 2)",
    "len(ka.verb) != allof (3, 4)",
    "len(ka.verb) = oneof (3, 3)",
    "len(ka.target.subresource) != 4",
    "ka.verb = val(ka.target.subresource)",
    "ka.target.subresource = val(ka.verb)",
    "ka.target.subresource = val(ka.target.subresource)",
    "ka.verb glob '[z-a]'",
    "ka.verb = GET",
    "evt.source = syscall",
    "evt.source glob '[z-a]'",
    "evt.asynctype exists",
    "evt.asynctype != x",
    "evt.rawtime = 0",
    "evt.rawtime in (0)",
    "evt.num = 2",
)


@pytest.mark.parametrize("text", HOLD)
def test_a_check_holds(text: str) -> None:
    assert matches(text)
    assert matches(f"ka.verb = get and {text}")
    assert not matches(f"not ({text})")


@pytest.mark.parametrize("text", FAIL)
def test_a_check_fails(text: str) -> None:
    assert not matches(text)
    assert matches(f"not ({text})")
    assert matches(f"{text} or ka.verb = get")


@pytest.mark.parametrize("text", [text for text in HOLD + FAIL if "rawtime" not in text])
def test_the_reference_says_the_same(text: str) -> None:
    assert holds(condition(text), EVENT) is (text in HOLD)


@pytest.mark.parametrize("operator", ["startswith", "contains", "=", "regex"])
@pytest.mark.parametrize("modifier", ["oneof", "anyof", "allof"])
def test_a_list_may_be_long(operator: str, modifier: str) -> None:
    values = ", ".join(f"g{n}" for n in range(3000))
    found = matches(f"ka.verb {operator} {modifier} ({values}, get)")
    assert found is (modifier != "allof")


VALUES = (
    "'",
    '"',
    "\\",
    "\n",
    "\0",
    "{}",
    "%s",
    "\u2028",
    "\u202e",
    "'''",
    '"""',
    "\\x00",
    "\r",
    "'); import os; (",
    "#",
)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "text",
    ["{} = {}", "{} in ({}, x)", "{} contains {}", "{} icontains {}", "{} startswith anyof ({}, 'q')", "{} glob {}"],
)
def test_a_value_is_a_text_whatever_it_holds(value: str, text: str) -> None:
    written = quote(value.replace("\\", "\\\\") if "glob" in text else value)
    check = text.format("ka.user.name", written)
    assert matches(check, {"auditID": "i", "verb": "v", "user": {"username": value}})
    assert not matches(check, {"auditID": "i", "verb": "v", "user": {"username": "other"}})


@given(st.text(max_size=6), st.text(max_size=6))
def test_any_text_is_compared_with_any_other(value: str, other: str) -> None:
    event = {"auditID": "i", "user": {"username": other}}
    assert matches(f"ka.user.name = {quote(value)}", event) is (value == other)
    assert matches(f"ka.user.name contains {quote(value)}", event) is (value in other)


def atoms(text: str) -> list[Atom]:
    node = condition(text)
    found = list(checks(node))
    sides = [side for check in found for side in (check.left, check.right) if isinstance(side, Field | Call)]
    schema = EventSchema(path for side in sides for path in paths(side))
    constants = Constants()
    compiler = AtomCompiler(OperandCompiler(schema, constants), constants)
    for check in found:
        compiler.atom(check)
    return compiler.atoms


@pytest.mark.parametrize(
    "text",
    [
        "ka.verb = get and ka.verb == get",
        "ka.verb in (a, b) or not ka.verb in (a, b)",
        "tolower(ka.verb) = a and tolower(ka.verb) = a",
        "ka.verb = val(ka.user.name) and ka.verb = val(ka.user.name)",
    ],
)
def test_equal_checks_share_an_atom(text: str) -> None:
    assert len(atoms(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "ka.verb = get and ka.verb != get",
        "ka.verb = get and ka.verb = put",
        "ka.verb in (a, b) and ka.verb = anyof (a, b)",
        "ka.verb = ka.user.name and ka.verb = val(ka.user.name)",
        "ka.verb = get and tolower(ka.verb) = get",
        "ka.verb exists and ka.verb = exists",
    ],
)
def test_other_checks_do_not(text: str) -> None:
    assert len(atoms(text)) == 2


def test_what_is_known_of_all_events_is_no_atom() -> None:
    assert atoms("evt.source = k8s_audit and evt.source exists and evt.rawtime = 0 and ka.verb in ()") == []


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("ka.verb = get", Index(IndexKind.EQUALS, ("get",))),
        ("ka.verb in (a, b)", Index(IndexKind.EQUALS, ("a", "b"))),
        ("ka.verb = anyof (a, b)", Index(IndexKind.EQUALS, ("a", "b"))),
        ("ka.verb startswith a", Index(IndexKind.PREFIX, ("a",))),
        ("ka.verb contains anyof (a, b)", Index(IndexKind.PART, ("a", "b"))),
        ("ka.verb = allof (a, b)", None),
        ("ka.verb endswith a", None),
        ("ka.verb != a", None),
        ("ka.user.groups intersects (a)", None),
        ("len(ka.verb) = 3", None),
        ("ka.verb = val(ka.user.name)", None),
    ],
)
def test_an_index_finds_checks_of_a_text(text: str, index: Index | None) -> None:
    assert [atom.index for atom in atoms(text)] == [index]
