"""`python -m security.audit`: known flaws of all pinned dependencies, by pip-audit.

It never passes blind. Where the database of flaws cannot be reached, or does not know a package, the result is NOT
CHECKED, which is no success. Nor is it one where the database tells of no flaw at all, as a mirror does that passes on
packages and leaves out what is known of them: a version whose flaws are well known is asked for as well, and has to be
reported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

PROBE = ("django", "2.0")
"""A version with flaws that have been known for years, such as CVE-2019-14234; it is asked for, and never installed."""

PINNED = Path(__file__).parents[1] / "constraints.txt"
TIMEOUT_S = 300


class Verdict(IntEnum):
    """What is known of the dependencies; also the exit status."""

    CLEAN = 0
    FLAWED = 1
    NOT_CHECKED = 2


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of an audit.

    Attributes:
        verdict: In a word.
        lines: For people, one for each thing that was found.
    """

    verdict: Verdict
    lines: tuple[str, ...]


def judge(report: str, pinned: int) -> Audit:
    """Read what pip-audit reports.

    Args:
        report: Its output as JSON; anything else means that it failed.
        pinned: How many packages it was to look at, beside the probe.
    """
    try:
        answered: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(Verdict.NOT_CHECKED, ("NOT CHECKED: pip-audit gave no report",))
    probes = [each for each in answered if (each["name"], each.get("version", PROBE[1])) == PROBE]
    found = [package for package in answered if package not in probes]
    flaws = tuple(
        f"{package['name']} {package['version']}: {flaw['id']}, "
        f"fixed in {', '.join(flaw['fix_versions']) or 'no version'}"
        for package in found
        for flaw in package.get("vulns", ())
    )
    unknown = [package["name"] for package in found if "vulns" not in package]
    missing = max(pinned - len(found), 0) + len(unknown)
    doubts = []
    if missing:
        names = f" ({', '.join(unknown[:5])}{', …' if len(unknown) > 5 else ''})" if unknown else ""
        doubts.append(f"NOT CHECKED: nothing is known of {missing} of {pinned} packages{names}")
    if not any(package.get("vulns") for package in probes):
        doubts.append(f"NOT CHECKED: no flaw is told of {'=='.join(PROBE)}, which has some; ask another index")
    if not pinned:
        doubts.append("NOT CHECKED: no package is pinned")
    if flaws:
        return Audit(Verdict.FLAWED, (*flaws, *doubts))
    if doubts:
        return Audit(Verdict.NOT_CHECKED, tuple(doubts))
    return Audit(Verdict.CLEAN, (f"no known flaw in {pinned} packages",))


def pinned_packages(path: Path = PINNED) -> int:
    """How many packages a file of constraints pins."""
    return sum(1 for line in path.read_text().splitlines() if "==" in line.partition("#")[0])


def ask(pinned: Path = PINNED) -> str:
    """What pip-audit reports of the pinned packages and of the probe; nothing, where it takes too long."""
    with TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.txt"
        probe.write_text(f"{'=='.join(PROBE)}\n")
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json"]
        command += ["--progress-spinner", "off", "--requirement", str(pinned), "--requirement", str(probe)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - the command is fixed
        except subprocess.TimeoutExpired:
            return ""
    return ran.stdout


def main() -> None:
    """Ask pip-audit, say what it found, exit with the verdict."""
    audit = judge(ask(), pinned_packages())
    for line in audit.lines:
        click.echo(line)
    sys.exit(audit.verdict)


if __name__ == "__main__":
    main()
