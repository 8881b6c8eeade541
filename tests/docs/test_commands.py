"""Every command that the documentation shows is run, in a folder that has the files it names."""

import asyncio
import gzip
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

import pytest
import trustme

from lanner.cli.main import execute
from lanner.store.place import held, usual
from lanner.store.store import Store
from tests.docs.pages import ROOT, examples, examples_of
from tests.unit.store.findings import finding

_OTHER_PROGRAMS = {"kubectl", "curl", "kill", "pip"}

# Commands that end otherwise than with 0: they show a mistake, or what a script looks at; the policy of the webhook's
# guide keeps the contents of secrets out of the log, and so two rules silent.
STATUS = {
    "lanner policy check policy.yaml": 1,
    "lanner rules test --mutants my-tests.yaml": 1,  # the tests that the page then completes
    "lanner policy check --provider gke": 1,
    "lanner rules check rules.yaml": 2,
    "lanner scan --fail-on error --priority error audit.log": 3,
    "lanner rules fmt --check rules/": 1,
    "lanner rules fmt --diff my-rules.yaml": 1,
}
# What takes long, and is run by other tests: a part of it will do here.
PART = {"lanner rules test": ["-k", "exec"]}
RULES = """
- list: allowed_users
  items: [alice]
- macro: kevt
  condition: ka.stage = ResponseComplete
- macro: pod
  condition: ka.target.resource = pods
- rule: Crown Jewels Changed
  desc: Something was changed.
  condition: kevt and pod and not ka.user.name in (allowed_users)
  output: change by %ka.user.name
  priority: ERROR
  source: k8s_audit
"""
TESTS = """
rules: [my-rules.yaml]
tests:
  - rule: Crown Jewels Changed
    cases:
      - {name: the night shift, base: create-pod, merge: {user: {username: bob}}, expect: alert}
      - {name: alice, base: create-pod, merge: {user: {username: alice}}, expect: none}
"""
SIGMA = """
title: Secret Listed
id: 5c1b1c0e-8f4f-4c44-9a53-0d8a3b0f9a11
status: test
logsource: {product: kubernetes, service: audit}
detection:
  selection: {verb: list, objectRef.resource: secrets}
  condition: selection
level: medium
"""
ALERT = '{"rule":"K8s ConfigMap Created","output_fields":{"ka.user.name":"ci-bot","ka.target.namespace":"ci"}}\n'
CONFIGURATION = """
rules_files: [rules.yaml]
plugins:
  - name: k8saudit
    open_params: http://127.0.0.1:9765/k8s-audit
load_plugins: [k8saudit]
"""


def lines() -> list[str]:
    """The command lines of all pages, each once."""
    texts = (line[2:] for example in examples("console") for line in example.text.splitlines() if line[:2] == "$ ")
    return sorted({" ".join(text.split(" #")[0].split()) for text in texts})


def split(line: str) -> list[list[str]]:
    """The commands of a pipe, without what a shell does with their streams."""
    parts: list[list[str]] = [[]]
    for word in shlex.split(line):
        if word == "|":
            parts.append([])
        elif word in (">", "&"):
            break
        else:
            parts[-1].append(word)
    return parts


@pytest.fixture(scope="module")
def policy() -> str:
    page = examples_of(ROOT / "docs" / "guide" / "audit-policy.md")
    return next(example.text for example in page if "kind: Policy" in example.text)


def keep_alerts() -> None:
    """Make the store that commands look for, with an alert, and a dead letter whose number a page names."""

    async def put(store: Store) -> None:
        await store.put([finding(0)])

    with held(usual(os.environ, os.geteuid())) as place:
        store = Store(place)
        asyncio.run(put(store))
        for number in range(17):
            store.bury("http", finding(number), "404")
        store.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, policy: str) -> Path:
    """What the pages speak of: rules, tests, logs, configurations, certificates."""
    path = tmp_path_factory.mktemp("template")
    posts = gzip.decompress((ROOT / "src" / "lanner" / "data" / "demo" / "posts.jsonl.gz").read_bytes())
    log = "".join(f"{json.dumps(event)}\n" for post in posts.splitlines() for event in json.loads(post)["items"])
    files = {
        "my-rules.yaml": RULES,
        "rules.yaml": RULES,
        "rules/shop.yaml": RULES,
        "my-tests.yaml": TESTS,
        "tests/shop.yaml": TESTS.replace("my-rules", "../my-rules"),
        "policy.yaml": policy,
        "sigma/rules/application/kubernetes/audit/secrets.yml": SIGMA,
        "sigma.yaml": RULES,
        "alerts.jsonl": ALERT * 10,
        "local.yaml": RULES.replace("Crown Jewels", "Anything"),
        "falco.yaml": CONFIGURATION,
        "etc/falco/falco.yaml": CONFIGURATION,
        "etc/falco/k8s_audit_rules.yaml": RULES,
        "etc/falco/rules.d/shop.yaml": RULES,
        "etc/lanner/lanner.yaml": CONFIGURATION,
        "etc/lanner/rules.d/shop.yaml": RULES,
    }
    for name in ("audit.log", "extra.json", "attack.jsonl", "logs/2026-11-20.gz", "var/log/kubernetes/audit.log"):
        files[name] = log
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path / "lanner.pem"))
    authority.cert_pem.write_to_path(str(path / "clients.pem"))
    return path


@pytest.fixture
def folder(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that, with the source beside it and alerts in the store."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    (tmp_path / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(tmp_path)
    keep_alerts()
    return tmp_path


def prepared(words: Sequence[str], folder: Path) -> Iterator[str]:
    """The words as this machine can have them: absolute paths below the folder, patterns as a shell expands them."""
    for word in words:
        if word.startswith(("/etc/", "/var/")):
            yield f"{folder}{word}"
        elif "*" in word and word.startswith("tests/"):
            yield from glob(word)
        else:
            yield word


@pytest.mark.parametrize("line", lines())
def test_every_command_does_what_it_is_shown_for(line: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if line == "lanner rules check rules.yaml":
        page = examples_of(ROOT / "docs" / "guide" / "first-steps.md")
        (folder / "rules.yaml").write_text(next(each.text for each in page if each.text.startswith("- list")))
    for program, *arguments in split(line):
        if program == "lanner":
            _run(line, list(prepared(arguments, folder)))
        elif program == "make":
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert [target for target in arguments if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
        else:
            assert program in _OTHER_PROGRAMS


def _run(line: str, arguments: list[str]) -> None:
    """Run the command; one that goes on until it is stopped only gets ready, and standard input is an empty file."""
    more = ["--dry-run"] if arguments[0] == "run" else PART.get(line, [])
    if "-" in arguments:
        arguments[arguments.index("-")] = "audit.log"
    assert execute([*arguments, *more]) == STATUS.get(line, 0)


def test_pages_show_commands() -> None:
    assert len(lines()) > 50
    assert set(STATUS) | set(PART) <= set(lines())
