"""`python -m security.sbom [FILE]`: what a release with all extras consists of, as CycloneDX.

A virtual environment of its own holds nothing but Lanner and what it needs, in the versions of `constraints.txt`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]


def extras() -> list[str]:
    """The names of all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sorted(project["optional-dependencies"])


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), default=Path("sbom.cdx.json"))
def main(target: Path) -> None:
    """Install Lanner with all extras into an empty environment, and describe that in TARGET."""
    with tempfile.TemporaryDirectory(prefix="lanner-sbom-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        wanted = f"{ROOT}[{','.join(extras())}]"
        _run(python, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), wanted)
        _run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools")
        described = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--output-format", "JSON"]
        _run(sys.executable, "-m", "cyclonedx_py", "environment", *described, "--output-file", str(target), python)
    click.echo(f"wrote {target}")


def _run(*command: str) -> None:
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - the commands are fixed
        raise click.ClickException(f"failed: {' '.join(command[:4])} …")


if __name__ == "__main__":
    main()
