import asyncio
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from lanner.plugins.gke import PLUGIN, checks, clients, source
from lanner.plugins.gke.options import Options
from lanner.sources.base import SourceError
from lanner.sources.plugin import Context, Finding, Start

exceptions: Any = import_module("google.api_core.exceptions")  # it has no types

PATH = "projects/shop/subscriptions/audit"


class Client:
    """Stands in for a client of Pub/Sub: the emulator has no permissions, so that it cannot refuse."""

    def __init__(
        self,
        error: Exception | None = None,
        allowed: tuple[str, ...] = ("pubsub.subscriptions.consume",),
        dead_letters: str = "projects/shop/topics/dead",
    ) -> None:
        self.dead_letters = dead_letters
        self.error = error
        self.allowed = allowed

    def get_subscription(self, **_: Any) -> Any:
        if self.error:
            raise self.error
        return SimpleNamespace(
            topic="projects/shop/topics/audit",
            ack_deadline_seconds=60,
            dead_letter_policy=SimpleNamespace(dead_letter_topic=self.dead_letters),
            push_config=SimpleNamespace(push_endpoint=""),
        )

    def test_iam_permissions(self, **_: Any) -> Any:
        return SimpleNamespace(permissions=self.allowed)

    def close(self) -> None:
        pass


def findings(open_params: str, options: Options) -> list[Finding]:
    """What the plugin's check finds."""

    async def run() -> list[Finding]:
        assert PLUGIN.check is not None
        return list(await PLUGIN.check(open_params, options))

    return asyncio.run(run())


Check = Callable[..., list[Finding]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    """Checks a subscription with a client."""
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)

    def run(client: Client, **options: Any) -> list[Finding]:
        monkeypatch.setattr(checks, "load_credentials", lambda options: (None, "shop"))
        monkeypatch.setattr(checks, "subscriber", lambda credentials: client)
        return findings("audit", Options(**options))

    return run


def test_all_is_well(check: Check) -> None:
    found = check(Client())
    assert all(each.is_well for each in found)
    assert [each.subject for each in found] == [
        "credentials",
        f"subscription {PATH}",
        f"permission pubsub.subscriptions.consume on {PATH}",
    ]


def test_a_missing_permission_is_found_with_the_command_that_gives_it(check: Check) -> None:
    *_, found = check(Client(allowed=()))
    assert not found.is_well
    assert found.help == (
        "gcloud pubsub subscriptions add-iam-policy-binding audit --project=shop "
        "--role=roles/pubsub.subscriber --member=serviceAccount:ACCOUNT"
    )


def test_the_advice_on_dead_letters_is_all_that_they_need(check: Check) -> None:
    """Without a subscription they are lost; without Pub/Sub's own rights on both ends none is ever moved there."""
    *_, found = check(Client(dead_letters=""))
    commands = (found.help or "").splitlines()
    agent = '--member="serviceAccount:service-$number@gcp-sa-pubsub.iam.gserviceaccount.com"'
    assert commands[:2] == [
        "gcloud pubsub topics create audit-dead-letters --project=shop",
        "gcloud pubsub subscriptions create audit-dead-letters --project=shop --topic=audit-dead-letters "
        "--expiration-period=never",
    ]
    assert commands[3:5] == [
        f"gcloud pubsub topics add-iam-policy-binding audit-dead-letters --project=shop {agent} "
        "--role=roles/pubsub.publisher",
        f"gcloud pubsub subscriptions add-iam-policy-binding audit --project=shop {agent} "
        "--role=roles/pubsub.subscriber",
    ]
    assert commands[5].endswith("--dead-letter-topic=audit-dead-letters --max-delivery-attempts=100")


def test_to_begin_with_the_first_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(SourceError, match="has no start to go back to") as caught:
        PLUGIN.open("audit", Options(), Context(name="gke", start=Start.FIRST))
    assert "seek" in (caught.value.help or "")
    PLUGIN.open("file:///var/log/entries.json", Options(), Context(name="gke", start=Start.FIRST))


def test_whoever_may_pull_need_not_be_allowed_to_look(check: Check) -> None:
    found = check(Client(exceptions.PermissionDenied("no")))
    assert all(each.is_well for each in found)
    assert "roles/pubsub.viewer" in (found[1].help or "")


def test_labels_that_cannot_be_asked_for_are_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise exceptions.PermissionDenied("permission container.clusters.list is missing")

    monkeypatch.setattr(checks, "cluster_manager", lambda credentials: SimpleNamespace(list_clusters=refuse))
    *_, found = check(Client(), fetch_cluster_metadata=True)
    assert not found.is_well
    assert "container.clusters.list" in found.text
    assert "--role=roles/container.clusterViewer" in (found.help or "")


def test_credentials_that_are_not_there_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    options = Options(credentials_file=str(tmp_path / "absent.json"), project_id="shop")
    (found,) = findings("audit", options)
    assert not found.is_well
    assert "absent.json" in found.text
    assert "gcloud auth application-default login" in (found.help or "")


@pytest.mark.parametrize("text", ["", "no JSON", "{}", '{"type":"service_account"}'])
def test_a_file_that_holds_no_credentials_is_an_error_that_says_so(tmp_path: Any, text: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"credentials\.json") as caught:
        clients.load_credentials(Options(credentials_file=str(path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.NotFound("x"), "there is no such subscription"),
        (exceptions.PermissionDenied("x"), "these credentials may not pull from it"),
        (exceptions.InvalidArgument("strange"), "strange"),
        (exceptions.Unauthenticated("expired"), "expired"),
    ],
)
def test_what_is_wrong_for_good_ends_the_source(error: Exception, words: str) -> None:
    found = source.refusal(PATH, error)
    assert found is not None
    assert words in str(found)
    assert PATH in str(found)


@pytest.mark.parametrize("error", [exceptions.ServiceUnavailable("x"), exceptions.DeadlineExceeded("x")])
def test_what_another_try_may_help_does_not(error: Exception) -> None:
    assert source.refusal(PATH, error) is None


def test_without_a_project_the_error_says_where_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBSUB_PROJECT_ID", raising=False)
    with pytest.raises(SourceError, match="which project") as caught:
        clients.default_project(Options(), "")
    assert "project_id" in (caught.value.help or "")


def test_without_the_libraries_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "find_spec", lambda name: None)
    with pytest.raises(SourceError) as caught:
        PLUGIN.open("audit", Options(), Context(name="gke"))
    assert caught.value.help == "pip install 'lanner[gke]'"
