"""The grammar takes what Falco's own parser takes, with the same tree, and refuses what that refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanner.condition import (
    And,
    ArgumentList,
    Call,
    Check,
    Expr,
    Field,
    ListName,
    Literal,
    LiteralList,
    MacroName,
    Not,
    Or,
    ParseError,
    parse_condition,
)
from lanner.condition.ast import Argument, Value
from lanner.diagnostics import MappedText
from tests.unit.condition.falco_syntax import Refused, Tree, read


def as_tuples(node: Expr | Value | Argument | None) -> Tree | None:
    match node:
        case And(children):
            return ("and", *map(as_tuples, children))
        case Or(children):
            return ("or", *map(as_tuples, children))
        case Not(child):
            return ("not", as_tuples(child))
        case MacroName(name):
            return ("macro", name)
        case Check(left, operator, right, modifier):
            return ("check", as_tuples(left), operator, modifier, as_tuples(right))
        case Field(name, argument):
            return ("field", name, argument)
        case Call(transformer, arguments, argument):
            return ("call", transformer, tuple(map(as_tuples, arguments)), argument)
        case Literal(text):
            return ("literal", text)
        case LiteralList(items):
            return ("list", tuple(map(as_tuples, items)))
        case ArgumentList(items):
            return ("arguments", tuple(map(as_tuples, items)))
        case ListName(name):
            return ("name", name)
        case None:
            return None


def lanner(text: str) -> Tree | None:
    try:
        return as_tuples(parse_condition(MappedText.literal(text)))
    except ParseError:
        return None


def falco(text: str) -> Tree | None:
    try:
        return read(text)
    except Refused:
        return None


ACCEPTED = (
    # keywords that touch parentheses, and words that only begin like keywords
    "a and(b)",
    "(a)and(b)or(c)",
    "not(a)",
    "not not(not(a))",
    "not (a)and not\t(b)",
    "notz and a or b_or",
    "a and not_b and orx and andx",
    "a.b exists and c",
    "a.b existsand c",
    "a.b > 1and c",
    "not",
    "a and not",
    # operators with and without blanks
    "a.b=1",
    "a.b ==x",
    "a.b!=x",
    "a.b in(x)",
    "a.b inx",
    "a.b intersectsx",
    "a.b pmatch\n(x)",
    "a.b>=0x1F",
    "a.b < -1.5e+10",
    "a.b <= val(c.d)",
    # modifiers, and texts that look like them
    "a.b = anyof (x, y)",
    "a.b startswith oneof listed",
    "a.b = oneof",
    "a.b = anyof and c",
    "a.b = allof andx",
    "a.b =oneof",
    # values
    "a.b = not",
    "a.b = a.c",
    "a.b = 0a!@#456:/\\.;!$%^&*[]{}|",
    "a.b = x\u00a0y",
    "a.b in ()",
    "a.b in (1, 'a', b.c)",
    'a.b = ""',
    "a.b = ''",
    "a.b = '\"' or a.b = \"'\"",
    r'a.b = "\"\\\/\b\f\n\r\t\x41"',
    r"a.b = '\' \\''",
    r'a.b = "wrong \ escape"',
    # arguments
    "a.b[0] = x",
    "a.b[/x,y~1z(){}] = x",
    "a.b[''] exists",
    'a.b["q [\\"] r"] exists',
    'getopt(a.b, "ab:")[b] = x',
    'join("/", (a.b, tolower(c.d), 1, "x")) = x',
    "join('', ()) = x",
    "concat( a.b , 0x10, 'x' ) = x",
    "tolower(toupper( b64(a.b ) )) = basename(c.d)",
    "len(a.b) > len(c.d)",
)
REFUSED = (
    "",
    " ",
    "a andb",
    "aand b",
    "a and",
    "a b",
    "a not b",
    "and a",
    "(a",
    "a)",
    "()",
    "a andnot b",
    "a.b",
    "a.b = ",
    "a.b === x",
    "a.b = x = y",
    "a.b = (x)",
    "a.b = x,",
    "a.b startswithx",
    "a.b EXISTS",
    "a.b exists x",
    "a.b > x",
    "a.b > 0xAA.1",
    "a.b > 1e5",
    "a.b in",
    "a.b in (x,)",
    "a.b in (,)",
    "a.b in (x y)",
    "a.b in (tolower(c.d))",
    "a.b = anyof(x)",
    "a.b > anyof (1)",
    "a.b[] = x",
    "a.b[ 0 ] = x",
    "a.b[[] = x",
    'a.b[a"] = x',
    "a.b [0] = x",
    "val(a.b) exists",
    "a.b = val(tolower(c.d))",
    "a.b = tolower(val(c.d))",
    "a.b = val(c)",
    "tolower (a.b) = x",
    "tolower() = x",
    "tolower(a) = x",
    "unknown(a.b) = x",
    "macro > 12",
    'a.b = "x',
    "a.b = 'x\"",
    r'a.b = "\q"',
    r'a.b = "\x4"',
    r"a.b = '\"'",
    r'a.b = "\'"',
    r'a.b = "\"',
    "#a and b",
)


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_falco_takes_is_taken_with_the_same_tree(text: str) -> None:
    expected = falco(text)
    assert expected is not None
    assert lanner(text) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_what_falco_refuses_is_refused(text: str) -> None:
    assert falco(text) is None
    assert lanner(text) is None


_WORDS = st.sampled_from(
    (
        *("a", "a.b", "a.b[0]", "a.b[k,l]", 'a.b["q r"]', "and", "or", "not", "exists", "in", "intersects", "pmatch"),
        *("=", "==", "!=", "<", "<=", ">", ">=", "glob", "contains", "startswith", "regex", "oneof", "anyof", "(", ")"),
        *("(", ")", ",", '"x"', "'y'", r'"a\"b"', r'"\x41"', r'"\q"', r"'\\'", "1", "0x1f", "-1.5", "1e+3", "tolower("),
        *("join(", "val(", "getopt(", "[0]", "[", "]", "x-y", "*.z", "\\", "é", '"', "'", "andx", "not_m", "inx"),
    )
)
_SPACED = st.lists(st.tuples(_WORDS, st.sampled_from(("", " ", " ", "\n", "\t "))), max_size=9)
_VALUES = st.sampled_from(
    ("x", "'y z'", r'"\"q"', "*.log", "1", "a.b", "oneof", "not", "0x1", "val(a.b)", "tolower(a.b)")
)
_FIELDS = st.sampled_from(("a.b", "a.b[0]", "tolower(a.b)", 'join(",", (a.b, "x"))', 'getopt(a.b, "c:")[c]'))
_LISTS = st.lists(_VALUES.filter(lambda value: "(" not in value), max_size=3).map(
    lambda values: f"({', '.join(values)})"
)
_CHECKS = st.one_of(
    st.tuples(_FIELDS, st.just("exists")),
    st.tuples(_FIELDS, st.sampled_from(("=", "!=", "glob", "contains")), _VALUES),
    st.tuples(_FIELDS, st.sampled_from(("<", ">=")), st.sampled_from(("1", "-2.5", "val(a.b)"))),
    st.tuples(_FIELDS, st.sampled_from(("in", "intersects", "pmatch")), _LISTS | st.just("listed")),
    st.tuples(_FIELDS, st.sampled_from(("=", "startswith")), st.sampled_from(("anyof", "allof")), _LISTS),
    st.tuples(st.sampled_from(("macro", "notx", "in"))),
).map(" ".join)
_CONDITIONS = st.recursive(
    _CHECKS,
    lambda inner: st.one_of(
        inner.map("not {}".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from((" and ", " or ", " and not ")), inner).map("".join),
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda parts: "({}){}({})".format(*parts)),
    ),
    max_leaves=5,
)


@settings(max_examples=500)
@given(_SPACED.map(lambda parts: "".join(map("".join, parts))))
def test_words_in_any_order_are_taken_as_falco_takes_them(text: str) -> None:
    assert lanner(text) == falco(text)


@settings(max_examples=300)
@given(
    _CONDITIONS, st.integers(0, 200), st.integers(0, 3), st.sampled_from(("", "(", ")", '"', "'", "\\", ",", "=", " "))
)
def test_a_condition_with_a_slip_is_taken_as_falco_takes_it(text: str, at: int, length: int, put: str) -> None:
    assert falco(text) is not None
    changed = text[:at] + put + text[at + length :]
    assert lanner(changed) == falco(changed)


def test_operators_behind_a_parenthesis_without_a_blank_bind_as_elsewhere() -> None:
    assert (
        lanner("a or(b) and c")
        == lanner("a or (b) and c")
        == ("or", ("macro", "a"), ("and", ("macro", "b"), ("macro", "c")))
    )
