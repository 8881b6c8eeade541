import io
import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import RULES, Lanner


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rules and events, from which commands are run."""
    (tmp_path / "rules.yaml").write_text(RULES)
    pod = {"auditID": "1", "verb": "create", "objectRef": {"resource": "pods"}, "user": {"username": "alice"}}
    events = [pod, pod | {"user": {"username": "eve"}}, pod | {"verb": "get"}]
    (tmp_path / "log").write_text("".join(json.dumps(event) + "\n" for event in events))
    (tmp_path / "one:1").write_text(json.dumps(pod))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rules_that_match_come_first_and_then_the_nearest(lanner: Lanner, folder: Path) -> None:
    ran = lanner("explain", "log:1", "-r", "rules.yaml")
    assert ran.code == 0
    assert ran.out == (
        "Pod Created (Warning) matches\n"
        "└── true   and\n"
        "    ├── true   pod\n"
        '    ├── true   ka.verb = create    is "create"\n'
        '    └── true   not ka.user.name in (quiet_users)    is "alice"\n'
        "\n"
        "Anything by Eve (Notice) does not match: 1 check away\n"
        '└── false  ka.user.name = eve    is "alice"  <- decides\n'
        "\n"
    )
    assert ran.err == "1 rule matches\n"
    assert lanner("explain", "log:1", "-r", "rules.yaml", "--near", "0").err == (
        "1 rule matches; 1 rule further away, not shown\n"
    )


def test_one_rule_is_explained_by_name_though_it_is_disabled(lanner: Lanner, folder: Path) -> None:
    ran = lanner("explain", "log:3", "-r", "rules.yaml", "--rule", "Off")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == 'Off (Debug, disabled) matches\n└── true   ka.verb exists    is "get"\n\n'


def test_macros_are_opened_on_demand(lanner: Lanner, folder: Path) -> None:
    ran = lanner("explain", "log:1", "-r", "rules.yaml", "--rule", "Pod Created", "--expand")
    assert '    │   └── true   ka.target.resource = pods    is "pods"\n' in ran.out


def test_json_holds_the_rules_in_order(lanner: Lanner, folder: Path) -> None:
    found = json.loads(lanner("explain", "log:2", "-r", "rules.yaml", "--format", "json").out)
    assert [(each["rule"], each["matches"]) for each in found] == [("Pod Created", True), ("Anything by Eve", True)]


def test_a_file_whose_name_looks_like_a_place_is_a_file(lanner: Lanner, folder: Path) -> None:
    assert lanner("explain", "one:1", "-r", "rules.yaml").code == 0
    assert lanner("explain", "one:1:1", "-r", "rules.yaml").code == 0


def test_an_event_comes_from_standard_input(lanner: Lanner, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (folder / "log").read_bytes().splitlines()[0]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert lanner("explain", "-", "-r", "rules.yaml").out.startswith("Pod Created (Warning) matches\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["log"], "error: `log` holds 3 events\n  help: name one, such as `log:1`\n"),
        (
            ["log:9"],
            "error: `log` has no event on line 9\n  help: lines are counted from 1; `lanner grep` finds events\n",
        ),
        (["log:abc"], "error: `abc` is not the number of a line\n  help: write `log:1`\n"),
        (["empty"], "error: `empty` has no event\n  help: give an audit log, or one event as JSON\n"),
        (["log:0"], "error: lines are counted from 1\n"),
        (["log:1", "--rule", "Of"], "error: no rule is named `Of`\n  help: did you mean `Off`?\n"),
        (["rules.yaml"], None),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_told(
    lanner: Lanner, folder: Path, arguments: list[str], error: str | None
) -> None:
    (folder / "empty").touch()
    ran = lanner("explain", *arguments, "-r", "rules.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == error if error else "holds what is no audit event" in ran.err


def test_a_file_that_cannot_be_read_makes_the_status_1(lanner: Lanner, folder: Path) -> None:
    for place in ("missing", "missing:abc", "missing:1"):
        ran = lanner("explain", place, "-r", "rules.yaml")
        assert (ran.code, ran.err) == (1, f"error: cannot read `{place.removesuffix(':1')}`: no such file\n")


def test_default_rules_are_explained_without_rules_of_ones_own(lanner: Lanner, folder: Path) -> None:
    ran = lanner("explain", "log:1", "--rule", "Create Privileged Pod")
    assert ran.code == 0
    assert ran.out.startswith("Create Privileged Pod (Warning) does not match: ")
