import pytest

from lanner.cli.messages import Failure
from lanner.cli.settings import OPTION_KEYS, Settings, apply_options
from lanner.compiler.load import AppendOutput
from lanner.rules.priority import Priority


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("json_output=true", Settings(json_output=True)),
        ("json_output = yes", Settings(json_output=True)),
        ("json_include_output_property=false", Settings(json_include_output_property=False)),
        ("json_include_tags_property=false", Settings(json_include_tags_property=False)),
        ("json_include_message_property=true", Settings(json_include_message_property=True)),
        ("json_include_output_fields_property=false", Settings(json_include_output_fields_property=False)),
        ("time_format_iso_8601=true", Settings(time_format_iso_8601=True)),
        ("buffered_outputs=true", Settings(buffered_outputs=True)),
        ("rule_matching=first", Settings(rule_matching="first")),
        ("priority=Info", Settings(priority=Priority.INFORMATIONAL)),
        (
            'append_output[]={"match": {"source": "k8s_audit", "rule": "R", "tags": ["a"]},'
            ' "extra_output": "x=%ka.verb", "extra_fields": ["ka.auditid", {"who": "%ka.user.name!"}],'
            ' "suggested_output": true}',
            Settings(
                append_output=(
                    AppendOutput(
                        source="k8s_audit",
                        rule="R",
                        tags=frozenset({"a"}),
                        extra_output="x=%ka.verb",
                        extra_fields=(("ka.auditid", "%ka.auditid", True), ("who", "%ka.user.name!", False)),
                    ),
                )
            ),
        ),
    ],
)
def test_an_option_sets_what_it_names(option: str, expected: Settings) -> None:
    assert apply_options(Settings(), [option]) == expected


def test_every_known_option_is_tried_above() -> None:
    marks: list[pytest.Mark] = test_an_option_sets_what_it_names.pytestmark  # type: ignore[attr-defined]  # set by pytest
    tried = {case[0].partition("=")[0].strip() for case in marks[0].args[1]}
    assert tried == set(OPTION_KEYS)


def test_later_options_win_and_appended_outputs_add_up() -> None:
    options = [
        "json_output=true",
        "json_output=false",
        "append_output[]={extra_output: a}",
        "append_output[]={extra_output: b}",
    ]
    found = apply_options(Settings(), options)
    assert not found.json_output
    assert [entry.extra_output for entry in found.append_output] == ["a", "b"]


@pytest.mark.parametrize(
    ("option", "message", "help_text"),
    [
        ("json_outptu=true", "unknown option `json_outptu`", "did you mean `json_output`?"),
        ("zzz=1", "unknown option `zzz`", "known are json_output"),
        ("json_output", "option `json_output` has no value", "-o KEY=VALUE"),
        ("json_output=maybe", "`maybe` does not fit option `json_output`", "`true` or `false`"),
        ("json_output=[", "the value of option `json_output` is not valid YAML", ""),
        ("rule_matching=none", "`none` does not fit option `rule_matching`", "`all` or `first`"),
        ("priority=loud", "`loud` does not fit option `priority`", "emergency, alert"),
        ("priority=3", "`3` does not fit option `priority`", "emergency, alert"),
        ("append_output[]=text", "the value of option `append_output[]` does not fit", "extra_output"),
        ("append_output[]={extra: 1}", "the value of option `append_output[]` does not fit", "extra_output"),
        ("append_output[]={match: {tags: 1}}", "the value of option `append_output[]` does not fit", "extra_output"),
        ("append_output[]={match: {tags: [1]}}", "the value of option `append_output[]` does not fit", "extra_output"),
        ("append_output[]={extra_fields: [1]}", "an entry of `extra_fields` does not fit", "the name of a field"),
        ("append_output[]={extra_fields: [{a: 1}]}", "an entry of `extra_fields` does not fit", "the name of a field"),
        ("append_output[]={extra_output: 1}", "the value of option `append_output[]` does not fit", "extra_output"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_with_what_would(option: str, message: str, help_text: str) -> None:
    with pytest.raises(Failure) as caught:
        apply_options(Settings(), [option])
    assert caught.value.message == message
    assert help_text in (caught.value.help or "")


def test_deep_nesting_in_a_value_is_refused() -> None:
    with pytest.raises(Failure):
        apply_options(Settings(), ["json_output=" + "[" * 100_000])
