import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lanner.cli.main import execute
from lanner.rules.priority import Priority
from lanner.store.place import held, locate
from lanner.store.store import Store

from ..server.test_keeper import Flaky, fast, plan, pods, process, until
from ..store.findings import KIND, finding, findings

__all__ = ["fast"]

CRITICAL = KIND.__class__("Secret read", Priority.CRITICAL, KIND.source, KIND.tags, KIND.hostname, KIND.keys)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'alerts.db'}"
    new: str = request.getfixturevalue("postgres").new_database()
    return new


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store with three alerts, of which `http` has got one, and two dead letters."""
    with held(locate(url)) as place:
        found = Store(place)

        async def put() -> None:
            await found.put([*findings(1, 2), finding(3, kind=CRITICAL, message="a \x1b[31mred\nline")])

        found.begin(["http", "stdout"])
        asyncio.run(put())
        found.move("http", 1)
        found.move("stdout", 3)
        found.bury("http", finding(8), "404")
        found.bury("mail", finding(9), "no such address")
        found.flush()
        yield found
        found.close()


def alerts(capfdbinary: pytest.CaptureFixture[bytes], url: str, *arguments: str) -> tuple[int, list[str], str]:
    status = execute(["alerts", "-o", f"store.url={url}", *arguments])
    captured = capfdbinary.readouterr()
    return status, captured.out.decode().splitlines(), captured.err.decode()


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((), [1, 2, 3]),
        (("--rule", "Secret*"), [3]),
        (("-p", "critical"), [3]),
        (("-p", "warning", "--rule", "Pod*"), [1, 2]),
        (("--since", "1h"), [1, 2, 3]),
        (("--since", "2100-01-01T00:00:00Z"), []),
        (("--until", "2020-01-01"), []),
        (("--waiting", "http"), [2, 3]),
        (("--waiting", "stdout"), []),
    ],
)
def test_stored_alerts_are_listed_by_rule_priority_time_and_output(
    store: Store, url: str, capfdbinary: pytest.CaptureFixture[bytes], arguments: Sequence[str], numbers: list[int]
) -> None:
    status, lines, _ = alerts(capfdbinary, url, *arguments)
    assert status == 0
    assert [int(line.split()[0]) for line in lines] == numbers
    _, lines, _ = alerts(capfdbinary, url, *arguments, "--format", "json")
    assert [json.loads(line)["id"] for line in lines] == numbers


def test_a_line_shows_what_an_alert_says_and_obeys_nothing_in_it(
    store: Store, url: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    _, lines, _ = alerts(capfdbinary, url, "--rule", "Secret read")
    assert lines == [r"3  2026-11-21T10:23:58Z  CRITICAL  Secret read: a \u001b[31mred\nline  (waiting for http)"]
    _, lines, _ = alerts(capfdbinary, url, "--rule", "Secret read", "--format", "json")
    found = json.loads(lines[0])
    assert (found["alert"]["rule"], found["waiting_for"]) == ("Secret read", ["http"])


def test_dead_letters_are_listed_with_the_reason(
    store: Store, url: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    _, lines, _ = alerts(capfdbinary, url, "--dead-letters")
    assert [line.partition("Pod created: ")[2] for line in lines] == [
        "pod 8  (http: 404)",
        "pod 9  (mail: no such address)",
    ]
    _, lines, _ = alerts(capfdbinary, url, "--dead-letters", "--output", "mail", "--format", "json")
    (found,) = map(json.loads, lines)
    assert (found["output_name"], found["reason"], found["is_wanted"]) == ("mail", "no such address", False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "loud"), "unknown priority `loud`"),
        (("--since", "soon"), "`--since`: `soon` is no time"),
        (("--resend", "x"), "`x` is no number of an alert"),
        (("--waiting", "fax"), "no run has an output `fax`"),
        (("--resend", "1", "--output", "fax"), "no run has an output `fax`"),
        (("-o", "store.enabled=false"), "`store.enabled` is false"),
        (("-o", "store.url=mysql://x"), "`store.url`: neither SQLite in a file nor PostgreSQL"),
    ],
)
def test_what_cannot_be_asked_is_a_clear_error(
    store: Store, url: str, capfdbinary: pytest.CaptureFixture[bytes], arguments: Sequence[str], words: str
) -> None:
    status, _, err = alerts(capfdbinary, url, *arguments)
    assert status in (1, 2)
    assert words in err
    assert "Traceback" not in err


def test_without_a_store_it_is_said_where_it_was_looked_for_and_none_is_made(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    status, lines, err = alerts(capfdbinary, f"sqlite:///{tmp_path}/none.db")
    assert (status, lines) == (1, [])
    assert f"there is no store at `{tmp_path}/none.db`" in err
    assert not (tmp_path / "none.db").exists()


def test_dead_letters_and_alerts_are_sent_again_while_a_run_is_on(
    url: str, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lanner.outputs.lane._LETTERS_S", 0.02)
    output, other = Flaky(), Flaky()
    with held(locate(url)) as place, process(place, plan(("http", output), ("other", other))) as running:
        running.put(1, 2)
        until(lambda: len(output.alerts) == len(other.alerts) == 2)
        running.keeper.store.bury("http", finding(7), "404")
        status, _, err = alerts(capfdbinary, url, "--dead-letters", "--resend", "all")
        assert (status, "1 alert will be sent again" in err) == (0, True)
        until(lambda: output.all == pods(1, 2, 7))
        until(lambda: alerts(capfdbinary, url, "--dead-letters")[1] == [])
        assert alerts(capfdbinary, url, "--resend", "2", "--output", "http")[0] == 0
        until(lambda: output.all == pods(1, 2, 7, 2))
        assert alerts(capfdbinary, url, "--resend", "99")[0] == 1, "there is none"
        running.put(3)
        until(lambda: output.all == pods(1, 2, 7, 2, 3))
    assert other.all == pods(1, 2, 3)
