"""`python -m fuzz [--seconds N] [--keep] [TARGET]…`: fuzz each target; exit 1 when a promise was broken."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from fuzz import corpus
from fuzz.targets import TARGETS, seeds

MAX_RSS_MB = 1024
HANG_S = 20
"""An input that takes so long by the clock is a hang, however busy the machine is; `worker` looks at processor time."""

_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_PEAK = re.compile(r"stat::peak_rss_mb:\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fuzzer did.

    Attributes:
        runs: How many inputs were tried.
        peak_mb: The most memory that was resident.
        corpus: How many inputs lead to different code.
        failure: The last lines of its output, when it failed.
    """

    runs: int
    peak_mb: int
    corpus: int
    failure: str = ""


@click.command()
@click.argument("names", metavar="[TARGET]…", nargs=-1, type=click.Choice([*TARGETS]))
@click.option("--seconds", type=click.IntRange(min=1), default=600, show_default=True, help="How long each runs.")
@click.option("--keep", is_flag=True, help="Keep the inputs that lead to different code in `fuzz/corpora`.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="How many fuzzers share a corpus.")
def main(*, names: tuple[str, ...], seconds: int, keep: bool, jobs: int) -> None:
    """Send ever other bytes to the parts that take what others write, guided by the code that they reach.

    An input that breaks a promise is written to the current folder, as libFuzzer does: `crash-…`.
    """
    console = Console()
    table = Table("target", "inputs tried", "corpus", "peak MiB", "result", box=None)
    has_failed = False
    for name in names or TARGETS:
        with console.status(f"{name}, {seconds} s"):
            outcome = fuzz(name, seconds, keep=keep, jobs=jobs)
        table.add_row(
            name, f"{outcome.runs:,}", str(outcome.corpus), str(outcome.peak_mb), "FAILED" if outcome.failure else "ok"
        )
        if outcome.failure:
            console.print(f"{name}:\n{outcome.failure}", markup=False, highlight=False)
            has_failed = True
    console.print(table)
    sys.exit(1 if has_failed else 0)


def fuzz(target: str, seconds: int, *, keep: bool = False, jobs: int = 1) -> Outcome:
    """Fuzz a target for so many seconds.

    Args:
        target: Its name.
        seconds: How long.
        keep: Whether to keep the least set of inputs that reach all the code that was reached.
        jobs: How many processes.
    """
    with tempfile.TemporaryDirectory(prefix="lanner-fuzz-") as name:
        folder = Path(name)
        found, least = folder / "found", folder / "least"
        for place in (found, least):
            place.mkdir()
        for number, data in enumerate([*corpus.read(target), *seeds(target)]):
            (found / f"seed-{number}").write_bytes(data)
        ran = _run(target, f"-max_total_time={seconds}", f"-fork={jobs}" if jobs > 1 else "-print_final_stats=1", found)
        output = ran.stdout
        kept = len([*found.iterdir()])
        if keep and ran.returncode == 0:
            merged = _run(target, "-merge=1", least, found)
            if merged.returncode or not any(least.iterdir()):
                raise click.ClickException(f"the corpus of {target} is not merged:\n{merged.stdout[-1000:]}")
            kept = corpus.write(target, (path.read_bytes() for path in least.iterdir()))
        runs, peak = _RUNS.search(output), _PEAK.search(output)
        failure = "\n".join(output.splitlines()[-40:]) if ran.returncode else ""
        return Outcome(int(runs[1]) if runs else 0, int(peak[1]) if peak else 0, kept, failure)


def _run(target: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    bounds = (f"-timeout={HANG_S}", f"-rss_limit_mb={MAX_RSS_MB}", f"-max_len={corpus.MAX_INPUT_BYTES}")
    command = [sys.executable, "-m", "fuzz.worker", target, *bounds, *map(str, options)]
    return subprocess.run(  # noqa: S603 - the command is this program
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )


if __name__ == "__main__":
    main()
