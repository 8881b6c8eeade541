"""`python -m benchmarks [--quick | --soak] [CASE…]`: measure, print the tables, write `benchmarks/results.json`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from rich.console import Console

from benchmarks import report
from benchmarks.cases import CASES, SOAK_CASES, Case
from benchmarks.material import Material, load, shared_folder
from benchmarks.process import BenchmarkError
from benchmarks.workshop import FULL, QUICK, SOAK, Skipped, Workshop

RESULTS = Path(__file__).with_name("results.json")


@click.command()
@click.argument("names", metavar="[CASE]…", nargs=-1, type=click.Choice([case.name for case in CASES]))
@click.option("--quick", is_flag=True, help="One short round of everything; figures are rough.")
@click.option("--soak", is_flag=True, help="Ten million events through one process; only memory is looked at.")
@click.option("--shipped", is_flag=True, help="Measure with what ships with the package.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the results.")
def main(*, names: tuple[str, ...], quick: bool, soak: bool, shipped: bool, path: Path | None) -> None:
    """Measure what events cost, as ratios within one run.

    "CPU ratio" and "spread" are of processor time for an event, "time" is the ratio of elapsed time; "MiB" is the most
    that was resident.

    Results are written to benchmarks/results.json when all cases are measured in full.
    """
    console = report.new_console()
    scale = SOAK if soak else QUICK if quick else FULL
    wanted = names or (SOAK_CASES if soak else ())
    material = load(None if shipped else shared_folder())
    about = _introduce(material, console)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="lanner-bench-") as folder:
        shop = Workshop(material, Path(folder), scale)
        for case in CASES:
            if not wanted or case.name in wanted:
                with console.status(case.name):
                    outcomes.append(_measure(shop, case))
    report.show(outcomes, console)
    # A short round measures making functions more than using them, and another recording is another measure.
    verdicts = report.judge(outcomes) if material.is_official and not quick else []
    report.show_verdicts(verdicts, console)
    if path or not (wanted or quick):
        report.save(path or RESULTS, outcomes, verdicts, about)
    if any(outcome.has_failed for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _introduce(material: Material, console: Console) -> dict[str, str]:
    """Say what is measured with."""
    rules = "Falco's official rules" if material.is_official else "the default rules"
    recording = "the bulk recording" if material.is_official else "the recording of `make demo`"
    console.print(f"{rules}, {recording} ({len(material.lines):,} events, {sum(material.alerts):,} alerts)")
    if not material.is_official:
        console.print("LANNER_SHARED names no conformance material: no targets, figures are not comparable to Falco's")
    console.print()
    return {"rules": rules, "recording": recording}


def _measure(shop: Workshop, case: Case) -> report.Outcome:
    try:
        return report.Outcome(case, case.measure(shop))
    except (Skipped, BenchmarkError) as error:
        return report.Outcome(case, None, str(error), has_failed=isinstance(error, BenchmarkError))


if __name__ == "__main__":
    main()
