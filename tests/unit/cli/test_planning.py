from pathlib import Path

import pytest
import trustme

from lanner.cli.messages import Console, Failure
from lanner.cli.planning import Planner, Wishes, _interval_ms
from lanner.cli.settings import Settings, settings_of
from lanner.config.load import load_config
from lanner.outputs.stdout import SharedDescriptor
from lanner.server.plan import Plan

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


def test_a_renewed_certificate_makes_another_source_and_other_health(settings: Settings, tmp_path: Path) -> None:
    def plan() -> Plan:
        return Planner(Wishes(), Console(quiet=True), SharedDescriptor(1)).plan(settings)

    issue(tmp_path)
    first, again = plan(), plan()
    issue(tmp_path)
    renewed = plan()
    assert first.sources[0].made_of == again.sources[0].made_of != renewed.sources[0].made_of
    assert first.web == again.web != renewed.web


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
