"""Log entries from Pub/Sub: pulled, evaluated, stored, and only then acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lanner.plugins.gke.clients import (
    TIMEOUT_S,
    ClusterApi,
    default_project,
    emulator,
    load_credentials,
    subscriber,
)
from lanner.plugins.gke.labels import ClusterLabels
from lanner.plugins.gke.options import Options, Subscription
from lanner.plugins.gke.rebuilding import Event, Rebuilder, deliveries
from lanner.sources.base import Delivery, Handler, NotStored, RejectedDelivery, SourceError, reason_of
from lanner.sources.plugin import Context, Trouble
from lanner.sources.retry import Clock, Patience, pauses
from lanner.sources.several import Several

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import SubscriberClient
    from google.cloud.pubsub_v1.subscriber.message import Message

    from lanner.plugins.gke.inbox import Held, Inbox

MIN_PAUSE_S, MAX_PAUSE_S = 0.1, 30.0
"""How long to wait before something that failed is tried again: the first time, and at most."""

PATIENCE_S = 1800.0
"""How long messages that were taken together are kept at most, while alerts cannot be stored.

Then they go back, before their leases end."""

LONG_LIFE_S = 60.0
SETTLED_S = 2.0
"""A stream that has lasted so long was opened."""

LEASE_S = 10
"""For how long a message is leased at a time: after a crash it comes again when that is over."""

_MEBIBYTE = 1 << 20
_MAX_BYTES = 256 * _MEBIBYTE


class PubSubSource:
    """Subscriptions of Pub/Sub.

    Messages are pulled by streams of Google's client library, which extends their leases and bounds how many are held.
    What has come meanwhile is evaluated together; a message is acknowledged when `handle` has returned, and given back
    when it has failed, for the subscription's own policy of retries and dead letters.
    """

    def __init__(self, subscriptions: Sequence[Subscription], options: Options, context: Context) -> None:
        """Prepare; nothing is opened yet."""
        self._subscriptions = subscriptions
        self._options = options
        self._context = context
        self._ending = asyncio.Event()

    async def run(self, handle: Handler) -> None:
        """Deliver until cancelled; what is being handled then is finished, and what waits goes back.

        Raises:
            SourceError: There are no credentials, or no subscription can be pulled from when they are first tried.
        """
        from lanner.plugins.gke.inbox import Inbox  # noqa: PLC0415 - it imports Google's libraries

        client, paths, labels = await asyncio.to_thread(self._open)
        limits = min(self._options.max_event_size, self._context.limits.max_event_size)
        worker = Worker(Rebuilder(self._context, limits, labels), handle, self._context, self._ending)
        inbox = Inbox(asyncio.get_running_loop())
        working = asyncio.create_task(worker.run(inbox))
        several = Several(len(paths), self._context)
        pulling = [asyncio.create_task(self._pull(client, path, inbox, several)) for path in paths]
        try:
            done, _ = await asyncio.wait([working, *pulling], return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            self._ending.set()
            working.cancel()  # it finishes what it has begun
            await asyncio.wait([working])
            for task in pulling:
                task.cancel()
            await asyncio.wait(pulling)
            await asyncio.to_thread(client.close)

    def _open(self) -> tuple[SubscriberClient, list[str], ClusterLabels | None]:
        """Clients and full names. Blocks."""
        credentials, project = (None, "") if emulator() else load_credentials(self._options)
        needs_project = any(not each.project for each in self._subscriptions)
        project = default_project(self._options, project) if needs_project else ""
        labels = None
        if self._options.fetch_cluster_metadata:
            api = ClusterApi(self._options, credentials)
            labels = ClusterLabels(api.labels, self._options.cache_expiration * 60, self._context)
        return subscriber(credentials), [each.path(project) for each in self._subscriptions], labels

    async def _pull(self, client: SubscriberClient, path: str, inbox: Inbox, several: Several) -> None:
        """Pull from a subscription for ever; a stream that ends is opened again.

        Raises:
            SourceError: It cannot be pulled from, and neither can any other.
        """
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 - see `run`
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - see `run`

        loop = asyncio.get_running_loop()
        waits = pauses(MIN_PAUSE_S, MAX_PAUSE_S)
        patience = Patience(self._context)
        while True:
            began = loop.time()
            try:
                is_there = await self._look(client, path)
                async with _Stream(client, path, inbox, self._options.maxout_stand_messages) as stream:
                    if is_there:
                        self._context.started(f"pulling from {path}", "")
                    await stream.settle()
                    several.works(path)
                    patience.passed()
                    if not is_there:
                        self._context.started(f"pulling from {path}", "")
                    await stream.ended()
                reason = "the stream has ended"
            except (GoogleAPIError, GoogleAuthError) as error:
                reason = reason_of(error)
                if problem := refusal(path, error):
                    several.refused(path, problem)
            if loop.time() - began > LONG_LIFE_S:
                waits = pauses(MIN_PAUSE_S, MAX_PAUSE_S)
            self._context.tell(Trouble.RETRY, f"{path}: {reason}")
            patience.failed(f"{path} cannot be pulled from: {reason}")
            await asyncio.sleep(next(waits))

    async def _look(self, client: SubscriberClient, path: str) -> bool:
        """Whether the subscription is seen to be there: a stream tries for ever, and does not say so.

        False: the credentials are not allowed to look, which they need not be to pull.
        """
        from google.api_core.exceptions import Forbidden  # noqa: PLC0415 - see `run`

        try:
            await asyncio.to_thread(client.get_subscription, subscription=path, timeout=TIMEOUT_S, retry=None)
        except Forbidden:
            return False
        return True


class _Stream:
    """An open stream of messages; a context."""

    def __init__(self, client: SubscriberClient, path: str, inbox: Inbox, max_messages: int) -> None:
        from google.cloud.pubsub_v1.types import FlowControl  # noqa: PLC0415 - see `PubSubSource.run`

        from lanner.plugins.gke.inbox import ToInbox  # noqa: PLC0415 - see `PubSubSource.run`

        self._pull = client.subscribe(
            path,
            _nothing,
            flow_control=FlowControl(
                max_messages=max_messages, max_bytes=_MAX_BYTES, max_duration_per_lease_extension=LEASE_S
            ),
            scheduler=ToInbox(inbox, path),
        )
        self._ended = asyncio.wrap_future(self._pull)

    async def __aenter__(self) -> _Stream:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it: acknowledgements are sent, and what it still has goes back."""
        self._pull.cancel()
        await asyncio.wait([self._ended], timeout=TIMEOUT_S)
        if self._ended.done() and not self._ended.cancelled():
            self._ended.exception()

    async def settle(self) -> None:
        """Wait until it is not refused any more; raises what it is refused with."""
        await asyncio.wait([self._ended], timeout=SETTLED_S)
        if self._ended.done():
            self._ended.result()

    async def ended(self) -> None:
        """Wait until it ends; raises what it ended with."""
        await asyncio.shield(self._ended)


