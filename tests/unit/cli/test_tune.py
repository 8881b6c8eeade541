"""`lanner tune`."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from lanner import Engine, compile_rules, load_rules
from lanner.engine.alert import Finding
from lanner.store.place import held, locate
from lanner.store.store import Store

from .conftest import RULES, Lanner, event


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(RULES.replace("pod=%ka.target.name", "pod=%ka.target.name ns=%ka.target.namespace verb=%ka.verb"))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(event("bot", name=f"pod-{n}") for n in range(20)) + event("ann") * 3 + event("eve") * 12)
    return path


@pytest.fixture
def alerts(lanner: Lanner, base: Path, log: Path, tmp_path: Path) -> Path:
    path = tmp_path / "alerts.jsonl"
    path.write_text(lanner("scan", "-r", base, "--format", "json", log).out)
    return path


def test_the_proposal_goes_to_standard_output(lanner: Lanner, base: Path, alerts: Path, tmp_path: Path) -> None:
    ran = lanner("tune", "-r", base, alerts)
    assert ran.code == 0
    patch = tmp_path / "patch.yaml"
    patch.write_text(ran.out)
    assert lanner("rules", "check", base, patch).code == 0
    assert "- [bot, dev]\n" in ran.out
    assert "ka.user.name = bot, ka.target.namespace = dev" in ran.err
    assert "2 exceptions would have silenced 32 alerts\n" in ran.err
    assert "left: alike in what was asked alone, not in who or where" in ran.err
    assert "3 alerts left, because too few are alike" in ran.err


def test_what_is_predicted_is_what_happens(lanner: Lanner, base: Path, alerts: Path, log: Path) -> None:
    ran = lanner("tune", "-r", base, alerts, "--events", log, "--min", "4")
    assert "2 exceptions would have silenced 32 alerts\n" in ran.err
    assert "alerts on the events: 47 before, 15 after\n" in ran.err


def test_an_exception_that_would_miss_an_attack_is_not_proposed(
    lanner: Lanner, base: Path, alerts: Path, tmp_path: Path
) -> None:
    attack = tmp_path / "attack.jsonl"
    attack.write_bytes(event("bot", name="miner") + event("mallory"))
    ran = lanner("tune", "-r", base, alerts, "--against", attack)
    assert "bot" not in ran.out
    assert "not proposed: silences 1 alert of the attack" in ran.err
    assert "alerts on the attack: 2, none of which would be silenced\n" in ran.err
    found = json.loads(lanner("tune", "-r", base, alerts, "--against", attack, "--format", "json").out)
    assert [(each["values"], each["missed"]) for each in found["withheld"]] == [(["bot", "dev"], 1)]


UNREADABLE = "nothing is proposed: what it would do to a log that cannot be read is not known"
NO_EVENT = "nothing is proposed: there is no audit event in `"


@pytest.mark.parametrize(
    "unusable",
    [
        ("missing", None, UNREADABLE),
        ("empty", b"", NO_EVENT),
        ("binary", bytes(range(256)) * 8, NO_EVENT),
        ("alerts", b'{"rule": "an alert, and no event"}\n', NO_EVENT),
        ("cut-off.gz", gzip.compress(event("bot") * 2000)[:-20], UNREADABLE),
    ],
    ids=lambda unusable: unusable[0],
)
def test_nothing_is_proposed_where_a_log_says_nothing(
    lanner: Lanner, base: Path, alerts: Path, log: Path, unusable: tuple[str, bytes | None, str]
) -> None:
    name, content, why = unusable
    other, local = log.parent / name, log.parent / "local.yaml"
    if content is not None:
        other.write_bytes(content)
    for option in ("--against", "--events"):
        for more in (["--write", local], ["--format", "json"], ["--min", "100"]):
            ran = lanner("tune", "-r", base, alerts, option, log, option, other, *more)
            assert (ran.code, ran.out) == (1, "")
            assert why in ran.err
            assert "help: give `--against` and `--events`" in ran.err
    assert not local.exists()


def test_a_local_file_is_made_and_added_to(lanner: Lanner, base: Path, alerts: Path, log: Path, tmp_path: Path) -> None:
    local = tmp_path / "local.yaml"
    ran = lanner("tune", "-r", base, alerts, "--write", local)
    assert (ran.code, ran.out) == (0, "")
    assert f"added to {local}; load it behind the rules: -r {base} -r {local}\n" in ran.err
    left = lanner("scan", "-r", base, "-r", local, "--format", "json", log)
    assert left.alerts == ["Pod Created"] * 3 + ["Anything by Eve"] * 12
    (tmp_path / "more.jsonl").write_text(left.out)
    assert lanner("tune", "-r", base, tmp_path / "more.jsonl", "--min", "3", "--write", local).code == 0
    assert local.read_text().count("- rule: Pod Created") == 1
    assert "Pod Created" not in lanner("scan", "-r", base, "-r", local, "--format", "json", log).alerts
    assert lanner("rules", "fmt", "--check", local).code == 0


@pytest.mark.parametrize("is_named", [False, True])
def test_a_second_run_adds_nothing(lanner: Lanner, base: Path, alerts: Path, tmp_path: Path, is_named: bool) -> None:
    local = tmp_path / "local.yaml"
    lanner("tune", "-r", base, alerts, "--write", local)
    text = local.read_text()
    named = ["-r", local] if is_named else []
    ran = lanner("tune", "-r", base, *named, alerts, "--write", local)
    assert (ran.code, ran.out, local.read_text()) == (0, "", text)
    assert "0 exceptions would have silenced 0 alerts\n32 alerts left, because the rules have the exceptions" in ran.err
    found = json.loads(lanner("tune", "-r", base, "-r", local, alerts, "--format", "json").out)
    assert (found["exceptions"], len(found["present"])) == ([], 2)


def test_what_stands_in_the_local_file_stays(lanner: Lanner, base: Path, alerts: Path, tmp_path: Path) -> None:
    local = tmp_path / "local.yaml"
    local.write_text(
        "# Ours.\n- rule: Pod Created\n  exceptions:\n    - name: by_hand\n      fields: [ka.user.name]\n"
        "      values:\n        - [carol] # she leads\n  # to be asked about\n  override:\n    exceptions: append\n"
    )
    assert lanner("tune", "-r", base, alerts, "--write", local).code == 0
    text = local.read_text()
    for kept in ("# Ours.\n", "- [carol] # she leads\n", "  # to be asked about\n  override:\n"):
        assert kept in text
    assert text.count("- rule:") == 1
    assert lanner("rules", "check", base, local).code == 0


def test_a_local_file_that_silences_an_attack_is_named(
    lanner: Lanner, base: Path, alerts: Path, tmp_path: Path
) -> None:
    local, attack = tmp_path / "local.yaml", tmp_path / "attack.jsonl"
    attack.write_bytes(event("bot", name="miner") + event("mallory"))
    lanner("tune", "-r", base, alerts, "--write", local)
    ran = lanner("tune", "-r", base, alerts, "--against", attack, "--write", local)
    assert f"`{local}` silences 1 alert of the attack already, of the rule `Pod Created`" in ran.err
    assert "alerts on the attack: 1, none of which would be silenced\n" in ran.err


def test_a_file_without_an_alert_is_refused(lanner: Lanner, base: Path, tmp_path: Path) -> None:
    for content in (b"", bytes(range(256)), event("bot")):
        (tmp_path / "alerts").write_bytes(content)
        ran = lanner("tune", "-r", base, tmp_path / "alerts")
        assert (ran.code, ran.out) == (1, "")
        assert f"error: there is no alert in `{tmp_path}/alerts`\n" in ran.err


def test_without_noise_nothing_is_proposed_or_written(lanner: Lanner, base: Path, alerts: Path, tmp_path: Path) -> None:
    ran = lanner("tune", "-r", base, alerts, "--min", "100", "--write", tmp_path / "local.yaml")
    assert (ran.code, ran.out) == (0, "")
    assert "0 exceptions would have silenced 0 alerts\n" in ran.err
    assert not (tmp_path / "local.yaml").exists()


def test_the_default_rules_are_tuned_without_naming_them(lanner: Lanner, tmp_path: Path) -> None:
    fields = {"ka.user.name": "ci", "ka.target.namespace": "shop", "ka.target.name": "x"}
    line = json.dumps({"rule": "K8s ConfigMap Created", "output_fields": fields}) + "\n"
    (tmp_path / "alerts").write_text(line * 10)
    ran = lanner("tune", tmp_path / "alerts")
    assert "- rule: K8s ConfigMap Created\n" in ran.out
    said = lanner("tune", tmp_path / "alerts", "--write", tmp_path / "local.yaml").err
    *_, options = said.rstrip("\n").rpartition("rules: ")
    loaded = lanner("rules", "list", *options.split())
    assert (loaded.code, loaded.out) == (0, lanner("rules", "list").out)


def test_what_is_no_alert_or_cannot_be_read_is_said(lanner: Lanner, base: Path, alerts: Path, tmp_path: Path) -> None:
    with alerts.open("a") as file:
        file.write("nonsense\n")
    ran = lanner("tune", "-r", base, tmp_path / "none", alerts)
    assert ran.code == 1
    assert f"error: cannot read `{tmp_path}/none`: no such file\n" in ran.err
    assert "1 line without an alert; the first: nonsense" in ran.err
    assert "- [bot, dev]\n" in ran.out


def test_rules_with_errors_are_shown(lanner: Lanner, alerts: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("- macro: m\n")
    ran = lanner("tune", "-r", broken, alerts)
    assert ran.code == 2
    assert "error[LN0105]" in ran.err


def test_values_cannot_speak_to_the_terminal(lanner: Lanner, base: Path, tmp_path: Path) -> None:
    line = json.dumps({"rule": "Pod \x1b[2JCreated", "output_fields": {"ka.user.name": "\x1b]0;x\x07"}}) + "\n"
    (tmp_path / "alerts").write_text(line * 10)
    ran = lanner("tune", "-r", base, tmp_path / "alerts")
    assert not {"\x1b", "\x07"} & set(ran.out + ran.err)


def test_alerts_that_falco_has_recorded_are_tuned(lanner: Lanner, shared: Path, tmp_path: Path) -> None:
    rules = shared / "upstream" / "k8s_audit_rules.yaml"
    alerts, events = shared / "conformance" / "official-a.all.jsonl.gz", shared / "conformance" / "events-a.jsonl"
    ran = lanner("tune", "-r", rules, alerts, "--min", "4", "--events", events, "--format", "json")
    assert ran.code == 0
    found = json.loads(ran.out)
    silenced = sum(row["alerts"] for row in found["exceptions"])
    assert silenced > 4
    before, after = (sum(found["events"][name].values()) for name in ("before", "after"))
    assert before - after == silenced


def test_an_exception_is_tried_and_not_only_compared(lanner: Lanner, tmp_path: Path) -> None:
    rules, alerts, attack = tmp_path / "rules.yaml", tmp_path / "alerts", tmp_path / "attack"
    rules.write_text(RULES)  # its output does not show the namespace, which past alerts had
    fields = {"ka.user.name": "bot", "ka.target.namespace": "dev"}
    alerts.write_text((json.dumps({"rule": "Pod Created", "output_fields": fields}) + "\n") * 10)
    attack.write_bytes(event("bot", name="miner"))
    ran = lanner("tune", "-r", rules, alerts, "--against", attack)
    assert (ran.code, ran.out) == (0, "")
    assert "not proposed: silences 1 alert of the attack" in ran.err


def store_of(path: Path, base: Path, log: Path) -> None:
    """A store with the alerts of a log."""
    loaded = load_rules([base]).rules
    assert loaded
    alerts = Engine(compile_rules(loaded)).process(log.read_bytes()).alerts

    async def put(store: Store) -> None:
        await store.put([Finding.of(alert, b"%d" % number) for number, alert in enumerate(alerts)])

    with held(locate(f"sqlite:///{path}")) as place:
        store = Store(place)
        asyncio.run(put(store))
        store.close()


def test_alerts_are_read_from_a_store(lanner: Lanner, base: Path, alerts: Path, log: Path, tmp_path: Path) -> None:
    store_of(tmp_path / "alerts.db", base, log)
    of_file = lanner("tune", "-r", base, alerts, "--events", log)
    of_store = lanner("tune", "-r", base, "--store", f"sqlite:///{tmp_path}/alerts.db", "--events", log)
    assert (of_store.code, of_store.out, of_store.err) == (0, of_file.out, of_file.err)
    assert "2 exceptions would have silenced 32 alerts" in of_store.err


def test_without_alerts_those_of_the_usual_store_are_read(
    lanner: Lanner, base: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANNER_STATE_DIR", str(tmp_path / "state"))
    ran = lanner("tune", "-r", base)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: cannot read the store `{tmp_path}/state/alerts.db`: there is none\n" in ran.err
    assert not (tmp_path / "state").exists()
    store_of(tmp_path / "state" / "alerts.db", base, log)
    assert "- [bot, dev]\n" in lanner("tune", "-r", base).out


def test_store_and_rules_are_those_of_the_configuration(
    lanner: Lanner, base: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_of(tmp_path / "kept.db", base, log)
    store = f"store: {{url: 'sqlite:///{tmp_path}/kept.db'}}\n"
    (tmp_path / "lanner.yaml").write_text(f"rules_files: [{base}]\n{store}")
    named = lanner("tune", "-c", tmp_path / "lanner.yaml", "--events", log)
    assert named.code == 0
    assert "alerts on the events: 47 before, 15 after\n" in named.err
    monkeypatch.chdir(tmp_path)
    found = lanner("tune", "--events", log)
    assert (found.code, found.out) == (0, named.out)
    assert "configuration: lanner.yaml\n" in found.err
    other = lanner("tune", "-o", f"store.url=sqlite:///{tmp_path}/other.db")
    assert f"error: cannot read the store `{tmp_path}/other.db`: there is none\n" in other.err
    off = lanner("tune", "-o", "store.enabled=false")
    assert (off.code, off.out) == (2, "")
    assert "error: `store.enabled` is false: alerts are kept in memory alone\n" in off.err


def test_rules_that_the_configuration_changes_are_tuned_as_they_run(
    lanner: Lanner, base: Path, alerts: Path, log: Path, tmp_path: Path
) -> None:
    text = f"rules_files: [{base}]\nrules: [{{disable: {{rule: Anything by*}}}}]\nstatic_fields: {{site: north}}\n"
    (tmp_path / "lanner.yaml").write_text(text + "append_output: [{suggested_output: true}]\n")
    ran = lanner("tune", "-c", tmp_path / "lanner.yaml", alerts, "--events", log)
    assert ran.code == 0
    assert "alerts on the events: 35 before, 3 after\n" in ran.err


def test_what_is_no_store_is_told(lanner: Lanner, base: Path, alerts: Path, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database" * 100)
    (tmp_path / "empty.db").touch()
    store_of(tmp_path / "none.db", base, tmp_path / "empty.db")
    for name, code, why in (
        ("sqlite:////{}/text.db", 1, "file is not a database"),
        ("sqlite:////{}/empty.db", 1, "it is no store of this version of Lanner"),
        ("sqlite:////{}/none.db", 1, "there is no alert in the store"),
        ("mysql://me:secret@host/x", 2, "cannot use `--store`: neither SQLite in a file nor PostgreSQL"),
    ):
        ran = lanner("tune", "-r", base, "--store", name.format(tmp_path))
        assert (ran.code, ran.out) == (code, ""), name
        assert why in ran.err
        assert "secret" not in ran.err
    ran = lanner("tune", "-r", base, "--store", "sqlite:////x", alerts)
    assert (ran.code, ran.err) == (2, "error: alerts are given, and a store\n  help: name one of them\n")
