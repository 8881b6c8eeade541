import pytest

from lanner.diagnostics import Diagnostics, SourceFile
from lanner.rules.collector import collect
from lanner.rules.model import Collection, Item
from lanner.rules.priority import Priority
from lanner.rules.reader import read_file

RULE = """\
- rule: A
  desc: about pods
  condition: ka.verb=create
  output: made
  priority: info
  source: k8s_audit
  tags: [x]
  exceptions:
    - name: e
      fields: ka.user.name
      values: [alice]
"""


def collected(*files: str) -> tuple[Collection, list[tuple[str, str]]]:
    diagnostics = Diagnostics()
    items: list[Item] = []
    for number, text in enumerate(files):
        read = read_file(SourceFile(f"{number}.yaml", text), diagnostics)
        assert read is not None
        items += read.items
    collection = collect(items, diagnostics)
    problems = [(d.code.code, d.span.text if d.span else "") for d in diagnostics.ordered()]
    return collection, [problem for problem in problems if problem[0] != "deprecated_item"]


def test_appending_joins_texts_with_a_blank_and_keeps_their_places() -> None:
    collection, problems = collected(
        RULE,
        "- rule: A\n  condition: or ka.verb=delete\n  output: or deleted\n  desc: and more\n"
        "  override: {condition: append, output: append, desc: append}\n",
    )
    assert not problems
    rule = collection.rules["A"].item
    assert rule.condition.text == "ka.verb=create or ka.verb=delete"
    assert rule.output.text == "made or deleted"
    assert rule.desc.text == "about pods and more"
    span = rule.condition.span(18, 32)
    assert (span.file.name, span.text) == ("1.yaml", "ka.verb=delete")


def test_appending_adds_tags_and_values_of_exceptions() -> None:
    collection, problems = collected(
        RULE
        + """\
- rule: A
  tags: [y, x]
  exceptions:
    - name: e
      values: [bob]
    - name: f
      fields: [ka.verb]
      values: [[get]]
  override: {tags: append, exceptions: append}
"""
    )
    assert not problems
    rule = collection.rules["A"].item
    assert rule.tags == ("x", "y", "x")
    first, second = rule.exceptions
    assert [getattr(value, "text", "") for value in first.values] == ["alice", "bob"]
    assert second.name == "f"
    assert getattr(second.comps, "__len__", lambda: 0)() == 1


def test_replacing_changes_the_keys_that_are_named() -> None:
    collection, problems = collected(
        RULE + "- rule: A\n  priority: error\n  tags: []\n  exceptions: []\n  enabled: false\n"
        "  override: {priority: replace, tags: replace, exceptions: replace, enabled: replace}\n"
    )
    assert not problems
    rule = collection.rules["A"].item
    assert (rule.priority, rule.tags, rule.exceptions, rule.enabled) == (Priority.ERROR, (), (), False)
    assert rule.condition.text == "ka.verb=create"


def test_a_redefinition_keeps_the_place_in_the_order() -> None:
    collection, problems = collected(RULE, RULE.replace("A", "B"), RULE.replace("made", "again"))
    assert not problems
    assert list(collection.rules) == ["A", "B"]
    assert collection.rules["A"].item.output.text == "again"
    assert collection.rules["A"].index == 0
    assert collection.rules["A"].visibility == 2


def test_lists_and_macros_are_appended_to_and_redefined() -> None:
    collection, problems = collected(
        "- list: l\n  items: [a]\n- macro: m\n  condition: x\n",
        "- list: l\n  items: [b]\n  append: true\n- macro: m\n  condition: or y\n  override: {condition: append}\n",
    )
    assert not problems
    assert [item.text for item in collection.lists["l"].item.items] == ["a", "b"]
    assert collection.macros["m"].item.condition.text == "x or y"
    assert (collection.lists["l"].index, collection.lists["l"].visibility) == (0, 2)
    collection, _ = collected("- list: l\n  items: [a]\n- list: l\n  items: [c]\n  override: {items: replace}\n")
    assert [item.text for item in collection.lists["l"].item.items] == ["c"]


