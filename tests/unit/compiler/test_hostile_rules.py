"""Rules of somebody who means harm: they run no code, read no file, and take no more time than their size allows."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanner import Engine, LoadResult, compile_rules, load_rules

CODE = [
    "__import__('os').system('touch hacked')",
    "'); __import__('os').system('touch hacked') #",
    '"); __import__("os").system("touch hacked") #',
    "\\'); __import__('os').system('touch hacked') #",
    "'''\n__import__('os').system('touch hacked')\n'''",
    "{__import__('os').system('touch hacked')}",
    "%(__import__('os').system('touch hacked'))s",
    "${touch hacked} $(touch hacked) `touch hacked`",
    "{{ cycler.__init__.__globals__.os.system('touch hacked') }}",
    "a\nimport os; os.system('touch hacked')",
    "\\x27); __import__(\\x27os\\x27)",
    "/etc/passwd",
    "file:///etc/passwd",
    "${HOME}",
]
"""Python, templates, shells and files, as texts."""


@pytest.fixture(autouse=True)
def nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "hacked").exists()


def loaded(folder: Path, text: str) -> LoadResult:
    path = folder / "rules.yaml"
    path.write_text(text)
    return load_rules([path])


def rule(condition: str, output: str = "seen", name: str = "R", **more: object) -> str:
    """A rule file with one rule; JSON is YAML too."""
    keys = {"rule": name, "desc": "d", "condition": condition, "output": output, "priority": "ERROR"}
    return json.dumps([{**keys, "source": "k8s_audit", **more}])


def event(**members: object) -> bytes:
    found = {"kind": "Event", "auditID": "1", "stage": "ResponseComplete", "verb": "get", **members}
    return json.dumps(found).encode()


def engine(folder: Path, text: str) -> Engine:
    result = loaded(folder, text)
    assert result.rules is not None, result.diagnostics
    return Engine(compile_rules(result.rules))


def refusal(folder: Path, text: str) -> str:
    """What is wrong with rules that cannot be used."""
    result = loaded(folder, text)
    assert result.rules is None
    return result.diagnostics[0].message


def quoted(text: str) -> str:
    """A text as a value of a condition."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("code", CODE)
def test_a_value_is_compared_and_never_run(tmp_path: Path, code: str) -> None:
    for operator in ("=", "contains", "startswith", "in"):
        value = f"({quoted(code)})" if operator == "in" else quoted(code)
        found = engine(tmp_path, rule(f"ka.user.name {operator} {value}"))
        same, other = event(user={"username": code}), event(user={"username": "alice"})
        assert [len(found.process(each, body=True).alerts) for each in (same, other)] == [1, 0], operator


@pytest.mark.parametrize("code", CODE)
def test_names_tags_and_outputs_are_texts(tmp_path: Path, code: str) -> None:
    found = engine(tmp_path, rule("ka.verb = get", f"{code.replace('%', '')} %ka.verb", code, desc=code, tags=[code]))
    [alert] = found.process(event(), body=True).alerts
    assert (alert.rule, alert.tags) == (code, (code,))
    assert alert.message == f"{code.replace('%', '')} get"


@pytest.mark.parametrize("code", CODE)
def test_code_that_is_no_value_is_no_condition(tmp_path: Path, code: str) -> None:
    assert loaded(tmp_path, rule(code)).rules is None


@pytest.mark.parametrize("code", CODE)
def test_fields_arguments_macros_and_lists_have_names_that_are_known(tmp_path: Path, code: str) -> None:
    for condition in (f"ka.user.name[{code}] = x", f"{code} = x", f"ka.verb in ({code})", f"tolower({code}) = x"):
        result = loaded(tmp_path, rule(condition))
        if result.rules is not None:
            Engine(compile_rules(result.rules)).process(event(), body=True)


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [touch hacked]", "!!python/name:os.system", "!include /etc/passwd"]
)
def test_yaml_makes_no_objects_and_includes_no_files(tmp_path: Path, tag: str) -> None:
    result = loaded(tmp_path, f"- rule: R\n  desc: {tag}\n  condition: ka.verb = get\n  output: x\n  priority: ERROR\n")
    text = str(result.rules) + str(result.diagnostics)
    assert "root:" not in text


