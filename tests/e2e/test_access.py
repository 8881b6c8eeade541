"""A webhook that asks who posts, and metrics that ask who reads, as the real program."""

import json
import re
import signal
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml

from .conftest import Program, Start, event

HEADERS = {"content-type": "application/json"}
TOKEN, READER, WRONG = "t" * 40, "r" * 40, "w" * 40


class Cluster:
    """Certificates, tokens and a configuration for them."""

    def __init__(self, folder: Path, rules: Path) -> None:
        self.folder = folder
        self.ca, self.clients = trustme.CA(), trustme.CA()
        self.ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
        self.clients.cert_pem.write_to_path(str(folder / "clients.pem"))
        (folder / "tokens").write_text(f"prod {TOKEN}\n")
        (folder / "readers").write_text(READER)
        self.config = folder / "lanner.yaml"
        self.rules = rules

    def configure(self, **options: Any) -> Path:
        web = {
            "enabled": True,
            "listen_address": "127.0.0.1",
            "listen_port": 0,
            "prometheus_metrics_enabled": True,
            "token_file": str(self.folder / "readers"),
        }
        options = {"sslCertificate": str(self.folder / "tls.pem"), **options}
        source = {"name": "api", "open_params": "https://:0/k8s-audit", "init_config": options}
        config = {"rules_files": [str(self.rules)], "json_output": True, "sources": [source], "webserver": web}
        self.config.write_text(yaml.safe_dump(config))
        return self.config

    def client(self, name: str | None = None, ca: trustme.CA | None = None) -> httpx.Client:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if name:
            issued = (ca or self.clients).issue_cert(common_name=name)
            with issued.private_key_and_cert_chain_pem.tempfile(str(self.folder)) as path:
                context.load_cert_chain(path)
        return httpx.Client(verify=context, headers=HEADERS, trust_env=False)


@pytest.fixture
def cluster(tmp_path: Path, rules: Path) -> Cluster:
    return Cluster(tmp_path, rules)


def served(program: Program) -> tuple[str, str]:
    """Where posts go, and where health is."""
    urls: dict[str, str] = {}
    while len(urls) < 2:
        line = program.wait_for(" http")
        urls["health" if "health at " in line else "posts"] = line[line.index("http") :]
    posts = re.sub(r"//[^/]+:(\d+)/", r"//127.0.0.1:\1/", urls["posts"])
    return posts, urls["health"].removesuffix("/healthz")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_only_who_proves_to_be_allowed_is_evaluated(start: Start, cluster: Cluster, workers: str) -> None:
    config = cluster.configure(
        clientCA=str(cluster.folder / "clients.pem"),
        tokenFile=str(cluster.folder / "tokens"),
        allowedClients=["CN:kube-apiserver-*"],
        allowedNetworks=["127.0.0.0/8"],
    )
    program = start("run", "-c", config, "--workers", workers)
    posts, health = served(program)
    good = {"Authorization": f"Bearer {TOKEN}"}
    with cluster.client("kube-apiserver-1") as known, cluster.client("kubelet") as other, cluster.client() as nobody:
        assert known.post(posts, content=event("real"), headers=good).status_code == 200
        for client, headers, status in (
            (known, {}, 401),
            (known, {"Authorization": f"Bearer {WRONG}"}, 401),
            (nobody, good, 401),
            (nobody, {}, 401),
            (other, good, 403),
        ):
            for _ in range(3):
                assert client.post(posts, content=event("intruder"), headers=headers).status_code == status
    with cluster.client("kube-apiserver-1", trustme.CA()) as forged, pytest.raises(httpx.TransportError):
        forged.post(posts, content=event("forger"), headers=good)
    with cluster.client("kube-apiserver-1") as known:
        assert known.post(posts, content=event("real again"), headers=good).status_code == 200
    assert httpx.get(f"{health}/metrics").status_code == 401
    assert program.stop(signal.SIGTERM) == 0
    alerts = [json.loads(line) for line in program.out.read_bytes().splitlines()]
    assert sum(alert["rule"] == "Seen" for alert in alerts) == 2
    assert b"intruder" not in program.out.read_bytes()
    raised = [alert for alert in alerts if alert["rule"] == "Lanner internal: somebody is refused"]
    assert 1 <= len(raised) <= int(workers)
    assert raised[0]["output_fields"]["source"] == "api"
    refused = program.err.count("refused 127.0.0.1: ")
    assert 1 <= refused <= 6 * int(workers), "a line for each reason, though there were sixteen refusals"
    for secret in (TOKEN, WRONG, READER):
        assert secret not in program.err + program.out.read_text()


def test_metrics_can_be_kept_from_those_without_a_token_and_health_is_for_all(start: Start, cluster: Cluster) -> None:
    program = start("run", "-c", cluster.configure(tokenFile=str(cluster.folder / "tokens")))
    posts, health = served(program)
    with cluster.client() as client:
        for _ in range(2):
            assert client.post(posts, content=event(), headers={"Authorization": f"Bearer {WRONG}"}).status_code == 401
        assert client.post(posts, content=event()).status_code == 401
    assert httpx.get(f"{health}/healthz").status_code == 200
    ready = httpx.get(f"{health}/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
    reader = {"Authorization": f"Bearer {READER}"}
    for path in ("metrics", "versions"):
        denied = httpx.get(f"{health}/{path}")
        assert (denied.status_code, denied.content) == (401, b"")
        assert denied.headers["www-authenticate"] == "Bearer"
        assert httpx.get(f"{health}/{path}", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
        assert httpx.get(f"{health}/{path}", headers=reader).status_code == 200
    assert httpx.get(f"{health}/readyz", headers=reader).json()["waiting_for"] == []
    text = httpx.get(f"{health}/metrics", headers=reader).text
    assert 'lanner_source_refused_total{reason="unknown_token",source="api"} 2.0' in text
    assert 'lanner_source_refused_total{reason="no_token",source="api"} 1.0' in text
    assert TOKEN not in text
    (cluster.folder / "readers").write_text(TOKEN)
    assert httpx.get(f"{health}/metrics", headers=reader).status_code == 401
    assert program.stop(signal.SIGTERM) == 0


def test_the_command_line_can_ask_for_certificates_and_tokens(start: Start, cluster: Cluster) -> None:
    folder = cluster.folder
    arguments = ["--tls-cert", folder / "tls.pem", "--client-ca", folder / "clients.pem", "--token-file"]
    program = start("run", "-r", cluster.rules, *arguments, folder / "tokens", "https://0.0.0.0:0/k8s-audit")
    url = program.wait_for("listening on ").split("listening on ")[1].replace("0.0.0.0", "127.0.0.1")
    with cluster.client("api") as client:
        assert client.post(url, content=event()).status_code == 401
        assert client.post(url, content=event(), headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert program.stop(signal.SIGTERM) == 0
    assert "unsafe" not in program.err + program.out.read_text()


def test_what_falco_wants_open_stays_open_and_is_told(start: Start, cluster: Cluster) -> None:
    plugin = {"name": "k8saudit", "open_params": "http://:0/k8s-audit", "library_path": "libk8saudit.so"}
    cluster.config.write_text(yaml.safe_dump({"rules_files": [str(cluster.rules)], "plugins": [plugin]}))
    program = start("run", "-c", cluster.config)
    url = program.wait_for("listening on ").split("listening on ")[1]
    assert httpx.post(re.sub(r"//[^/]+:(\d+)/", r"//127.0.0.1:\1/", url), content=event(), headers=HEADERS).is_success
    assert program.stop(signal.SIGTERM) == 0
    assert "Lanner internal: unsafe set-up" in program.out.read_text()
