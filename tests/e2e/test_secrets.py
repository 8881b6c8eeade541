"""Secrets in every place that takes one are in nothing that the program writes, nor in what it says of mistakes."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml

from .conftest import PROGRAM, Start, event

SECRETS = {
    name: f"hunter2{name}{'x' * 16}"
    for name in (
        "user", "query", "header", "hook", "program", "sasl", "keypass", "hub", "blob", "tail", "posting", "reading",
        "variable", "store",
    )
}  # fmt: skip
PLANTED = "hunter2"
"""What all of them begin with."""


def configuration(folder: Path, rules: Path, port: int) -> dict[str, Any]:
    """Every option and address that takes a secret, with one in it; nobody listens at the port."""
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
    (folder / "posting").write_text(f"prod {SECRETS['posting']}\n")
    (folder / "reading").write_text(SECRETS["reading"])
    address = f"127.0.0.1:{port}"
    hub = f"Endpoint=sb://x.example/;SharedAccessKeyName=n;SharedAccessKey={SECRETS['hub']}"
    blob = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRETS['blob']};EndpointSuffix=x.example"
    return {
        "rules_files": [str(rules)],
        "json_output": True,
        "http_output": {"enabled": True, "url": f"http://me:{SECRETS['user']}@{address}/a?token={SECRETS['query']}"},
        "program_output": {"enabled": True, "program": f"false 'Authorization: Bearer {SECRETS['program']}'"},
        "notify_outputs": [{"name": "people", "urls": [f"json://me:{SECRETS['hook']}@{address}/x"]}],
        "sources": [
            {
                "name": "api",
                "open_params": "https://127.0.0.1:0/k8s-audit",
                "init_config": {"sslCertificate": str(folder / "tls.pem"), "tokenFile": str(folder / "posting")},
            },
            {
                "name": "queue",
                "plugin": "kafka",
                "open_params": "audit",
                "init_config": {
                    "bootstrap_servers": [address],
                    "sasl_username": "me",
                    "sasl_password": SECRETS["sasl"],
                    "tls_key_password": SECRETS["keypass"],
                },
            },
            {
                "name": "hub",
                "plugin": "k8saudit-aks",
                "init_config": {
                    "event_hub_name": "h",
                    "event_hub_namespace_connection_string": hub,
                    "blob_storage_connection_string": blob,
                    "blob_storage_container_name": "c",
                },
            },
            {"name": "tail", "plugin": "k8saudit-ovh", "open_params": f"{address}/tail/?tk={SECRETS['tail']}"},
        ],
        "static_fields": {"api_token": "${LANNER_TEST_VARIABLE}"},
        "webserver": {
            "enabled": True,
            "listen_address": "127.0.0.1",
            "listen_port": 0,
            "prometheus_metrics_enabled": True,
            "token_file": str(folder / "reading"),
        },
    }


@pytest.fixture
def closed() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def write(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "lanner.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def said(*arguments: str | Path) -> str:
    """All that a command writes."""
    environment = {**os.environ, "LANNER_TEST_VARIABLE": SECRETS["variable"]}
    ran = subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, timeout=50, check=False, env=environment
    )
    return (ran.stdout + ran.stderr).decode()


COMMANDS = [
    ("config", "show", "-c", "HERE"),
    ("config", "check", "HERE"),
    ("-c", "HERE", "--support"),
    ("run", "-c", "HERE", "--dry-run", "api"),
    ("run", "-c", "HERE", "--dry-run", "api", "--log-format", "json"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_said_of_a_configuration_has_none_of_its_secrets(
    tmp_path: Path, rules: Path, closed: int, command: tuple[str, ...]
) -> None:
    path = write(tmp_path, configuration(tmp_path, rules, closed))
    text = said(*(str(path) if each == "HERE" else each for each in command))
    assert "Traceback" not in text
    assert [name for name, secret in SECRETS.items() if secret in text] == []
    assert PLANTED not in text


MISTAKES: dict[str, dict[str, Any]] = {
    "an unknown key": {"http_output": {"urll": f"https://me:{SECRETS['user']}@x.example/"}},
    "a number": {"notify_outputs": [{"name": "n", "urls": 5}], "http_output": {"url": f"x://a:{SECRETS['user']}@b"}},
    "an address": {"sources": [{"name": "a", "open_params": f"ftp://me:{SECRETS['user']}@x.example/"}]},
    "a token in place of a file": {"webserver": {"enabled": True, "token_file": f"Bearer {SECRETS['reading']}"}},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_said_of_a_mistake_has_no_secret(tmp_path: Path, rules: Path, closed: int, mistake: str) -> None:
    config = {**configuration(tmp_path, rules, closed), **MISTAKES[mistake]}
    path = write(tmp_path, config)
    for command in (("config", "check", path), ("run", "-c", path, "--dry-run")):
        text = said(*command)
        assert "error" in text or '"level":"critical"' in text
        assert "Traceback" not in text
        if mistake != "a token in place of a file":  # which is a name of a file, as far as anybody can tell
            assert PLANTED not in text


def test_a_run_with_everything_away_tells_no_secret(start: Start, tmp_path: Path, rules: Path, closed: int) -> None:
    os.environ["LANNER_TEST_VARIABLE"] = SECRETS["variable"]
    config = configuration(tmp_path, rules, closed)
    config["sources"] = [each for each in config["sources"] if each["name"] in ("api", "tail")]
    program = start("run", "-c", write(tmp_path, config))
    urls: dict[str, str] = {}
    while len(urls) < 2:
        line = program.wait_for(" http")
        if "health at " in line or "listening on " in line:
            urls["health" if "health at " in line else "posts"] = line[line.index("http") :]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRETS['posting']}"}
    assert httpx.post(urls["posts"], content=event(), headers=headers, verify=False).status_code == 200
    wrong = {**headers, "Authorization": f"Bearer {SECRETS['posting']}x"}
    assert httpx.post(urls["posts"], content=event(), headers=wrong, verify=False).status_code == 401
    (tmp_path / "posting").write_text("short " + PLANTED)
    assert httpx.post(urls["posts"], content=event(), headers=headers, verify=False).status_code == 401
    base = urls["health"].removesuffix("/healthz")
    reading = {"Authorization": f"Bearer {SECRETS['reading']}"}
    text = "".join(httpx.get(f"{base}/{path}", headers=reading).text for path in ("metrics", "versions", "readyz"))
    assert "lanner_source_refused_total" in text
    program.stop(signal.SIGTERM)
    text += program.err + program.out.read_text()
    assert "seen (user=alice)" in text
    assert "Traceback" not in text
    assert [name for name, secret in SECRETS.items() if secret in text] == []
    assert PLANTED not in text
