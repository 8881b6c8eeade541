import json
from pathlib import Path

import pytest
import trustme

from lanner.cli.messages import Console, Failure
from lanner.cli.planning import Planner, Wishes, _interval_ms, settings_problems
from lanner.cli.settings import Settings, settings_of
from lanner.config.load import load_config
from lanner.outputs.stdout import SharedDescriptor
from lanner.server.facts import warnings_of
from lanner.server.plan import Files, Plan

CONFIGURATION = """
sources:
  - name: api
    open_params: https://127.0.0.1:9765/k8s-audit
    init_config: {{sslCertificate: {certificate}}}
webserver:
  enabled: true
  listen_address: 127.0.0.1
  ssl_enabled: true
  ssl_certificate: {certificate}
"""


@pytest.fixture
def settings(rules: Path, tmp_path: Path) -> Settings:
    file = tmp_path / "lanner.yaml"
    file.write_text(f"rules_files: [{rules}]\n" + CONFIGURATION.format(certificate=tmp_path / "tls.pem"))
    loaded = load_config(str(file), environment={})
    assert loaded.config is not None
    return settings_of(loaded, loaded.config)


def issue(folder: Path) -> None:
    """Put a new certificate where the old one was, as those do that renew them."""
    new = folder / "new.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(new))
    new.replace(folder / "tls.pem")


def test_a_renewed_certificate_leaves_source_and_health_as_they_are(settings: Settings, tmp_path: Path) -> None:
    def plan() -> Plan:
        return Planner(Wishes(), Console(quiet=True), SharedDescriptor(1)).plan(settings)

    issue(tmp_path)
    first = plan()
    issue(tmp_path)  # which is taken by those that listen
    again = plan()
    assert first.sources[0].made_of == again.sources[0].made_of
    assert first.web == again.web


ACCESS = """
sources:
  - name: api
    open_params: {address}
    init_config: {options}
"""


