"""What people see: the real program in a real terminal."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from .conftest import PROGRAM, event
from .terminals import TerminalProgram, in_terminal

HEADERS = {"content-type": "application/json"}
URL = "http://127.0.0.1:0/k8s-audit"
HOSTILE = "eve\x1b[2J\x1b]0;title\x07\x9b31m\u202egnp\u2066\u200b\u3164\r\n\x08x"


def post(terminal: TerminalProgram, body: bytes) -> None:
    url = terminal.wait_for("listening on ").split("listening on ")[1]
    assert httpx.post(url, content=body, headers=HEADERS).status_code == 200


def hostile() -> bytes:
    found = json.loads(event())
    found["user"]["username"] = HOSTILE
    return json.dumps(found).encode() + b"\n"


def test_alerts_stand_in_columns_above_a_status_that_counts_them(rules: Path) -> None:
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL]) as terminal:
        assert "no events yet" in terminal.wait_for(" ● ")
        post(terminal, b"".join(event(f"user-{number}") for number in range(3)))
        terminal.wait_until(lambda rows: any("user-2" in row for row in rows))
        status = terminal.wait_for("3 alerts 3 WARNING")
        rows = terminal.rows
        assert rows[0].endswith("1 rule")
        assert rows[-4:-1] == [f"10:00:00.000  WARNING    seen (user=user-{n})" for n in range(3)]
        assert rows[-1] == status
        assert [cell.fg for cell in terminal.cells("WARNING    seen")] == ["brown"] * 9 + ["default"] * 6
        assert re.search(r"\d events?/s · 3 alerts 3 WARNING · 3 events · \d+s$", status)


def test_what_an_attacker_chose_is_shown_and_not_obeyed(rules: Path) -> None:
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL], columns=160) as terminal:
        post(terminal, hostile())
        terminal.wait_for("1 alert ")
        shown = r"seen (user=eve\u001b[2J\u001b]0;title\u0007\u009b31m\u202egnp\u2066\u200b\u3164\r\n\bx)"
        assert terminal.wait_for("seen (user=").endswith(shown)
        assert {cell.fg for cell in terminal.cells(shown)} == {"default"}
        assert terminal.rows[0].endswith("1 rule"), "nothing was erased"
        assert b"\x1b]0;" not in terminal.sent


def test_json_on_a_terminal_is_plain_lines_above_the_status(rules: Path) -> None:
    words = [*PROGRAM, "run", "--format", "json", "-r", str(rules), URL]
    with in_terminal(words, columns=900) as terminal:
        post(terminal, event() + hostile())
        terminal.wait_for("2 alerts")
        first, second = [json.loads(row) for row in terminal.rows if row.startswith("{")]
        assert first["output"] == "10:00:00.000000000: Warning seen (user=alice)"
        assert second["output_fields"]["ka.user.name"] == HOSTILE
        assert {cell.fg for cell in terminal.cells('"priority":"Warning"')} == {"default"}


def test_alerts_on_a_pipe_are_as_ever_though_the_status_is_on_a_terminal(rules: Path, tmp_path: Path) -> None:
    out = tmp_path / "alerts"
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL], out=out) as terminal:
        post(terminal, event("öße") + hostile())
        terminal.wait_for("2 alerts")
        terminal.type(b"\x03")
        assert terminal.end() == 130
        assert "seen" not in terminal.sent.decode()
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event("öße") + hostile())
    ran = subprocess.run([*PROGRAM, "scan", "-q", "-r", str(rules), str(log)], capture_output=True, check=True)
    assert re.sub(rb"\d\d:\d\d:\d\d", b"", out.read_bytes()) == re.sub(rb"\d\d:\d\d:\d\d", b"", ran.stdout)
    assert "seen (user=öße)" in out.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_takes_the_status_away_and_leaves_the_terminal_as_it_was(rules: Path, number: signal.Signals) -> None:
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL]) as terminal:
        post(terminal, event())
        terminal.wait_for("1 alert 1 WARNING")
        if number == signal.SIGINT:
            terminal.type(b"\x03")
        else:
            terminal.process.send_signal(number)
        assert terminal.end() == (130 if number == signal.SIGINT else 0)
        assert terminal.settings_after == terminal.settings
        rows = terminal.rows
        assert not any("●" in row for row in rows)
        assert rows[rows.index("10:00:00.000  WARNING    seen (user=alice)") + 1] == "Events detected: 1"
        assert rows[-1] == "Dropped: 0"
        assert b"\x1b[?" not in terminal.sent, "no state of the terminal was changed, so that none has to be restored"


def test_a_program_that_is_killed_leaves_a_terminal_that_works(rules: Path) -> None:
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL]) as terminal:
        terminal.wait_for("no events yet")
        terminal.process.kill()
        assert terminal.end() == -signal.SIGKILL
        assert terminal.settings_after == terminal.settings
        assert b"\x1b[?" not in terminal.sent


def test_messages_stand_above_the_status_with_their_time(rules: Path, tmp_path: Path) -> None:
    with in_terminal([*PROGRAM, "run", "-r", str(rules), str(tmp_path / "later.log")], columns=300) as terminal:
        terminal.wait_for("cannot read")
        rows = terminal.wait_until(lambda rows: " ● " in rows[-1])
        at = next(at for at, row in enumerate(rows) if "cannot read" in row)
        assert re.match(r"\d\d:\d\d:\d\d\.\d\d\d  warning: source `", rows[at])
        (tmp_path / "later.log").write_bytes(event())
        assert terminal.wait_for("seen").endswith("seen (user=alice)")


@pytest.mark.parametrize("columns", [110, 60, 30, 12, 3])
def test_the_status_is_one_row_however_narrow_the_terminal_is(rules: Path, columns: int) -> None:
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL], columns=400) as terminal:
        post(terminal, event() + b"nonsense\n")
        terminal.wait_for("1 malformed")
        terminal.resize(columns)
        rows = terminal.wait_until(lambda rows: 0 < len(rows[-1]) < columns and rows[-1].startswith(" ●"))
        assert sum("●" in row for row in rows) == 1
        terminal.resize(400)
        terminal.wait_for("1 malformed")


def test_a_long_alert_is_wrapped_below_its_message(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "- rule: Long\n  desc: d\n  condition: ka.verb exists\n  priority: CRITICAL\n  source: k8s_audit\n"
        f"  output: {' '.join(['word%ka.verb'] * 30)}\n"
    )
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event())
    with in_terminal([*PROGRAM, "scan", "-r", str(rules), str(log)], columns=80) as terminal:
        assert terminal.end() == 0
        rows = [row for row in terminal.rows if "wordget" in row]
        assert len(rows) == 5
        assert rows[0].startswith("10:00:00.000  CRITICAL   wordget wordget")
        assert {row[:25] for row in rows[1:]} == {" " * 25}
        assert " ".join(row[25:] for row in rows) == " ".join(["wordget"] * 30)


@pytest.mark.parametrize("words", [["-q"], ["--no-progress", "--color", "never"]])
def test_without_progress_nothing_is_drawn(rules: Path, words: list[str]) -> None:
    with in_terminal([*PROGRAM, "run", *words, "-r", str(rules), "-"]) as terminal:
        terminal.type(event())
        terminal.wait_for("seen (user=alice)")
        terminal.type(b"\x04")
        assert terminal.end() == 0
        assert "●" not in terminal.sent.decode()
        assert b"\x1b[J" not in terminal.sent


def test_without_colour_there_is_a_status_all_the_same(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL]) as terminal:
        post(terminal, event())
        terminal.wait_for("1 alert 1 WARNING")
        assert set(re.findall(rb"\x1b[^A-Za-z]*[A-Za-z]", terminal.sent)) == {b"\x1b[J"}


def test_a_terminal_that_takes_nothing_holds_up_no_events(rules: Path, tmp_path: Path) -> None:
    out = tmp_path / "alerts"
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL], out=out) as terminal:
        url = terminal.wait_for("listening on ").split("listening on ")[1]
        terminal.wait_for("no events yet")
        terminal.type(b"\x13")
        for number in range(20):
            assert httpx.post(url, content=event(f"user-{number}"), headers=HEADERS).status_code == 200
            time.sleep(0.05)  # so that the status is due in between; it passes without, and then shows less
        terminal.wait_until(lambda rows: out.read_bytes().count(b"seen") == 20)
        terminal.type(b"\x11")
        terminal.wait_for("20 alerts")


def test_a_scan_shows_how_far_it_is_until_it_ends(rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event("x" * 2000) * 20_000)
    with in_terminal([*PROGRAM, "scan", "-r", str(rules), "--disable", "Seen", *[str(log)] * 10]) as terminal:
        status = terminal.wait_for(" left")
        assert re.match(r" [━╸╺]+ \d+% · ", status)
        terminal.type(b"\x03")
        assert terminal.end() == 130
        assert not any("━" in row for row in terminal.rows)


def children(terminal: TerminalProgram) -> list[int]:
    """The processes that a program has started."""
    found = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children").read_text()
    return [int(word) for word in found.split()]


def test_workers_share_the_terminal_with_one_status_of_all(rules: Path) -> None:
    with in_terminal([*PROGRAM, "run", "--workers", "2", "-r", str(rules), URL], columns=140) as terminal:
        url = terminal.wait_for("listening on ").split("listening on ")[1]
        terminal.wait_for("detecting, 2 workers · no events yet")
        for number in range(10):  # each over a connection of its own, so that both workers get some
            assert httpx.post(url, content=event(f"user-{number}"), headers=HEADERS).status_code == 200
        terminal.wait_for("10 alerts 10 WARNING")
        expected = [f"10:00:00.000  WARNING    seen (user=user-{number})" for number in range(10)]
        terminal.wait_until(lambda rows: sorted(rows[-11:-1]) == expected)
        os.kill(children(terminal)[0], signal.SIGKILL)
        assert "error: a worker was lost: killed by SIGKILL" in terminal.wait_for("a worker was lost:")
        terminal.wait_for("1 restarted")
        assert sum("●" in row for row in terminal.rows) == 1
        terminal.type(b"\x03")
        assert terminal.end() == 130
        assert terminal.settings_after == terminal.settings
        assert not any("●" in row for row in terminal.rows)
        assert "Dropped: 0" in terminal.rows


def test_alerts_for_a_terminal_that_is_stopped_wait_and_events_do_not(rules: Path) -> None:
    with in_terminal([*PROGRAM, "run", "-r", str(rules), URL]) as terminal:
        url = terminal.wait_for("listening on ").split("listening on ")[1]
        terminal.wait_for("no events yet")
        terminal.type(b"\x13")
        for number in range(3):
            assert httpx.post(url, content=event(f"user-{number}"), headers=HEADERS, timeout=30).status_code == 200
        assert not any("seen" in row for row in terminal.rows)
        terminal.type(b"\x11")
        terminal.wait_for("3 alerts 3 WARNING")
        terminal.wait_until(lambda rows: sum("seen (user=user-" in row for row in rows) == 3)


def test_a_template_on_a_terminal_is_safe_as_well(rules: Path, tmp_path: Path) -> None:
    config = tmp_path / "lanner.yaml"
    config.write_text("stdout_output: {enabled: true, template: 'by %ka.user.name'}\n")
    with in_terminal([*PROGRAM, "run", "-c", str(config), "-r", str(rules), URL], columns=160) as terminal:
        post(terminal, hostile())
        terminal.wait_for("1 alert ")
        assert terminal.wait_for("by eve").endswith(r"\u009b31m\u202egnp\u2066\u200b\u3164\r\n\bx")
        assert b"\x1b]0;" not in terminal.sent
