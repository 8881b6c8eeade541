import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanner.compiler.load import AppendOutput, LoadResult, load, read_rule_files
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.diagnostics.render import to_text
from lanner.rules.files import decoded
from lanner.rules.priority import Priority
from tests.unit.compiler.loading import load_text, loaded, only_rule, problems, rule


def test_a_rule_comes_out_with_all_that_was_said_of_it() -> None:
    found = only_rule(
        "- rule: Pod created\n  desc: >\n    Somebody\n    made a pod.\n  condition: ka.verb=create\n"
        "  output: made by %ka.user.name\n"
        "  priority: WARNING\n  source: k8s_audit\n  tags: [b, a, b]\n  enabled: false\n"
    )
    assert found.name == "Pod created"
    assert found.desc == "Somebody made a pod.\n"
    assert found.priority is Priority.WARNING
    assert found.source == "k8s_audit"
    assert found.tags == ("a", "b")
    assert not found.enabled
    assert found.condition_text == "ka.verb=create"
    assert found.output_text == "made by %ka.user.name"
    assert found.place is not None
    assert found.place.text == "Pod created"


def test_rules_come_in_the_order_of_their_first_definition() -> None:
    rules = loaded(rule("ka.verb=a", name="C") + rule("ka.verb=a", name="A"), rule("ka.verb=b", name="C"))
    assert [each.name for each in rules.rules] == ["C", "A"]
    assert rules.rules[0].condition_text == "ka.verb=b"


def test_with_an_error_there_are_no_rules_and_all_errors_are_there() -> None:
    result = load_text(rule("ka.verb=a") + rule("ka.a=1", name="B") + rule("(ka.verb=", "%", name="C"), "- list: l\n")
    assert result.rules is None
    assert [code for code, _ in problems(result)] == ["LN0203", "LN0201", "LN0301", "LN0105"]


def test_diagnostics_come_by_file_and_place() -> None:
    result = load_text("- list: l\n  items: []\n- foo: x\n", "- macro: m\n  condition: ka.verb=x\n- bar: x\n")
    assert problems(result) == [
        ("unused_list", "l"),
        ("unknown_item", "foo"),
        ("unused_macro", "m"),
        ("unknown_item", "bar"),
    ]


def test_a_file_that_is_no_yaml_hides_what_follows_from_it() -> None:
    result = load_text("- macro: m\n  condition: [\n", rule("m") + "- list: l\n")
    assert [code for code, _ in problems(result)] == ["LN0102", "LN0105"]


def test_an_unreadable_file_leaves_no_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rule("m"))
    files, diagnostics = read_rule_files([path, tmp_path / "missing.yaml"])
    result = load(files, diagnostics=diagnostics)
    assert result.rules is None
    assert [each.code.code for each in result.diagnostics] == ["LN0101"]


def test_no_files_are_no_rules_and_no_error() -> None:
    result = load([])
    assert result.rules is not None
    assert not result.rules.rules


def test_rules_of_system_calls_are_checked_counted_and_not_evaluated() -> None:
    rules = loaded(
        "- macro: m\n  condition: proc.name in (l)\n- list: l\n  items: [sh]\n",
        rule("m and evt.dir=< and fd.name startswith /etc", "%proc.name %container.info", source="syscall")
        + rule("ka.verb=x", name="B"),
    )
    assert [each.name for each in rules.rules] == ["B"]
    assert [each.name for each in rules.others] == ["A"]
    assert rules.not_evaluated == {"syscall": 1}
    for condition in ("proc.name=", "(proc.name=a", "unknown_macro"):
        assert load_text(rule(condition, source="syscall")).rules is None


def test_rules_of_an_unknown_source_are_skipped_with_a_warning() -> None:
    result = load_text(rule("anything goes", "%", source="aws_cloudtrail") + "- macro: m\n  condition: ka.verb=x\n")
    assert problems(result) == [("unknown_source", "A"), ("unused_macro", "m")]
    assert result.rules is not None
    assert result.rules.not_evaluated == {"aws_cloudtrail": 1}


def test_without_an_audit_plugin_the_source_is_unknown() -> None:
    result = load([SourceFile("0", rule("ka.verb=a"))], loaded_plugins={"json": "0.7.4"})
    assert problems(result) == [("unknown_source", "A")]


@pytest.mark.parametrize(
    ("requirement", "plugins", "met"),
    [
        ("{name: k8saudit, version: 0.18.0}", None, True),
        ("{name: k8saudit, version: 0.18.1}", None, False),
        ("{name: k8saudit, version: 1.0.0}", None, False),
        ("{name: container, version: 0.1.0}", None, False),
        ("{name: k8saudit, version: 9.0.0, alternatives: [{name: k8saudit-eks, version: 0.1.0}]}", None, True),
        ("{name: json, version: 0.7.0}", {"k8saudit": "0.18.0"}, False),
    ],
)
def test_plugin_requirements_are_checked(requirement: str, plugins: dict[str, str] | None, met: bool) -> None:
    text = f"- required_plugin_versions: [{requirement}]\n" + rule("ka.verb=a")
    found = problems(load([SourceFile("0", text)], loaded_plugins=plugins))
    name = requirement.split()[1].rstrip(",")
    assert found == ([] if met else [("LN0403", name)])


def test_a_file_with_rules_for_others_may_require_their_plugins() -> None:
    requirement = "- required_plugin_versions: [{name: container, version: 0.1.0}]\n"
    assert not problems(load_text(requirement + rule("proc.name=a", source="syscall"), rule("ka.verb=a", name="B")))


