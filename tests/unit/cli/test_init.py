"""`lanner init`: every file is what the cluster takes."""

import asyncio
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from lanner.config.load import load_config
from lanner.config.models import Config
from lanner.config.vigil import vigil_plan
from lanner.plugins import k8saudit
from lanner.policy.model import Request
from lanner.policy.reader import read_policy_file
from lanner.setup.apiserver import BATCH, DISTRIBUTIONS
from lanner.setup.clouds import CLOUDS
from lanner.sources.webhook import WebhookSource
from tests.unit.sources import clients as webhooks

from .conftest import Lanner

NAMES = {
    "gke": ["project=p", "cluster=c"],
    "eks": ["region=eu-west-1", "cluster=c"],
    "aks": ["group=g", "cluster=c", "hub_namespace=n", "storage=s"],
    "ovh": ["project=p", "cluster=c", "stream=s", "ldp=l"],
}
TLS = [
    "--url", "https://10.96.0.50:8443/k8s-audit", "--ca", "/etc/pki/ca.crt", "--client-cert", "/etc/pki/c.crt",
    "--client-key", "/etc/pki/c.key", "--from", "10.0.0.0/24",
]  # fmt: skip

HTTPS = ["--url", "https://10.96.0.9:443/k8s-audit", "--ca", "/opt/pki/ca.crt"]


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def made(lanner: Lanner, folder: Path, rules: Path, distribution: str, *more: str) -> dict[str, list[dict[str, Any]]]:
    ran = lanner("init", "--distribution", distribution, "--output", folder, "-r", rules, *more)
    assert ran.code == 0, ran.err
    found = [Path(line) for line in ran.out.splitlines()]
    assert {*found} == {*folder.iterdir()}
    return {path.name: documents(path) for path in found if path.suffix == ".yaml"}


