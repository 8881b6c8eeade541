import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanner.plugins.ovh.envelope import content_of
from lanner.plugins.texts import Content, Standing

from .ldp import event, frame, gelf


def test_an_event_is_taken_out_of_both_envelopes() -> None:
    found = content_of(frame(event(7)).encode())
    assert found.standing is Standing.EVENT
    assert json.loads(found.text) == event(7)


@pytest.mark.parametrize(
    "text",
    ["user> admin", 'a "quote" \\ and \u2028', "é\U0001f600\u0000", "{{._appID}}> [Truncated...]", "<script>\t\n"],
)
def test_texts_within_an_event_are_kept_whatever_they_hold(text: str) -> None:
    sent = event(1, user={"username": text})
    assert json.loads(content_of(frame(sent).encode()).text) == sent


def test_envelopes_whose_content_is_an_object_instead_of_a_text_are_understood() -> None:
    inner = {"short_message": event(3)}
    for message in ({"message": inner}, inner, {"message": json.dumps(inner)}):
        assert json.loads(content_of(json.dumps(message).encode()).text) == event(3)


def test_lists_of_events_are_events() -> None:
    for several in ([event(1), event(2)], {"kind": "EventList", "items": [event(1)]}):
        found = content_of(frame(json.dumps(several)).encode())
        assert found == Content(Standing.EVENT, json.dumps(several).encode())


def test_an_event_over_several_lines_comes_as_one_line() -> None:
    found = content_of(frame(json.dumps(event(1), indent=1).replace("\n", "\r\n")).encode())
    assert b"\n" not in found.text
    assert b"\r" not in found.text
    assert json.loads(found.text) == event(1)


def test_other_logs_in_the_stream_are_no_damage() -> None:
    for text in ("GET / 200", "", '{"level": "info", "msg": "hello"}', "null", "12"):
        assert content_of(frame(text).encode()).standing is Standing.OTHER


def test_an_event_that_is_cut_off_is_kept_as_far_as_it_goes() -> None:
    text = json.dumps(event(1))[:-40]
    assert content_of(frame(text).encode()) == Content(Standing.CUT, text.encode())


def test_what_is_nested_beyond_the_decoder_is_an_event() -> None:
    text = json.dumps(event(1))[:-1] + ', "requestObject": ' + '{"a":' * 5000 + "1" + "}" * 5000 + "}"
    assert content_of(frame(text).encode()).standing is Standing.EVENT


def test_an_event_with_a_broken_character_is_read() -> None:
    broken = frame(event(1, user={"username": "X"})).encode().replace(b"X", b"\xff")
    found = content_of(broken)
    assert found.standing is Standing.EVENT
    assert json.loads(found.text)["user"] == {"username": "�"}


@pytest.mark.parametrize(
    "message",
    [b"", b"\x00\xff", b"hello", b"{}", b"[]", b'{"message": 1}', b'{"message": "no gelf"}', b'{"message": "{}"}'],
)
def test_what_has_not_the_envelopes_is_broken(message: bytes) -> None:
    assert content_of(message) == Content(Standing.BROKEN)


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: frame(gelf(text)).encode()))
@example(b'{"message":' * 2000)
def test_no_message_makes_it_raise(message: bytes) -> None:
    content_of(message)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=4), st.integers(0, 200))
def test_a_whole_event_is_told_from_one_that_was_cut(members: dict[str, str], cut: int) -> None:
    text = json.dumps(event(1, annotations=members))
    assert content_of(frame(text).encode()).standing is Standing.EVENT
    assert content_of(frame(text[: -1 - cut]).encode()).standing in (Standing.CUT, Standing.OTHER)
