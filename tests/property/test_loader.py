"""Whatever a rule file says, it gives rules or problems, and rules that loaded can be used."""

from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanner.compiler.load import LoadResult, load
from lanner.compiler.output import parse_output
from lanner.compiler.ruleset import compile_rules
from lanner.compiler.scope import Scope
from lanner.diagnostics import MappedText, SourceFile
from lanner.diagnostics.render import to_json, to_text
from lanner.engine.engine import Engine
from lanner.engine.filter import compile_filter
from lanner.rules.versions import AUDIT_SOURCE, PLUGINS

EVENT = b'{"auditID":"i","stage":"s","verb":"get","user":{"username":"u","groups":["a"]},"objectRef":{"name":"n"}}'
SCOPE = Scope.of(AUDIT_SOURCE, PLUGINS)

_WORDS = st.sampled_from(
    (
        *(
            "ka.verb",
            "ka.user.name",
            "ka.user.groups",
            "jevt.value[/a]",
            "ka.uri.param[x]",
            "evt.num",
            "evt.rawtime",
            "len(",
        ),
        *(
            "tolower(",
            "join(",
            "val(",
            ")",
            "(",
            ",",
            "and",
            "or",
            "not",
            "exists",
            "=",
            "!=",
            "<",
            ">=",
            "in",
            "intersects",
        ),
        *(
            "pmatch",
            "contains",
            "glob",
            "iglob",
            "regex",
            "startswith",
            "anyof",
            "allof",
            "oneof",
            "get",
            "1",
            "0x10",
            "-1",
        ),
        *(
            "'x y'",
            '"\\xff"',
            "'[z-a]'",
            "'('",
            "'a*'",
            '"\\\\"',
            "m",
            "l",
            "%",
            "<NA>",
            "é",
            "\u2028",
            "[",
            "]",
            "99999999999999999999",
        ),
    )
)
conditions = st.text(max_size=30) | st.lists(_WORDS, max_size=10).map(" ".join)
outputs = st.text(max_size=20) | st.lists(
    _WORDS | st.sampled_from(("%", "%ka.verb", "%5", "%tolower(", "*")), max_size=8
).map("".join)


def usable(result: LoadResult) -> bool:
    """Whether rules came out; their problems are shown, and the rules used, in any case."""
    for found in result.diagnostics:
        assert to_text(found)
    assert to_json(result.diagnostics)["ok"] is (result.rules is not None)
    if result.rules is None:
        return False
    for matching in ("all", "first"):
        engine = Engine(compile_rules(result.rules, matching=matching))
        assert engine.process(EVENT).events == 1
        assert engine.process(b'{"verb":5,"user":"x","requestObject":[1]}').events == 1
        for rule in result.rules.rules:
            if rule.enabled:
                compile(engine.rules.source_text(rule.name), "rule", "exec")
    return True


@settings(max_examples=400)
@given(conditions, outputs)
@example("ka.verb glob '[z-a]'", "x")
@example("ka.verb glob val(ka.user.name)", "x")
@example("len(ka.user.groups) = allof (1, 2)", "x")
@example("ka.verb = '\\xff'", "%4096ka.verb")
def test_any_condition_and_output_are_loaded_or_refused(condition: str, output: str) -> None:
    item = {
        "rule": "A",
        "desc": "d",
        "priority": "info",
        "source": "k8s_audit",
        "condition": condition,
        "output": output,
    }
    text = yaml.safe_dump([{"macro": "m", "condition": "ka.verb exists"}, {"list": "l", "items": ["a", "b"]}, item])
    usable(load([SourceFile("r.yaml", text)]))


@settings(max_examples=300)
@given(conditions, outputs)
def test_any_condition_and_output_make_a_filter_or_are_refused(condition: str, output: str) -> None:
    found, diagnostics = compile_filter(condition, output)
    assert (found is None) is bool(diagnostics.errors)
    if found is not None:
        assert len(list(found.select(EVENT))) <= 1


@settings(max_examples=300)
@given(outputs)
@example("%" * 50)
@example("%tolower(" * 200)
@example("%ka.verb" * 200)
@example("%a" + ".a" * 500)
@example("%" + "a" * 5000)
@example("%tolower(ka.verb" + ")" * 500)
def test_any_output_is_parsed_or_refused(text: str) -> None:
    template, problems = parse_output(MappedText.literal(text), SCOPE)
    assert (template is None) is any(not problem.is_warning for problem in problems)


_SCALARS = st.sampled_from(
    (None, True, 0, 1.5, "", "x", "k8s_audit", "ka.verb=get", "append", "replace", "0.1.0", "info", "a b", "l")
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("name", "fields", "comps", "values", "condition")), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = (
    *(
        "rule",
        "macro",
        "list",
        "items",
        "condition",
        "output",
        "desc",
        "priority",
        "source",
        "tags",
        "enabled",
        "append",
    ),
    *(
        "override",
        "exceptions",
        "required_engine_version",
        "required_plugin_versions",
        "warn_evttypes",
        "skip-if-unknown-filter",
    ),
)
_ITEMS = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=6)
_RULES = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(("A", "B", "")),
        "desc": st.just("d"),
        "priority": st.just("info"),
        "source": st.just("k8s_audit"),
        "condition": conditions,
        "output": outputs,
    },
    optional=dict.fromkeys(("tags", "exceptions", "enabled", "append", "override"), _VALUES),
)


@settings(max_examples=300)
@given(st.lists(_ITEMS | _RULES, max_size=4))
def test_any_items_are_loaded_or_refused(items: list[Any]) -> None:
    usable(load([SourceFile("r.yaml", yaml.safe_dump(items, allow_unicode=True))]))


@settings(max_examples=300)
@given(st.text(max_size=60) | st.text("-: [],{}#&*!|>'\"%\n ab", max_size=40))
@example("- " * 500)
@example("[" * 500)
@example("{a: " * 500)
@example("&a [*a, *a]")
@example("- rule: A\n  condition: |\n\t x")
@example("\ufeff- macro: a\n  condition: ka.verb=x\n")
@example("%YAML 9.9\n---\n- a")
@example("- !!python/object/apply:os.system ['true']")
def test_any_text_is_loaded_or_refused(text: str) -> None:
    usable(load([SourceFile("r.yaml", text)]))
