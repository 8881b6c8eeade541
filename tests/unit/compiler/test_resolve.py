import pytest

from lanner.compiler.resolve import MAX_DEPTH
from lanner.condition import And, Check, LiteralList, parse_condition, to_text
from lanner.diagnostics import MappedText
from tests.unit.compiler.loading import load_text, loaded, only_rule, problems, rule


def condition(*texts: str) -> str:
    return to_text(only_rule(*texts).condition)


def test_a_macro_is_put_in_as_a_node() -> None:
    text = condition("- macro: m\n  condition: ka.verb=a or ka.verb=b\n" + rule("m and not m"))
    assert text == "(ka.verb = a or ka.verb = b) and not (ka.verb = a or ka.verb = b)"


def test_a_macro_used_twice_is_one_object() -> None:
    macros = "- macro: m\n  condition: ka.verb=a or ka.verb=b\n- macro: n\n  condition: m and ka.stage=x\n"
    found = only_rule(macros + rule("m and n")).condition
    assert isinstance(found, And)
    first, second = found.children
    assert isinstance(second, And)
    assert second.children[0] is first


def test_a_rule_sees_macros_defined_below_it() -> None:
    assert condition(rule("m") + "- macro: m\n  condition: ka.verb=a\n") == "ka.verb = a"


def test_a_macro_does_not_see_macros_defined_below_it() -> None:
    result = load_text("- macro: n\n  condition: m\n- macro: m\n  condition: ka.verb=a\n" + rule("n"))
    assert problems(result) == [("LN0202", "m")]


def test_a_macro_that_is_changed_below_another_sees_it() -> None:
    text = condition(
        "- macro: n\n  condition: ka.verb=a\n- macro: m\n  condition: ka.verb=b\n",
        "- macro: n\n  condition: or m\n  override: {condition: append}\n" + rule("n"),
    )
    assert text == "ka.verb = a or ka.verb = b"


@pytest.mark.parametrize(
    ("macros", "place"),
    [
        ("- macro: m\n  condition: m\n", "m"),
        ("- macro: m\n  condition: x\n- macro: m\n  condition: not m\n", "m"),
        ("- macro: a\n  condition: ka.verb=x\n- macro: b\n  condition: a\n- macro: a\n  condition: b\n", "a"),
    ],
)
def test_a_macro_that_leads_back_to_itself_is_reported_once(macros: str, place: str) -> None:
    result = load_text(macros)
    assert problems(result) == [("LN0209", place)]
    assert result.diagnostics[0].related[0].text == "the macro is defined here"


def test_only_the_wrong_macro_is_reported_and_not_its_users() -> None:
    macros = "- macro: m\n  condition: ka.verb=\n- macro: n\n  condition: m\n"
    assert [code for code, _ in problems(load_text(macros + rule("n and m")))] == ["LN0201"]
    assert problems(load_text("- macro: m\n  condition: ''\n" + rule("m"))) == [("LN0107", "''")]


def test_all_unknown_macros_are_reported() -> None:
    result = load_text("- macro: pods\n  condition: ka.verb=a\n" + rule("podz or (not other and\n pods)"))
    assert problems(result) == [("LN0202", "podz"), ("LN0202", "other")]
    assert result.diagnostics[0].help == "did you mean `pods`?"


def test_a_list_is_not_a_macro() -> None:
    result = load_text("- list: l\n  items: [a]\n" + rule("l"))
    assert problems(result) == [("LN0202", "l")]
    assert "in (l)" in (result.diagnostics[0].help or "")


def test_a_parse_error_behind_an_append_points_into_its_file() -> None:
    result = load_text(rule("ka.verb=a"), "- rule: A\n  condition: and ka.stage==\n  override: {condition: append}\n")
    assert [code for code, _ in problems(result)] == ["LN0201"]
    span = result.diagnostics[0].span
    assert span is not None
    assert (span.file.name, span.position) == ("1.yaml", (2, 28))


def test_lists_are_put_in_down_to_the_last_in_any_order() -> None:
    lists = "- list: outer\n  items: [a, inner, z]\n- list: inner\n  items: [b, '\"c d\"', e f]\n"
    assert condition(lists + rule("ka.verb in (x, outer)")) == 'ka.verb in (x, a, b, "c d", "e f", z)'
    assert condition(lists + rule("ka.verb startswith oneof (outer)")) == (
        'ka.verb startswith oneof (a, b, "c d", "e f", z)'
    )


