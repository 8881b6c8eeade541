"""`lanner policy`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Lanner, event

HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + "rules:\n  - level: None\n    users: [eve]\n  - level: Metadata\n")
    return path


def test_a_starved_rule_is_shown_with_the_reason_and_makes_the_status_1(
    lanner: Lanner, policy: Path, rules: Path
) -> None:
    ran = lanner("policy", "check", policy, "-r", rules)
    assert ran.code == 1
    assert ran.out == (
        "1 rule can never fire:\n  Anything by Eve (Notice)\n"
        "    get bindings by eve: not recorded (rule 1 of the policy, line 4)\n\n"
        "1 rule fires, but not on all that it asks for:\n  Pod Created (Warning)\n"
        "    create pods by eve: not recorded (rule 1 of the policy, line 4)\n\n"
        "2 rules: 1 can never fire; 1 fires, but not on all that it asks for\n"
    )
    assert ran.err == "`lanner policy generate` writes a policy that feeds them\n"


def test_status_0_when_all_rules_can_fire(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    (tmp_path / "all.yaml").write_text(HEAD + "rules:\n  - level: Metadata\n")
    ran = lanner("policy", "check", tmp_path / "all.yaml", "-r", rules)
    assert (ran.code, ran.out, ran.err) == (0, "2 rules: 2 fire\n", "")
    everything = lanner("policy", "check", tmp_path / "all.yaml", "-r", rules, "--all")
    listed = "2 rules fire:\n  Pod Created (Warning)\n  Anything by Eve (Notice)\n\n2 rules: 2 fire\n"
    assert (everything.code, everything.out) == (0, listed)


def test_what_needs_attention_comes_first_and_the_rest_by_number(lanner: Lanner, tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text(HEAD + "rules:\n  - level: Metadata\n    verbs: [get]\n")
    rule = "- {{rule: {}, desc: d, condition: ka.verb = {}, output: o, priority: {}, source: k8s_audit}}\n"
    rules = [
        ("Fires", "get", "CRITICAL"),
        *((f"Low {n:02}", "list", "INFO") for n in range(20)),
        ("High", "list", "ERROR"),
    ]
    (tmp_path / "rules.yaml").write_text("".join(rule.format(*each) for each in rules))
    lines = lanner("policy", "check", tmp_path / "none.yaml", "-r", tmp_path / "rules.yaml").out.splitlines()
    assert lines[:2] == ["21 rules can never fire:", "  High (Error)"]
    assert lines[-4:] == [
        "  and 11 more",
        "",
        "22 rules: 21 can never fire; 1 fires",
        "`--all` shows every rule and every reason",
    ]
    assert "Fires" not in "".join(lines)
    everything = lanner("policy", "check", tmp_path / "none.yaml", "-r", tmp_path / "rules.yaml", "--all").out
    assert everything.count("  Low ") == 20
    assert everything.endswith("1 rule fires:\n  Fires (Critical)\n\n22 rules: 21 can never fire; 1 fires\n")


def test_a_rule_that_waits_for_a_list_is_said_to_with_the_name_of_the_list(lanner: Lanner, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(HEAD + "rules:\n  - level: Metadata\n")
    rule = "- {{rule: {}, desc: d, condition: {}, output: o, priority: INFO, source: k8s_audit}}\n"
    conditions = {
        "Waits": "ka.target.name != allof (allowed)",
        "Waits in a macro": "listed and ka.verb = get",
        "Is off": "ka.verb = get and ka.verb = list and not ka.user.name in (allowed)",
        "Fires": "not ka.user.name in (allowed)",
    }
    text = "- {list: allowed, items: []}\n- {macro: listed, condition: kx.source.ip in (allowed)}\n"
    (tmp_path / "rules.yaml").write_text(text + "".join(rule.format(*each) for each in conditions.items()))
    ran = lanner("policy", "check", tmp_path / "all.yaml", "-r", tmp_path / "rules.yaml", "--all")
    numbers = "4 rules: 1 asks for what no event is; 2 need a list which is empty; 1 fires\n"
    assert (ran.code, ran.out) == (
        0,
        "1 rule asks for what no event is, whatever the policy:\n  Is off (Informational)\n\n"
        "2 rules need a list which is empty:\n  Waits (Informational): allowed\n"
        "  Waits in a macro (Informational): allowed\n\n"
        f"1 rule fires:\n  Fires (Informational)\n\n{numbers}",
    )
    assert lanner("policy", "check", tmp_path / "all.yaml", "-r", tmp_path / "rules.yaml").out == numbers
    as_json = lanner("policy", "check", tmp_path / "all.yaml", "-r", tmp_path / "rules.yaml", "--format", "json")
    found = {each["rule"]: (each["status"], each["empty_lists"]) for each in json.loads(as_json.out)["rules"]}
    assert found["Waits"] == ("empty_list", ["allowed"])
    assert found["Is off"] == ("off", [])


def test_json_has_the_same(lanner: Lanner, policy: Path, rules: Path) -> None:
    ran = lanner("policy", "check", policy, "-r", rules, "--format", "json")
    report = json.loads(ran.out)
    assert (ran.code, report["ok"], report["diagnostics"]) == (1, False, [])
    starved = next(each for each in report["rules"] if each["rule"] == "Anything by Eve")
    assert starved["status"] == "never"
    assert starved["findings"][0]["policy_rule"] == 1
    assert starved["findings"][0]["line"] == 4
    assert starved["findings"][0]["example"]["user"] == "eve"


def test_a_bad_policy_is_shown_where_it_is_bad_and_makes_the_status_2(lanner: Lanner, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(HEAD + "rules:\n  - levels: Metadata\n")
    ran = lanner("policy", "check", tmp_path / "bad.yaml")
    assert ran.code == 2
    assert "LN0704" in ran.err
    assert "did you mean `level`?" in ran.err
    assert ran.err.endswith("  help: an API server refuses it, or runs another one than was written\n")
    as_json = lanner("policy", "check", tmp_path / "bad.yaml", "--format", "json")
    assert (as_json.code, json.loads(as_json.out)["ok"]) == (2, False)


def test_a_missing_policy_is_an_error_of_one_line(lanner: Lanner, tmp_path: Path) -> None:
    ran = lanner("policy", "check", tmp_path / "none.yaml")
    assert ran.code == 2
    assert "cannot read" in ran.err
    assert "error: there is no policy to check\n" in ran.err


def test_what_a_policy_holds_reaches_the_terminal_as_visible_text(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    (tmp_path / "odd.yaml").write_text(
        HEAD + 'rules:\n  - level: None\n    users: ["eve\\e[31m", eve]\n  - level: Metadata\n'
    )
    ran = lanner("policy", "check", tmp_path / "odd.yaml", "-r", rules)
    assert "\x1b" not in ran.out


def test_the_generated_policy_feeds_the_rules(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    ran = lanner("policy", "generate", "-r", rules)
    assert ran.code == 0
    assert ran.err.endswith("which feed all that can fire\n")
    assert "# It is the least by level, verb and resource, not by user or namespace: " in ran.out
    (tmp_path / "made.yaml").write_text(ran.out)
    assert lanner("policy", "check", tmp_path / "made.yaml", "-r", rules).code == 0


READS_PATCHES = """
- rule: Host Network
  desc: d
  condition: ka.verb in (create, patch) and ka.target.resource = deployments and jevt.value[/requestObject/kind] exists
  output: x
  priority: NOTICE
  source: k8s_audit