def _nothing(message: Message) -> None:
    pass  # `ToInbox` has the message


def refusal(path: str, error: Exception) -> SourceError | None:
    """What is wrong for good with a subscription; None where another try may help."""
    from google.api_core.exceptions import BadRequest, Forbidden, NotFound, Unauthorized  # noqa: PLC0415 - see `run`
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - see `run`

    _, project, _, name = path.split("/")
    match error:
        case NotFound():
            return SourceError(
                path,
                "there is no such subscription",
                f"gcloud pubsub subscriptions create {name} --project={project} --topic=TOPIC",
                action="pull from",
            )
        case Forbidden():
            return SourceError(path, "these credentials may not pull from it", grant(path), action="pull from")
        case BadRequest() | Unauthorized() | GoogleAuthError():
            return SourceError(path, reason_of(error), action="pull from")
    return None


def grant(path: str) -> str:
    """The command that allows pulling from a subscription."""
    _, project, _, name = path.split("/")
    return (
        f"gcloud pubsub subscriptions add-iam-policy-binding {name} --project={project} "
        "--role=roles/pubsub.subscriber --member=serviceAccount:ACCOUNT"
    )


class Worker:
    """Evaluates messages and says to the service what became of them."""

    def __init__(
        self,
        rebuilder: Rebuilder,
        handle: Handler,
        context: Context,
        ending: asyncio.Event,
        clock: Clock = time.monotonic,
    ) -> None:
        self._rebuilder = rebuilder
        self._handle = handle
        self._context = context
        self._ending = ending
        self._patience = Patience(context, clock)
        self._waits = pauses(MIN_PAUSE_S, MAX_PAUSE_S)
        self._until_s = 0.0

    async def run(self, inbox: Inbox) -> None:
        """Deal with messages until cancelled; those that were begun with are dealt with first."""
        while True:
            held = await inbox.take()
            dealing = asyncio.create_task(self._deal(held, inbox))
            try:
                await asyncio.shield(dealing)
            except asyncio.CancelledError:
                self._ending.set()
                await asyncio.wait([dealing])
                raise

    async def _deal(self, held: Sequence[Held], inbox: Inbox) -> None:
        self._until_s = asyncio.get_running_loop().time() + PATIENCE_S
        events = await self._rebuilder.rebuild([each.message.data for each in held])
        failed: list[Held] = []
        is_over = await self._deliver([event for event in events if event])
        can_be_stored = is_over is not False
        for each, event in zip(held, events, strict=True):
            is_done = event is None or is_over
            if event and can_be_stored and not is_done:  # one of them fails: each alone, to find out which
                is_done = await self._deliver([event])
                can_be_stored = is_done is not False
            if is_done:
                self._acknowledge(each.message)
            else:
                failed.append(each)
        if not failed:
            self._waits = pauses(MIN_PAUSE_S, MAX_PAUSE_S)
            self._patience.passed()
        elif self._ending.is_set():
            inbox.put(failed)  # they go back when the stream is closed: on an open one they would come again at once
        elif not can_be_stored:  # what waits would only wait for the same
            _give_back([*failed, *inbox.drain()])
        else:  # the service sends again at once, and evaluating will hardly fare better at once
            _give_back(failed)
            await self._rest(next(self._waits))

    async def _deliver(self, events: Sequence[Event]) -> bool | None:
        """Hand on events together.

        Returns:
            True: they are dealt with; False: nothing can be stored; None: evaluating one of them fails.
        """
        for delivery in deliveries(events, self._context.name):
            try:
                if not await self._hand_on(delivery):
                    return False
            except Exception as error:  # whatever it is, the messages must neither be lost nor end the source
                self._context.tell(Trouble.RETRY, f"messages go back: {reason_of(error)}")
                self._patience.failed(f"messages go back again and again: {reason_of(error)}")
                return None
        return True

    async def _hand_on(self, delivery: Delivery) -> bool:
        """Whether a delivery was handled; while nothing can be stored it is tried again, within bounds."""
        loop = asyncio.get_running_loop()
        for pause_s in pauses(MIN_PAUSE_S, MAX_PAUSE_S):
            try:
                await self._handle(delivery)
            except RejectedDelivery as error:
                self._context.tell(Trouble.DAMAGED, error.reason)
            except NotStored as error:
                self._context.tell(Trouble.RETRY, str(error))
                self._patience.failed(f"messages are not taken: {error}")
                if self._ending.is_set() or loop.time() >= self._until_s:
                    return False
                await self._rest(pause_s)
                continue
            return True
        raise AssertionError("pauses have no end")

    async def _rest(self, seconds: float) -> None:
        """Wait, unless the source is to end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    def _acknowledge(self, message: Message) -> None:
        done = message.ack_with_response()
        if not done.done():  # with exactly-once delivery the service answers
            done.add_done_callback(self._look_at)

    def _look_at(self, done: Any) -> None:
        if error := done.exception():
            text = f"an acknowledgement was not accepted, and the message comes again: {reason_of(error)}"
            self._context.tell(Trouble.RETRY, text)


def _give_back(held: Iterable[Held]) -> None:
    for each in held:
        each.message.nack()
