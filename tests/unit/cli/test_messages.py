import io

import pytest

from lanner.cli.messages import Console, Failure, counted, did_you_mean


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("choice", "variables", "on_terminal", "on_pipe"),
    [
        ("auto", {}, True, False),
        ("auto", {"NO_COLOR": "1"}, False, False),
        ("auto", {"NO_COLOR": ""}, True, False),
        ("auto", {"TERM": "dumb"}, False, False),
        ("always", {"NO_COLOR": "1"}, True, True),
        ("never", {}, False, False),
    ],
)
def test_color_is_for_terminals_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, choice: str, variables: dict[str, str], on_terminal: bool, on_pipe: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    console = Console(color=choice)  # type: ignore[arg-type]  # one of the choices, by the table
    assert console.has_color(Terminal()) == on_terminal
    assert console.has_color(io.StringIO()) == on_pipe


def test_a_failure_says_one_fact_and_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    Failure("no such `thing`", "write `other`").show()
    Failure("plain").show()
    assert capsys.readouterr() == ("", "error: no such `thing`\n  help: write `other`\nerror: plain\n")


def test_what_a_user_named_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Failure("cannot read `\x1b[2J\u202e`").show()
    assert capsys.readouterr().err == "error: cannot read `\\x1b[2J\\u202e`\n"


def test_a_quiet_console_takes_no_notes(capsys: pytest.CaptureFixture[str]) -> None:
    Console(quiet=True).note("nothing")
    Console().note("something")
    assert capsys.readouterr().err == "something\n"


def test_numbers_agree_with_their_noun() -> None:
    assert [counted(n, "rule") for n in (0, 1, 2, 1000)] == ["0 rules", "1 rule", "2 rules", "1,000 rules"]


def test_only_near_words_are_suggested() -> None:
    assert did_you_mean("jso_output", ["json_output", "priority"]) == "did you mean `json_output`?"
    assert did_you_mean("zebra", ["json_output", "priority"]) is None
