"""Decoding, looking into, and printing JSON."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanner.events.values import (
    Json,
    as_text,
    as_texts,
    decode_json,
    encode_json,
    indented,
    list_texts,
    select,
    spread,
    walk,
)

ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    "text",
    [
        "1.0",
        "1e3",
        "-1E+5",
        "1e400",
        "0.10",
        "18446744073709551616",
        "123456789012345678901234567890",
        "true",
        "false",
        "[]",
        "{}",
        '{"b":[1.50,{"c":null}],"a":"é\u2028<&>"}',
        '["\\u0000","a\\"b\\\\"]',
    ],
)
def test_json_prints_as_it_was_sent(text: str) -> None:
    assert as_text(decode_json(text.encode())) == text


def test_blanks_between_tokens_are_dropped_and_keys_keep_their_order() -> None:
    assert as_text(decode_json(b'{ "b" : 1 ,\n "a" : [ 2 , 3 ] }')) == '{"b":1,"a":[2,3]}'


def test_text_is_not_quoted_and_null_is_missing() -> None:
    assert as_text(decode_json(b'"a\\"b\\u0000c"')) == 'a"b\x00c'
    assert as_text(decode_json(b"null")) is None


def test_of_equal_keys_the_last_counts() -> None:
    assert decode_json(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'"\\ud800"', "\ufffd"),
        (b'"a\\udc00b"', "a\ufffdb"),
        (b'"\\ud800\\ud83d\\ude00"', "\ufffd\U0001f600"),
        (b'"\\\\ud800 \\ud800"', "\\ud800 \ufffd"),
        (b'"\xff"', "\ufffd"),
        (b'{"\\uDFFF":1}', {"\ufffd": 1}),
    ],
)
def test_broken_characters_become_the_replacement_character(data: bytes, expected: Json) -> None:
    assert decode_json(data) == expected


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_more_digits_than_python_converts_is_a_text_and_hides_nothing(sign: str) -> None:
    digits = sign + "9" * 5000
    quoted = f'{digits}"{digits}'
    decoded = decode_json(f'{{"a":{digits},"b":[{digits}],"c":{json.dumps(quoted)},"d":{digits}e1,"e":1}}'.encode())
    assert isinstance(decoded, dict)
    assert (decoded["a"], decoded["b"], decoded["c"], decoded["e"]) == (digits, [digits], quoted, 1)
    assert as_text(decoded["d"]) == f"{digits}e1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"01",
        b"NaN",
        b'{"a":1}x',
        b"\xff",
        b"[" * 5000 + b"]" * 5000,
        b'["\\ud800",' + b"[" * 5000,
    ],
)
def test_what_cannot_be_decoded_has_one_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_json(data)


def test_raw_values_decode() -> None:
    assert decode_json(msgspec.Raw(b'{"a":[1]}')) == {"a": [1]}


def test_printing_does_not_depend_on_how_deep_the_value_is() -> None:
    value: Json = [1, {"x": None, "y": []}]
    for _ in range(50_000):
        value = {"k": [value, "e"]}
    text = as_text(value)
    assert text == '{"k":[' * 50_000 + '[1,{"x":null,"y":[]}]' + ',"e"]}' * 50_000


def test_encoding_quotes_text_and_writes_null() -> None:
    assert encode_json(["é", None, 'a"b']) == '["é",null,"a\\"b"]'.encode()
    assert encode_json(None) == b"null"


@ANY_SPEED
@given(st.binary())
def test_any_bytes_decode_or_have_the_one_error(data: bytes) -> None:
    try:
        value = decode_json(data)
    except msgspec.DecodeError:
        return
    assert value is None or isinstance(as_text(value), str)


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"))
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
)


@ANY_SPEED
@given(_VALUES)
def test_printed_json_reads_back_equal(value: Json) -> None:
    text = as_text(value)
    if value is None or isinstance(value, str):
        assert text == value
    else:
        assert text is not None
        assert json.loads(text) == value


EVENT: Json = {"a": {"b": [{"c": 1}, None, "x"], "": {"~/": 2}}, "n": None}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), EVENT),
        (("a", "b", "0", "c"), 1),
        (("a", "b", "2"), "x"),
        (("a", "b", "00"), {"c": 1}),
        (("a", "", "~/"), 2),
        (("a", "b", "1"), None),
        (("a", "b", "3"), None),
        (("a", "b", "-1"), None),
        (("a", "b", "²"), None),
        (("a", "b", "x"), None),
        (("a", "b", "9" * 5000), None),
        (("a", "b", "2", "0"), None),
        (("n",), None),
        (("n", "x"), None),
        (("z",), None),
    ],
)
def test_walk_reads_members_and_elements(keys: tuple[str, ...], expected: Json) -> None:
    assert walk(EVENT, keys) == expected


def test_select_fans_out_at_lists_and_leaves_the_last_one_whole() -> None:
    body: Json = {"s": [{"c": [{"v": 1}, {"v": None}, 5, {"w": 2}]}, {"c": {"v": [3, 4]}}]}
    assert select(body, ("s", "c", "v")) == [1, [3, 4]]
    assert select(body, ("s", "c")) == [[{"v": 1}, {"v": None}, 5, {"w": 2}], {"v": [3, 4]}]


def test_select_with_an_index_reads_that_element_of_each_list() -> None:
    body: Json = {"c": [{"v": "a"}, {"v": "b"}]}
    assert select(body, ("c", "v"), 1) == ["b"]
    assert select(body, ("c", "v"), 2) == []
    assert select(body, ("c", "v"), -1) == []


def test_spread_puts_elements_in_the_place_of_lists() -> None:
    assert list(spread([[1, 2], 3, [], [4]])) == [1, 2, 3, 4]
    assert list(spread([[1, 2], 3], 1)) == [2, 3]


def test_missing_values_are_left_out_of_lists_and_an_empty_list_is_missing() -> None:
    assert as_texts([None, True, 1, {"a": 1}, "x"]) == ["true", "1", '{"a":1}', "x"]
    assert as_texts([None]) is None
    assert list_texts([None, "x"]) == ["x"]
    assert list_texts(["x", "y"], 1) == ["y"]
    assert list_texts(["x", "y"], 2) is None
    assert list_texts([]) is None
    assert list_texts("x") is None


@pytest.mark.parametrize("text", ["{", "", '["\\ud800', "[" * 5000 + "]" * 5000, "[" * 5000 + '"\\ud800"' + "]" * 5000])
def test_what_cannot_be_laid_out_is_printed_as_it_is(text: str) -> None:
    assert indented(text) == text


def test_half_a_character_does_not_keep_json_from_being_laid_out() -> None:
    assert indented('{"a":["\\udc00x",1.50]}') == '{\n  "a": [\n    "\ufffdx",\n    1.50\n  ]\n}'