def test_a_rule_with_unknown_fields_can_be_skipped() -> None:
    skip = "  skip-if-unknown-filter: true\n"
    result = load_text(
        rule("ka.nope=1", extra=skip)
        + rule("ka.verb=a", "%ka.nope", name="B", extra=skip)
        + rule("ka.verb=a", name="C")
    )
    assert problems(result) == [("unknown_filter", "ka.nope"), ("unknown_filter", "%ka.nope")]
    assert result.rules is not None
    assert [each.name for each in result.rules.rules] == ["C"]


def test_only_unknown_fields_are_a_reason_to_skip() -> None:
    result = load_text(rule("ka.user.groups = 1", extra="  skip-if-unknown-filter: true\n"))
    assert problems(result) == [("LN0205", "ka.user.groups = 1")]


def test_appended_outputs_reach_the_rules_they_are_meant_for() -> None:
    text = rule("ka.verb=a", extra="  tags: [x, y]\n") + rule("ka.verb=a", name="B")
    additions = [
        AppendOutput(extra_output="all=%ka.stage"),
        AppendOutput(source="syscall", extra_output="none"),
        AppendOutput(tags=frozenset({"x"}), extra_output="tag"),
        AppendOutput(
            rule="B", extra_output="rule", extra_fields=(("ka.auditid", "", True), ("who", "by %ka.user.name", False))
        ),
    ]
    rules = load([SourceFile("0", text)], append_output=additions).rules
    assert rules is not None
    first, second = rules.rules
    assert first.output_text == "x all=%ka.stage tag"
    assert second.output_text == "x all=%ka.stage rule"
    raw, text_field = second.extra_fields
    assert (raw.key, raw.raw, [field.key for field in raw.template.fields]) == ("ka.auditid", True, ["ka.auditid"])
    assert (text_field.key, text_field.raw, text_field.template.segments[0]) == ("who", False, "by ")


def test_an_appended_output_is_checked() -> None:
    additions = [AppendOutput(extra_output="%ka.nope", extra_fields=(("ka.nah", "", True),))]
    result = load([SourceFile("0", rule("ka.verb=a"))], append_output=additions)
    assert sorted(problems(result)) == [("LN0302", "%ka.nah"), ("LN0302", "%ka.nope")]
    assert {each.file_name for each in result.diagnostics} == {"append_output"}


def test_the_required_engine_version_is_part_of_the_result() -> None:
    assert loaded("- required_engine_version: 31\n").required_engine_version == "0.31.0"
    assert loaded("").required_engine_version is None


def test_two_thousand_rules_load_in_seconds() -> None:
    text = "- list: l\n  items: [a, b]\n- macro: m\n  condition: ka.verb in (l)\n" + "".join(
        rule("m and ka.target.resource=pods and not ka.user.name startswith system", "%ka.user.name", name=f"R{n}")
        for n in range(2000)
    )
    start = time.process_time()
    assert len(loaded(text).rules) == 2000
    assert time.process_time() - start < 10


def _is_well_formed(result: LoadResult) -> bool:
    for found in result.diagnostics:
        assert to_text(found)
        if found.span:
            assert 0 <= found.span.start <= found.span.end <= len(found.span.file.text)
    return (result.rules is None) == any(found.severity == "error" for found in result.diagnostics)


@given(st.text())
def test_any_text_gives_a_result(text: str) -> None:
    assert _is_well_formed(load_text(text))


@given(st.binary() | st.text().map(lambda text: b"\xef\xbb\xbf- " + text.encode("utf-16")))
def test_any_bytes_give_a_result(data: bytes) -> None:
    diagnostics = Diagnostics()
    file = decoded("rules.yaml", data, diagnostics)
    assert _is_well_formed(load([file] if file else [], diagnostics=diagnostics))


_SEED = "".join(
    (
        "- required_engine_version: 0.40.0\n- required_plugin_versions:\n    - name: k8saudit\n      version: 0.7.0\n",
        "- list: l\n  items: [a, 'b c', \"d\"]\n- macro: m\n  condition: (ka.verb in (l) or not ka.verb=x)\n",
        rule(
            "m and ka.user.groups intersects (l, e)",
            "%ka.verb %toupper(ka.stage) %ka.uri.param[x]",
            extra="  tags: [x]\n",
        ),
        rule(
            "ka.verb = tolower(ka.stage)",
            name="B",
            extra="  exceptions:\n    - name: e\n      fields: [ka.verb]\n      values: [[x]]\n",
        ),
        "- rule: A\n  condition: and ka.stage regex 'a+'\n  override:\n    condition: append\n",
    )
)
_PIECES = st.sampled_from(
    [
        "%",
        "(",
        ")",
        '"',
        "'",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a ",
        "!!x ",
        "\t",
        "\n",
        "\n- ",
        "  ",
        ": ",
        "~",
        "and ",
        "not ",
        "in ",
        "=",
        "val(",
        "\x00",
        "\x85",
        "\ud800",
        "é",
        ">\n",
        "---\n",
        "append: true\n",
        "m",
        "l",
        "ka.",
        "<NA>",
        "0x1",
    ]
)
_EDITS = st.lists(st.tuples(st.integers(0, len(_SEED)), st.integers(0, 30), _PIECES), min_size=1, max_size=6)


@settings(max_examples=200)
@given(_EDITS)
def test_any_change_of_a_rule_file_gives_a_result(edits: list[tuple[int, int, str]]) -> None:
    text = _SEED
    for at, removed, piece in edits:
        text = text[:at] + piece + text[at + removed :]
    assert _is_well_formed(load_text(text))


def test_files_in_any_mixture_give_a_result() -> None:
    parts = [part for part in _SEED.split("- ") if part]
    for seed in range(50):
        mixer = random.Random(seed)
        chosen = mixer.choices(parts, k=8)
        assert _is_well_formed(
            load_text("".join(f"- {part}" for part in chosen), "".join(f"- {part}" for part in chosen[::-1]))
        )
