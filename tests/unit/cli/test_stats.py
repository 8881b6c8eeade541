"""`lanner stats`: what is counted, how it is printed, and what is refused."""

import csv
import gzip
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanner.cli.interrupts import Stopped
from lanner.sources import parts
from lanner.sources.base import Delivery, Framing

from .conftest import Lanner, Ran, event


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(
        event() * 3
        + event("eve", "get", more={"user": {"username": "eve", "groups": ["devs", "system:authenticated"]}})
        + b"nonsense\n"
        + event("eve", "delete", more={"responseStatus": {"code": 403}, "user": {"username": "eve"}})
    )
    return path


def rows(ran: Ran) -> list[list[str]]:
    """What a table says, as cells, without its heading."""
    return [line.split() for line in ran.out.splitlines()[1:]]


def test_values_are_ranked_with_their_share_of_events(lanner: Lanner, log: Path) -> None:
    ran = lanner("stats", "ka.user.name", log)
    assert ran.out == "count  of events  ka.user.name\n    3      60.0%  alice\n    2      40.0%  eve\n"
    assert ran.err == "warning: 1 document malformed; the first: not JSON: nonsense\n"
    assert ran.code == 0


def test_several_fields_count_together(lanner: Lanner, log: Path) -> None:
    ran = lanner("stats", "ka.user.name", "ka.verb", log)
    assert rows(ran) == [
        ["3", "60.0%", "alice", "create"],
        ["1", "20.0%", "eve", "delete"],
        ["1", "20.0%", "eve", "get"],
    ]


def test_a_list_counts_under_each_element_and_a_missing_value_as_such(lanner: Lanner, log: Path) -> None:
    ran = lanner("stats", "ka.user.groups", log)
    assert rows(ran) == [["4", "80.0%", "system:authenticated"], ["1", "20.0%", "devs"], ["1", "20.0%", "<NA>"]]
    found = json.loads(lanner("stats", "ka.user.groups", "--format", "json", log).out)
    assert found["rows"][-1] == {"count": 1, "ka.user.groups": None}


def test_a_condition_selects_what_is_counted(lanner: Lanner, log: Path) -> None:
    found = json.loads(lanner("stats", "ka.verb", "--where", "ka.response.code = 403", "--format", "json", log).out)
    assert found == {"events": 1, "rows": [{"count": 1, "ka.verb": "delete"}], "hidden": 0, "folded": 0}


def test_a_condition_can_use_macros_and_lists_of_rule_files(lanner: Lanner, log: Path, rules: Path) -> None:
    ran = lanner("stats", "ka.user.name", "-r", rules, "-w", "pod and not ka.user.name in (quiet_users)", log)
    assert [row[0] for row in rows(ran)] == ["3", "2"]
    assert "unknown macro `pod`" in lanner("stats", "ka.user.name", "-w", "pod", log).err


def test_transformers_and_arguments_are_fields_too(lanner: Lanner, log: Path) -> None:
    ran = lanner("stats", "toupper(ka.user.name)", "jevt.value[/responseStatus/code]", "len(ka.user.groups)", log)
    assert rows(ran)[0][2:] == ["ALICE", "201", "1"]
    assert ran.out.splitlines()[0].split()[3:] == [
        "toupper(ka.user.name)",
        "jevt.value[/responseStatus/code]",
        "len(ka.user.groups)",
    ]


def test_times_are_counted_by_themselves(lanner: Lanner, tmp_path: Path) -> None:
    log = tmp_path / "log"
    times = ("10:59:59.9", "11:00:00.0", "11:30:00.0", "13:00:00.0")
    log.write_bytes(b"".join(event(more={"stageTimestamp": f"2026-11-21T{time}Z"}) for time in times))
    ran = lanner("stats", "--by", "1h", log)
    assert [(row[0], row[2]) for row in rows(ran)] == [
        ("1", "2026-11-21T10:00:00Z"),
        ("2", "2026-11-21T11:00:00Z"),
        ("1", "2026-11-21T13:00:00Z"),
    ]
    assert [row[2] for row in rows(lanner("stats", "ka.verb", "--by", "1d", log))] == ["2026-11-21T00:00:00Z"]
    assert len(rows(lanner("stats", "evt.rawtime", "--by", "30s", log))) == 4


