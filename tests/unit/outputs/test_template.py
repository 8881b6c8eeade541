import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.outputs.format import AlertFormat
from lanner.outputs.sink import OptionError
from lanner.outputs.template import AlertTemplate

from .receivers import alert


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("%rule (%priority): %message", "Pod created (Warning): pod 0"),
        ("%source %hostname %tags %time", "k8s_audit vm (k8s,pods) 2026-11-21T10:23:58.064343000Z"),
        ("%ka.target.name. %{ka.user.groups}!", "web-0. (a,b)!"),
        ("%ka.verb %ka.not.in.this.alert", "<NA> <NA>"),
        ("100%% %{rule}s", "100% Pod createds"),
        ("%jevt.value[/a/b]", "<NA>"),
        ("no names", "no names"),
    ],
)
def test_names_give_way_to_values(text: str, line: str) -> None:
    assert AlertTemplate(text).encode(alert()).decode() == line + "\n"


@pytest.mark.parametrize("iso8601", [True, False])
def test_the_output_is_the_line_that_text_would_be(iso8601: bool) -> None:
    expected = AlertFormat(iso8601=iso8601).encode(alert())
    assert AlertTemplate("%output", iso8601=iso8601).encode(alert()) == expected


def test_a_template_in_json_may_have_lines_and_stays_one() -> None:
    template = AlertTemplate('{\n\t"text": "%rule",\r\n "n": 1}', json=True)
    line = template.encode(alert())
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"text": "Pod created", "n": 1}


@given(st.text(st.characters()))
def test_no_value_leaves_its_place(value: str) -> None:
    found = alert(message=value, output_fields={"a.b": [value, "x"]})
    read = json.loads(AlertTemplate('["%message", "%a.b"]', json=True).encode(found))
    clean = value.encode("utf-8", "replace").decode()
    assert read == [clean, f"({clean},x)"]
    line = AlertTemplate("%message|%a.b").encode(found)
    assert re.fullmatch(rb"[^\x00-\x1f]*\n", line)


def test_values_are_not_templates_themselves() -> None:
    assert AlertTemplate("%message %rule").encode(alert(message="%hostname %% %{rule}", rule="%message")) == (
        b"%hostname %% %{rule} %message\n"
    )


def test_many_alerts_are_their_lines() -> None:
    template = AlertTemplate("%message")
    assert template.encode_all([alert(1), alert(2)]) == b"pod 1\npod 2\n"


@pytest.mark.parametrize(
    ("text", "is_json", "message"),
    [
        ("100%", False, "a `%` that begins no name"),
        ("%{rule", False, "a `%` that begins no name"),
        ("%foo", False, "unknown name `%foo`"),
        (" ".join(f"%a.b{number}" for number in range(65)), False, "more than 64 names"),
        ('{"text": %rule}', True, "not JSON once its names are replaced"),
        ("%rule", True, "not JSON once its names are replaced"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_at_once(text: str, is_json: bool, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        AlertTemplate(text, json=is_json)
