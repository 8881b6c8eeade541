import pytest

from lanner.diagnostics import Diagnostics, SourceFile
from lanner.rules.model import (
    Broken,
    EngineRequirement,
    ExceptionDef,
    Item,
    ListDef,
    MacroDef,
    PluginRequirement,
    RuleDef,
    RuleSwitch,
    RuleUpdate,
)
from lanner.rules.priority import Priority
from lanner.rules.reader import read_file
from lanner.rules.versions import Version

RULE = """\
- rule: Pod created
  desc: Somebody made a pod.
  condition: ka.verb=create
  output: " made by %ka.user.name "
  priority: info
  source: k8s_audit
"""


def read(text: str) -> tuple[list[Item], list[tuple[str, str]]]:
    """The items, and code and underlined text of each problem."""
    diagnostics = Diagnostics()
    found = read_file(SourceFile("rules.yaml", text), diagnostics)
    assert found is not None
    return list(found.items), [(d.code.code, d.span.text if d.span else "") for d in diagnostics.ordered()]


def test_a_rule_is_read_with_its_defaults() -> None:
    (rule,), problems = read(RULE)
    assert not problems
    assert isinstance(rule, RuleDef)
    assert rule.name == rule.place.text == "Pod created"
    assert rule.output.text == "made by %ka.user.name"
    assert rule.output.span(0, 4).text == "made"
    assert rule.priority is Priority.INFORMATIONAL
    assert rule.source == "k8s_audit"
    assert rule.enabled
    assert rule.warn_evttypes
    assert not rule.skip_if_unknown_filter
    assert not rule.tags
    assert not rule.exceptions


def test_a_rule_without_source_is_about_system_calls() -> None:
    (rule,), _ = read(RULE.replace("  source: k8s_audit\n", ""))
    assert isinstance(rule, RuleDef)
    assert rule.source == "syscall"


def test_all_keys_of_a_rule_are_read() -> None:
    (rule,), problems = read(
        RULE
        + """\
  enabled: No
  tags: [b, a, b]
  warn_evttypes: off
  skip-if-unknown-filter: TRUE
  capture: y
  capture_duration: 500
"""
    )
    assert not problems
    assert isinstance(rule, RuleDef)
    assert (rule.enabled, rule.warn_evttypes, rule.skip_if_unknown_filter, rule.capture) == (False, False, True, True)
    assert rule.tags == ("b", "a", "b")
    assert rule.capture_duration == 500


@pytest.mark.parametrize("text", ["tRUE", "1", "sometimes", "[true]"])
def test_other_texts_are_neither_true_nor_false(text: str) -> None:
    items, problems = read(f"{RULE}  enabled: {text}\n")
    assert problems == [("LN0106", text)]
    (item,) = items  # the rest of the rule is checked all the same
    assert isinstance(item, RuleDef)
    assert item.condition.text == "ka.verb=create"


def test_every_bad_key_of_an_item_is_reported() -> None:
    items, problems = read("- rule: A\n  desc: ''\n  condition:\n  priority: loud\n  tags: x\n  exceptions: y\n")
    assert items == [Broken("rule", "A")]
    assert problems == [
        ("LN0105", "rule: A"),
        ("LN0107", "''"),
        ("LN0107", "condition"),
        ("LN0108", "loud"),
        ("LN0106", "x"),
        ("LN0106", "y"),
    ]


def test_macros_and_lists_are_read_with_places() -> None:
    items, problems = read("- macro: m\n  condition: >\n    ka.verb=x\n- list: l\n  items: [a, 'b c', 0x10]\n")
    assert not problems
    macro, values = items
    assert isinstance(macro, MacroDef)
    assert (macro.name, macro.condition.text, macro.append) == ("m", "ka.verb=x\n", False)
    assert isinstance(values, ListDef)
    assert [item.text for item in values.items] == ["a", "b c", "0x10"]
    assert values.items[1].span(2, 3).text == "c"