def test_the_first_of_each_time_are_shown(lanner: Lanner, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(
        b"".join(
            event(user, more={"stageTimestamp": f"2026-11-21T{hour}:00:00Z"})
            for hour, user in (("10", "a"), ("10", "b"), ("10", "b"), ("11", "c"))
        )
    )
    ran = lanner("stats", "ka.user.name", "--by", "1h", "--top", "1", log)
    assert [row[3] for row in rows(ran)] == ["b", "c"]
    assert ran.err == "note: 1 further occurrence not shown; `--top 0` shows all\n"


def test_top_bounds_the_rows_and_zero_shows_all(lanner: Lanner, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(event(f"u{n}") for n in range(30)))
    assert len(rows(lanner("stats", "ka.user.name", log))) == 20
    assert len(rows(lanner("stats", "ka.user.name", "--top", "3", log))) == 3
    ran = lanner("stats", "ka.user.name", "--top", "0", log)
    assert (len(rows(ran)), ran.err) == (30, "")


def test_beyond_the_bound_on_keys_the_rest_is_counted_together(lanner: Lanner, log: Path) -> None:
    ran = lanner("stats", "ka.user.name", "--max-keys", "1", "--format", "json", "-q", log)
    assert json.loads(ran.out)["folded"] == 2
    ran = lanner("stats", "ka.user.name", "--max-keys", "1", log)
    assert "warning: 2 occurrences of further values counted together, in no row; `--max-keys` keeps more\n" in ran.err


def test_more_keys_are_only_advised_where_they_would_help(
    lanner: Lanner, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanner.engine.tally.MAX_CHARACTERS", 6)
    ran = lanner("stats", "ka.user.name", log)
    assert "further values counted together, in no row\n" in ran.err


def test_bars_are_as_long_as_their_counts(lanner: Lanner, log: Path) -> None:
    ran = lanner("stats", "ka.user.name", "--format", "bars", log)
    lengths = {line.split()[0]: line.count("█") for line in ran.out.splitlines()[1:]}
    assert lengths["alice"] == 40
    assert lengths["eve"] == 26


NASTY = "\x1b]0;owned\x07[bold]x[/bold]\u202e\n2nd"


def test_values_cannot_speak_to_the_terminal_nor_forge_rows(lanner: Lanner, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(event(NASTY))
    for output_format in ("table", "bars", "csv", "json"):
        ran = lanner("stats", "ka.user.name", "--format", output_format, "--color", "never", log)
        assert not {"\x1b", "\x07", "\u202e"} & set(ran.out)
        assert "[bold]x[/bold]" in ran.out
    assert len(lanner("stats", "ka.user.name", log).out.splitlines()) == 2
    assert json.loads(lanner("stats", "ka.user.name", "--format", "json", log).out)["rows"][0]["ka.user.name"] == NASTY


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@sum", "\t=1", " =1", "＝1"])  # noqa: RUF001 - what is tested
def test_a_spreadsheet_gets_no_formula(lanner: Lanner, tmp_path: Path, value: str) -> None:
    log = tmp_path / "log"
    log.write_bytes(event(value))
    ran = lanner("stats", "ka.user.name", "--format", "csv", log)
    heading, (count, cell) = csv.reader(io.StringIO(ran.out))
    assert (heading, count) == (["count", "ka.user.name"], "1")
    # A cell that begins with a backslash is a text to a spreadsheet, as one with an apostrophe is.
    assert cell[0] in "'\\"


def test_a_cell_with_commas_and_quotes_is_one_cell(lanner: Lanner, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(event('a,"b"'))
    ran = lanner("stats", "ka.user.name", "--format", "csv", log)
    assert list(csv.reader(io.StringIO(ran.out)))[1] == ["1", 'a,"b"']


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file that is divided into many parts, and a compressed one."""
    monkeypatch.setattr(parts.split, "__kwdefaults__", {"part_size": 2_000})
    folder = tmp_path / "logs"
    folder.mkdir()
    users = [f"u{n * n % 37}" for n in range(300)]
    (folder / "a.jsonl").write_bytes(b"".join(map(event, users)) + b"{broken\n")
    (folder / "b.gz").write_bytes(gzip.compress(b"".join(event(f"v{n}") for n in range(50))))
    for age, name in enumerate(("b.gz", "a.jsonl")):
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    assert len(list(parts.split([str(folder)], on_error=lambda error: None))) > 10
    return folder


@pytest.mark.parametrize("bound", ["1", "5", "20", "100000"])
def test_several_processes_count_as_one_does(lanner: Lanner, logs: Path, bound: str) -> None:
    words = ("stats", "ka.user.name", "ka.user.groups", "--top", "0", "--format", "json", "--max-keys", bound, logs)
    one, two = lanner(*words), lanner(*words, "-j", "2")
    assert json.loads(one.out)["events"] == 350
    assert (two.code, two.out, two.err) == (one.code, one.out, one.err)


def test_standard_input_is_counted(lanner: Lanner, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    class Stdin:
        buffer = log.open("rb")

    monkeypatch.setattr("sys.stdin", Stdin)
    with Stdin.buffer:
        assert rows(lanner("stats", "ka.user.name", "-", "-j", "2"))[0][0] == "3"


def test_what_was_counted_until_an_interrupt_is_shown(
    lanner: Lanner, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> Iterator[Delivery]:
        yield Delivery(event("ann") * 2, Framing.LINES, "log")
        raise Stopped(signal.SIGINT)

    monkeypatch.setattr("lanner.cli.stats.read_paths", interrupted)
    ran = lanner("stats", "ka.user.name", log)
    assert ran.code == 130
    assert rows(ran) == [["2", "100.0%", "ann"]]
    assert "interrupted: these are the counts so far\n" in ran.err


def test_a_path_that_cannot_be_read_is_a_failure_and_the_others_are_counted(
    lanner: Lanner, log: Path, tmp_path: Path
) -> None:
    for jobs in ("1", "2"):
        ran = lanner("stats", "ka.user.name", tmp_path / "none", log, "-j", jobs)
        assert ran.code == 1
        assert f"error: cannot read `{tmp_path}/none`: no such file\n" in ran.err
        assert len(rows(ran)) == 2


@pytest.mark.parametrize(
    ("words", "message", "help"),
    [
        (["ka.user.nam", "LOG"], "error[LN0203]: unknown field `ka.user.nam`", "did you mean `ka.user.name`?"),
        (["ka.verb["], "error: no path is given", "`-` reads standard input"),
        (["LOG", "ka.verb"], "is not a field", "fields come first, such as `ka.user.name`"),
        (
            ["ka.verb", "LOG", "ka.uri"],
            "error: field `ka.uri` stands behind a path",
            "fields come first; a file is written `./ka.uri`",
        ),
        (["ka.verb[", "LOG"], "error[LN0201]: ", "`lanner fields` lists what they can ask for"),
        (["ka.uri.param", "LOG"], "error[LN0204]: ", "ka.uri.param"),
        (["ka.verb", "-w", "ka.verb =", "LOG"], "error[LN0201]: ", "`lanner fields` lists what they can ask for"),
        (["ka.verb", "--by", "1w", "LOG"], "error: invalid value for `--by`", "lanner stats --help"),
        (["ka.verb", "--by", "0s", "LOG"], "no length of time such as 30s", "lanner stats --help"),
    ],
)
def test_what_cannot_be_counted_is_said_in_a_few_words(
    lanner: Lanner, log: Path, words: list[str], message: str, help: str
) -> None:
    ran = lanner("stats", *(str(log) if word == "LOG" else word for word in words))
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert help in ran.err


def test_a_file_may_have_the_name_of_a_field(
    lanner: Lanner, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log.rename("ka.log")
    assert len(rows(lanner("stats", "ka.verb", "./ka.log"))) == 3


def test_rule_files_with_errors_are_shown(lanner: Lanner, log: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("- macro: m\n")
    ran = lanner("stats", "ka.verb", "-r", rules, "-w", "m", log)
    assert ran.code == 2
    assert "error[LN0105]" in ran.err
    assert "error: the rules have 1 error\n" in ran.err