def test_a_quoted_value_is_not_a_list() -> None:
    assert condition("- list: l\n  items: [a]\n" + rule('ka.verb in ("l")')) == 'ka.verb in ("l")'


def test_an_empty_list_leaves_nothing() -> None:
    found = only_rule("- list: l\n  items: []\n" + rule("ka.verb in (l)")).condition
    assert isinstance(found, Check)
    assert found.right == LiteralList(())


def test_an_unknown_name_is_a_text() -> None:
    assert condition(rule("ka.verb in nothing or ka.verb = nothing")) == "ka.verb in (nothing) or ka.verb = nothing"


def test_a_list_of_one_stands_for_its_value() -> None:
    lists = "- list: l\n  items: [a]\n- list: m\n  items: [l]\n"
    assert condition(lists + rule("ka.verb = m or ka.verb in m")) == "ka.verb = a or ka.verb in (a)"


@pytest.mark.parametrize(("items", "count"), [("[]", "0 items"), ("[a, b]", "2 items")])
@pytest.mark.parametrize("check", ["ka.verb = l", "ka.verb in l", "ka.verb contains anyof l"])
def test_a_list_where_one_value_is_expected_has_one_item(items: str, count: str, check: str) -> None:
    result = load_text(f"- list: l\n  items: {items}\n" + rule(check))
    assert problems(result) == [("LN0208", "l")]
    assert count in result.diagnostics[0].message


def test_in_a_loop_of_lists_the_name_that_closes_it_is_a_text() -> None:
    assert condition("- list: l\n  items: [l, x]\n" + rule("ka.verb in (l)")) == "ka.verb in (l, x)"
    lists = "- list: a\n  items: [b, 1]\n- list: b\n  items: [a, 2]\n"
    assert condition(lists + rule("ka.verb in (a)")) == "ka.verb in (a, 2, 1)"


def test_an_item_is_read_as_the_values_it_would_be_in_a_condition() -> None:
    result = load_text("- list: l\n  items: ['a,b', '\"c,d\"']\n" + rule("ka.verb in (l)"))
    assert problems(result) == [("split_item", "a,b")]
    assert result.rules is not None
    assert to_text(result.rules.rules[0].condition) == 'ka.verb in (a, b, "c,d")'


def test_an_item_that_is_no_value_is_reported_once_however_the_list_is_used() -> None:
    result = load_text(
        "- list: l\n  items: ['a)']\n- list: k\n  items: [l]\n" + rule("ka.verb = l or ka.verb in (k, l)")
    )
    assert [code for code, _ in problems(result)] == ["LN0201"]


@pytest.mark.parametrize("item", ["a)", "a=b", 'a"b', "(a"])
def test_an_item_that_is_no_value_is_reported_where_it_stands(item: str) -> None:
    result = load_text(f"- list: l\n  items: ['{item}']\n" + rule("ka.verb in (l)"))
    assert [code for code, _ in problems(result)] == ["LN0201"]
    assert result.diagnostics[0].place[0] == 2


def test_an_item_of_an_unused_list_is_not_read() -> None:
    assert problems(load_text("- list: l\n  items: ['a)']\n" + rule("ka.verb=x"))) == [("unused_list", "l")]


def test_unused_macros_and_lists_are_warned_of_when_there_are_no_errors() -> None:
    items = "- macro: m\n  condition: n\n- list: l\n  items: [k]\n- list: k\n  items: []\n"
    below = "- macro: n\n  condition: ka.verb=x\n" + items
    assert problems(load_text(below + rule("ka.verb=y"))) == [
        ("unused_macro", "m"),
        ("unused_list", "l"),
        ("unused_list", "k"),
    ]
    assert [code for code, _ in problems(load_text(below + rule("ka.verb=")))] == ["LN0201"]


def test_a_list_in_a_list_defined_above_is_used() -> None:
    lists = "- list: k\n  items: []\n- list: l\n  items: [k]\n"
    assert problems(load_text(lists + rule("ka.verb=y"))) == [("unused_list", "l")]