def test_items_of_a_list_are_texts() -> None:
    items, problems = read("- list: l\n  items: [a, null, [b], {c: d}]\n")
    assert items == [Broken("list", "l")]
    assert problems == [("LN0106", "null"), ("LN0106", "[b]"), ("LN0106", "{c: d}")]


@pytest.mark.parametrize("name", ["a-b", "1a", "a b", "_a"])
def test_a_macro_with_such_a_name_cannot_be_referred_to(name: str) -> None:
    _, problems = read(f"- macro: {name}\n  condition: ka.verb=x\n")
    assert problems == [("invalid_macro_name", name)]


@pytest.mark.parametrize("name", ["a b", "(a)", "a=b", '"a"x'])
def test_a_list_with_such_a_name_cannot_be_referred_to(name: str) -> None:
    _, problems = read(f"- list: '{name}'\n  items: []\n")
    assert problems == [("invalid_list_name", f"'{name}'")]


def test_append_is_read_and_deprecated() -> None:
    items, problems = read(
        "- macro: m\n  condition: or a\n  append: true\n- rule: A\n  condition: and b\n  append: true\n"
    )
    assert problems == [("deprecated_item", "append")] * 2
    macro, rule = items
    assert isinstance(macro, MacroDef)
    assert macro.append
    assert isinstance(rule, RuleUpdate)
    assert rule.append["condition"].text == "and b"
    assert not rule.replace


def test_append_false_is_a_definition() -> None:
    items, problems = read(f"{RULE}  append: false\n")
    assert not problems
    assert isinstance(items[0], RuleDef)


def test_an_override_says_what_to_append_and_what_to_replace() -> None:
    (rule,), problems = read(
        "- rule: A\n  condition: and b\n  enabled: false\n  tags: [x]\n  desc: d\n"
        "  override:\n    condition: append\n    enabled: replace\n    tags: replace\n    desc: append\n"
    )
    assert not problems
    assert isinstance(rule, RuleUpdate)
    assert {key: getattr(value, "text", value) for key, value in rule.append.items()} == {
        "condition": "and b",
        "desc": "d",
    }
    assert rule.replace == {"enabled": False, "tags": ("x",)}


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("{condition: merge}", ("LN0109", "merge")),
        ("{condition: [append]}", ("LN0109", "[append]")),
        ("{priority: append}", ("LN0109", "priority")),
        ("{source: replace}", ("LN0109", "source")),
        ("{nonsense: append}", ("LN0109", "nonsense")),
        ("[condition]", ("LN0106", "[condition]")),
    ],
)
def test_what_cannot_be_overridden_is_reported(override: str, problem: tuple[str, str]) -> None:
    items, problems = read(f"- rule: A\n  condition: b\n  priority: info\n  override: {override}\n")
    assert problem in problems
    assert items == [Broken("rule", "A")]


def test_keys_and_overrides_have_to_agree() -> None:
    _, problems = read("- rule: A\n  output: x\n  desc: d\n  override: {output: append, condition: append}\n")
    assert problems == [("LN0110", "desc"), ("LN0110", "condition")]


def test_an_empty_override_is_none() -> None:
    items, problems = read(f"{RULE}  override:\n")
    assert not problems
    assert isinstance(items[0], RuleDef)


def test_append_and_override_exclude_each_other() -> None:
    for item in ("- rule: A\n  condition: b\n", "- macro: A\n  condition: b\n"):
        items, problems = read(f"{item}  append: true\n  override:\n    condition: append\n")
        assert isinstance(items[0], Broken)
        assert ("LN0111", "append") in problems


def test_an_item_with_nothing_but_enabled_is_a_switch() -> None:
    items, problems = read("- rule: A\n  enabled: false\n")
    assert problems == [("deprecated_item", "A")]
    assert isinstance(items[0], RuleSwitch)
    assert not items[0].enabled
    _, problems = read("- rule: A\n")
    assert problems == [("LN0105", "rule: A")]