def manifests(files: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """What Lanner runs with, by kind, without the rules."""
    return {each["kind"]: each for each in files["kubernetes.yaml"] if each["metadata"]["name"] != "lanner-rules"}


def arguments(files: dict[str, list[dict[str, Any]]], name: str) -> dict[str, str]:
    """The flags of kube-apiserver in the file of a distribution."""
    (found,) = files[name]
    if "kube-apiserver-arg+" in found:  # without the sign, the values of `config.yaml` would be lost
        given = dict(each.split("=", 1) for each in found["kube-apiserver-arg+"])
        return given | ({"audit-policy-file": found["audit-policy-file"]} if "audit-policy-file" in found else {})
    if name == "kind.yaml":
        (patch,) = found["nodes"][0]["kubeadmConfigPatches"]
        extra = yaml.safe_load(patch)["apiServer"]["extraArgs"]
    else:
        extra = found["apiServer"]["extraArgs"] if "apiServer" in found else found["cluster"]["apiServer"]["extraArgs"]
    return {each["name"]: each["value"] for each in extra} if isinstance(extra, list) else extra


@pytest.mark.parametrize(
    ("distribution", "name", "folder"),
    [
        ("kubeadm", "kubeadm-v1beta4.yaml", "/etc/kubernetes/lanner"),
        ("kubeadm", "kubeadm-v1beta3.yaml", "/etc/kubernetes/lanner"),
        ("k3s", "k3s-config.yaml", "/var/lib/rancher/k3s/server/lanner"),
        ("rke2", "rke2-config.yaml", "/etc/rancher/rke2/lanner"),
        ("kind", "kind.yaml", "/etc/kubernetes/lanner"),
        ("talos", "talos-patch.yaml", "/var/etc/lanner"),
    ],
)
def test_the_api_server_gets_its_flags_as_its_distribution_takes_them(
    lanner: Lanner, tmp_path: Path, rules: Path, *, distribution: str, name: str, folder: str
) -> None:
    found = arguments(made(lanner, tmp_path / "out", rules, distribution), name)
    assert all(isinstance(value, str) for value in found.values())
    expected = {**BATCH, "audit-webhook-config-file": f"{folder}/webhook.yaml"}
    if distribution != "talos":  # which sets it itself
        expected["audit-policy-file"] = f"{folder}/audit-policy.yaml"
    assert found == expected


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_policy_and_kubeconfig_are_those_that_an_api_server_reads(
    lanner: Lanner, tmp_path: Path, rules: Path, distribution: str
) -> None:
    files = made(lanner, tmp_path / "out", rules, distribution)
    policy, _ = read_policy_file(tmp_path / "out" / "audit-policy.yaml")
    assert policy is not None
    assert lanner("policy", "check", tmp_path / "out" / "audit-policy.yaml", "-r", rules).code == 0
    (config,) = files["webhook.yaml"]
    assert (config["apiVersion"], config["kind"], config["current-context"]) == ("v1", "Config", "default")
    assert config["clusters"][0]["cluster"] == {"server": "http://127.0.0.1:9765/k8s-audit"}


def test_talos_and_kops_hold_the_files_themselves(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    talos = made(lanner, tmp_path / "talos", rules, "talos")
    (patch,) = talos["talos-patch.yaml"]
    assert patch["cluster"]["apiServer"]["auditPolicy"] == talos["audit-policy.yaml"][0]
    (written,) = patch["machine"]["files"]
    assert yaml.safe_load(written["content"]) == talos["webhook.yaml"][0]
    assert written["path"].startswith("/var/")
    assert written["permissions"] == 0o644  # the API server runs as a user of its own
    kops = made(lanner, tmp_path / "kops", rules, "kops")
    spec = kops["kops.yaml"][0]["spec"]
    assets = {each["path"]: yaml.safe_load(each["content"]) for each in spec["fileAssets"]}
    assert assets[spec["kubeAPIServer"]["auditPolicyFile"]] == kops["audit-policy.yaml"][0]
    assert assets[spec["kubeAPIServer"]["auditWebhookConfigFile"]] == kops["webhook.yaml"][0]
    assert spec["kubeAPIServer"]["auditWebhookBatchMaxSize"] == 400


@pytest.mark.parametrize("more", [[], TLS], ids=["loopback", "tls"])
def test_the_manifests_run_lanner_with_as_little_as_it_needs(
    lanner: Lanner, tmp_path: Path, rules: Path, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = manifests(made(lanner, tmp_path / "out", rules, "k3s", *more))
    workload = parts["Deployment" if more else "DaemonSet"]
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (
        workload["spec"]["selector"]["matchLabels"].items()
        <= workload["spec"]["template"]["metadata"]["labels"].items()
    )
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {container[each]["httpGet"]["path"] for each in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == {"audit": 9765, "health": 8765}
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert set(container["resources"]) == {"requests", "limits"}
    config = tmp_path / "lanner.yaml"
    config.write_text(parts["ConfigMap"]["data"]["lanner.yaml"])
    assert [found.message for found in load_config(str(config)).diagnostics if found.severity == "error"] == []
    if more:
        assert parts["Service"]["spec"]["clusterIP"] == "10.96.0.50"
        assert parts["Service"]["spec"]["ports"] == [{"name": "audit", "port": 8443, "targetPort": "audit"}]
        assert parts["NetworkPolicy"]["spec"]["ingress"][0]["from"] == [{"ipBlock": {"cidr": "10.0.0.0/24"}}]
    else:
        assert pod["hostNetwork"] is True
        assert "127.0.0.1:9765" in config.read_text()


def test_certificates_are_named_and_their_folders_mounted(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    files = made(lanner, tmp_path / "out", rules, "kubeadm", *TLS)
    (config,) = files["webhook.yaml"]
    assert config["clusters"][0]["cluster"]["certificate-authority"] == "/etc/pki/ca.crt"
    assert config["users"][0]["user"] == {"client-certificate": "/etc/pki/c.crt", "client-key": "/etc/pki/c.key"}
    volumes = files["kubeadm-v1beta4.yaml"][0]["apiServer"]["extraVolumes"]
    assert [each["mountPath"] for each in volumes] == ["/etc/kubernetes/lanner", "/etc/pki"]


def test_the_dynamic_sink_of_old_clusters(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    (sink,) = made(lanner, tmp_path / "out", rules, "minikube", "--audit-sink")["auditsink.yaml"]
    assert (sink["apiVersion"], sink["kind"]) == ("auditregistration.k8s.io/v1alpha1", "AuditSink")
    assert sink["spec"]["webhook"]["clientConfig"] == {"url": "http://127.0.0.1:9765/k8s-audit"}


@pytest.mark.parametrize("provider", CLOUDS)
def test_a_provider_gets_commands_that_a_shell_can_read(lanner: Lanner, tmp_path: Path, provider: str) -> None:
    names = [each for name in NAMES[provider] for each in ("--name", name)]
    ran = lanner("init", "--provider", provider, "--output", tmp_path / "out", *names)
    assert ran.code == 0, ran.err
    script = tmp_path / "out" / f"{provider}.sh"
    assert subprocess.run(["/bin/sh", "-n", script], check=False).returncode == 0
    (config,) = documents(tmp_path / "out" / "lanner.yaml")
    assert config["plugins"][0]["name"] == config["load_plugins"][0] == f"k8saudit-{provider}"
    for path in (tmp_path / "out").glob("*.json"):
        assert json.loads(path.read_text())


def gcloud_calls(lanner: Lanner, folder: Path) -> list[list[str]]:
    """What the script for GKE asks of gcloud, which answers as the real one does and does nothing."""
    assert lanner("init", "--provider", "gke", "--output", folder / "out", "--name", "project=p", "--name", "cluster=c")
    gcloud = folder / "gcloud"
    gcloud.write_text(
        f'#!/bin/sh\nprintf "%s\\037" "$@" >> {folder}/asked\nprintf "\\036" >> {folder}/asked\ncase "$1 $2" in\n'
        '"projects describe") echo 17 ;;\n"logging sinks") echo serviceAccount:w@x ;;\nesac\n'
    )
    gcloud.chmod(0o755)
    script = ["/bin/sh", str(folder / "out" / "gke.sh")]
    subprocess.run(script, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={"PATH": f"{folder}:/usr/bin:/bin"})
    return [call.split("\037")[:-1] for call in (folder / "asked").read_text().split("\036")[:-1]]


def test_the_script_for_gke_excludes_renewed_leases_alone(lanner: Lanner, tmp_path: Path) -> None:
    """By the whole name of the method: a part of it, or a resource's name, is a place for others to hide in."""
    (sink,) = [call for call in gcloud_calls(lanner, tmp_path) if call[:3] == ["logging", "sinks", "create"]]
    assert [each for each in sink if each.startswith("--exclusion")] == [
        '--exclusion=name=leases,filter=protoPayload.methodName="io.k8s.coordination.v1.leases.update"'
    ]
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "gke.md").read_text()
    assert re.findall(r"--exclusion='(.*)'", guide) == [
        'name=leases,filter=protoPayload.methodName="io.k8s.coordination.v1.leases.update"'
    ]


def test_the_script_for_gke_names_the_project_each_time_and_leaves_settings_alone(
    lanner: Lanner, tmp_path: Path
) -> None:
    for call in gcloud_calls(lanner, tmp_path):
        assert "--project=p" in call or (call[0] == "projects" and call[2] == "p"), call
        assert call[0] != "config"


def test_the_script_for_gke_lets_pubsub_move_dead_letters_to_where_they_are_kept(
    lanner: Lanner, tmp_path: Path
) -> None:
    calls = [" ".join(call) for call in gcloud_calls(lanner, tmp_path)]
    agent = "--project=p --member=serviceAccount:service-17@gcp-sa-pubsub.iam.gserviceaccount.com --role=roles/pubsub"
    assert f"pubsub topics add-iam-policy-binding lanner-audit-dead-letters {agent}.publisher" in calls
    assert f"pubsub subscriptions add-iam-policy-binding lanner-audit {agent}.subscriber" in calls
    kept = "pubsub subscriptions create lanner-audit-dead-letters --project=p --topic=lanner-audit-dead-letters"
    assert any(call.startswith(kept) for call in calls)


def test_what_a_user_gives_stays_one_word_in_a_script(lanner: Lanner, tmp_path: Path) -> None:
    odd = 'a\'b $(touch hacked) "c"; `x`'
    lanner("init", "--provider", "gke", "--output", tmp_path / "out", "--name", f"project={odd}", "--name", "cluster=c")
    text = (tmp_path / "out" / "gke.sh").read_text()
    variables = text.partition("gcloud")[0] + 'printf %s "$project"\n'
    ran = subprocess.run(["/bin/sh", "-c", variables], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == odd
    assert not (tmp_path / "hacked").exists()
    (config,) = documents(tmp_path / "out" / "lanner.yaml")
    assert config["plugins"][0]["init_config"]["project_id"] == odd


def test_nothing_is_overwritten_unless_it_is_wanted(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    made(lanner, tmp_path / "out", rules, "k3s")
    (tmp_path / "out" / "webhook.yaml").write_text("mine")
    (tmp_path / "out" / "k3s-config.yaml").unlink()
    ran = lanner("init", "--distribution", "k3s", "--output", tmp_path / "out", "-r", rules)
    assert ran.code == 2
    assert "is there already" in ran.err
    assert (tmp_path / "out" / "webhook.yaml").read_text() == "mine"
    assert not (tmp_path / "out" / "k3s-config.yaml").exists()
    made(lanner, tmp_path / "out", rules, "k3s", "--force")
    assert (tmp_path / "out" / "webhook.yaml").read_text() != "mine"


def test_files_are_for_their_owner_alone(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    made(lanner, tmp_path / "out", rules, "minikube")
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {".yaml": 0o600, ".sh": 0o700}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "give one of `--distribution` and `--provider`"),
        (["--distribution", "k3s", "--provider", "gke"], "give one of"),
        (["--distribution", "k3s", "--url", "ftp://x"], "is not an address to post to"),
        (["--distribution", "k3s", "--url", "https://["], "is not an address to post to"),
        (["--distribution", "k3s", "--ca", "/ca.crt"], "need an https address"),
        (["--distribution", "k3s", "--url", "https://x", "--client-cert", "/c"], "go together"),
        (["--distribution", "k3s", "--url", "https://x", "--ca", "ca.crt"], "is a path on the API servers"),
        (["--distribution", "k3s", "--namespace", "Lanner!"], "is not a namespace's name"),
        (["--distribution", "k3s", "--from", "10.0.0.0/40"], "is not a network"),
        (["--distribution", "kubeadm", "--audit-sink", *HTTPS], "cannot prove to"),
        (["--distribution", "kubeadm", "--audit-sink", *HTTPS, "--allow-unauthenticated"], "cannot prove to"),
        (["--distribution", "kubeadm", "--audit-sink", *TLS, "--allow-unauthenticated"], "neither certificate nor"),
        (["--distribution", "kubeadm", *HTTPS, "--allow-unauthenticated"], "is for `--audit-sink` alone"),
        (["--distribution", "talos", *HTTPS], "could read a token in its machine configuration"),
        (["--distribution", "k3s", "-r", "gone.yaml"], "cannot read `gone.yaml`: no such file"),
        (["--distribution", "k3s", "--name", "project=p"], "`--name` is for `--provider` alone"),
        (["--provider", "gke", "--url", "https://x"], "`--url` is for `--distribution` alone"),
        (["--provider", "gke", "-r", "rules.yaml"], "name them in `rules_files` of the `lanner.yaml`"),
        (["--provider", "gke"], "`project` is not given"),
        (["--provider", "gke", "--name", "colour=red"], "does not name a thing of gke"),
        (["--provider", "gke", "--name", "project=a\nb"], "cannot be printed"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    lanner: Lanner, tmp_path: Path, given: list[str], words: str
) -> None:
    ran = lanner("init", "--output", tmp_path / "out", *given)
    assert ran.code == 2
    assert words in ran.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = lanner("init", "--distribution", "k3s", "--output", tmp_path / "file" / "out", "-r", rules)
    assert ran.code == 1
    assert ran.err.startswith("error: cannot write")


def test_the_folder_of_the_ca_is_mounted_where_that_can_be(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    def file(distribution: str, name: str) -> Any:
        return made(lanner, tmp_path / distribution, rules, distribution, *HTTPS)[name][0]

    assert "/opt/pki:/opt/pki:ro" in file("rke2", "rke2-config.yaml")["kube-apiserver-extra-mount+"]
    volumes = file("kubeadm", "kubeadm-v1beta4.yaml")["apiServer"]["extraVolumes"]
    assert [each["hostPath"] for each in volumes] == ["/etc/kubernetes/lanner", "/opt/pki"]
    (node,) = file("kind", "kind.yaml")["nodes"]
    assert {"hostPath": "/opt/pki", "containerPath": "/opt/pki", "readOnly": True} in node["extraMounts"]
    (patch,) = node["kubeadmConfigPatches"]
    assert [each["hostPath"] for each in yaml.safe_load(patch)["apiServer"]["extraVolumes"]][1:] == ["/opt/pki"]


@pytest.mark.parametrize(("distribution", "name"), [("kops", "kops.yaml"), ("minikube", "minikube.sh")])
def test_where_only_one_folder_is_seen_the_head_says_so(
    lanner: Lanner, tmp_path: Path, rules: Path, distribution: str, name: str
) -> None:
    made(lanner, tmp_path / "with", rules, distribution, *HTTPS)
    made(lanner, tmp_path / "without", rules, distribution)
    line = "alone: put /opt/pki/ca.crt there.\n"
    assert line in (tmp_path / "with" / name).read_text()
    assert "alone" not in (tmp_path / "without" / name).read_text()
    assert all(text.startswith("#") for text in (tmp_path / "with" / name).read_text().splitlines()[:2])


@pytest.mark.parametrize(
    "more", [[], ["--token-file", "/opt/pki/token"], ["--client-cert", "/c", "--client-key", "/k"]]
)
def test_kubeconfig_and_configuration_fit_together_and_let_nobody_else_in(
    lanner: Lanner, tmp_path: Path, rules: Path, more: list[str]
) -> None:
    files = made(lanner, tmp_path / "out", rules, "kubeadm", *HTTPS, *more)
    parts = manifests(files)
    user = files["webhook.yaml"][0]["users"][0]["user"]
    text = parts["ConfigMap"]["data"]["lanner.yaml"]
    mounts = parts["Deployment"]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    secrets = {each["mountPath"] for each in mounts if each["name"] in ("tls", "token")}
    assert all(path.rpartition("/")[0] in secrets for path in re.findall(r"/etc/lanner-t\S+", text))

    # The files of the Secrets, as they are mounted: one is in the manifest, the other is what its head asks for.
    ca, clients = trustme.CA(), trustme.CA()
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "tls.pem"))
    clients.cert_pem.write_to_path(str(tmp_path / "client-ca.pem"))
    for name, tokens in parts["Secret"]["stringData"].items():
        (tmp_path / name).write_text(tokens)
    config = tmp_path / "lanner.yaml"
    config.write_text(re.sub(r"/etc/lanner-\w+/", f"{tmp_path}/", text).replace("0.0.0.0:9765", "localhost:0"))
    loaded = load_config(str(config), environment={})
    assert not loaded.diagnostics
    [plugin] = loaded.plugins.sources
    assert plugin.is_own  # so that nothing is open because a key of Falco's says so
    webhook = k8saudit.listening(plugin.open_params, plugin.options)
    assert webhook is not None
    assert replace(webhook, host="").is_guarded

    context = ssl.create_default_context()
    ca.configure_trust(context)
    stranger = ssl.create_default_context()
    ca.configure_trust(stranger)
    sent = []
    if "client-certificate" in user:
        with clients.issue_cert("x").private_key_and_cert_chain_pem.tempfile() as pem:
            context.load_cert_chain(pem)
    elif "tokenFile" in user:
        sent = [f"Authorization: Bearer {(tmp_path / 'out' / 'token').read_text().strip()}"]
    else:
        sent = [f"Authorization: Bearer {user['token']}"]
        assert len(user["token"]) == 64

    async def main() -> None:
        async with webhooks.running(WebhookSource(webhook), webhooks.Keep()) as port:
            assert (await webhooks.send(port, webhooks.request(*sent), context)).startswith(b"HTTP/1.1 200 ")
            assert (await webhooks.send(port, webhooks.request(), stranger)).startswith(b"HTTP/1.1 401 ")

    asyncio.run(main())


def test_lanner_is_given_the_rules_that_the_policy_is_for(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    folder = tmp_path / "more rules"
    folder.mkdir()
    for name in ("a b.yaml", "rules.yaml"):
        (folder / name).write_text(f"- list: of_{name[0]}\n  items: [x]\n")
    files = made(lanner, tmp_path / "out", rules, "k3s", "-r", "default", "-r", str(folder))
    (texts,) = [each for each in files["kubernetes.yaml"] if each["metadata"]["name"] == "lanner-rules"]
    expected = {"rules.yaml": rules, "a-b.yaml": folder / "a b.yaml", "more-rules.yaml": folder / "rules.yaml"}
    assert texts["data"] == {name: path.read_text() for name, path in expected.items()}
    parts = manifests(files)
    named = yaml.safe_load(parts["ConfigMap"]["data"]["lanner.yaml"])["rules_files"]
    assert named == [
        "/etc/lanner-rules/rules.yaml",
        "default",
        "/etc/lanner-rules/a-b.yaml",
        "/etc/lanner-rules/more-rules.yaml",
    ]
    pod = parts["DaemonSet"]["spec"]["template"]["spec"]
    assert {"name": "rules", "configMap": {"name": "lanner-rules"}} in pod["volumes"]
    mount = {"name": "rules", "mountPath": "/etc/lanner-rules", "readOnly": True}
    assert mount in pod["containers"][0]["volumeMounts"]


def test_without_rules_of_its_own_a_cluster_gets_the_default_ones(lanner: Lanner, tmp_path: Path) -> None:
    for more, named in (([], None), (["-r", "default"], ["default"])):
        assert lanner("init", "--distribution", "k3s", "--output", tmp_path / f"out{len(more)}", *more).code == 0
        files = {"kubernetes.yaml": documents(tmp_path / f"out{len(more)}" / "kubernetes.yaml")}
        parts = manifests(files)
        assert yaml.safe_load(parts["ConfigMap"]["data"]["lanner.yaml"]).get("rules_files") == named
        assert "lanner-rules" not in (tmp_path / f"out{len(more)}" / "kubernetes.yaml").read_text()


def test_rules_that_the_policy_starves_are_named(lanner: Lanner, tmp_path: Path) -> None:
    wanted = "rules not fed in full (Service Account Token Secret Created, "
    ran = lanner("init", "--distribution", "k3s", "--output", tmp_path / "out")
    assert wanted in ran.err
    assert "help: `--secret-bodies` records bodies of secrets and tokens too\n" in ran.err
    assert wanted in (tmp_path / "out" / "audit-policy.yaml").read_text()
    assert "not fed" not in lanner("init", "--distribution", "k3s", "--output", tmp_path / "all", "--secret-bodies").err


def test_rules_beyond_what_an_object_of_a_cluster_holds_are_refused(
    lanner: Lanner, tmp_path: Path, rules: Path
) -> None:
    with rules.open("a") as file:
        file.write("# ä\n" * 40_000)
    ran = lanner("init", "--distribution", "k3s", "--output", tmp_path / "out", "-r", rules)
    assert ran.code == 2
    assert "bytes, more than the 150,000 of a manifest" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [[], TLS], ids=["loopback", "tls"])
def test_alerts_outlive_the_pod(lanner: Lanner, tmp_path: Path, rules: Path, more: list[str]) -> None:
    parts = manifests(made(lanner, tmp_path / "out", rules, "k3s", *more))
    workload = parts["Deployment" if more else "DaemonSet"]["spec"]
    pod = workload["template"]["spec"]
    (container,) = pod["containers"]
    [variable] = container["env"]
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "state"]
    [volume] = [each for each in pod["volumes"] if each["name"] == "state"]
    assert variable["name"] == "LANNER_STATE_DIR"
    assert variable["value"].startswith(f"{mount['mountPath']}/")
    assert not mount.get("readOnly")
    if more:
        assert volume["persistentVolumeClaim"]["claimName"] == parts["PersistentVolumeClaim"]["metadata"]["name"]
        assert workload["strategy"] == {"type": "Recreate"}
        return
    assert volume["hostPath"] == {"path": "/var/lib/lanner", "type": "DirectoryOrCreate"}
    [preparing] = pod["initContainers"]
    *shell, program = preparing["command"]
    folder = tmp_path / "state"
    folder.mkdir()
    here = program.replace("/var/lib/lanner", str(folder)).replace("65532", str(os.getuid()))
    subprocess.run([*shell, here], check=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_metrics_and_what_lanner_waits_for_are_not_for_all_of_the_cluster(
    lanner: Lanner, tmp_path: Path, rules: Path
) -> None:
    parts = manifests(made(lanner, tmp_path / "out", rules, "k3s", *TLS))
    config = yaml.safe_load(parts["ConfigMap"]["data"]["lanner.yaml"])
    assert config["webserver"]["token_file"] == "/etc/lanner-token/metrics"
    assert len(parts["Secret"]["stringData"]["metrics"].split()[1]) == 64
    health = [each for each in parts["NetworkPolicy"]["spec"]["ingress"] if each["ports"][0]["port"] == "health"]
    assert [each["from"] for each in health] == [
        [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    ]

    assert config["webserver"]["ssl_enabled"] is True
    (container,) = parts["Deployment"]["spec"]["template"]["spec"]["containers"]
    probes = [container[each]["httpGet"] for each in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {each["scheme"] for each in probes} == {"HTTPS"}


@pytest.mark.parametrize(
    ("distribution", "more", "urls"),
    [("kubeadm", [], ["https://127.0.0.1:6443"]), ("kops", [], ["https://127.0.0.1:443"]), ("kubeadm", TLS, [])],
)
def test_lanner_is_let_watch_api_servers_and_nothing_else(
    lanner: Lanner, tmp_path: Path, rules: Path, distribution: str, *, more: list[str], urls: list[str]
) -> None:
    files = made(lanner, tmp_path / "out", rules, distribution, "--watch", "--namespace", "audit", *more)
    parts = manifests(files)
    pod = parts["Deployment" if more else "DaemonSet"]["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("lanner", True)
    assert [parts[kind]["rules"] for kind in ("ClusterRole", "Role")] == [
        [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
        [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["lanner-canary"], "verbs": ["get"]}],
    ]
    for kind in ("ClusterRole", "Role"):
        [subject] = parts[f"{kind}Binding"]["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "lanner", "namespace": "audit"}
        assert parts[f"{kind}Binding"]["roleRef"]["name"] == parts[kind]["metadata"]["name"]
    config = tmp_path / "lanner.yaml"
    config.write_text(parts["ConfigMap"]["data"]["lanner.yaml"])
    loaded = load_config(str(config)).config
    assert isinstance(loaded, Config)
    watched = vigil_plan(loaded.blindness, ["kubernetes"], {"KUBERNETES_SERVICE_HOST": "10.96.0.1"})
    assert [*watched.access.urls] == (urls or ["https://10.96.0.1:443"])
    assert watched.metrics
    assert watched.canary
    assert watched.canary.path.startswith("/api/v1/namespaces/audit/")
    policy, found = read_policy_file(tmp_path / "out" / "audit-policy.yaml")
    assert policy is not None, [each.message for each in found]
    canary = Request(
        user="system:serviceaccount:audit:lanner",
        verb="get",
        is_resource=True,
        resource="configmaps",
        namespace="audit",
        name="lanner-canary",
    )
    assert policy.decide(canary).records("ResponseComplete")
    assert not policy.decide(canary).records("RequestReceived")


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_each_file_that_holds_a_token_says_so_at_its_head(
    lanner: Lanner, tmp_path: Path, rules: Path, distribution: str
) -> None:
    more = ["--token-file", "/opt/pki/token"] if distribution == "talos" else []
    made(lanner, tmp_path / "out", rules, distribution, *HTTPS, *more)
    texts = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    tokens = set(re.findall(r"\b[0-9a-f]{64}\b", "".join(texts.values())))
    assert tokens
    for name, text in texts.items():
        if any(token in text for token in tokens) and name != "token":
            comments = "".join(line for line in text.splitlines() if line.startswith("#"))
            assert "It holds a secret" in comments or "It holds secrets" in comments, name


def test_an_open_listener_for_a_dynamic_sink_is_only_made_when_that_is_said(
    lanner: Lanner, tmp_path: Path, rules: Path
) -> None:
    asked = ["--audit-sink", *HTTPS, "--allow-unauthenticated", "--from", "10.0.0.0/24"]
    files = made(lanner, tmp_path / "out", rules, "kubeadm", *asked)
    text = manifests(files)["ConfigMap"]["data"]["lanner.yaml"]
    config = yaml.safe_load(text)
    assert config["allow_unauthenticated"] is True
    assert config["sources"][0]["init_config"]["allowedNetworks"] == ["10.0.0.0/24"]


def test_each_cluster_gets_a_token_of_its_own(lanner: Lanner, tmp_path: Path, rules: Path) -> None:
    users = [
        made(lanner, tmp_path / name, rules, "kops", *HTTPS)["webhook.yaml"][0]["users"][0]["user"] for name in "ab"
    ]
    assert users[0] != users[1]


def test_an_address_beyond_this_machine_without_https_is_refused(lanner: Lanner, tmp_path: Path) -> None:
    ran = lanner(
        "init", "--distribution", "k3s", "--output", tmp_path / "out", "--url", "http://10.96.0.9:80/k8s-audit"
    )
    assert ran.code == 2
    assert "nobody could prove to `http://10.96.0.9:80/k8s-audit` who posts" in ran.err


@pytest.mark.parametrize(("enabled", "is_changed"), [("api\\taudit", False), ("api", True), ("None", True)])
def test_the_script_for_eks_enables_the_log_where_it_is_not_and_allows_reading_it(
    lanner: Lanner, tmp_path: Path, enabled: str, *, is_changed: bool
) -> None:
    names = [each for name in NAMES["eks"] for each in ("--name", name)]
    assert lanner("init", "--provider", "eks", "--output", tmp_path / "out", *names).code == 0
    aws = tmp_path / "aws"  # answers as the real one does, and writes down what it was asked
    aws.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\ncase "$1 $2" in\n'
        f'"eks describe-cluster") printf "{enabled}\\n" ;;\n'
        '"iam create-policy") echo arn:aws:iam::1:policy/p ;;\n"iam create-role") echo arn:aws:iam::1:role/r ;;\nesac\n'
    )
    aws.chmod(0o755)
    subprocess.run(["/bin/sh", "eks.sh"], cwd=tmp_path / "out", check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    asked = (tmp_path / "asked").read_text()
    assert ("eks update-cluster-config --region eu-west-1 --name c" in asked) is is_changed
    assert "attach-role-policy --role-name lanner-eks-audit --policy-arn arn:aws:iam::1:policy/p" in asked
    assert "--service-account lanner --role-arn arn:aws:iam::1:role/r" in asked
    policy = json.loads((tmp_path / "out" / "eks-policy.json").read_text())
    assert policy["Statement"][0]["Action"] == ["logs:DescribeLogStreams", "logs:FilterLogEvents"]


def test_the_commands_for_aks_show_no_secret_and_write_them_for_their_owner_alone(
    lanner: Lanner, tmp_path: Path
) -> None:
    named = [each for name in NAMES["aks"] for each in ("--name", name)]
    assert lanner("init", "--provider", "aks", *named, "--output", tmp_path / "out").code == 0
    answers = 'case "$*" in *hunter2*) exit 9;; *onnection*) echo "Endpoint=hunter2;";; esac'
    (tmp_path / "az").write_text(f"#!/bin/sh\n{answers}\n")
    (tmp_path / "az").chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", "aks.sh"],
        cwd=tmp_path / "out",
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    written = tmp_path / "out" / "aks.env"
    assert written.read_text() == "AZURE_EVENTHUB='Endpoint=hunter2;'\nAZURE_STORAGE='Endpoint=hunter2;'\n"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


@pytest.mark.skipif(shutil.which("jq") is None, reason="the script needs jq")
@pytest.mark.parametrize("listed", ['["s1"]', '[{"subscriptionId": "s1"}]', "[]"])
def test_the_script_of_ovhcloud_can_be_run_again(lanner: Lanner, tmp_path: Path, listed: str) -> None:
    names = [part for name in NAMES["ovh"] for part in ("--name", name)]
    assert lanner("init", "--provider", "ovh", "--output", tmp_path / "out", *names).code == 0
    curl = tmp_path / "curl"  # answers as the API does, and writes down what it was asked
    curl.write_text(
        f'#!/bin/sh\ncat > /dev/null\necho "$*" >> {tmp_path}/asked\ncase "$*" in\n'
        '*oauth2/token) echo \'{"access_token": "t"}\' ;;\n'
        f"*kind=audit) echo '{listed}' ;;\n"
        '*subscription/s1) echo \'{"streamId": "s"}\' ;;\n'
        '*/url) echo \'[{"address": "wss://gra1.logs.ovh.com/tail/?tk=x"}]\' ;;\nesac\n'
    )
    curl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin", "OVH_CLIENT_ID": "i", "OVH_CLIENT_SECRET": "s"}
    subprocess.run(["/bin/sh", "ovh.sh"], cwd=tmp_path / "out", check=True, env=environment)
    is_made = "--data @ovh-subscription.json" in (tmp_path / "asked").read_text()
    assert is_made is (listed == "[]")
    assert (tmp_path / "out" / "ovh.env").read_text() == "OVH_LDP_URL=wss://gra1.logs.ovh.com/tail/?tk=x\n"
