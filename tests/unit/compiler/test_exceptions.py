import pytest

from lanner.condition import to_text
from tests.unit.compiler.loading import load_text, only_rule, problems, rule


def with_exceptions(*exceptions: str, condition: str = "ka.verb=a or ka.verb=b") -> str:
    lines = "".join(f"    - {exception}\n" for exception in exceptions)
    return rule(condition, extra=f"  exceptions:\n{lines}")


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        ("{name: e, fields: ka.stage, values: [x, y z]}", 'not ka.stage in (x, "y z")'),
        ("{name: e, fields: ka.stage, comps: startswith oneof, values: [x]}", "not ka.stage startswith oneof (x)"),
        ("{name: e, fields: [ka.stage], values: [[x]]}", "not ka.stage = x"),
        (
            "{name: e, fields: [ka.stage, ka.uri], comps: [=, in], values: [[x, [/a, /b c]], ['y z', /d]]}",
            'not ((ka.stage = x and ka.uri in (/a, "/b c")) or (ka.stage = "y z" and ka.uri in (/d)))',
        ),
        ("{name: e, fields: [ka.stage], comps: [in], values: [['(x, y)']]}", "not ka.stage in (x, y)"),
        (
            "{name: e, fields: [tolower(ka.stage)], comps: [contains], values: [['\"x y\"']]}",
            'not tolower(ka.stage) contains "x y"',
        ),
        ("{name: e, fields: ka.user.groups, comps: intersects, values: [l]}", "not ka.user.groups intersects (p, q)"),
    ],
)
def test_an_exception_becomes_a_part_of_the_condition(exception: str, expected: str) -> None:
    lists = "- list: l\n  items: [p, q]\n"
    text = to_text(only_rule(lists + with_exceptions(exception)).condition)
    assert text == f"(ka.verb = a or ka.verb = b) and {expected}"


def test_exceptions_without_values_change_nothing() -> None:
    found = only_rule(with_exceptions("{name: e, fields: ka.stage}", "{name: f, fields: [ka.stage], values: []}"))
    assert to_text(found.condition) == "ka.verb = a or ka.verb = b"
    assert found.exceptions == ("e", "f")


def test_the_condition_of_a_rule_shows_its_exceptions() -> None:
    found = only_rule(with_exceptions("{name: e, fields: ka.stage, values: [x]}", condition="ka.verb=a"))
    assert found.condition_text == "(ka.verb=a) and not (ka.stage in (x))"


@pytest.mark.parametrize(
    ("exception", "problem"),
    [
        ("{name: e, fields: ka.nope, values: [x]}", ("LN0404", "ka.nope")),
        ("{name: e, fields: [ka.stage, 'ka.verb[0]'], values: [[x, y]]}", ("LN0404", "ka.verb[0]")),
        ("{name: e, fields: tolower(ka.nope), values: []}", ("LN0404", "tolower(ka.nope)")),
        ("{name: e, fields: not a field, values: []}", ("LN0404", "not a field")),
        ("{name: e, fields: ka.stage, values: [[x]]}", ("LN0404", "x")),
        ("{name: e, fields: ka.stage, values: [~]}", ("LN0404", "~")),
        ("{name: e, fields: [ka.stage, ka.uri], values: [[x]]}", ("LN0404", "x")),
        ("{name: e, fields: [ka.stage], values: [x]}", ("LN0404", "x")),
        ("{name: e, fields: [[ka.stage]], values: [[x]]}", ("LN0404", "ka.stage")),
        ("{name: e, fields: [ka.stage], comps: [in], values: [[[[x]]]]}", ("LN0404", "x")),
        ("{name: e, fields: [evt.num], comps: [=], values: [[one]]}", ("LN0206", "one")),
        ("{name: e, fields: [ka.stage], comps: [=], values: [['a)b']]}", ("LN0201", "b")),
    ],
)
def test_what_is_wrong_is_underlined_where_the_user_wrote_it(exception: str, problem: tuple[str, str]) -> None:
    assert problems(load_text(with_exceptions(exception))) == [problem]


def test_every_wrong_exception_is_reported() -> None:
    text = with_exceptions(
        "{name: e, fields: ka.nope, values: [x]}",
        "{name: f, fields: [ka.stage], values: [[x, y], [z]]}",
        condition="ka.never=1",
    )
    assert problems(load_text(text)) == [("LN0203", "ka.never"), ("LN0404", "ka.nope"), ("LN0404", "x")]


def test_values_appended_to_an_exception_are_part_of_the_condition() -> None:
    found = only_rule(
        with_exceptions("{name: e, fields: ka.stage, values: [x]}"),
        "- rule: A\n  exceptions:\n    - {name: e, values: [y]}\n  override: {exceptions: append}\n",
    )
    assert "ka.stage in (x, y)" in to_text(found.condition)