def test_exceptions_are_read() -> None:
    (rule,), problems = read(
        RULE
        + """\
  exceptions:
    - name: e1
      fields: [ka.user.name, ka.verb]
      comps: [=, in]
      values:
        - [alice, [get, list]]
    - name: e2
      fields: ka.user.name
      values: [bob, carol]
"""
    )
    assert not problems
    assert isinstance(rule, RuleDef)
    first, second = rule.exceptions
    assert isinstance(first, ExceptionDef)
    assert first.place.text == "e1"
    assert isinstance(first.values[0], tuple)
    assert len(first.values) == 1
    assert second.comps is None
    assert len(second.values) == 2


@pytest.mark.parametrize(
    ("exception", "problem"),
    [
        ("text", ("LN0106", "text")),
        ("{fields: a.b, values: []}", ("LN0105", "fields: a.b")),
        ("{name: e, values: []}", ("LN0105", "name: e")),
        ("{name: e, fields: a.b, values: x}", ("LN0106", "x")),
        ("{name: e, fields: a.b, values: ['']}", ("LN0107", "''")),
        ("{name: e, fields: {a: b}, values: []}", ("LN0106", "{a: b}")),
    ],
)
def test_what_is_no_exception_is_reported(exception: str, problem: tuple[str, str]) -> None:
    items, problems = read(f"{RULE}  exceptions:\n    - {exception}\n")
    assert problem in problems
    assert items == [Broken("rule", "Pod created")]


def test_requirements_are_read() -> None:
    items, problems = read(
        """\
- required_engine_version: 15
- required_plugin_versions:
    - name: k8saudit
      version: 0.7.0
      alternatives:
        - name: k8saudit-eks
          version: 0.4.0
    - name: json
      version: 0.7.0
"""
    )
    assert not problems
    engine, audit, json = items
    assert isinstance(engine, EngineRequirement)
    assert engine.version == Version(0, 15, 0)
    assert isinstance(audit, PluginRequirement)
    assert audit.alternatives == (("k8saudit", Version(0, 7, 0)), ("k8saudit-eks", Version(0, 4, 0)))
    assert isinstance(json, PluginRequirement)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("x", ("LN0106", "x")),
        ("[x]", ("LN0106", "x")),
        ("[{name: json}]", ("LN0105", "name: json")),
        ("[{name: json, version: x}]", ("LN0406", "x")),
        ("[{name: json, version: 1.0.0, alternatives: x}]", ("LN0106", "x")),
        ("[{name: json, version: 1.0.0, alternatives: [{name: json, version: 1.0.0}]}]", ("LN0406", "json")),
    ],
)
def test_what_is_no_plugin_requirement_is_reported(value: str, problem: tuple[str, str]) -> None:
    _, problems = read(f"- required_plugin_versions: {value}\n")
    assert problems == [problem]


def test_unknown_items_and_keys_are_warned_of() -> None:
    _, problems = read(f"- rulez: x\n- {{}}\n{RULE}  tag: [x]\n- list: l\n  items: []\n  item: x\n")
    assert problems == [
        ("unknown_item", "rulez"),
        ("unknown_item", "{}"),
        ("unknown_key", "tag"),
        ("unknown_key", "item"),
    ]


def test_empty_items_and_documents_are_nothing() -> None:
    items, problems = read("---\n- \n- ~\n---\n---\n- list: l\n  items: []\n")
    assert not problems
    assert len(items) == 1


@pytest.mark.parametrize(("text", "code"), [("a: b\n", "LN0103"), ("text\n", "LN0103"), ("- text\n- [x]\n", "LN0104")])
def test_what_is_no_list_of_mappings_is_reported(text: str, code: str) -> None:
    items, problems = read(text)
    assert not items
    assert {found for found, _ in problems} == {code}


def test_numbers_are_digits() -> None:
    for text in ("half", "-1", "1.5"):
        _, problems = read(f"{RULE}  capture_duration: {text}\n")
        assert problems == [("LN0106", text)]


def test_an_exception_that_is_appended_to_needs_its_name() -> None:
    _, problems = read("- rule: A\n  exceptions:\n    - values: [x]\n  override: {exceptions: append}\n")
    assert problems == [("LN0105", "values: [x]")]
