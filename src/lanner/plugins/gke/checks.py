"""What a subscription needs before events come from it: looked at without taking any."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lanner.plugins.gke.clients import (
    TIMEOUT_S,
    check_installed,
    cluster_manager,
    default_project,
    emulator,
    load_credentials,
    subscriber,
)
from lanner.plugins.gke.options import FILE_SCHEME, Options, subscriptions
from lanner.plugins.gke.source import grant, refusal
from lanner.sources.base import SourceError, reason_of
from lanner.sources.files import expand
from lanner.sources.plugin import Finding

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import SubscriberClient

MIN_DEADLINE_S = 60
_CONSUME = "pubsub.subscriptions.consume"


async def check(open_params: str, options: Options) -> Sequence[Finding]:
    """What is well and what is missing: credentials, the subscriptions, the permissions, and advice on settings."""
    if open_params.startswith(FILE_SCHEME):
        return await asyncio.to_thread(_check_files, open_params.removeprefix(FILE_SCHEME))
    try:
        wanted = subscriptions(open_params, options)
        check_installed()
        credentials, project = (None, "") if emulator() else await asyncio.to_thread(load_credentials, options)
        project = default_project(options, project) if any(not each.project for each in wanted) else ""
    except SourceError as error:
        return [Finding(error.path, False, str(error), error.help)]
    found = [Finding("credentials", True, f"the emulator at {emulator()} needs none" if emulator() else "are there")]
    client = subscriber(credentials)
    try:
        paths = [each.path(project) for each in wanted]
        for findings in await asyncio.gather(*(asyncio.to_thread(_look_at, client, path) for path in paths)):
            found += findings
    finally:
        await asyncio.to_thread(client.close)
    if options.fetch_cluster_metadata:
        projects = sorted({path.split("/")[1] for path in paths})
        found += await asyncio.gather(*(asyncio.to_thread(_clusters_of, options, name) for name in projects))
    return found


def _check_files(path: str) -> Sequence[Finding]:
    errors: list[SourceError] = []
    found = list(expand([path], errors.append))
    errors += [
        SourceError(name, "it is not there, or may not be read") for name in found if not os.access(name, os.R_OK)
    ]
    if errors:
        return [Finding(error.path, False, str(error), error.help) for error in errors]
    return [Finding(path, True, f"{len(found)} files to read")]


def _look_at(client: SubscriberClient, path: str) -> list[Finding]:
    from google.api_core.exceptions import Forbidden, GoogleAPIError  # noqa: PLC0415 - when it is needed
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - when it is needed

    subject = f"subscription {path}"
    try:
        found = client.get_subscription(subscription=path, timeout=TIMEOUT_S, retry=None)
    except Forbidden:
        text = "may not be looked at with these credentials, so that its settings are not known"
        return [Finding(subject, True, text, "roles/pubsub.viewer allows it"), _permission(client, path)]
    except (GoogleAPIError, GoogleAuthError) as error:
        problem = refusal(path, error)
        if problem is None:
            return [Finding(subject, False, reason_of(error))]
        return [Finding(subject, False, problem.reason, problem.help)]
    return [
        Finding(subject, True, f"is there, for {found.topic}"),
        _permission(client, path),
        *_advice(subject, path, found),
    ]


def _permission(client: SubscriberClient, path: str) -> Finding:
    from google.api_core.exceptions import GoogleAPIError, MethodNotImplemented  # noqa: PLC0415 - when it is needed

    subject = f"permission {_CONSUME} on {path}"
    try:
        request = {"resource": path, "permissions": [_CONSUME]}
        allowed = client.test_iam_permissions(request=request, timeout=TIMEOUT_S, retry=None).permissions
    except MethodNotImplemented:
        return Finding(subject, True, "cannot be tested: an emulator has no permissions")
    except GoogleAPIError as error:
        return Finding(subject, False, f"could not be tested: {reason_of(error)}", grant(path))
    if _CONSUME in allowed:
        return Finding(subject, True, "is given")
    return Finding(subject, False, "is missing", grant(path))


def _advice(subject: str, path: str, found: Any) -> Iterator[Finding]:
    _, project, _, name = path.split("/")
    update = f"gcloud pubsub subscriptions update {name} --project={project}"
    if found.ack_deadline_seconds < MIN_DEADLINE_S:
        text = f"its deadline for acknowledgements is {found.ack_deadline_seconds} s; messages come twice after pauses"
        yield Finding(subject, True, text, f"{update} --ack-deadline={MIN_DEADLINE_S}")
    if not found.dead_letter_policy.dead_letter_topic:
        text = "it has no dead-letter topic: a message that cannot be evaluated comes again for ever"
        yield Finding(subject, True, text, _dead_letters(project, name, update))
    if found.push_config.push_endpoint:
        yield Finding(subject, False, "it pushes messages, and cannot be pulled from", f"{update} --push-endpoint=")


def _dead_letters(project: str, name: str, update: str) -> str:
    """The commands that give a subscription dead letters: a place that keeps them, and the right to move them there."""
    topic, where = f"{name}-dead-letters", f"--project={project}"
    agent = "serviceAccount:service-$number@gcp-sa-pubsub.iam.gserviceaccount.com"
    member = f'{where} --member="{agent}"'
    return "\n".join(
        (
            f"gcloud pubsub topics create {topic} {where}",
            f"gcloud pubsub subscriptions create {topic} {where} --topic={topic} --expiration-period=never",
            f"number=$(gcloud projects describe {project} --format='value(projectNumber)')",
            f"gcloud pubsub topics add-iam-policy-binding {topic} {member} --role=roles/pubsub.publisher",
            f"gcloud pubsub subscriptions add-iam-policy-binding {name} {member} --role=roles/pubsub.subscriber",
            f"{update} --dead-letter-topic={topic} --max-delivery-attempts=100",
        )
    )


def _clusters_of(options: Options, project: str) -> Finding:
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 - when it is needed
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - when it is needed

    subject = f"labels of the clusters in project {project}"
    role = (
        f"gcloud projects add-iam-policy-binding {project} --role=roles/container.clusterViewer "
        "--member=serviceAccount:ACCOUNT --condition=None"
    )
    try:
        credentials, _ = load_credentials(options)
        ask = partial(cluster_manager(credentials).list_clusters, timeout=TIMEOUT_S, retry=None)
        number = len(ask(parent=f"projects/{project}/locations/-").clusters)
    except SourceError as error:
        return Finding(subject, False, str(error), error.help)
    except (GoogleAPIError, GoogleAuthError) as error:
        return Finding(subject, False, reason_of(error), role)
    return Finding(subject, True, f"{number} clusters; other projects that write to the topic need the role too", role)
