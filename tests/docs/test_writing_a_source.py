"""The tutorial, followed word for word: its files are installed, its tests pass, and `lanner run` takes its events."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lanner.testing import event
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "guide" / "writing-a-source.md"
_FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the tutorial, and beside them what `pip install -e .` writes of its `pyproject.toml`."""
    for name, text in _FILE.findall(PAGE.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = tmp_path / f"{found['name'].replace('-', '_')}-{found['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {found['name']}\nVersion: {found['version']}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in found["entry-points"].items()
    )
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    return tmp_path


def run(project: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment where the project is installed, in its folder."""
    environment = {**os.environ, "PYTHONPATH": str(project), "LANNER_STATE_DIR": str(project / "state"), **more}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_tutorial_has_all_files(project: Path) -> None:
    names = {"pyproject.toml", "lanner_folder.py", "test_lanner_folder.py", "lanner.yaml"}
    assert names <= {path.name for path in project.iterdir()}
    code = (project / "lanner_folder.py").read_text().partition("class Options")[2].partition("PLUGIN =")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 50


def test_its_source_passes_the_kit(project: Path) -> None:
    ran = run(project, "pytest", "-q", "-p", "no:cacheprovider", "test_lanner_folder.py")
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^12 passed in", ran.stdout, re.MULTILINE), ran.stdout


def test_a_source_that_does_not_wait_for_the_handler_fails_the_kit(project: Path) -> None:
    path = project / "lanner_folder.py"
    right = "await insist(handle, delivery, self.context, on_settled=path.unlink)"
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, "path.unlink()\n        await handle(delivery)"), encoding="utf-8")
    ran = run(project, "pytest", "-q", "-p", "no:cacheprovider", "test_lanner_folder.py", "-k", "acknowledged or hand")
    assert ran.returncode == 1
    assert "events are acknowledged before the handler has returned" in ran.stdout
    assert "the end cancels the handler" in ran.stdout


def test_lanner_describes_and_checks_it(project: Path) -> None:
    described = run(project, "lanner", "plugins", "folder")
    assert (described.returncode, described.stderr) == (0, "")
    assert "  poll_interval_s (number, default 1.0): Seconds between two looks at the folder.\n" in described.stdout
    missing = run(project, "lanner", "run", "--check", "-c", "lanner.yaml")
    assert (missing.returncode, missing.stdout) == (
        1,
        "NO  folder: folder spool: there is no such folder\n      mkdir -p spool\n",
    )
    (project / "spool").mkdir()
    assert run(project, "lanner", "run", "--check", "-c", "lanner.yaml").stdout in PAGE.read_text(encoding="utf-8")
    wrong = run(project, "lanner", "config", "check", "-o", "plugins[0].init_config.patern=x", "lanner.yaml")
    assert "plugin `folder` has no option `patern`" in wrong.stdout
    assert "did you mean `pattern`?" in wrong.stdout


def test_lanner_takes_its_events(project: Path) -> None:
    (project / "spool").mkdir()
    (project / "rules.yaml").write_text(
        "- {rule: Seen, desc: d, condition: ka.verb = list, output: seen %ka.auditid, priority: NOTICE,"
        " source: k8s_audit}\n"
    )
    (project / "spool" / "1.jsonl").write_bytes(event("one") + b"\n" + event("two") + b"\n")
    options = ("-o", "plugins[0].init_config.poll_interval_s=0.05", "-o", "load_plugins[]=folder")
    process = subprocess.Popen(
        [sys.executable, "-m", "lanner", "run", "-c", "lanner.yaml", "-r", "rules.yaml", *options],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "LANNER_STATE_DIR": str(project / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        alerts = [process.stdout.readline().partition(": ")[2] for _ in range(2)]
        assert alerts == ["Notice seen one\n", "Notice seen two\n"]
        process.terminate()
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert [*(project / "spool").iterdir()] == []
