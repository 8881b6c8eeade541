import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from lanner.diagnostics.visible import is_visible
from lanner.engine.alert import Alert
from lanner.outputs.terminal import TerminalFormat, wrap
from lanner.rules.priority import Priority

ALERT = Alert(
    time_ns=1_795_255_200_123_456_789,
    rule="Seen",
    priority=Priority.WARNING,
    source="k8s_audit",
    message="seen (user=alice ns=dev)",
    output_fields={},
    tags=(),
    hostname="here",
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def shown(message: str = ALERT.message, columns: int = 0, *, color: bool = False, iso8601: bool = False) -> str:
    form = TerminalFormat(columns=lambda: columns, color=color, iso8601=iso8601)
    return form.encode(msgspec.structs.replace(ALERT, message=message)).decode()


def test_time_priority_and_message_stand_in_columns() -> None:
    assert shown()[8:] == ".123  WARNING    seen (user=alice ns=dev)\n"
    assert shown(iso8601=True)[10:] == "T10:00:00.123Z  WARNING    seen (user=alice ns=dev)\n"
    form = TerminalFormat(columns=lambda: 0)
    lines = form.encode_all([msgspec.structs.replace(ALERT, priority=each) for each in Priority]).decode().splitlines()
    assert {line.index("seen") for line in lines} == {25}


def test_colour_is_for_the_priority_and_names_are_darker() -> None:
    text = shown(color=True)
    assert "\x1b[33mWARNING  \x1b[0m  seen (\x1b[2muser=\x1b[0malice \x1b[2mns=\x1b[0mdev)\n" in text
    odd = "a==b ?x=1&y=2 (x.y=z,q=) =v 1a=b c=d=e = é=f"
    dim = [part.partition("\x1b[0m")[0] for part in shown(odd, color=True).split("\x1b[2m")[2:]]
    assert dim == ["a=", "x.y=", "q=", "c=", "é="]


@given(st.text(max_size=60), st.integers(0, 100), st.booleans())
@example("a\x1b[2J\u202e\u200b\ud800\U000e0100\n\r\x9b", 0, True)
@example("x" * 60, 1, True)
def test_nothing_of_a_message_is_obeyed_or_hidden(message: str, columns: int, color: bool) -> None:
    text = shown(message, columns, color=color)
    for code in ("\x1b[2m", "\x1b[0m", "\x1b[33m"):
        text = text.replace(code, "")
    assert all(map(is_visible, text.removesuffix("\n").split("\n")))


@given(st.lists(st.text("ab=é字", max_size=30)).map(" ".join), st.integers(1, 120))
@example("x" * 100, 26)
@example("字" * 30, 12)
def test_a_wrapped_message_fits_and_is_whole(message: str, columns: int) -> None:
    rows = wrap(message, columns, 25)
    indent = 25 if columns - 25 >= 40 else 2
    assert "".join(rows).replace(" ", "") == message.replace(" ", "")
    for at, row in enumerate(rows):
        room = columns - (25 if at == 0 else indent)
        assert cell_len(row) <= max(room, 2 if at else 0), "a wide character needs two columns whatever there is"


def test_words_are_not_broken_unless_they_have_no_room_at_all() -> None:
    words = ["pod-" + "n" * size for size in range(1, 40)]
    rows = wrap(" ".join(words), 80, 25)
    assert " ".join(rows).split() == words
    assert len(rows) > 10
    assert wrap("short", 80, 25) == ["short"]
    assert wrap("a " * 500, 0, 25) == ["a " * 500]
