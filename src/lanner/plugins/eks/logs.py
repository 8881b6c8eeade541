"""The audit log of a cluster in CloudWatch Logs, and in words why it cannot be read.

Only here boto3 is used, which an extra brings. Where requests go can be set as for all of Amazon's tools
(`AWS_ENDPOINT_URL`). Throttling is left to botocore, which asks more slowly by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from lanner.plugins.texts import one_line

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_sts.client import STSClient

STREAM_PREFIX = "kube-apiserver-audit"
"""How the streams of the audit log begin; others of the group hold the messages of components."""

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=15,
    retries={"mode": "adaptive", "total_max_attempts": 2},
    user_agent_extra="lanner",
)

_CREDENTIALS_HELP = (
    "give credentials as to the aws command, by a role, a profile or the environment; `aws sts get-caller-identity` "
    "says whose they are"
)
_REGION_HELP = "set `region` in `init_config`, or AWS_REGION"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster's log is: `region` and `profile` are empty where the environment says it."""

    cluster: str
    region: str
    profile: str

    @property
    def group(self) -> str:
        """The log group."""
        return f"/aws/eks/{self.cluster}/cluster"

    @property
    def option(self) -> str:
        """The region as the aws command takes it."""
        return f" --region {self.region}" if self.region else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A log event: its identity, its time in milliseconds since the epoch, and its text."""

    id: str
    at_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries; `token` leads to the next page, if there is one."""

    entries: tuple[Entry, ...]
    token: str | None


class Failure(Exception):
    """A request that failed; the text says why.

    Attributes:
        code: Amazon's name for it, or the library's.
        help: What to do about it, if somebody has to.
    """

    def __init__(self, code: str, reason: str, help_text: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.help = help_text


class Logs:
    """The log group of a cluster. Its methods wait for answers, and are for threads.

    Raises:
        Failure: From the start: there is no such profile, or no region.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        with explained(place):
            session = boto3.Session(profile_name=place.profile or None, region_name=place.region or None)
            self._client: CloudWatchLogsClient = session.client("logs", config=_CONFIG)
            self._identities: STSClient = session.client("sts", config=_CONFIG)

    def page(self, start_ms: int, end_ms: int, token: str | None = None, limit: int | None = None) -> Page:
        """Entries of the audit log from a time to another, both included; in no certain order.

        Raises:
            Failure: The request failed.
        """
        asked: dict[str, Any] = {"nextToken": token} if token else {}
        if limit:
            asked["limit"] = limit
        with explained(self.place):
            found = self._client.filter_log_events(
                logGroupName=self.place.group,
                logStreamNamePrefix=STREAM_PREFIX,
                startTime=start_ms,
                endTime=end_ms,
                **asked,
            )
        entries = tuple(
            Entry(each.get("eventId", ""), each.get("timestamp", start_ms), each.get("message", ""))
            for each in found.get("events", [])
            if each.get("logStreamName", "").startswith(STREAM_PREFIX)
        )
        return Page(entries, found.get("nextToken"))

    def first_ms(self, end_ms: int) -> int:
        """When the first entry was made that is there, or the end where there is none.

        Raises:
            Failure: The request failed.
        """
        token = None
        while True:  # pages come in the order of time, and may be empty
            page = self.page(0, end_ms, token, limit=1)
            if page.entries or page.token is None:
                return min((entry.at_ms for entry in page.entries), default=end_ms)
            token = page.token

    def has_entry(self, end_ms: int) -> bool:
        """Whether an entry is there that was made at a time or before.

        Raises:
            Failure: The request failed.
        """
        token = None
        while True:
            page = self.page(0, end_ms, token, limit=1)
            if page.entries or page.token is None:
                return bool(page.entries)
            token = page.token

    def has_streams(self) -> bool:
        """Whether there is a stream of the audit log.

        Raises:
            Failure: The request failed.
        """
        with explained(self.place):
            found = self._client.describe_log_streams(
                logGroupName=self.place.group, logStreamNamePrefix=STREAM_PREFIX, limit=1
            )
        return bool(found["logStreams"])

    def caller(self) -> str:
        """Who asks: the name of a user or role.

        Raises:
            Failure: The request failed.
        """
        with explained(self.place):
            return self._identities.get_caller_identity()["Arn"]


def region_of(option: str) -> str:
    """The region by the option, else the environment; boto3 alone does not know AWS_REGION."""
    return option or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""


def logging_command(place: Place) -> str:
    """The command that enables the audit log."""
    return (
        f"aws eks update-cluster-config{place.option} --name {place.cluster} "
        """--logging '{"clusterLogging":[{"types":["audit"],"enabled":true}]}'"""
    )


def permission_help(place: Place, action: str) -> str:
    """What to do about a permission that is missing."""
    return (
        f"allow {action} on arn:aws:logs:{place.region or '*'}:*:log-group:{place.group}:* to the role or user that "
        "Lanner runs as; `lanner init --provider eks` writes such a policy"
    )


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Say in words why a request failed."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error, place) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise Failure("NoCredentials", "there are no credentials", _CREDENTIALS_HELP) from None
    except NoRegionError:
        raise Failure("NoRegion", "there is no region", _REGION_HELP) from None
    except ProfileNotFound:
        raise Failure("NoProfile", f"there is no profile `{place.profile}`", "`aws configure list-profiles`") from None
    except (BotoCoreError, OSError, ValueError) as error:
        raise Failure(type(error).__name__, one_line(str(error))) from None


def _refusal(error: ClientError, place: Place) -> Failure:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    text = one_line(str(error.response.get("Error", {}).get("Message", "")))
    reason = f"{error.operation_name}: {code}{': ' if text else ''}{text}"
    match code:
        case "ResourceNotFoundException":
            return Failure(code, f"there is no log group {place.group}", logging_command(place))
        case "AccessDeniedException":
            action = f"logs:{error.operation_name}"
            return Failure(code, f"{action} is not allowed", permission_help(place, action))
        case "UnrecognizedClientException" | "InvalidClientTokenId" | "ExpiredTokenException" | "ExpiredToken":
            return Failure(code, reason, _CREDENTIALS_HELP)
    return Failure(code, reason)


REFUSALS = frozenset(
    {
        "ResourceNotFoundException",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "NoCredentials",
        "NoRegion",
        "NoProfile",
    }
)
"""Failures after which a source does not begin: somebody has to do something first."""
