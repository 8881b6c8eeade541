"""Google's client libraries, which are imported when they are needed and not before."""

from __future__ import annotations

import os
import threading
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lanner.plugins.common import missing
from lanner.plugins.gke.options import Options
from lanner.sources.base import SourceError, reason_of

if TYPE_CHECKING:
    from google.cloud.container_v1 import ClusterManagerClient
    from google.cloud.pubsub_v1 import SubscriberClient

TIMEOUT_S = 10.0
"""How long a call that is made once may take."""

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LIBRARIES = ("google.cloud.pubsub_v1", "google.cloud.container_v1")
_LOGIN = "set `credentials_file`, or run `gcloud auth application-default login`"


def check_installed() -> None:
    """See that the libraries are there.

    Raises:
        SourceError: They are not.
    """
    for name in _LIBRARIES:
        try:
            is_there = find_spec(name) is not None
        except ModuleNotFoundError:
            is_there = False
        if not is_there:
            raise missing("gke", "Google's client libraries are not installed")


def emulator() -> str | None:
    """The address of an emulator of Pub/Sub, which takes the place of the service."""
    return os.environ.get("PUBSUB_EMULATOR_HOST") or None


def load_credentials(options: Options) -> tuple[Any, str]:
    """Credentials, and the project that they are for, which may be empty. Blocks.

    Raises:
        SourceError: There are none, or they cannot be used.
    """
    import google.auth  # noqa: PLC0415 - see the module
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - see the module

    place = options.credentials_file or "credentials for Google Cloud"
    try:
        if not options.credentials_file:
            credentials, project = google.auth.default(scopes=[_SCOPE])
        else:
            with warnings.catch_warnings():
                # It warns of files whose origin is not known. This one is the user's own.
                warnings.simplefilter("ignore")
                load: Any = google.auth.load_credentials_from_file  # it has no types
                credentials, project = load(options.credentials_file, scopes=[_SCOPE])
    except (GoogleAuthError, OSError, ValueError) as error:
        raise SourceError(place, reason_of(error).partition(". ")[0], _LOGIN, action="use") from error
    return credentials, project or ""


def default_project(options: Options, project: str) -> str:
    """The project of subscriptions that are named alone, by the project of the credentials.

    Raises:
        SourceError: Nothing says which.
    """
    found = options.project_id or project or os.environ.get("PUBSUB_PROJECT_ID", "")
    if not found:
        raise SourceError(
            "open_params",
            "the credentials do not say which project the subscription is in",
            "set `project_id`, or write `projects/PROJECT/subscriptions/NAME`",
            action="open",
        )
    return found


def subscriber(credentials: Any) -> SubscriberClient:
    """A client of Pub/Sub; that of the emulator where there is one, for which credentials are None."""
    from google.cloud.pubsub_v1 import SubscriberClient  # noqa: PLC0415 - see the module

    return SubscriberClient(credentials=credentials)


def cluster_manager(credentials: Any) -> ClusterManagerClient:
    """A client of the Container API."""
    from google.cloud.container_v1 import ClusterManagerClient  # noqa: PLC0415 - see the module

    return ClusterManagerClient(credentials=credentials)


def fetch_labels(client: ClusterManagerClient, path: str) -> dict[str, str]:
    """The user's labels of a cluster. Blocks; raises what the client raises."""
    return dict(client.get_cluster(name=path, timeout=TIMEOUT_S, retry=None).resource_labels)


class ClusterApi:
    """The Container API, whose client is made when it is first asked: that this fails must not end a source."""

    def __init__(self, options: Options, credentials: Any) -> None:
        """Prepare; without credentials, those of the options are loaded when they are needed."""
        self._options = options
        self._credentials = credentials
        self._lock = threading.Lock()
        self._client: ClusterManagerClient | None = None

    def labels(self, path: str) -> dict[str, str]:
        """The user's labels of a cluster. Blocks; raises what the client raises, or `SourceError`."""
        with self._lock:
            if self._client is None:
                self._client = cluster_manager(self._credentials or load_credentials(self._options)[0])
        return fetch_labels(self._client, path)
