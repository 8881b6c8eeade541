"""In CI, where everything is that tests need, none of them skips itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

def test_one():
    pytest.skip("it is not here")

@pytest.mark.skipif(True, reason="nor is this")
def test_other():
    pass

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""


@pytest.mark.parametrize(
    ("value", "status", "summary"), [("true", 1, "1 failed, 1 xfailed, 1 error"), ("", 0, "2 skipped, 1 xfailed")]
)
def test_a_skipped_test_fails_in_ci(value: str, status: int, summary: str, tmp_path: Path) -> None:
    (tmp_path / "test_these.py").write_text(TESTS)
    options = ["-q", "-rf", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    environment = {**os.environ, "CI": value}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stdout
    assert summary in ran.stdout
    assert ("CI skips nothing" in ran.stdout) == bool(value)
