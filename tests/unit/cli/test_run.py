import os
from pathlib import Path

import pytest

from lanner.cli.messages import Console, ExitCode
from lanner.cli.planning import Planner, Wishes
from lanner.cli.run import detect
from lanner.cli.settings import Settings
from lanner.outputs.stdout import SharedDescriptor
from lanner.server import generation
from lanner.server.plan import PlanError

from .conftest import Lanner, event


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["http://127.0.0.1/k8s-audit"], "the address has no port"),
        (["http://127.0.0.1:99999/"], "not an address"),
        (["http://0.0.0.0:9765/k8s-audit"], "`http://0.0.0.0:9765/k8s-audit` is open to other machines"),
        (["http://:9765/k8s-audit"], "is open to other machines"),
        (["https://audit.example.org:9765/k8s-audit"], "is open to other machines"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_wrong_usage(
    lanner: Lanner, rules: Path, words: list[str], message: str
) -> None:
    ran = lanner("run", "-r", rules, *words)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "  help: " in ran.err


def test_listening_for_others_is_possible_when_it_is_wanted(lanner: Lanner, rules: Path) -> None:
    assert lanner("run", "-r", rules, "--allow-unauthenticated", "--dry-run", "http://0.0.0.0:9765/x").code == 0


@pytest.mark.parametrize(
    "source", ["http://127.0.0.1:9/x", "http://localhost:9/x", "http://[::1]:9/x", "-", "audit.log"]
)
def test_a_dry_run_opens_nothing(lanner: Lanner, rules: Path, source: str) -> None:
    ran = lanner("run", "-r", rules, "--dry-run", source)
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_rules_with_errors_are_told_before_anything_is_opened(lanner: Lanner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("[1]")
    ran = lanner("run", "-r", bad)
    assert ran.code == 2
    assert "listening" not in ran.err


def test_the_time_limit_ends_with_the_summary(
    rules: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(event())
    settings = Settings(rules_files=(str(rules),))
    assert detect(Wishes(str(log), from_start=True), settings, Console(), stop_after_s=0.3) is ExitCode.DONE
    out, err = capfdbinary.readouterr()
    assert out.endswith(b"Warning pod created (user=alice pod=web)\n")
    assert err.startswith(f"2 rules\nfollowing {log}\nEvents detected: 1\n".encode())


def test_a_followed_file_that_is_missing_is_told_of_and_waited_for(
    rules: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    wishes = Wishes(str(tmp_path / "later.log"))
    detect(wishes, Settings(rules_files=(str(rules),)), Console(), stop_after_s=0.1)
    err = capfdbinary.readouterr().err.decode()
    path = tmp_path / "later.log"
    assert f"source `{path}`: cannot read `{path}`: no such file; it is read as soon as it can be\n" in err


@pytest.mark.parametrize("source", ["-", "audit.log"])
def test_workers_are_for_webhooks(lanner: Lanner, rules: Path, source: str) -> None:
    ran = lanner("run", "-r", rules, "--workers", "2", source)
    assert (ran.code, ran.out) == (2, "")
    name = "stdin" if source == "-" else source
    assert ran.err == (
        f"error: `--workers` is for webhooks, and `{name}` is none\n"
        "  help: leave `--workers` out: processes share the port of a webhook, and nothing else\n"
    )


def test_one_worker_is_no_worker(lanner: Lanner, rules: Path) -> None:
    assert lanner("run", "-r", rules, "--workers", "1", "--dry-run", "-").code == 0


@pytest.mark.parametrize("number", ["0", "-1", "1000", "x"])
def test_a_number_of_workers_that_makes_no_sense_is_wrong_usage(lanner: Lanner, rules: Path, number: str) -> None:
    ran = lanner("run", "-r", rules, "--workers", number)
    assert ran.code == 2
    assert "`--workers`" in ran.err


def test_running_numbers_of_events_allow_one_process_only(lanner: Lanner, tmp_path: Path) -> None:
    rules = tmp_path / "numbers.yaml"
    rules.write_text(
        "- rule: A\n  desc: d\n  condition: ka.verb=create\n  output: n=%evt.num\n"
        "  priority: WARNING\n  source: k8s_audit\n"
    )
    words = ("run", "-r", rules, "--dry-run", "http://127.0.0.1:9/x")
    ran = lanner(*words, "--workers", "2")
    assert ran.code == 2
    assert "error: a rule asks for the running number of events, which only one process can give\n" in ran.err
    assert "  help: leave out `--workers`, or `%evt.num` in the rules\n" in ran.err
    assert lanner(*words).code == 0


def test_a_dry_run_with_workers_opens_nothing(lanner: Lanner, rules: Path) -> None:
    ran = lanner("run", "-r", rules, "--dry-run", "--workers", "2", "http://127.0.0.1:9/x")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_workers_listen_for_others_only_when_it_is_wanted(lanner: Lanner, rules: Path) -> None:
    ran = lanner("run", "-r", rules, "--workers", "2", "http://0.0.0.0:9765/k8s-audit")
    assert ran.code == 2
    assert "nothing asks who posts" in ran.err


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # threads of the test runner
def test_workers_that_die_again_and_again_end_with_the_summary_and_an_error(
    lanner: Lanner, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "work", lambda *arguments: os._exit(7))
    monkeypatch.setattr(generation, "MIN_PAUSE_S", 0.001)
    ran = lanner("run", "-r", rules, "--workers", "2", "http://127.0.0.1:0/k8s-audit")
    assert ran.code == 1
    assert "Error Lanner internal: worker lost: a worker ended: ended with status 7" in ran.out
    lost = "error: a worker was lost: ended with status 7"
    assert ran.err.startswith(f"2 rules\n{lost}, another starts in 0.001 s\n")
    assert f"{lost}\n" in ran.err
    assert "Events read: 0\n" in ran.err
    assert "Workers restarted: " in ran.err
    assert ran.err.endswith("error: 5 workers died within a minute\n  help: see above why\n")


def test_a_reading_that_is_refused_names_the_first_mistake(rules: Path) -> None:
    settings = Settings(rules_files=(str(rules),), again=lambda console: Settings(rules_files=(str(rules),)))
    planner = Planner(Wishes("-"), Console(quiet=True), SharedDescriptor(1))
    rules.write_text("- macro: x\n  condition: (\n")
    with pytest.raises(PlanError, match=rf"the rules have 1 error: {rules}:2:\d+: ") as refused:
        planner.again(settings)
    assert refused.value.help == "`lanner rules check FILE…` shows warnings too"
