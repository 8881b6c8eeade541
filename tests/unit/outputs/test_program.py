import json
import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from lanner.outputs.format import AlertFormat
from lanner.outputs.program import ProgramOptions, ProgramOutput, arguments_of
from lanner.outputs.sink import OptionError, RefusedError

from .receivers import TIMEOUT_S, alert

JSON = AlertFormat(json=True)
HOSTILE = "$(touch pwned) `touch pwned` ; touch pwned | \" ' \\ \n\x00 --help %s"
COPY = "import sys; sys.stdout.flush(); open(sys.argv[1], 'ab').write(sys.stdin.buffer.read())"
COPY_LINES = "import os, sys\nwith open(sys.argv[1], 'ab', 0) as f:\n    for line in sys.stdin.buffer: f.write(line)\n"


def python(script: str, *arguments: object) -> str:
    return shlex.join([sys.executable, "-c", script, *map(str, arguments)])


def output_to(program: str, *, keep_alive: bool = False, timeout_s: float = TIMEOUT_S) -> ProgramOutput:
    return ProgramOutput(ProgramOptions(program=program, keep_alive=keep_alive, timeout_s=timeout_s), JSON)


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process that is no child, which needs no more than a moment."""
    until = time.monotonic() + TIMEOUT_S
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < until
        os.sched_yield()


@pytest.mark.parametrize(("keep_alive", "script"), [(False, COPY), (True, COPY_LINES)])
def test_alerts_arrive_on_standard_input_in_order(tmp_path: Path, keep_alive: bool, script: str) -> None:
    path = tmp_path / "out"
    output = output_to(python(script, path), keep_alive=keep_alive)
    output.write([alert(1), alert(2)])
    output.write([alert(3)])
    output.flush()
    output.close()
    output.close()
    assert path.read_bytes() == b"".join(JSON.encode(alert(number)) for number in (1, 2, 3))


@pytest.mark.parametrize("keep_alive", [False, True])
def test_nothing_in_an_alert_reaches_a_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_alive: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    output = output_to("sh -c 'cat >> out'", keep_alive=keep_alive)
    output.write([alert(message=HOSTILE, output_fields={"a": HOSTILE})])
    output.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert json.loads((tmp_path / "out").read_bytes())["output_fields"]["a"] == HOSTILE


def test_a_program_is_started_for_each_alert_unless_it_is_kept_alive(tmp_path: Path) -> None:
    script = "import os, sys\nsys.stdin.read()\nopen(sys.argv[1], 'a').write(f'{os.getpid()}\\n')"
    for keep_alive, expected in ((False, 3), (True, 1)):
        path = tmp_path / f"pids-{keep_alive}"
        output = output_to(python(script, path), keep_alive=keep_alive)
        output.write([alert(1), alert(2), alert(3)])
        output.close()
        assert len(set(path.read_text().split())) == expected


def test_a_program_that_ended_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "out"
    script = "import sys\nopen(sys.argv[1], 'a').write(sys.stdin.readline())"
    output = output_to(python(script, path), keep_alive=True)
    for number in (1, 2, 3):
        output.write([alert(number)])
        assert output._process is not None
        output._process.wait(TIMEOUT_S)
    output.close()
    assert path.read_bytes() == b"".join(JSON.encode(alert(number)) for number in (1, 2, 3))


def test_the_signal_to_reopen_starts_a_program_anew(tmp_path: Path) -> None:
    path = tmp_path / "pids"
    script = "import os, sys\nfor _ in sys.stdin: open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')"
    output = output_to(python(script, path), keep_alive=True)
    output.write([alert(1), alert(2)])
    output.reopen()
    output.write([alert(3)])
    output.close()
    first, second, third = path.read_text().split()
    assert first == second != third


def test_a_status_other_than_0_is_a_refusal() -> None:
    output = output_to("sh -c 'cat > /dev/null; exit 3'")
    with pytest.raises(RefusedError, match="`sh` ended with status 3"):
        output.write([alert()])


def test_status_75_asks_to_try_again() -> None:
    output = output_to("sh -c 'cat > /dev/null; exit 75'")
    with pytest.raises(OSError, match="asks to try again later") as caught:
        output.write([alert()])
    assert not isinstance(caught.value, RefusedError)


def test_a_program_that_does_not_read_is_no_failure_if_it_ends_well() -> None:
    output_to("true").write([alert(message="x" * 1_000_000)])


@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_program_that_is_not_there_is_an_error(keep_alive: bool) -> None:
    output = output_to("/nonexistent/program", keep_alive=keep_alive)
    with pytest.raises(FileNotFoundError):
        output.write([alert()])
    output.close()


def test_a_program_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    # What it started writes its own id before the program begins to hang.
    command = f"sh -c {shlex.quote(f'sleep 1000 & echo $! > {shlex.quote(str(pid))}; wait')}"
    output = output_to(command, timeout_s=2)
    with pytest.raises(RefusedError, match="did not end within 2 s"):
        output.write([alert()])
    wait_until_gone(int(pid.read_text()))


def test_a_program_that_is_kept_alive_and_does_not_read_is_killed_and_started_anew() -> None:
    output = output_to("sleep 1000", keep_alive=True, timeout_s=0.2)
    with pytest.raises(TimeoutError, match="does not read"):
        output.write([alert(message="x" * 1_000_000)])
    assert output._process is None
    output.write([alert()])
    output.close()  # `sleep` does not end by itself: it is killed


def test_what_a_program_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    output_to("sh -c 'cat > /dev/null; echo done'").write([alert()])
    assert capfd.readouterr() == ("", "done\n")


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("nc host.example.com 80", ["nc", "host.example.com", "80"]),
        ("""jq -c '{text: .output} | "$x"' "it's" \\|""", ["jq", "-c", '{text: .output} | "$x"', "it's", "|"]),
        ("""sh -c 'jq . | curl -d @- "$URL"'""", ["sh", "-c", 'jq . | curl -d @- "$URL"']),
    ],
)
def test_a_command_is_split_as_a_shell_splits_words(program: str, arguments: list[str]) -> None:
    assert arguments_of(program) == arguments


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("", "empty"),
        ("a 'b", "a quote that does not end"),
        *[
            (program, "pipes, redirections and variables need a shell")
            for program in ("a | b", "a > b", "a; b", "a & b", "a $(b)", "a `b`", "a $HOME", 'a "$HOME"', "a\nb", "(a)")
        ],
    ],
)
def test_a_command_that_cannot_be_started_as_it_is_meant_is_refused(program: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        arguments_of(program)


def test_the_help_on_a_shell_is_a_command_that_is_accepted() -> None:
    program = "jq '{text: .output}' | curl -d @- -X POST https://example.com"
    with pytest.raises(OptionError) as caught:
        arguments_of(program)
    assert caught.value.help is not None
    assert arguments_of(caught.value.help.removeprefix("write `").removesuffix("`")) == ["sh", "-c", program]
