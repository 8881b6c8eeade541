"""To look for a field's words in a body's JSON before it is decoded changes nothing, however the body is spelt."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanner.engine.engine import Engine
from lanner.events import context
from lanner.fields.catalogue import FIELDS, Derived, Pointer
from tests.unit.engine.engines import engine, rule
from tests.unit.fields.test_extraction import example_for

SEARCHED = tuple(
    spec.name
    for spec in FIELDS.values()
    if not spec.arg_required
    and (
        (isinstance(spec.extract, Derived) and spec.extract.words)
        or (isinstance(spec.extract, Pointer) and spec.extract.keys[0] in ("requestObject", "responseObject"))
    )
)
_KEY = re.compile(r'"([a-zA-Z]\w+)":')


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    """By field, an engine that asks whether it has a value: a body is searched until something decodes it."""
    return {name: engine(rule(name, f"{name} exists")) for name in SEARCHED}


def found(detect: Engine, body: str) -> bool:
    bodies = f'"requestObject":{body},"responseObject":{body}'
    text = f'{{"auditID":"i","stage":"ResponseComplete","verb":"create",{bodies}}}'
    return bool(detect.process(text.encode()).findings)


@pytest.fixture(autouse=True)
def _every_body_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_MIN_SEARCHED_BYTES", 0)


def decoded(detect: Engine, body: str) -> bool:
    """As `found`, without a search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "_searchable", bool)
        return found(detect, body)


@pytest.mark.parametrize("name", SEARCHED)
def test_the_words_of_a_field_stand_where_it_has_a_value(name: str, engines: dict[str, Engine]) -> None:
    event = example_for(name)
    bodies = [json.dumps(event.get(member)) for member in ("requestObject", "responseObject")]
    assert any(found(engines[name], body) for body in bodies)


@st.composite
def _bodies(draw: st.DrawFn) -> str:
    """The bodies of the catalogue's examples with some keys spelt with escapes, and others taken away; and patches."""
    event = example_for(draw(st.sampled_from(SEARCHED)))
    body = json.dumps(event.get("requestObject"))
    keys = sorted(set(_KEY.findall(body)))
    for key in draw(st.lists(st.sampled_from(keys), max_size=4)) if keys else []:
        how = draw(st.sampled_from(["\\u00%02x" % ord(key[0]) + key[1:], "x" + key, key + "s"]))  # noqa: UP031
        body = body.replace(f'"{key}":', f'"{how}":')
    if draw(st.booleans()) and isinstance(event.get("requestObject"), dict):
        spec = (event["requestObject"] or {}).get("spec")  # type: ignore[union-attr]
        members = spec if isinstance(spec, dict) else {}
        operations = [{"op": "add", "path": f"/spec/{key}", "value": value} for key, value in members.items()]
        body = json.dumps(draw(st.permutations(operations)))
    return body


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_bodies())
def test_fields_have_their_values_however_keys_are_spelt(body: str, engines: dict[str, Engine]) -> None:
    for name, detect in engines.items():
        assert found(detect, body) == decoded(detect, body), name


@pytest.mark.parametrize("path", ["items/10000", "items/00001", "items/10000/name"])
def test_an_index_of_a_list_is_no_word(path: str) -> None:
    detect = engine(rule("A", f"jevt.value[/requestObject/{path}] exists"))
    assert found(detect, json.dumps({"items": [{"name": "ab"}] * 10_001}))