@pytest.mark.parametrize(
    ("operator", "value", "name"),
    [
        ("regex", "(a+)+$", "a" * 300_000 + "!"),
        ("regex", "(a|aa)+$", "a" * 300_000 + "!"),
        ("regex", "(.*a){20}b", "a" * 30_000),
        ("glob", "*a" * 100 + "b", "a" * 300_000),
        ("glob", "*" * 1000 + "b", "a" * 300_000),
        ("contains", "a" * 1000 + "b", "a" * 300_000),
        ("icontains", "a" * 1000 + "b", "A" * 300_000),
    ],
)
def test_no_pattern_goes_back_and_forth_in_a_value(tmp_path: Path, operator: str, value: str, name: str) -> None:
    found = engine(tmp_path, rule(f"ka.user.name {operator} {quoted(value)}"))
    # A matcher that tries all ways, or all pairs of places, would not come to an end here.
    assert not found.process(event(user={"username": name}), body=True).alerts


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "(?=a)", "(?<=a)b", "(?(1)a|b)", "(?{print})", "a{1,100000}", "(a{1000}){1000}"]
)
def test_patterns_that_no_bound_holds_for_are_refused(tmp_path: Path, pattern: str) -> None:
    assert "regular expression" in refusal(tmp_path, rule(f"ka.user.name regex {quoted(pattern)}"))


def test_macros_that_double_are_refused_when_they_are_too_large(tmp_path: Path) -> None:
    macros = [{"macro": "m0", "condition": "ka.verb = get"}]
    macros += [{"macro": f"m{n}", "condition": f"m{n - 1} and m{n - 1}"} for n in range(1, 100)]
    message = refusal(tmp_path, json.dumps([*macros, *json.loads(rule("m99"))]))
    assert message == "condition has more than 200,000 parts with its macros and lists put in"


def test_lists_that_double_are_refused_when_they_are_too_large(tmp_path: Path) -> None:
    lists: list[dict[str, object]] = [{"list": "l0", "items": ["a"]}]
    lists += [{"list": f"l{n}", "items": [f"l{n - 1}", f"l{n - 1}"]} for n in range(1, 100)]
    message = refusal(tmp_path, json.dumps([*lists, *json.loads(rule("ka.verb in (l99)"))]))
    assert message.endswith("has more than 200,000 items with the lists in it put in")


def test_macros_that_need_each_other_are_refused(tmp_path: Path) -> None:
    macros = [{"macro": "a", "condition": "b"}, {"macro": "b", "condition": "a"}]
    assert loaded(tmp_path, json.dumps([*macros, *json.loads(rule("a"))])).rules is None


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    levels = ["- list: l", "  items: &a0 [a, a, a, a, a, a, a, a, a, a]"]
    levels += [f"- list: l{n}\n  items: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert loaded(tmp_path, "\n".join(levels)).rules is None


@pytest.mark.parametrize(
    "condition",
    ["(" * 100_000 + "ka.verb = get" + ")" * 100_000, "(not " * 10_000 + "ka.verb = get" + ")" * 10_000],
    ids=["parentheses", "negations"],
)
def test_a_condition_that_is_nested_too_deeply_is_refused(tmp_path: Path, condition: str) -> None:
    assert "levels deep, the limit is" in refusal(tmp_path, rule(condition))


def cost_s(folder: Path, rows: int) -> float:
    """Processor time for a rule with so many exceptions, and an event."""
    values = [[f"user{n}", f"name{n}"] for n in range(rows)]
    exception = {"name": "e", "fields": ["ka.user.name", "ka.target.name"], "comps": ["=", "="], "values": values}
    began = time.process_time()
    found = engine(folder, rule("ka.verb = get", exceptions=[exception]))
    last = event(user={"username": f"user{rows - 1}"}, objectRef={"name": f"name{rows - 1}"})
    assert not found.process(last, body=True).alerts
    return time.process_time() - began


def test_exceptions_cost_as_much_as_there_are(tmp_path: Path) -> None:
    cost_s(tmp_path, 100)
    few, many = cost_s(tmp_path, 250), cost_s(tmp_path, 2000)
    assert many < 24 * few  # eight times as many; each with each other would be sixty-four times
