import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lanner.outputs.format import AlertFormat
from lanner.outputs.program import ProgramOptions, ProgramOutput
from lanner.outputs.sink import OptionError, RefusedError

from .receivers import TIMEOUT_S, alert

JSON = AlertFormat(json=True)
ROOT = Path(__file__).parents[3]
HOSTILE = "$(touch pwned) `touch pwned` ; touch pwned | \" ' \\ \n\x00 --help %s"
PICK = "import json, sys\nfor line in sys.stdin: print(json.loads(line)['output'].split('Warning ')[1], flush=True)"
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
@pytest.mark.parametrize("program", ["cat >> out", "sh -c 'cat >> out'", "cat | cat | (tee -a out)"])
def test_nothing_in_an_alert_reaches_a_command_line_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_alive: bool, program: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = alert(rule=HOSTILE, message=HOSTILE, output_fields={HOSTILE: HOSTILE}, hostname=HOSTILE, tags=(HOSTILE,))
    output = output_to(f"tr '\\0' '\\n' < /proc/$$/environ > seen; {program}", keep_alive=keep_alive)
    output.write([hostile])
    output.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "seen"]
    assert "touch" not in (tmp_path / "seen").read_text()
    assert json.loads((tmp_path / "out").read_bytes())["output_fields"][HOSTILE] == HOSTILE


@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_command_runs_as_a_shell_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_alive: bool) -> None:
    """The form of the example in `falco.yaml`: `jq '{text: .output}' | curl -d @- -X POST https://…`."""
    monkeypatch.setenv("WEBHOOK", str(tmp_path / "out"))
    command = f"""{python(PICK)} | sed 's/$/ <\\/end>/' >> "$WEBHOOK" && echo done >> "$WEBHOOK.log" """
    output = output_to(command, keep_alive=keep_alive)
    output.write([alert(1, message="one; $WEBHOOK"), alert(2, message="two")])
    output.close()
    assert (tmp_path / "out").read_text() == "one; $WEBHOOK </end>\ntwo </end>\n"
    assert (tmp_path / "out.log").read_text().split() == ["done"] * (1 if keep_alive else 2)


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


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("cat > /dev/null; exit 3", "the program ended with status 3"),
        ("cat | false", "the program ended with status 1"),
        ("cat > /dev/null; kill -TERM $$", "the program was ended by signal 15"),
    ],
)
def test_a_status_other_than_0_is_a_refusal(command: str, message: str) -> None:
    with pytest.raises(RefusedError, match=f"^{re.escape(message)}$"):
        output_to(command).write([alert()])


def test_status_75_asks_to_try_again() -> None:
    output = output_to("sh -c 'cat > /dev/null; exit 75'")
    with pytest.raises(OSError, match="asks to try again later") as caught:
        output.write([alert()])
    assert not isinstance(caught.value, RefusedError)


@pytest.mark.parametrize("command", ["/nonexistent/program --token geheim", "cat | /dev/null", "no-such-command"])
def test_a_command_that_is_not_there_is_no_refusal_of_the_alert(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    output = output_to(command)
    with pytest.raises(OSError, match=r"^the program ended with status 12[67] \(its command cannot be") as caught:
        output.write([alert()])
    assert not isinstance(caught.value, RefusedError)
    assert "geheim" not in str(caught.value)
    assert capfd.readouterr().err  # what the shell says of it
    output.close()


def test_a_program_that_is_kept_alive_and_ended_badly_is_said_to_have_and_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "out"
    output = output_to(f"head -n 1 >> {shlex.quote(str(path))}; exit 3", keep_alive=True)
    output.write([alert(1)])
    assert output._process is not None
    output._process.wait(TIMEOUT_S)
    with pytest.raises(OSError, match=r"^the program ended with status 3$") as caught:
        output.write([alert(2)])
    assert not isinstance(caught.value, RefusedError)
    output.write([alert(2)])
    with pytest.raises(OSError, match=r"^the program ended with status 3$"):
        output.close()
    output.close()
    assert path.read_bytes() == JSON.encode(alert(1)) + JSON.encode(alert(2))


def test_a_program_that_ends_while_it_is_written_to_is_said_to_have_ended() -> None:
    output = output_to("head -c 1 > /dev/null; exit 4", keep_alive=True)
    with pytest.raises(OSError, match=r"^the program ended with status 4$"):
        output.write([alert(message="x" * 10_000_000)])
    output.close()


def test_a_program_that_does_not_read_is_no_failure_if_it_ends_well() -> None:
    output_to("true").write([alert(message="x" * 1_000_000)])


def hanging(folder: Path) -> tuple[str, Path]:
    """A command that hangs, and the file that has the id of a process that it started, before it begins to hang."""
    path = folder / "pid"
    return f"sleep 1000 & echo $! > {shlex.quote(str(path))}; wait; true", path


def test_a_program_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    command, pid = hanging(tmp_path)
    output = output_to(command, timeout_s=2)
    with pytest.raises(RefusedError, match="did not end within 2 s"):
        output.write([alert()])
    wait_until_gone(int(pid.read_text()))


def test_a_program_that_is_kept_alive_and_does_not_read_is_killed_and_started_anew() -> None:
    output = output_to("sleep 1000 | cat", keep_alive=True, timeout_s=0.2)
    with pytest.raises(TimeoutError, match="does not read"):
        output.write([alert(message="x" * 1_000_000)])
    assert output._process is None
    output.write([alert()])
    with pytest.raises(OSError, match="ended by signal 9"):
        output.close()  # `sleep` does not end by itself


@pytest.mark.parametrize("keep_alive", [False, True])
def test_no_program_outlives_a_process_that_did_not_wait_for_it(tmp_path: Path, keep_alive: bool) -> None:
    command, pid = hanging(tmp_path)
    script = f"""
import os, sys
from lanner.outputs.format import AlertFormat
from lanner.outputs.lane import Route
from lanner.outputs.program import ProgramOptions, ProgramOutput
from tests.unit.outputs.receivers import Fan, alert
options = ProgramOptions(program=sys.argv[1], keep_alive={keep_alive})
fanout = Fan([Route(name="p", output=ProgramOutput(options, AlertFormat()))], report=print, close_timeout_s=0.1)
fanout.write([alert()])
while not os.path.exists(sys.argv[2]) or not os.path.getsize(sys.argv[2]): os.sched_yield()
fanout.close()
"""
    subprocess.run([sys.executable, "-c", script, command, str(pid)], check=True, timeout=TIMEOUT_S, cwd=ROOT)
    wait_until_gone(int(pid.read_text()))


def test_what_a_program_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    output_to("sh -c 'cat > /dev/null; echo done'").write([alert()])
    assert capfd.readouterr() == ("", "done\n")


@pytest.mark.parametrize(("program", "message"), [("", "empty"), (" \n", "empty"), ("a\0b", "NUL")])
def test_what_is_no_command_is_refused_at_once(program: str, message: str) -> None:
    with pytest.raises(OptionError, match=f"^`program`: .*{message}"):
        output_to(program)
