"""What cases are made of: rules, recordings and jobs, each made when it is first asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from benchmarks import events, rulesets
from benchmarks.baseline import HOWS
from benchmarks.jobs import LANNER, FileJob
from benchmarks.material import Material, Recording, save, save_gzip
from benchmarks.residence import Residence, measure, repeated
from benchmarks.samples import MIB, Job, Pair, alternate
from benchmarks.webhook import Feed, Latency, WebhookJob, latency

_LEAST_FILE_BYTES = 32 * MIB
_TRIAL_BYTES = 64 * MIB
_DECODING = (sys.executable, "-m", "benchmarks.baseline")
EVENTS_PER_S = 5_000


class Skipped(Exception):
    """A case that cannot be measured here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How long to measure.

    Attributes:
        rounds: Of job and reference, for cases on the recording.
        other_rounds: The same for other cases.
        trials: Runs to find out how a recording is decoded fastest.
        bulk_bytes: What a file job reads, for cases on the recording.
        other_bytes: The same for other cases.
        posted: Events that a webhook job posts, at least: as many as a file job reads, so that what a process costs
            once weighs the same in both; for batches of one, a tenth.
        paced: Events of a latency measurement.
        resident: Events of a memory measurement.
        resident_first: How many of them count as the start.
    """

    rounds: int
    other_rounds: int
    trials: int
    bulk_bytes: int
    other_bytes: int
    posted: int
    paced: int
    resident: int
    resident_first: int


FULL = Scale(
    rounds=5,
    other_rounds=3,
    trials=2,
    bulk_bytes=500 * 10**6,
    other_bytes=120 * 10**6,
    posted=140_000,
    paced=60_000,
    resident=1_000_000,
    resident_first=200_000,
)
QUICK = Scale(
    rounds=1,
    other_rounds=1,
    trials=1,
    bulk_bytes=40 * 10**6,
    other_bytes=32 * 10**6,
    posted=5_000,
    paced=2_500,
    resident=100_000,
    resident_first=40_000,
)
SOAK = Scale(
    rounds=1,
    other_rounds=1,
    trials=1,
    bulk_bytes=0,
    other_bytes=0,
    posted=0,
    paced=0,
    resident=10_000_000,
    resident_first=1_000_000,
)

SIZES: Mapping[str, int] = MappingProxyType({"1k": 1 << 10, "16k": 1 << 14, "128k": 1 << 17, "1m": 1 << 20})


@dataclass(slots=True, kw_only=True)
class _Made:
    recordings: dict[str, Recording] = field(default_factory=dict)
    rule_files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    fastest: dict[str, str] = field(default_factory=dict)


class Workshop:
    """Makes files and jobs in a folder.

    Args:
        material: Rules and events.
        folder: For all files.
        scale: How long to measure.
    """

    def __init__(self, material: Material, folder: Path, scale: Scale) -> None:
        self.material = material
        self.folder = folder
        self.scale = scale
        self._made = _Made()

    def rules(self, name: str) -> tuple[Path, ...]:
        """Rule files: `given`, `default`, or as many as `names-50` or `texts-2000` says."""
        if name == "given":
            return self.material.rules
        if name == "default":
            return self.material.defaults
        if name not in self._made.rule_files:
            scheme, size = name.split("-")
            path = self.folder / f"{name}.yaml"
            items = rulesets.read_items(self.material.rules)
            rulesets.write(rulesets.generate(items, int(size), scheme), path)
            self._made.rule_files[name] = (path,)
        return self._made.rule_files[name]

    def recording(self, name: str) -> Recording:
        """A file of events: `bulk`, `benign`, `alerting`, `gzip`, or as large as `searched-1k` or `opaque-1m` says."""
        if name not in self._made.recordings:
            self._made.recordings[name] = self._record(name)
        return self._made.recordings[name]

    def _record(self, name: str) -> Recording:
        if name == "gzip":
            return save_gzip(self.recording("bulk"), self.folder / "bulk.jsonl.gz")
        given: Mapping[str, Callable[[], Sequence[bytes]]] = {
            "bulk": lambda: self.material.lines,
            "benign": lambda: self.material.benign,
            "alerting": lambda: self.material.alerting,
        }
        path = self.folder / f"{name}.jsonl"
        if name in given:
            return save(given[name](), path, _LEAST_FILE_BYTES)
        sort, size = name.split("-")
        return save([events.sized(SIZES[size], is_searched=sort == "searched")], path, _LEAST_FILE_BYTES)

    def decode(self, recording: str, how: str | None = None, total_bytes: int | None = None) -> FileJob:
        """Decoding alone, in the fastest way unless another is named."""
        return self._file_job((*_DECODING, how or self._fastest(recording)), recording, total_bytes)

    def scan(self, rules: str, recording: str, *options: str, total_bytes: int | None = None) -> FileJob:
        """`lanner scan` with JSON alerts to a file."""
        chosen = [part for path in self.rules(rules) for part in ("-r", str(path))]
        command = (*LANNER, "scan", *chosen, "--format", "json", "--no-progress", *options)
        return self._file_job(command, recording, total_bytes)

    def _file_job(self, command: tuple[str, ...], recording: str, total_bytes: int | None) -> FileJob:
        found = self.recording(recording)
        return FileJob(
            command=command,
            recording=found,
            repeat=found.repeat(total_bytes or self.scale.bulk_bytes),
            folder=self.folder,
        )

    def _fastest(self, recording: str) -> str:
        """How a recording is decoded fastest."""
        if recording not in self._made.fastest:
            jobs = {how: self.decode(recording, how, _TRIAL_BYTES) for how in HOWS}
            costs = {how: min(job.run().cpu_us for _ in range(self.scale.trials)) for how, job in jobs.items()}
            self._made.fastest[recording] = min(costs, key=lambda how: costs[how])
        return self._made.fastest[recording]

    def webhook(self, batch: int) -> WebhookJob:
        """`lanner run` with posts of so many events."""
        wanted = self.scale.posted // 10 if batch == 1 else self.scale.posted
        feed = self._feed(min(wanted, len(self.material.lines)))
        repeat = max(1, wanted // len(feed.lines))
        return WebhookJob(rules=self.material.rules, feed=feed, repeat=repeat, batch=batch, folder=self.folder)

    def latency(self, batch: int, connections: int) -> Latency:
        """How long alerts take at a steady rate of events."""
        feed = self._feed(self.scale.paced)
        return latency(
            self.material.rules,
            feed,
            self.folder,
            batch=batch,
            events_per_s=EVENTS_PER_S,
            connections=connections,
        )

    def _feed(self, number: int) -> Feed:
        """So many events, from the start of the recording again where it ends."""
        times = -(-number // len(self.material.lines))
        return Feed((self.material.lines * times)[:number], sum((self.material.alerts * times)[:number]))

    def residence(self, *, is_flood: bool) -> Residence:
        """What stays in memory, over the recording or over events that are all different."""
        number, first = self.scale.resident, self.scale.resident_first
        chunks = events.flood(number) if is_flood else repeated(self.material.lines, number)
        return measure(self.material.rules, chunks, events=number, first=first, folder=self.folder)

    def pair(self, job: Job, reference: Job, rounds: int | None = None) -> Pair:
        """Measure a job beside its reference."""
        return alternate(job, reference, rounds or self.scale.rounds)

    @cached_property
    def has_workers(self) -> bool:
        """Whether `lanner scan` can use several processes."""
        said = subprocess.run([*LANNER, "scan", "--help"], capture_output=True, text=True, check=False)
        return "-j" in said.stdout.split() or "-j," in said.stdout.split()
