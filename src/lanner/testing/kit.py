"""What every source has to do, as tests: a class that pytest collects once it is given a plugin and a place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from lanner.plugins import registry
from lanner.plugins.registry import PluginError, option_fields, problem_of
from lanner.rules.versions import parse_version
from lanner.sources.base import NotStored, RejectedDelivery, SourceError
from lanner.sources.plugin import Context, Plugin, Trouble
from lanner.testing.place import Place, event
from lanner.testing.session import Answer, Handed, KitError, Saves, Session, open_source
from lanner.testing.watch import watched

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., None])

_NEEDS = "needs"
_CHECKED_SAVES = 4
"""Of how many saved checkpoints it is seen whether a source that begins there misses something."""


def _where(*attributes: str) -> Callable[[Test], Test]:
    """Have a test be there only in kits of which all these attributes hold."""

    def mark(test: Test) -> Test:
        setattr(test, _NEEDS, attributes)
        return test

    return mark


class SourceKit:
    """Tests of a source. Derive from it, name the plugin, and give a fixture `place`.

    For example::

        class TestFolder(SourceKit):
            plugin = PLUGIN

            @pytest.fixture
            def place(self, tmp_path):
                return FolderPlace(tmp_path)

    Tests that do not apply, by the attributes, are not there.

    Attributes:
        plugin: The plugin under test.
        is_installed: Whether it is to be found by its entry point.
        ends: Whether it ends once what was there is delivered, as one that reads files does.
        redelivers: Whether its place can give again what was not dealt with.
        keeps_place: Whether another run goes on where the one before ended, by the checkpoint or because the place
            knows what was acknowledged.
        uses_checkpoint: Whether it saves a checkpoint; its place can then be read by several runs at a time.
        can_be_damaged: Whether its place can hold what is no event at all.
        max_repeats: How many events another run may deliver again after one that ended in order.
        max_open: How many deliveries it may hand over at a time.
        max_open_bytes: How many bytes these may have.
        bad_open_params: Parameters that `open` has to refuse.
        count: How many events are put.
        timeout_s: How long what has to happen may take.
        patience_s: How long it is watched for what must not happen.
    """

    plugin: ClassVar[Plugin]
    is_installed: ClassVar[bool] = True
    ends: ClassVar[bool] = False
    redelivers: ClassVar[bool] = True
    keeps_place: ClassVar[bool] = True
    uses_checkpoint: ClassVar[bool] = False
    can_be_damaged: ClassVar[bool] = True
    max_repeats: ClassVar[int] = 0
    max_open: ClassVar[int] = 256
    max_open_bytes: ClassVar[int] = 64 << 20
    bad_open_params: ClassVar[tuple[str, ...]] = ()
    count: ClassVar[int] = 200
    timeout_s: ClassVar[float] = 30.0
    patience_s: ClassVar[float] = 0.3

    def __init_subclass__(cls, **options: Any) -> None:
        """Take away the tests that do not apply: pytest passes over None."""
        super().__init_subclass__(**options)
        for name, test in vars(SourceKit).items():
            applies = all(getattr(cls, attribute) for attribute in getattr(test, _NEEDS, ()))
            if not applies:
                setattr(cls, name, None)
            elif hasattr(test, _NEEDS) and getattr(cls, name) is None:  # of a kit between the two
                setattr(cls, name, test)

    # What it is

    def test_the_plugin_is_described(self) -> None:
        """Name, version, descriptions and defaults: what `lanner plugins` shows."""
        plugin = self.plugin
        _need(problem_of(plugin, plugin.name) is None, f"the plugin cannot be used: {problem_of(plugin, plugin.name)}")
        _need(bool(plugin.description.strip()), "the plugin has no description")
        _need(bool(plugin.open_params.strip()), "the plugin does not say what `open_params` is")
        _need(parse_version(plugin.version) is not None, f"version `{plugin.version}` is not of the form 1.2.3")
        for field in option_fields(plugin):
            text = (getattr(field.type, "extra_json_schema", None) or {}).get("description", "")
            _need(bool(text.strip()), f"option `{field.encode_name}` has no description: `Meta(description=…)`")
        _need(plugin.options() == plugin.options(), "two sets of default options differ: a reload would restart it")

    @_where("is_installed")
    def test_it_is_found_by_its_entry_point(self) -> None:
        """`lanner run` finds it by its name in a configuration."""
        try:
            found = registry.find(self.plugin.name)
        except PluginError as error:
            raise KitError(f"{error.message}; {error.help}") from error
        _need(found is self.plugin, f"the entry point `{self.plugin.name}` leads to another plugin")

    def test_opening_reads_nothing(self, place: Place) -> None:
        """`open` is called when a configuration is checked too; files and connections are for `run`."""

        async def opened() -> list[str]:
            open_source(self.plugin, place, Context(name="kit"))  # what it imports is read the first time
            with watched() as found:
                open_source(self.plugin, place, Context(name="kit"))
            return found

        found = self._run(place, opened)
        _need(not found, f"`open` asks the operating system: {', '.join(found[:3])}")

    @_where("bad_open_params")
    def test_parameters_that_cannot_be_used_are_refused(self) -> None:
        """`open` raises `SourceError`, whose text says what is wrong, and whose help what to write."""
        for params in self.bad_open_params:
            try:
                self.plugin.open(params, self.plugin.options(), Context(name="kit"))
            except SourceError as error:
                _need(bool(error.help), f"the refusal of `{params}` does not say what to write instead")
            else:
                raise KitError(f"`open` takes `{params}`")

    # What it delivers

    def test_everything_is_delivered(self, place: Place) -> None:
        """What is there, and what comes while it runs."""

        async def scenario() -> None:
            early, late = _ids("early", self.count), [] if self.ends else _ids("late", self.count)
            await place.put([*map(event, early)])
            async with self._session(place) as session:
                await session.until(lambda: {*early} <= session.dealt_with, "what was there is delivered")
                _need(bool(session.started), "`Context.started` was not called though events were delivered")
                if not self.ends:
                    await place.put([*map(event, late)])
                await session.until(lambda: {*late} <= session.dealt_with, "what comes later is delivered")
                _need(set(session.seen) == {*early, *late}, "events came that nobody put there")

        self._run(place, scenario)

    @_where("can_be_damaged")
    def test_what_is_no_event_does_not_stop_it(self, place: Place) -> None:
        """Something damaged is set aside or handed on as it is, and what follows is delivered."""

        async def scenario() -> None:
            before, after = _ids("before", 3), _ids("after", 3)
            await place.put([*map(event, before)])
            await place.put_damaged()
            await place.put([*map(event, after)])
            async with self._session(place) as session:
                await session.until(lambda: {*before, *after} <= session.dealt_with, "what follows is delivered")

        self._run(place, scenario)

    # What it does when events are not dealt with

    @_where("redelivers")
    def test_what_was_not_dealt_with_is_delivered_again(self, place: Place) -> None:
        """An exception of the handler is no acknowledgement: that alerts cannot be stored, or any other."""

        async def refuse_twice(handed: Handed) -> None:
            if handed.number < 2:
                raise NotStored("the disk is full") if handed.number else RuntimeError("odd")

        async def scenario() -> None:
            ids = _ids("again", self.count)
            await place.put([*map(event, ids)])
            async with self._session(place, refuse_twice) as session:
                await session.until(lambda: {*ids} <= session.dealt_with, "what was refused is delivered again")

        self._run(place, scenario)

    @_where("redelivers", "keeps_place")
    def test_nothing_is_acknowledged_that_was_not_dealt_with(self, place: Place) -> None:
        """Neither while the handler is at it, nor after it failed: another run delivers it."""
        gate = asyncio.Event()

        async def fail_late(handed: Handed) -> None:
            await gate.wait()
            raise RuntimeError("odd") if handed.number else NotStored("the disk is full")

        async def scenario() -> None:
            ids = _ids("kept", self.count)
            await place.put([*map(event, ids)])
            checkpoint = Saves()
            async with self._session(place, fail_late, checkpoint) as session:
                await session.until(lambda: session.handed, "something is delivered")
                await session.pause(self.patience_s)
                gone = await place.acknowledged()
                _need(not gone, f"{gone} events are acknowledged before the handler has returned")
                gate.set()
                await session.until(lambda: not session.open_now, "the handler returns")
                await session.pause(self.patience_s)
            gone = await place.acknowledged()
            _need(not gone, f"{gone} events are acknowledged though the handler has failed")
            async with self._session(place, checkpoint=checkpoint) as session:
                await session.until(lambda: {*ids} <= session.dealt_with, "another run delivers what was left")

        self._run(place, scenario)

    def test_what_will_never_be_readable_is_set_aside(self, place: Place) -> None:
        """After `RejectedDelivery` the same is not handed over again, what follows is, and somebody is told."""

        async def reject_the_first(handed: Handed) -> None:
            if "bad" in handed.ids:
                raise RejectedDelivery("it cannot be read")

        async def scenario() -> None:
            ids = _ids("good", 20)
            await place.put([event("bad")])
            if self.ends:
                await place.put([*map(event, ids)])
            async with self._session(place, reject_the_first) as session:
                await session.until(lambda: "bad" in session.dealt_with, "something is delivered")
                if not self.ends:
                    await place.put([*map(event, ids)])
                await session.until(lambda: {*ids} <= session.dealt_with, "what follows is delivered")
                await session.pause(self.patience_s)
                _need(session.seen.count("bad") == 1, "what was rejected is handed over again")
                is_told = any(trouble is Trouble.DAMAGED for trouble, _, _ in session.told)
                _need(is_told, "nobody is told of what was rejected (`Context.tell(Trouble.DAMAGED, …)`)")

        self._run(place, scenario)

    # How it ends, and goes on

    def test_the_end_waits_for_what_is_in_hand(self, place: Place) -> None:
        """A source that is cancelled lets the handler finish, and another run delivers the rest."""
        gate = asyncio.Event()

        async def wait(handed: Handed) -> None:
            await gate.wait()

        async def scenario() -> None:
            ids = _ids("last", self.count)
            await place.put([*map(event, ids)])
            checkpoint = Saves()
            async with self._session(place, wait, checkpoint) as session:
                await session.until(lambda: session.handed, "something is delivered")
                session.cancel()
                await session.pause(self.patience_s)
                _need(not session.was_cancelled, "the end cancels the handler: `await finish(handle(delivery))`")
                _need(not session.has_ended, "the source ends while the handler is at work: `await finish(…)`")
                gate.set()
            first = session.dealt_with
            if not self.keeps_place:
                return
            async with self._session(place, checkpoint=checkpoint) as session:
                await session.until(lambda: {*ids} <= first | session.dealt_with, "another run delivers the rest")

        self._run(place, scenario)

    @_where("keeps_place")
    def test_another_run_goes_on_where_the_last_one_ended(self, place: Place) -> None:
        """What was dealt with is not delivered again, but for `max_repeats`; what came meanwhile is."""

        async def scenario() -> None:
            early, late = _ids("first", self.count), _ids("second", self.count)
            await place.put([*map(event, early)])
            checkpoint = Saves()
            async with self._session(place, checkpoint=checkpoint) as session:
                await session.until(lambda: {*early} <= session.dealt_with, "everything is delivered")
                await session.pause(self.patience_s)  # to acknowledge the last ones
            await place.put([*map(event, late)])
            again = Saves(checkpoint.value)
            async with self._session(place, checkpoint=again) as session:
                await session.until(lambda: {*late} <= session.dealt_with, "what came meanwhile is delivered")
                repeated = len({*early}.intersection(session.seen))
                _need(repeated <= self.max_repeats, f"{repeated} events are delivered again that were dealt with")

        self._run(place, scenario)

    @_where("uses_checkpoint")
    def test_no_checkpoint_is_ahead_of_what_was_dealt_with(self, place: Place) -> None:
        """A run that begins at any checkpoint that was saved, as after a crash, misses nothing."""

        async def slowly(handed: Handed) -> None:
            await asyncio.sleep(0)

        async def scenario() -> None:
            ids = _ids("at", self.count)
            checkpoint = Saves()
            async with self._session(place, slowly, checkpoint) as session:
                for start in range(0, self.count, 20):
                    await place.put([*map(event, ids[start : start + 20])])
                    await session.until(lambda: {*ids[: start + 20]} <= session.dealt_with, "everything is delivered")  # noqa: B023
            saved = checkpoint.saved
            _need(bool(saved), "no checkpoint was saved by the end")
            for value, handled in saved[:: max(1, len(saved) // _CHECKED_SAVES)]:
                rest = {*ids} - handled
                async with self._session(place, checkpoint=Saves(value)) as session:
                    await session.until(lambda: rest <= session.dealt_with, "a run that begins at a checkpoint")  # noqa: B023

        self._run(place, scenario)

    def test_no_more_is_handed_over_than_is_bounded(self, place: Place) -> None:
        """While the handler is slow, the source waits: what it holds has a bound."""
        gate = asyncio.Event()

        async def wait(handed: Handed) -> None:
            await gate.wait()

        async def scenario() -> None:
            ids = _ids("many", 10 * self.count)
            await place.put([event(each, size=1000) for each in ids])
            async with self._session(place, wait) as session:
                await session.until(lambda: session.handed, "something is delivered")
                await session.pause(self.patience_s)
                size = sum(handed.size for handed in session.open_now.values())
                _need(session.most_open <= self.max_open, f"{session.most_open} deliveries are handed over at a time")
                _need(size <= self.max_open_bytes, f"{size} bytes are handed over at a time")
                gate.set()
                await session.until(lambda: {*ids} <= session.dealt_with, "everything is delivered in the end")

        self._run(place, scenario)

    # How tests run

    def _session(self, place: Place, answer: Answer | None = None, checkpoint: Saves | None = None) -> Session:
        session = Session(self.plugin, place, checkpoint or Saves(), timeout_s=self.timeout_s)
        session.answer = answer or session.answer
        return session

    def _run(self, place: Place, scenario: Callable[[], Awaitable[T]]) -> T:
        async def main() -> T:
            try:
                return await scenario()
            finally:
                await place.close()

        return asyncio.run(main())


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise KitError(otherwise)


def _ids(word: str, count: int) -> list[str]:
    return [f"{word}-{number}" for number in range(count)]