def test_a_list_in_an_unused_macro_is_used() -> None:
    items = "- list: l\n  items: [a]\n- macro: m\n  condition: ka.verb in (l)\n"
    assert problems(load_text(items + rule("ka.verb=y"))) == [("unused_macro", "m")]


def test_used_is_part_of_the_result() -> None:
    rules = loaded("- macro: m\n  condition: ka.verb=a\n- list: l\n  items: [a]\n" + rule("m"))
    assert [(macro.name, macro.used, macro.condition_text) for macro in rules.macros] == [("m", True, "ka.verb=a")]
    assert [(each.name, each.used, each.items) for each in rules.lists] == [("l", False, ("a",))]


def test_macros_that_multiply_are_refused_without_being_built() -> None:
    macros = "- macro: m0\n  condition: ka.verb=x\n"
    for number in range(40):
        macros += f"- macro: m{number + 1}\n  condition: m{number} or m{number}\n"
    assert [code for code, _ in problems(load_text(macros + rule("m40")))] == ["LN0210"]


def test_lists_that_multiply_are_refused_without_being_built() -> None:
    lists = "- list: l0\n  items: [a]\n"
    for number in range(40):
        lists += f"- list: l{number + 1}\n  items: [l{number}, l{number}]\n"
    assert [code for code, _ in problems(load_text(lists + rule("ka.verb in (l40)")))] == ["LN0210"]


def test_values_that_multiply_within_a_condition_are_refused() -> None:
    lists = "- list: l0\n  items: [a, a, a, a, a, a, a, a, a, a]\n"
    for number in range(4):
        lists += f"- list: l{number + 1}\n  items: [{', '.join([f'l{number}'] * 10)}]\n"
    check = "ka.verb in (l4, l4, l4)"
    assert problems(load_text(lists + rule(check))) == [("LN0210", check)]


def test_a_list_that_stands_alone_is_not_copied() -> None:
    rules = loaded("- list: l\n  items: [a, b]\n" + rule("ka.verb in (l)") + rule("ka.stage in (l)", name="B")).rules
    first, second = (found.condition.right for found in rules if isinstance(found.condition, Check))
    assert isinstance(first, LiteralList)
    assert isinstance(second, LiteralList)
    assert first.items is second.items


def test_nesting_beyond_the_limit_is_refused() -> None:
    deep = "(ka.verb=a or not ka.verb=b and " * 100
    macros = f"- macro: m0\n  condition: {deep}ka.verb=c{')' * 100}\n"
    for number in range(3):
        macros += f"- macro: m{number + 1}\n  condition: {deep}m{number}{')' * 100}\n"
    result = load_text(macros + rule("m3"))
    assert {code for code, _ in problems(result)} == {"LN0210"}
    assert str(MAX_DEPTH) in result.diagnostics[0].message


def test_long_chains_of_macros_and_lists_resolve() -> None:
    count = 2000
    macros = "".join(f"- macro: m{n}\n  condition: ka.verb=x\n" for n in range(count))
    macros += "".join(f"- macro: m{n}\n  condition: m{n + 1}\n" for n in range(count - 1))
    lists = "".join(f"- list: l{n}\n  items: [l{n + 1}]\n" for n in range(count))
    assert condition(macros + lists + rule("m0 and ka.verb in (l0)")) == f"ka.verb = x and ka.verb in (l{count})"


def test_nothing_to_put_in_leaves_the_tree_as_parsed() -> None:
    text = "ka.verb=a or (ka.verb=b and not ka.verb in (c, d))"
    assert only_rule(rule(text)).condition == parse_condition(MappedText.literal(text))


def test_the_rest_of_a_condition_is_checked_beside_an_unknown_macro() -> None:
    result = load_text(rule("nope and ka.targt.name=x"))
    assert [code for code, _ in problems(result)] == ["LN0202", "LN0203"]


def test_the_rest_of_a_macro_is_checked_beside_what_it_lacks() -> None:
    result = load_text("- macro: m\n  condition: nope and ka.usr.name=x\n" + rule("not m"))
    assert [code for code, _ in problems(result)] == ["LN0202", "LN0203"]
