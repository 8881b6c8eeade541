"""What the section `blindness` makes, and what it cannot make."""

from pathlib import Path
from typing import Any

import pytest

from lanner.config.blindness import ApiServer, Blindness, Silence, WatchedCanary, WatchedMetrics
from lanner.config.vigil import vigil_plan
from lanner.outputs.sink import OptionError
from lanner.vigil.kube import Access
from lanner.vigil.plan import CanaryPlan, MetricsPlan, SilencePlan

NAMES = ["k8saudit", "lab"]


def test_without_keys_sources_are_watched() -> None:
    plan = vigil_plan(Blindness(), NAMES)
    assert (plan.silence, plan.late_s) == (SilencePlan(), 300)


def test_keys_say_how_long() -> None:
    silence = Silence(at_least="90s", at_most="2d", sources={"lab": "1h30m", "/var/log/audit.log": "0"})
    plan = vigil_plan(Blindness(silence=silence, late_after="0"), NAMES)
    fixed = {"lab": 5400.0, "/var/log/audit.log": 0.0}
    assert (plan.silence, plan.late_s) == (SilencePlan(at_least_s=90, at_most_s=172_800, fixed_s=fixed), 0)


def test_silence_is_switched_off_alone() -> None:
    assert vigil_plan(Blindness(silence=Silence(enabled=False)), NAMES).silence is None


@pytest.mark.parametrize(
    ("keys", "message", "help_text"),
    [
        (
            {"silence": Silence(at_least="soon")},
            "`blindness.silence.at_least`: `soon` is no time of at",
            "10m",
        ),
        ({"silence": Silence(at_least="100ms")}, "`blindness.silence.at_least`: `100ms` is no time", "10m"),
        ({"silence": Silence(at_most="1m")}, "`blindness.silence.at_most`: is less than", "10m"),
        ({"silence": Silence(sources={"lap": "1h"})}, "there is no source `lap`", "did you mean `lab`?"),
        ({"silence": Silence(sources={"qqqqq": "1h"})}, "there is no source `qqqqq`", "there are k8saudit, lab"),
        ({"silence": Silence(sources={"lab": "-1"})}, "`blindness.silence.sources.lab`: `-1` is no time", "or 0"),
        ({"late_after": "9" * 50 + "y"}, "`blindness.late_after`: ", "10m"),
        ({"late_after": ""}, "`blindness.late_after`: `` is no time", "10m"),
    ],
)
def test_what_makes_no_sense_is_told(keys: Any, message: str, help_text: str) -> None:
    with pytest.raises(OptionError) as raised:
        vigil_plan(Blindness(**keys), NAMES)
    assert message in str(raised.value)
    assert help_text in f"{raised.value.help} {raised.value}"


def test_a_check_of_the_configuration_finds_it(tmp_path: Path) -> None:
    from lanner.cli.planning import settings_problems  # noqa: PLC0415 - it needs much
    from lanner.cli.settings import settings_of  # noqa: PLC0415 - as above
    from lanner.config.load import load_config  # noqa: PLC0415 - as above

    path = tmp_path / "lanner.yaml"
    path.write_text("blindness: {silence: {at_least: 1x}}\n")
    loaded = load_config(str(path), environment={})
    assert loaded.config is not None
    [(key, message, _)] = settings_problems(settings_of(loaded, loaded.config))
    assert (key, message) == ("blindness.silence.at_least", "`1x` is no time of at least 1 s")


POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


def test_in_a_pod_the_cluster_is_known() -> None:
    keys = Blindness(apiserver=ApiServer(metrics=WatchedMetrics(enabled=True, interval="15s", arrival="10m")))
    plan = vigil_plan(keys, NAMES, POD)
    account = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert plan.metrics == MetricsPlan(interval_s=15, arrival_s=600)
    assert plan.access == Access(
        urls=("https://10.96.0.1:6443",), ca_file=f"{account}/ca.crt", token_file=f"{account}/token"
    )
    assert vigil_plan(keys, NAMES, {"KUBERNETES_SERVICE_HOST": "fd00::1"}).access.urls == ("https://[fd00::1]:443",)
    assert vigil_plan(keys, NAMES, {}).access.urls == ("https://kubernetes.default.svc",)


def test_unless_it_is_wanted_nobody_is_asked() -> None:
    assert vigil_plan(Blindness(), NAMES, POD).metrics is None


def test_addresses_are_taken_without_the_slash_at_their_end() -> None:
    keys = Blindness(apiserver=ApiServer(urls=["https://a:6443/", "http://127.0.0.1:8001"]))
    assert vigil_plan(keys, NAMES).access.urls == ("https://a:6443", "http://127.0.0.1:8001")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("api:6443", "is not `https://` and a host"),
        ("https://", "is not `https://` and a host"),
        ("https://a:99999", "is not `https://` and a host"),
        ("https://a b", "is not `https://` and a host"),
        ("ftp://a", "is not `https://` and a host"),
        ("https://a/metrics", "has more in it than a host and a port"),
        ("https://me:secret@a", "has more in it than a host and a port"),
        ("http://10.0.0.1:8080", "is not encrypted, and not this machine"),
    ],
)
def test_an_address_that_makes_no_sense_is_told(url: str, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        vigil_plan(Blindness(apiserver=ApiServer(urls=[url])), NAMES)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


def canary(urls: list[str] | None = None, **keys: str) -> Blindness:
    return Blindness(apiserver=ApiServer(urls=urls or [], canary=WatchedCanary(enabled=True, **keys)))


def test_a_canary_is_sent_where_and_as_often_as_is_wanted() -> None:
    assert vigil_plan(canary(), NAMES, POD).canary == CanaryPlan()
    found = vigil_plan(canary(path="/readyz?verbose=1", interval="1m", within="45s"), NAMES, POD).canary
    assert found == CanaryPlan(path="/readyz?verbose=1", interval_s=60, within_s=45)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (canary(path="readyz"), "`blindness.apiserver.canary.path`: `readyz` is no path"),
        (canary(path="/a b"), "`/a b` is no path"),
        (canary(path="/a\r\nHost: b"), "is no path"),
        (canary(path="/a#b"), "`/a#b` is no path"),
        (canary(within="0s"), "`blindness.apiserver.canary.within`: `0s` is no time"),
        (canary(interval="1m"), "`2m` is longer than there is until the next one"),
        (canary(["https://a", "https://b", "https://c"]), "`2m` is longer than there is until the next one"),
    ],
)
def test_a_canary_that_cannot_fly_is_told(keys: Blindness, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        vigil_plan(keys, NAMES, POD)
    assert message in str(raised.value)
