"""What the page for whoever is on call quotes is what Lanner says."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanner.cli.main import execute
from lanner.server.workers import MAX_DEATHS
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "guide" / "troubleshooting.md").read_text(encoding="utf-8")

FILES = {
    "empty.pem": "",
    "unknown.yaml": "json_outpt: true\n",
    "misfit.yaml": "json_output: perhaps\n",
    "plugin.yaml": "load_plugins: [cloudtrail]\n",
    "silent.yaml": "stdout_output:\n  enabled: false\n",
    "nowhere.yaml": "rules_files: [nowhere/rules.yaml]\n",
    "rules.yaml": "- macro: x\n  condition: (\n",
}
SAYINGS = [
    ("cannot listen on …: address already in use", ["http://127.0.0.1:PORT/k8s-audit"], 1),
    ("… is open to other machines, and nothing asks who posts", ["http://0.0.0.0:9765/k8s-audit"], 2),
    ("cannot read …: no usable certificate and key", ["--tls-cert", "empty.pem", "https://127.0.0.1:0/k8s-audit"], 1),
    ("unknown key …", ["-c", "unknown.yaml"], 2),
    ("… takes …", ["-c", "misfit.yaml"], 2),
    ("there is no plugin …", ["-c", "plugin.yaml"], 2),
    ("the rules have 1 error", ["-r", "rules.yaml"], 2),
    ("warning: no output is enabled", ["-c", "silent.yaml", "--dry-run"], 0),
    ("warning: none of … is there; the default rules are used", ["-c", "nowhere.yaml", "--dry-run"], 0),
]


@pytest.fixture
def taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port on which something listens already, and the files in the folder where one is."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("saying", "words", "status"), SAYINGS, ids=[saying for saying, *_ in SAYINGS])
def test_a_quoted_message_is_said(
    saying: str, words: list[str], status: int, taken_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert f"`{saying}`" in PAGE
    assert execute(["run", *(word.replace("PORT", str(taken_port)) for word in words)]) == status
    messages = [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()]
    pattern = ".+".join(map(re.escape, saying.removeprefix("warning: ").split("…")))
    assert [message for message in messages if re.match(pattern, message)]


def test_the_number_of_workers_that_may_die_is_the_one_in_force() -> None:
    assert f"`{MAX_DEATHS} workers died within a minute`" in PAGE
