"""Whatever stands in a Sigma file: it becomes rules that load, or is reported; nothing else happens."""

from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from lanner.compiler.load import load
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.sigma.fields import TARGETS
from lanner.sigma.importer import Fate, import_sigma

_FIELDS = st.sampled_from([*TARGETS, "requestObject.a.b", "annotations.x/y.z", "Image", "user.uid", "", "user"])
_WORDS = ("contains", "startswith", "endswith", "all", "re", "cidr", "exists", "gte", "cased", "base64")
_MODIFIERS = ("", *(f"|{word}" for word in _WORDS))
_TEXTS = st.text(st.sampled_from("abAB*?\\.[]()|^$\"'%{} \n\u2028é,=/:-"), max_size=12)
_VALUES: st.SearchStrategy[Any] = st.one_of(
    _TEXTS, st.integers(-5, 500), st.booleans(), st.none(), st.floats(0, 9), st.sampled_from(["10.0.0.0/8", "1::/64"])
)
_DETECTIONS = st.dictionaries(
    st.builds(lambda field, *more: field + "".join(more), _FIELDS, *[st.sampled_from(_MODIFIERS)] * 2),
    _VALUES | st.lists(_VALUES, max_size=3),
    max_size=3,
)
_CONDITIONS = st.sampled_from(["a", "not a", "a and b", "a or not (b and a)", "1 of them", "all of a*", "a | x"])
_TITLES = st.text(max_size=10)


@st.composite
def rules(draw: st.DrawFn) -> str:
    rule: dict[str, Any] = {
        "title": draw(_TITLES),
        "logsource": {"product": "kubernetes", "service": "audit"},
        "detection": {
            "a": draw(_DETECTIONS),
            "b": draw(_DETECTIONS | st.lists(_TEXTS, min_size=1, max_size=3)),
            "condition": draw(_CONDITIONS),
        },
    }
    for key in draw(st.sets(st.sampled_from(["description", "author", "level", "references", "tags", "fields", "id"]))):
        rule[key] = draw(_TEXTS | st.lists(_TEXTS, max_size=2) | st.integers())
    return yaml.safe_dump(rule, allow_unicode=True)


@given(rules() | st.text(max_size=80))
@example("0:")
def test_a_sigma_file_becomes_rules_that_load_or_is_reported(text: str) -> None:
    found = import_sigma([SourceFile("x.yml", text)], Diagnostics())
    number = sum(line.fate in (Fate.IMPORTED, Fate.CHANGED) for line in found.lines)
    assert len(found.diagnostics.errors) >= sum(line.fate is Fate.FAILED for line in found.lines)
    assert bool(found.text) is bool(number)
    result = load([SourceFile("imported", found.text)])
    assert result.rules is not None, [each.message for each in result.diagnostics]
    assert len(result.rules.rules) == number