def access(rules: Path, folder: Path, address: str, **options: object) -> Plan:
    """The plan for a webhook with these options; the files that they name are there."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
    (folder / "tokens").write_text("prod " + "t" * 32)
    options |= {"sslCertificate": str(folder / "tls.pem")}
    file = folder / "lanner.yaml"
    text = ACCESS.format(address=address, options=json.dumps(options).replace("HERE", str(folder)))
    file.write_text(f"rules_files: [{rules}]\n" + text)
    loaded = load_config(str(file), environment={})
    assert not loaded.diagnostics
    assert loaded.config is not None
    return Planner(Wishes(), Console(quiet=True), SharedDescriptor(1)).plan(settings_of(loaded, loaded.config))


@pytest.mark.parametrize(
    "options",
    [
        {"clientCA": "HERE/ca.pem"},
        {"tokenFile": "HERE/tokens"},
        {"clientCA": "HERE/ca.pem", "tokenFile": "HERE/tokens", "clientAuth": "any"},
        {"clientca": "HERE/ca.pem", "allowedClients": ["CN:api-*"], "allowedNetworks": ["10.0.0.0/8"]},
    ],
)
def test_who_asks_for_credentials_over_https_may_listen_for_others(
    rules: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    [source] = access(rules, tmp_path, "https://:9765/k8s-audit", **options).sources
    assert source.warning == ""
    assert source.webhook is not None
    assert source.webhook.access.asks


@pytest.mark.parametrize(
    ("address", "options", "why"),
    [
        ("http://:9765/x", {}, "nothing asks who posts"),
        ("https://:9765/x", {}, "nothing asks who posts"),
        ("https://0.0.0.0:9765/x", {"allowedNetworks": ["10.0.0.0/8"]}, "nothing asks who posts"),
        ("http://192.0.2.1:9765/x", {"tokenFile": "HERE/tokens"}, "tokens can be read on their way over http"),
    ],
)
def test_all_others_may_not_unless_it_is_wanted(
    rules: Path, tmp_path: Path, address: str, options: dict[str, object], why: str
) -> None:
    with pytest.raises(Failure) as caught:
        access(rules, tmp_path, address, **options)
    assert caught.value.message == f"`{address}` is open to other machines, and {why}"
    assert "clientCA" in str(caught.value.help)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clientCA": "HERE/none"}, "none`: no such file"),
        ({"clientCA": "HERE/tokens"}, "tokens`: no certificate of a CA"),
        ({"tokenFile": "HERE/none"}, "none`: no such file"),
        ({"tokenFile": "HERE/tls.pem"}, "tls.pem`: line 1 is no token"),
    ],
)
def test_files_of_credentials_that_cannot_be_used_are_told_before_it_starts(
    rules: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(Failure) as caught:
        access(rules, tmp_path, "https://:9765/x", **options)
    assert caught.value.message.endswith(message)
    assert "PRIVATE KEY" not in caught.value.message


def test_a_file_of_tokens_for_metrics_that_is_not_there_is_told_with_its_key(rules: Path, tmp_path: Path) -> None:
    file = tmp_path / "lanner.yaml"
    file.write_text(f"rules_files: [{rules}]\nwebserver: {{enabled: true, token_file: {tmp_path}/none}}\n")
    loaded = load_config(str(file), environment={})
    assert loaded.config is not None
    settings = settings_of(loaded, loaded.config)
    [(key, message, help_text)] = settings_problems(settings)
    assert (key, message) == ("webserver.token_file", f"cannot read `{tmp_path}/none`: no such file")
    assert "token a line" in str(help_text)
    with pytest.raises(Failure, match="no such file"):
        Planner(Wishes(), Console(quiet=True), SharedDescriptor(1)).plan(settings)


@pytest.mark.parametrize(
    ("keys", "is_told"),
    [
        ("listen_address: 0.0.0.0", True),
        ("listen_address: 127.0.0.1", False),
        ("listen_address: 0.0.0.0, ssl_enabled: true, ssl_certificate: {folder}/tls.pem", False),
        ("listen_address: 0.0.0.0, token_file: ''", False),
    ],
)
def test_tokens_for_metrics_that_can_be_read_on_their_way_are_told_of(
    rules: Path, tmp_path: Path, keys: str, *, is_told: bool
) -> None:
    issue(tmp_path)
    (tmp_path / "tokens").write_text("t" * 32)
    if "token_file" not in keys:
        keys += f", token_file: {tmp_path}/tokens"
    file = tmp_path / "lanner.yaml"
    file.write_text(f"rules_files: [{rules}]\nwebserver: {{enabled: true, {keys.format(folder=tmp_path)}}}\n")
    loaded = load_config(str(file), environment={})
    assert loaded.config is not None
    plan = Planner(Wishes(), Console(quiet=True), SharedDescriptor(1)).plan(settings_of(loaded, loaded.config))
    assert [text for text in warnings_of(plan) if "can be read on their way" in text] == [*warnings_of(plan)]
    assert bool(warnings_of(plan)) is is_told


def test_client_certificates_need_https(rules: Path, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="client certificates are shown over HTTPS only"):
        access(rules, tmp_path, "http://127.0.0.1:9765/x", clientCA="HERE/ca.pem")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clientAuth": "none"}, "clientAuth"),
        ({"allowedNetworks": ["10.0.0.1/8"]}, "`10.0.0.1/8` is no network"),
        ({"clientCA": "x", "allowedClients": ["api"]}, "`api` names no client"),
        ({"allowedClients": ["CN:api"]}, "`CN:api` in `allowedClients` fits nobody, because there is no `clientCA`"),
        ({"clientCA": "x", "allowedClients": ["token:x"]}, "because there is no `tokenFile`"),
        ({"tokenfil": "x"}, "no option `tokenfil`"),
    ],
)
def test_options_that_cannot_be_understood_are_told_with_their_place(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    file = tmp_path / "lanner.yaml"
    file.write_text(ACCESS.format(address="https://:9765/x", options=json.dumps(options)))
    [problem] = load_config(str(file), environment={}).diagnostics
    assert message in problem.message
    assert problem.span is not None


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("5000", 5000),
        ("100", 100),
        ("100ms", 100),
        ("1s", 1000),
        ("15m", 900_000),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("1y2w3d4h5m6s7ms", 31_536_000_000 + 2 * 604_800_000 + 3 * 86_400_000 + 4 * 3_600_000 + 306_007),
    ],
)
def test_intervals_are_written_as_falco_and_prometheus_write_them(text: str, milliseconds: int) -> None:
    assert _interval_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", " ", "99", "99ms", "0", "-5", "1.5h", "30m1h", "15 minutes", "m", "1h1h", "\u0661\u0665m"]
)
def test_what_is_no_interval_or_too_short_a_one_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="metrics"):
        _interval_ms(text)


@pytest.mark.parametrize(
    ("plugin", "place"), [("k8saudit-gke", "audit"), ("k8saudit-ovh", "gra1.logs.ovh.com/tail/?tk=x")]
)
def test_to_begin_with_the_first_is_refused_where_there_is_none(
    rules: Path, tmp_path: Path, plugin: str, place: str
) -> None:
    file = tmp_path / "lanner.yaml"
    file.write_text(f"rules_files: [{rules}]\nsources: [{{name: cloud, plugin: {plugin}, open_params: '{place}'}}]\n")
    loaded = load_config(str(file), environment={})
    assert loaded.config is not None
    settings = settings_of(loaded, loaded.config)
    Planner(Wishes(), Console(quiet=True), SharedDescriptor(1)).plan(settings)
    with pytest.raises(Failure, match="cannot read from the start") as caught:
        Planner(Wishes(from_start=True), Console(quiet=True), SharedDescriptor(1)).plan(settings)
    assert "leave `--from-start` out" in (caught.value.help or "")


def test_default_rules_are_known_by_their_digests_and_not_watched(rules: Path, tmp_path: Path) -> None:
    file = tmp_path / "lanner.yaml"

    def files(named: str) -> Files:
        file.write_text(f"rules_files: {named}\n")
        loaded = load_config(str(file), environment={})
        assert loaded.config is not None
        return (
            Planner(Wishes(), Console(quiet=True), SharedDescriptor(1)).plan(settings_of(loaded, loaded.config)).files
        )

    own, both = files("[]"), files(f"[default, {rules}]")
    assert "00-macros.yaml" in {Path(name).name for name in own.rules}
    assert both.rules.keys() == {*own.rules, str(rules)}
    assert (own.watched, both.watched) == ((str(file),), (str(file), str(rules)))
