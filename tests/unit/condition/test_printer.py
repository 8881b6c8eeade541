"""What is printed reads as it was meant."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanner.condition import (
    And,
    Check,
    Expr,
    Field,
    ListName,
    Literal,
    LiteralList,
    MacroName,
    Not,
    Or,
    parse_condition,
    to_text,
)
from lanner.condition.printer import quote
from lanner.diagnostics import MappedText
from tests.property.strategies import checks


def reread(text: str) -> Expr:
    return parse_condition(MappedText.literal(text))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a  and\n( b or c )", "a and (b or c)"),
        ("not not a", "a"),
        ("not(not a)", "not (not a)"),
        ("not (a and b)", "not (a and b)"),
        ("(a) or (b and c)", "a or (b and c)"),
        ("ka.verb=get", "ka.verb = get"),
        ("ka.verb in(get,'x y')", 'ka.verb in (get, "x y")'),
        ("ka.verb startswith anyof listed", "ka.verb startswith anyof listed"),
        ("ka.verb = val( ka.user.name )", "ka.verb = val(ka.user.name)"),
        ("ka.uri.param['a b'] exists", 'ka.uri.param["a b"] exists'),
        ("ka.uri.param['a'] exists", "ka.uri.param[a] exists"),
        ("join('/',(ka.verb,\"x\")) exists", 'join("/", (ka.verb, "x")) exists'),
        ('getopt(a.b, "c:")[c] = x', 'getopt(a.b, "c:")[c] = x'),
    ],
)
def test_a_condition_is_printed_on_one_line(text: str, printed: str) -> None:
    assert to_text(reread(text)) == printed


@settings(max_examples=300)
@given(st.text(max_size=12) | st.text("\\\"' x\n\x00\x7f", max_size=12))
@example("\\")
@example('\\"')
@example("\\\\")
@example("\\ ")
@example("\u2028\u202e\ufeff")
def test_a_quoted_text_reads_as_it_was(text: str) -> None:
    node = reread(f"a.b = {quote(text)} and c")
    expected = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    assert node == And((Check(Field("a.b"), "=", Literal(expected, True)), MacroName("c")))


@given(st.text("ab\\\"'[](), \n/", max_size=8))
def test_an_argument_reads_as_it_was(argument: str) -> None:
    node = Check(Field("a.b", argument), "exists")
    assert reread(to_text(node)) == node


_NAMES = st.sampled_from(("a", "b_1", "notx", "in")).map(MacroName)
_NAMED = st.builds(Check, st.just(Field("a.b")), st.sampled_from(("in", "pmatch")), st.just(ListName("c")))
_BARE = st.builds(
    Check,
    st.just(Field("a.b")),
    st.just("in"),
    st.just(LiteralList((Literal("x"), Literal("*.y"), Literal("z z", True)))),
)
_TREES: st.SearchStrategy[Expr] = st.recursive(
    _NAMES | _NAMED | _BARE | checks,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(_TREES)
def test_a_tree_reads_as_it_was(tree: Expr) -> None:
    assert reread(to_text(tree)) == tree
