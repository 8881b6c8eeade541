"""`python -m benchmarks.compare REF`: this tree beside another commit, run in turn."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.table import Table

from benchmarks import report
from benchmarks.cases import COMPARED
from benchmarks.jobs import FileJob
from benchmarks.material import load, shared_folder
from benchmarks.process import BenchmarkError
from benchmarks.samples import alternate
from benchmarks.workshop import FULL, QUICK, Workshop

_ROOT = Path(__file__).parents[1]


@click.command()
@click.argument("ref")
@click.option("--quick", is_flag=True, help="One short round; figures are rough.")
@click.option("--shipped", is_flag=True, help="Measure with what ships with the package.")
def main(*, ref: str, quick: bool, shipped: bool) -> None:
    """Compare the processor time of this tree with that of the commit REF.

    Both read the same events with the same rules, this tree's, and the same libraries.
    """
    console = report.new_console()
    material = load(None if shipped else shared_folder())
    table = Table("case", f"CPU µs/event at {ref}", "here", "ratio", "spread", box=None, pad_edge=False)
    with tempfile.TemporaryDirectory(prefix="lanner-bench-") as folder, _checked_out(ref, Path(folder)) as tree:
        shop = Workshop(material, Path(folder), QUICK if quick else FULL)
        for name, make in COMPARED:
            job = make(shop)
            with console.status(name):
                table.add_row(name, *_row(job, tree / "src", shop.scale.rounds))
    console.print(table)


def _row(job: FileJob, source: Path, rounds: int) -> tuple[str, ...]:
    try:
        pair = alternate(replace(job, source=_ROOT / "src"), replace(job, source=source), rounds)
    except BenchmarkError as error:
        return "-", "-", "-", str(error).splitlines()[0]
    return f"{pair.reference_cpu_us:.2f}", f"{pair.cpu_us:.2f}", f"{pair.cpu.median:.3f}", report.spread(pair.cpu)


@contextmanager
def _checked_out(ref: str, folder: Path) -> Iterator[Path]:
    """The files of a commit, beside the repository; nothing of it is left behind."""
    tree = folder / "tree"
    done = _git("worktree", "add", "--quiet", "--detach", str(tree), ref)
    if done.returncode:
        raise click.ClickException(f"cannot check out `{ref}`: {done.stderr.strip()}")
    try:
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
