"""Places, bounds and error messages of the parser."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanner.condition import And, Check, Field, Literal, Not, ParseError, parse_condition, parse_list, parse_operand
from lanner.condition.ast import checks, children
from lanner.condition.parser import MAX_NESTING
from lanner.diagnostics import MappedText


def failure(text: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_condition(MappedText.literal(text))
    return caught.value


@pytest.mark.parametrize(
    ("text", "message", "underlined", "help_text"),
    [
        ("", "condition is empty", "", "write at least one check, such as `ka.verb=delete`"),
        (" \n ", "condition is empty", "", "write at least one check, such as `ka.verb=delete`"),
        ("ka.verb=get and", "condition ends too early", "", None),
        ("ka.verb=get or\n", "condition ends too early", "", None),
        ("ka.verb =", "condition ends too early", "", None),
        ("(ka.verb=get", "condition ends too early", "", None),
        ("ka.verb", "condition ends too early", "", "operators are "),
        ("ka.verb startwith get", "unexpected `startwith`", "startwith", "did you mean `startswith`?"),
        ("ka.verb like g*", "unexpected `like`", "like", "write `glob`"),
        ("ka.verb=get && a", "unexpected `&&`", "&&", "write `and`"),
        ("ka.verb=get || a", "unexpected `||`", "||", "write `or`"),
        ("!a", "unexpected `!`", "!", "write `not`"),
        ("ka.verb=get)", "unexpected `)`", ")", None),
        ("ka.verb in get, list", "unexpected `,`", ",", None),
        ("ka.verb in 'get'", "unexpected `'get'`", "'get'", "write the values in parentheses: `in (a, b)`"),
        ("ka.verb < get", "unexpected `get`", "get", "<, <=, > and >= compare with a number"),
        ("ka.verb = 'get", "quoted text is not closed", "'get", "end it with '"),
        ('ka.verb = "', "quoted text is not closed", '"', 'end it with "'),
        ('ka.verb = "C:\\"', "quoted text is not closed", '"C:\\"', "a quote behind a backslash does not end a text"),
        ('ka.verb = "a\\qb"', r"unknown escape `\q` in a quoted text", "\\q", r"two backslashes stand for one: `\\q`"),
        ('ka.verb = "a\\x4"', r"unknown escape `\x` in a quoted text", "\\x", r"two backslashes stand for one: `\\x`"),
        (
            'ka.uri.param["\\q"] = a',
            r"unknown escape `\q` in a quoted text",
            "\\q",
            r"two backslashes stand for one: `\\q`",
        ),
        ("tolowr(ka.verb) = get", "unexpected `(`", "(", "did you mean `tolower(`?"),
        ("shout(ka.verb) = get", "unexpected `(`", "(", "transformers are tolower, toupper"),
        ("ka.verb = val(get)", "unexpected `get`", "get", None),
    ],
)
def test_an_error_says_what_is_wrong_where_and_what_to_write(
    text: str, message: str, underlined: str, help_text: str | None
) -> None:
    problem = failure(text)
    assert problem.message == message
    assert problem.span.text == underlined
    assert (problem.help or "").startswith(help_text or "")
    assert (problem.help is None) is (help_text is None)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("a b", "expected `and`, `or` or the end"),
        ("(a b", "expected `)`, `and` or `or`"),
        ("a and )", "expected a check, a macro or `(`"),
        ("ka.verb in (a b)", "expected `)` or `,`"),
        ("ka.verb get", "expected an operator"),
        ("ka.verb > x", "expected a number"),
    ],
)
def test_an_error_says_what_could_stand_there(text: str, label: str) -> None:
    assert failure(text).label == label


def test_what_ends_too_early_is_shown_behind_its_last_word() -> None:
    problem = failure("ka.verb=get and  \n ")
    assert problem.span.start == problem.span.end == len("ka.verb=get and")


@given(st.text(max_size=40) | st.text("ab.=\"'\\()[], \n0notandr", max_size=40))
@example("\x00")
@example("\ud800")
@example("a.b = \U000e0001")
def test_any_text_gives_a_tree_or_an_error_within_it(text: str) -> None:
    source = MappedText.literal(text)
    for parse in (parse_condition, parse_operand, parse_list):
        try:
            parse(source)
        except ParseError as error:
            problem = error
        else:
            continue
        assert problem.message
        assert 0 <= problem.span.start <= problem.span.end <= len(text)


def test_an_error_passes_through_a_context_manager() -> None:
    """A frozen exception would not: `contextlib` sets its traceback."""

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    with pytest.raises(ParseError), nothing():
        parse_condition(MappedText.literal("a b"))


def test_every_node_knows_its_place() -> None:
    text = "not ka.verb in (get, 'x y') and (tolower(ka.user.name) = val(ka.verb) or listed)"
    tree = parse_condition(MappedText.literal(text))
    assert isinstance(tree, And)
    first, second = tree.children
    assert isinstance(first, Not)
    assert [node.place is not None for node in children(second)] == [True, True]
    places = [child.place.span.text for child in tree.children if child.place]
    assert places == ["not ka.verb in (get, 'x y')", "tolower(ka.user.name) = val(ka.verb) or listed"]
    inner = [check.place.span.text for check in checks(tree) if check.place]
    assert inner == ["ka.verb in (get, 'x y')", "tolower(ka.user.name) = val(ka.verb)"]
    values = [item.place.span.text for item in next(checks(tree)).right.items if item.place]  # type: ignore[union-attr]  # a list
    assert values == ["get", "'x y'"]


def test_trees_compare_by_meaning_and_not_by_place() -> None:
    one = parse_condition(MappedText.literal("ka.verb = 'get'"))
    other = parse_condition(MappedText.literal('  ka.verb="get" '))
    assert one == other == Check(Field("ka.verb"), "=", Literal("get", True))
    assert hash(one) == hash(other)


def test_names_of_fields_are_plain_texts() -> None:
    tree = parse_condition(MappedText.literal("ka.verb = get"))
    assert isinstance(tree, Check)
    assert isinstance(tree.left, Field)
    assert type(tree.left.name) is str


@pytest.mark.parametrize("text", ["{}a{}", "not {}a{}", "{}a.b = x{} and (b)"])
def test_parentheses_are_bounded(text: str) -> None:
    parse_condition(MappedText.literal(text.format("(" * MAX_NESTING, ")" * MAX_NESTING)))
    deeper = MAX_NESTING + 1
    problem = failure(text.format("(" * deeper, ")" * deeper))
    assert "levels deep, the limit is 150" in problem.message


@pytest.mark.parametrize("opening", ["not (", "(a or b and ", "not not("])
def test_connectives_in_parentheses_reach_the_same_bound(opening: str) -> None:
    parse_condition(MappedText.literal(opening * MAX_NESTING + "a" + ")" * MAX_NESTING))
    assert "levels deep" in failure(opening * 100_000 + "a").message


def test_transformers_reach_the_same_bound() -> None:
    parse_condition(MappedText.literal("tolower(" * MAX_NESTING + "a.b" + ")" * MAX_NESTING + " exists"))
    assert "levels deep" in failure("tolower(" * 10_000 + "a.b" + ")" * 10_000 + " exists").message


@pytest.mark.parametrize("value", ['"((("', "'((('", '"\\"((("', "'\\\\' ((('"])
def test_parentheses_in_quoted_texts_are_no_levels(value: str) -> None:
    text = f"a.b in ({', '.join([value] * MAX_NESTING)})"
    assert isinstance(parse_condition(MappedText.literal(text)), Check)


def test_a_quote_that_ends_no_text_hides_no_parentheses() -> None:
    hidden = 'a.b in ("x\\\\" y") and ' + "(" * 5000 + 'a.b = "z"' + ")" * 5000
    assert "levels deep" in failure(hidden).message


@pytest.mark.parametrize(
    "text",
    [
        "a.b in (" + ", ".join(f"value{n}" for n in range(20_000)) + ")",
        " and ".join(f"a.b=value{n}" for n in range(5_000)),
        "not " * 20_000 + "a",
        'a.b = "' + "x" * 300_000 + '"',
        "a" * 300_000,
    ],
    ids=["list", "conjunction", "negations", "text", "name"],
)
def test_long_conditions_are_read(text: str) -> None:
    parse_condition(MappedText.literal(text))


@pytest.mark.parametrize(
    "text",
    ['a.b = "' + '\\"' * 20_000, '"' * 20_000, "[" * 20_000, "a.b" * 20_000],
    ids=["escapes", "quotes", "[", "."],
)
def test_long_texts_that_are_no_conditions_are_refused(text: str) -> None:
    assert failure(text).message


def test_an_operand_stands_alone() -> None:
    assert parse_operand(MappedText.literal("ka.uri.param[command]")) == Field("ka.uri.param", "command")
    for text in ("ka.verb exists", "verb", "(ka.verb)", "ka.verb ka.verb"):
        with pytest.raises(ParseError):
            parse_operand(MappedText.literal(text))


def test_a_list_stands_alone() -> None:
    assert [item.text for item in parse_list(MappedText.literal("(a, 'b c', \"\")")).items] == ["a", "b c", ""]
    for text in ("a", "(a", "(a) b", "((a))"):
        with pytest.raises(ParseError):
            parse_list(MappedText.literal(text))
