import pytest

from lanner.plugins.gke import PLUGIN
from lanner.plugins.gke.options import Options, subscriptions
from lanner.sources.base import SourceError
from lanner.sources.plugin import Context


@pytest.mark.parametrize(
    ("open_params", "paths"),
    [
        ("audit", ["projects/shop/subscriptions/audit"]),
        ("projects/other/subscriptions/audit", ["projects/other/subscriptions/audit"]),
        (" a-1-b , c_d.e ", ["projects/shop/subscriptions/a-1-b", "projects/shop/subscriptions/c_d.e"]),
        ("audit,audit,projects/shop/subscriptions/audit", ["projects/shop/subscriptions/audit"]),
    ],
)
def test_a_parameter_names_subscriptions(open_params: str, paths: list[str]) -> None:
    found = subscriptions(open_params, Options(project_id="shop"))
    assert [each.path("") for each in found] == paths


@pytest.mark.parametrize(
    "open_params", ["", " ,", "a", "1audit", "projects/shop/topics/audit", "projects//subscriptions/a"]
)
def test_what_cannot_be_a_subscription_is_refused(open_params: str) -> None:
    with pytest.raises(SourceError) as caught:
        PLUGIN.open(open_params, Options(), Context(name="gke"))
    assert "projects/PROJECT/subscriptions/NAME" in (caught.value.help or "")


def test_defaults_are_those_of_falcos_plugin_but_for_the_size_of_an_event() -> None:
    options = Options()
    assert (options.project_id, options.credentials_file) == ("", "")
    assert (options.num_goroutines, options.maxout_stand_messages) == (10, 1000)
    assert (options.fetch_cluster_metadata, options.cache_expiration, options.use_async) == (False, 10, True)
    assert options.max_event_size == 32 << 20


def test_other_names_of_options_lead_to_options() -> None:
    assert set(PLUGIN.aliases) == {"set_cluster_labels", "max_outstanding_messages"}
    assert set(PLUGIN.aliases.values()) <= set(Options.__struct_fields__)