"""


def test_a_policy_that_opens_the_blind_spot_is_warned_of_and_can_be_had_without_it(
    lanner: Lanner, tmp_path: Path
) -> None:
    rules = tmp_path / "reads.yaml"
    rules.write_text(READS_PATCHES)
    ran = lanner("policy", "generate", "-r", rules)
    warning = "bodies of patches are recorded, so one apply in YAML can lose a whole batch of events"
    assert warning in ran.err
    assert "`--no-patch-bodies`" in ran.err
    assert "# Bodies of patches are recorded, so one apply in YAML can lose" in ran.out
    closed = lanner("policy", "generate", "-r", rules, "--no-patch-bodies")
    assert closed.code == 0
    assert warning not in closed.err
    assert "Host Network" in closed.err, "it is said which rule lacks something"
    assert "Bodies of patches" not in closed.out

    made = lanner("init", "--distribution", "kubeadm", "--output", tmp_path / "open", "-r", rules)
    assert warning in made.err
    assert "# Bodies of patches are recorded" in (tmp_path / "open" / "audit-policy.yaml").read_text()
    made = lanner("init", "--distribution", "kubeadm", "--output", tmp_path / "shut", "-r", rules, "--no-patch-bodies")
    assert warning not in made.err


@pytest.mark.parametrize(
    ("arguments", "policy_file"),
    [
        (["policy", "generate"], None),
        (["init", "--distribution", "k3s", "--output", "out"], "out/audit-policy.yaml"),
    ],
)
def test_the_same_rules_give_the_same_policy_in_every_process(
    arguments: list[str], policy_file: str | None, tmp_path: Path
) -> None:
    found = set()
    for seed in "12":
        folder = tmp_path / seed
        folder.mkdir()
        command = [sys.executable, "-m", "lanner", *arguments]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
        found.add((folder / policy_file).read_bytes() if policy_file else ran.stdout)
    assert len(found) == 1
    assert b"kind: Policy" in found.pop()


def test_the_volume_is_measured_on_a_sample(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    log = tmp_path / "audit.log"
    read = event(verb="get", more={"requestURI": "/api/v1/namespaces/dev/pods/web"})
    log.write_bytes(event() + read + event(more={"level": "RequestResponse", "requestObject": {"x": "y" * 1_000}}))
    ran = lanner("policy", "generate", "-r", rules, "--sample", log)
    assert ran.code == 0
    assert "of 3 events with 0.0 MiB the policy keeps:" in ran.err
    assert "  Metadata                 3 events" in ran.err


def test_a_sample_that_cannot_be_read_makes_the_status_1(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    (tmp_path / "empty.log").write_bytes(b"")
    for name, why in (("none.log", "cannot read `"), ("empty.log", "there is no audit event in `")):
        ran = lanner("policy", "generate", "-r", rules, "--sample", tmp_path / name)
        assert (ran.code, ran.out) == (1, "")
        assert f"error: {why}{tmp_path / name}`" in ran.err
        assert "no policy was written" in ran.err


def test_what_the_generated_policy_does_not_feed_is_said(lanner: Lanner, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "- {rule: R, desc: d, condition: 'jevt.value[/requestObject/type] = x and ka.target.resource = secrets',"
        " output: o, priority: INFO, source: k8s_audit}\n"
    )
    ran = lanner("policy", "generate", "-r", path, "--no-secret-bodies")
    assert "1 rule not fed in full (R)" in ran.err
    assert "# 1 rule not fed in full (R)" in ran.out


def test_a_provider_stands_for_its_policy_and_its_gaps(lanner: Lanner, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "- {rule: Masters, desc: d, condition: 'ka.user.groups intersects (system:masters) and ka.verb = create',"
        " output: o, priority: INFO, source: k8s_audit}\n"
        "- {rule: Deleted, desc: d, output: o, "
        "condition: 'ka.verb = patch and ka.target.subresource = scale and ka.user.name exists',"
        " priority: INFO, source: k8s_audit}\n"
    )
    ran = lanner("policy", "check", "--provider", "gke", "-r", path)
    assert ran.code == 1
    assert ran.out.startswith("Google Kubernetes Engine (from: ")
    assert "the groups of the user (ka.user.groups); instead: `ka.user.name`" in ran.out
    assert "1 rule can never fire:\n  Masters (Informational)\n" in ran.out
    assert "2 rules: 1 can never fire; 1 fires\n" in ran.out
    assert lanner("policy", "check", "--provider", "eks", "-r", path).code == 0


def test_a_provider_that_publishes_nothing_is_said_to(lanner: Lanner, rules: Path) -> None:
    assert "The audit policy is not published" in lanner("policy", "check", "--provider", "aks", "-r", rules).out


def test_without_a_policy_and_a_provider_the_command_says_what_to_give(lanner: Lanner) -> None:
    ran = lanner("policy", "check")
    assert ran.code == 2
    assert "no policy is given" in ran.err
