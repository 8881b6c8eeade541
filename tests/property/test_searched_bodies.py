"""To look for words in a body's JSON before it is decoded changes nothing, however the body is spelt."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanner.compiler.load import Rule
from lanner.compiler.output import OutputTemplate
from lanner.compiler.ruleset import compile_selected
from lanner.condition import Expr, parse_condition
from lanner.diagnostics import MappedText
from lanner.engine.engine import Engine
from lanner.events import context
from lanner.events.values import decode_json
from lanner.rules.priority import Priority
from tests.reference import holds

WORDS = ("password", "npassword", "pass word", "a/path/to", "100000", "false", "u0070assword", "word", "nullx")
OPERATORS = ("contains", "=", "startswith", "endswith", "in", "!=", "icontains")
FIELDS = (
    "ka.req.configmap.obj",
    "jevt.value[/requestObject]",
    "jevt.value[/requestObject/data/a]",
    "jevt.value[/requestObject/data]",
    "jevt.value[/responseObject/data/a]",
    "jevt.value[/annotations]",
)
# Ways to write one character in JSON, of which the first is how an API server does.
_PARTS = (
    *("password", "pass\\u0077ord", "\\u0070assword", "PASSWORD", "passwor\\u0064", "pass\\nword"),
    *("a\\/path\\/to", "a/path/to", "\\npassword", "\\u000apassword", "pass word", "pass\\\\word", "\\u00e9", "é"),
    *("100000", "x", '\\"', " ", "word"),
)
_STRING = st.lists(st.sampled_from(_PARTS), max_size=3).map(lambda parts: f'"{"".join(parts)}"')
_GAP = st.sampled_from(["", "", " ", "\t"])


def _joined(opening: str, closing: str, members: list[str], gap: str) -> str:
    return opening + f",{gap}".join(members) + gap + closing


_VALUE = st.recursive(
    _STRING | st.sampled_from(["false", "null", "100000", "1e5", "-0", "100000.0"]),
    lambda inner: (
        st.builds(_joined, st.just("["), st.just("]"), st.lists(inner, max_size=3), _GAP)
        | st.builds(
            _joined,
            st.just("{"),
            st.just("}"),
            st.lists(st.builds("{0}:{1}".format, _STRING, inner), max_size=3),
            _GAP,
        )
    ),
    max_leaves=6,
)
BODIES = st.builds('{{"data":{{"a":{0},"b":{1}}},"c":{2}}}'.format, _VALUE, _VALUE, _VALUE) | _VALUE


@pytest.fixture(params=[0, None], ids=["any body", "large bodies"], autouse=True)
def _searched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param is not None:
        monkeypatch.setattr(context, "_MIN_SEARCHED_BYTES", request.param)


def _condition(field: str, operator: str, words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    value = f"({', '.join(quoted)})" if operator == "in" else quoted[0]
    return f"{field} {operator} {value}"


CONDITIONS = st.builds(
    _condition,
    st.sampled_from(FIELDS),
    st.sampled_from(OPERATORS),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True),
)


def _parsed(text: str) -> Expr:
    return parse_condition(MappedText.literal(text))


def _engine(conditions: list[Expr]) -> Engine:
    """An engine with a rule for each condition, named by its number."""
    return Engine(
        compile_selected(
            tuple(
                Rule(
                    name=str(number),
                    desc="",
                    source="k8s_audit",
                    priority=Priority.NOTICE,
                    tags=(),
                    condition=condition,
                    output=OutputTemplate((), ()),
                )
                for number, condition in enumerate(conditions)
            )
        )
    )


@settings(max_examples=200)
@given(st.lists(st.lists(CONDITIONS, min_size=1, max_size=4), min_size=1, max_size=3), st.lists(BODIES, min_size=3))
def test_rules_on_bodies_match_where_their_conditions_hold(groups: list[list[str]], bodies: list[str]) -> None:
    conditions = [_parsed(" or ".join(group)) for group in groups]
    conditions += [_parsed(" and not ".join(group)) for group in groups]
    engine = _engine(conditions)
    request, answer, annotations = bodies[:3]
    text = (
        f'{{"auditID":"i","stage":"ResponseComplete","verb":"create","requestObject":{request},'
        f'"responseObject":{answer},"annotations":{annotations}}}'
    )
    event: Any = decode_json(text.encode())
    expected = [str(number) for number, condition in enumerate(conditions) if holds(condition, event)]
    assert [alert.rule for alert in engine.process(text.encode()).alerts] == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"data":{"a":"xpasswordx"}}', True),
        (b'{"data":{"a":"xpass\\u0077ordx"}}', True),
        (b'{"data":{"a":"x"},"b":"password"}', False),
        (b'{"data":{"password":1}}', True),
        (b'{"data":{"pass":"word"}}', False),
        (b'{"data":{"a":"password"},"data":{"a":"b"}}', False),
        (b'{"data":{"a":"b"},"d\\u0061ta":{"a":"password"}}', True),
        (b'{"data":{"a":"pass\\nword"}}', False),
        (b"null", False),
        (b'"password"', False),
    ],
)
def test_a_word_is_found_however_it_is_spelt(body: bytes, expected: bool) -> None:
    engine = _engine([_parsed("ka.req.configmap.obj contains password")])
    event = b'{"auditID":"i","stage":"ResponseComplete","verb":"create","requestObject":%b}' % body
    assert bool(engine.process(event).findings) is expected
    if body.startswith(b"{"):
        large = event.replace(body, body[:-1] + b" " * 4096 + b"}")
        assert bool(engine.process(large).findings) is expected
