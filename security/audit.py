"""`python -m security.audit`: known flaws of all pinned dependencies, by pip-audit.

It never passes blind. Where the database of flaws cannot be reached, or does not know a package, the result is NOT
CHECKED, which is no success.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import click

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
        pinned: How many packages it was to look at.
    """
    try:
        found: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(Verdict.NOT_CHECKED, ("NOT CHECKED: pip-audit gave no report",))
    flaws = tuple(
        f"{package['name']} {package['version']}: {flaw['id']}, "
        f"fixed in {', '.join(flaw['fix_versions']) or 'no version'}"
        for package in found
        for flaw in package.get("vulns", ())
    )
    unknown = [package["name"] for package in found if "vulns" not in package]
    missing = max(pinned - len(found), 0) + len(unknown)
    lines = flaws
    if missing:
        names = f" ({', '.join(unknown[:5])}{', …' if len(unknown) > 5 else ''})" if unknown else ""
        lines = (*flaws, f"NOT CHECKED: nothing is known of {missing} of {pinned} packages{names}")
    if flaws:
        return Audit(Verdict.FLAWED, lines)
    if missing or not pinned:
        return Audit(Verdict.NOT_CHECKED, lines or ("NOT CHECKED: no package is pinned",))
    return Audit(Verdict.CLEAN, (f"no known flaw in {pinned} packages",))


def pinned_packages(path: Path = PINNED) -> int:
    """How many packages a file of constraints pins."""
    return sum(1 for line in path.read_text().splitlines() if "==" in line.partition("#")[0])


def main() -> None:
    """Ask pip-audit, say what it found, exit with the verdict."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(PINNED), "--no-deps", "--disable-pip"]
    try:
        ran = subprocess.run(  # noqa: S603 - the command is fixed
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        report = ran.stdout
    except subprocess.TimeoutExpired:
        report = ""
    audit = judge(report, pinned_packages())
    for line in audit.lines:
        click.echo(line)
    sys.exit(audit.verdict)


if __name__ == "__main__":
    main()