@pytest.mark.parametrize(
    "item",
    [
        "- rule: B\n  condition: x\n  append: true\n",
        "- rule: B\n  enabled: true\n  override: {enabled: replace}\n",
        "- rule: B\n  enabled: true\n",
        "- macro: B\n  condition: x\n  append: true\n",
        "- list: B\n  items: [x]\n  append: true\n",
    ],
)
def test_what_changes_nothing_known_is_reported(item: str) -> None:
    _, problems = collected(RULE + item)
    assert problems == [("LN0401", "B")]


def test_appending_to_an_item_that_could_not_be_read_is_no_further_error() -> None:
    _, problems = collected("- macro: m\n  condition: ''\n- macro: m\n  condition: x\n  append: true\n")
    assert problems == [("LN0107", "''")]


def test_an_append_without_anything_to_append_is_reported() -> None:
    _, problems = collected(RULE + "- rule: A\n  output: x\n  append: true\n")
    assert problems == [("LN0401", "A")]


def test_a_rule_keeps_its_source() -> None:
    _, problems = collected(RULE, RULE.replace("k8s_audit", "syscall"))
    assert problems == [("LN0405", "A")]
    _, problems = collected(
        RULE, "- rule: A\n  condition: or x\n  source: k8s_audit\n  override: {condition: append}\n"
    )
    assert not problems


def test_the_switch_turns_a_rule_off() -> None:
    collection, _ = collected(RULE + "- rule: A\n  enabled: false\n")
    assert not collection.rules["A"].item.enabled


def test_the_highest_engine_version_is_kept() -> None:
    collection, problems = collected("- required_engine_version: 0.40.0\n- required_engine_version: 15\n")
    assert not problems
    assert collection.engine is not None
    assert str(collection.engine.version) == "0.40.0"
    _, problems = collected("- required_engine_version: 0.63.0\n- required_engine_version: 1.0.0\n")
    assert problems == [("LN0402", "0.63.0"), ("LN0402", "1.0.0")]


@pytest.mark.parametrize(
    ("exception", "place"),
    [
        ("{name: e, fields: , values: [[a]]}", "e"),
        ("{name: e, fields: [], values: [[a]]}", "e"),
        ("{name: e, fields: a.b, comps: [in], values: [a]}", "e"),
        ("{name: e, fields: a.b, comps: =, values: [a]}", "="),
        ("{name: e, fields: a.b, comps: in oneof, values: [a]}", "in oneof"),
        ("{name: e, fields: [a.b], comps: in, values: [[a]]}", "e"),
        ("{name: e, fields: [a.b], comps: [in, in], values: [[a]]}", "e"),
        ("{name: e, fields: [a.b], comps: [almost], values: [[a]]}", "almost"),
    ],
)
def test_exceptions_whose_parts_do_not_fit_are_reported(exception: str, place: str) -> None:
    _, problems = collected(RULE[: RULE.index("  exceptions")] + f"  exceptions:\n    - {exception}\n")
    assert problems == [("LN0404", place)]


@pytest.mark.parametrize(
    "exception",
    [
        "{name: e, fields: a.b, values: [a]}",
        "{name: e, fields: a.b, comps: pmatch, values: [a]}",
        "{name: e, fields: a.b, comps: startswith oneof, values: [a]}",
        "{name: e, fields: [a.b], comps: [' = '], values: [[a]]}",
        "{name: e, fields: [a.b], comps: [endswith anyof], values: [[a]]}",
        "{name: e, fields: [a.b]}",
    ],
)
def test_exceptions_may_use_these_operators(exception: str) -> None:
    _, problems = collected(RULE[: RULE.index("  exceptions")] + f"  exceptions:\n    - {exception}\n")
    assert not problems


def test_a_known_exception_takes_values_only() -> None:
    for extra in ("fields: ka.user.name", "comps: in"):
        _, problems = collected(
            RULE,
            f"- rule: A\n  exceptions:\n    - {{name: e, {extra}, values: [b]}}\n  override: {{exceptions: append}}\n",
        )
        assert problems == [("LN0404", "e")]
    _, problems = collected(
        RULE, "- rule: A\n  exceptions:\n    - name: g\n      fields: a.b\n      values: []\n  append: true\n"
    )
    assert ("LN0404", "g") in problems
