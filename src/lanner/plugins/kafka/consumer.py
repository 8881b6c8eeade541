"""A member of a consumer group: what it was given of the partitions, and how far each has been handled.

All of its methods, and so the callbacks of librdkafka, run in one thread at a time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from lanner.plugins.kafka.options import Options, Place, consumer_properties
from lanner.sources.base import SourceError
from lanner.sources.batches import Message
from lanner.sources.plugin import Context, Start, Trouble
from lanner.sources.retry import pauses

POLL_S = 0.5
"""How long to wait for messages; the end of a run waits for it."""

_COMMIT_AGAIN_S = 1.0
_ASK_TIMEOUT_S = 10.0
_STATE = re.compile(r" \(after \d+ms in state [^()]*\)$")
_STORED, _FIRST = -1000, -2  # librdkafka's numbers for the offset that the group has committed, and for the first


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Pause:
    """A partition that waits: from which offset it goes on, and when."""

    offset: int
    until_s: float


class Member:
    """A consumer whose offsets are committed when it is told that they were handled.

    Messages that are taken from a partition which is given up before they are handed over are dropped: its next owner
    begins with them.
    """

    def __init__(
        self, place: Place, options: Options, context: Context, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._place = place
        self._options = options
        self._context = context
        self._clock = clock
        self._consumer: Consumer = None  # type: ignore[assignment] # until `open`
        self._assigned: set[Partition] = set()
        self._taken: dict[Partition, list[Message]] = {}
        self._paused: dict[Partition, Pause] = {}
        self._waits: dict[Partition, Iterator[float]] = {}  # of those that failed last
        self._handled: dict[Partition, int] = {}  # not committed yet, as far as is known
        self._commit_at_s = 0.0
        self._begun: set[Partition] = set()  # so that none is read from its start twice

    def open(self) -> None:
        """Join the group; nothing is connected before messages are taken.

        Raises:
            SourceError: A property, or a topic's pattern, cannot be used.
        """
        callbacks = {"error_cb": self._on_error, "on_commit": self._on_commit}
        # What librdkafka logs is told as trouble already, at most once a minute.
        silent = logging.Logger("librdkafka", logging.CRITICAL)
        try:
            self._consumer = Consumer({**consumer_properties(self._place, self._options), **callbacks}, logger=silent)
            self._consumer.subscribe(
                list(self._place.topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
        except KafkaException as error:
            raise SourceError(str(self._place), text_of(error.args[0]), action="open") from error

    def take(self) -> Mapping[Partition, Sequence[Message]]:
        """The messages that are there, by partition, in order; waits for the first of them.

        Raises:
            SourceError: The client cannot go on.
        """
        self._taken = {}
        self._resume()
        self._commit_again()
        wait_s, count, size = self._patience_s(), 0, 0
        while count < self._options.batch_messages and size < self._options.batch_bytes:
            message = self._consumer.poll(wait_s)
            if message is None:
                break
            wait_s = 0.0
            partition = Partition(message.topic() or "", message.partition() or 0)
            if (error := message.error()) is not None:
                self._on_failure(error, partition, message.offset())
            elif partition in self._assigned and partition not in self._paused:
                value = message.value() or b""
                offset = message.offset()
                assert offset is not None  # noqa: S101 - INVARIANT: a message that was fetched has one
                self._taken.setdefault(partition, []).append(Message(offset, value))
                count, size = count + 1, size + len(value)
        taken, self._taken = self._taken, {}
        return taken

    def settle(self, handled: Mapping[Partition, int], failed: Mapping[Partition, int]) -> None:
        """Commit what was handled, and put off what was not.

        Args:
            handled: For each partition the offset before which all is handled.
            failed: For each partition the offset to go on from, after a pause.
        """
        for partition, offset in handled.items():
            self._handled[partition] = offset
            self._waits.pop(partition, None)
        for partition, offset in failed.items():
            self._put_off(partition, offset)
        self._commit()

    def close(self) -> None:
        """Leave the group, once what was handled is committed."""
        try:
            self._commit_now(self._assigned)
            self._consumer.close()
        except (KafkaException, RuntimeError):
            pass  # others take over once the group misses this member

    def _patience_s(self) -> float:
        """How long to wait for messages, at most: not longer than a partition waits."""
        now = self._clock()
        return max(0.0, min(POLL_S, *(pause.until_s - now for pause in self._paused.values()), POLL_S))

    def _put_off(self, partition: Partition, offset: int) -> None:
        """Have a partition go on from an offset after a pause, longer each time."""
        pause_s = next(self._waits.setdefault(partition, pauses()))
        self._paused[partition] = Pause(offset, self._clock() + pause_s)
        with suppress(KafkaException):  # when it is just being given up; what still comes of it is dropped
            self._consumer.pause([_to_client(partition)])

    def _resume(self) -> None:
        now = self._clock()
        for partition, pause in list(self._paused.items()):
            if pause.until_s <= now:
                self._go_on(partition, pause.offset)

    def _go_on(self, partition: Partition, offset: int) -> None:
        """Have a partition go on from an offset, now.

        It is taken out of the assignment and put in again: unlike seeking, that works in any state of its fetcher.
        """
        self._paused.pop(partition, None)
        if partition not in self._assigned:
            return
        try:
            self._consumer.incremental_unassign([_to_client(partition)])
            self._consumer.incremental_assign([_to_client(partition, offset)])
            self._consumer.resume([_to_client(partition)])
        except KafkaException as error:
            self._context.tell(Trouble.RETRY, f"{partition}: {text_of(error.args[0])}")
            self._put_off(partition, offset)

    def _on_failure(self, error: KafkaError, partition: Partition, offset: int | None) -> None:
        """What came in place of a message.

        Raises:
            SourceError: The client cannot go on.
        """
        code = error.code()
        if code == KafkaError._AUTO_OFFSET_RESET:
            self._begin(partition, -1 if offset is None else offset)
        elif error.fatal():
            raise SourceError(str(self._place), text_of(error))
        elif code != KafkaError._PARTITION_EOF:
            where = f"{partition.topic}: " if partition.topic else ""
            self._context.tell(Trouble.RETRY, where + text_of(error))

    def _begin(self, partition: Partition, offset: int) -> None:
        """Find where to begin in a partition of which there is no offset (below 0), or none that still exists."""
        if partition not in self._assigned:
            return
        try:
            low, high = self._consumer.get_watermark_offsets(_to_client(partition), timeout=_ASK_TIMEOUT_S)
        except KafkaException as error:
            self._context.tell(Trouble.RETRY, f"{partition}: {text_of(error.args[0])}")
            self._put_off(partition, offset if offset >= 0 else _STORED)
            return
        begin = low
        if offset > high:
            self._context.tell(Trouble.GAP, f"{partition}: its log ends at {high}, before {offset}; all of it is read")
        elif offset >= 0:
            self._context.tell(Trouble.GAP, f"{partition}: {low - offset} messages were deleted before they were read")
        elif self._options.start == "latest" or self._context.start is Start.NEW:
            # Committed at once: what comes from now on counts, also when it comes after a restart.
            begin = self._handled[partition] = high
            self._commit()
        self._go_on(partition, begin)

    def _on_assign(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._assigned.update(_from_client(partitions))
        if self._context.start is Start.FIRST:
            new = self._assigned - self._begun
            self._begun |= new
            self._paused |= dict.fromkeys(new, Pause(_FIRST, self._clock()))
        names = ", ".join(map(str, sorted(self._assigned))) or "no partition so far"
        self._context.started(f"reading {names} of {self._place.brokers} as group {self._options.group}", "")

    def _on_revoke(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Give partitions up: commit what was handled, drop what was not."""
        given_up = _from_client(partitions)
        self._commit_now(given_up)
        self._forget(given_up)

    def _on_lost(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Others have these partitions already: nothing can be committed for them any more."""
        self._forget(_from_client(partitions))

    def _forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._assigned.discard(partition)
            for of_partition in (self._taken, self._paused, self._waits, self._handled):
                of_partition.pop(partition, None)

    def _commit(self) -> None:
        """Ask for a commit of what was handled; `_on_commit` is told what came of it."""
        self._commit_at_s = self._clock() + _COMMIT_AGAIN_S
        if self._handled:
            try:
                self._consumer.commit(offsets=self._offsets(self._handled), asynchronous=True)
            except KafkaException as error:
                self._context.tell(Trouble.RETRY, f"offsets are not committed: {text_of(error.args[0])}")

    def _commit_again(self) -> None:
        if self._clock() >= self._commit_at_s:
            self._commit()

    def _commit_now(self, partitions: Iterable[Partition]) -> None:
        """Commit what was handled of some partitions, and wait for it."""
        offsets = self._offsets(partition for partition in partitions if partition in self._handled)
        if offsets:
            try:
                self._on_commit(None, self._consumer.commit(offsets=offsets, asynchronous=False) or [])
            except KafkaException as error:
                text = f"offsets are not committed, so that some messages are read again: {text_of(error.args[0])}"
                self._context.tell(Trouble.RETRY, text)

    def _offsets(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        return [_to_client(partition, self._handled[partition]) for partition in partitions]

    def _on_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            failure = each.error or error
            key = Partition(each.topic, each.partition)
            if failure is not None:
                self._context.tell(Trouble.RETRY, f"{key}: offset is not committed: {text_of(failure)}")
            elif self._handled.get(key) == each.offset:
                del self._handled[key]

    def _on_error(self, error: KafkaError) -> None:
        """What concerns the connection as a whole; the client goes on by itself, unless a message says otherwise."""
        self._context.tell(Trouble.RETRY, text_of(error))


def text_of(error: KafkaError) -> str:
    """What an error of librdkafka says."""
    text = _STATE.sub("", error.str() or error.name())
    return text[:1].lower() + text[1:].rstrip(".")


def _to_client(partition: Partition, offset: int | None = None) -> TopicPartition:
    return TopicPartition(*partition) if offset is None else TopicPartition(*partition, offset)


def _from_client(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(each.topic, each.partition) for each in partitions]
