import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def test_cases_run_on_what_ships_with_the_package(tmp_path: Path) -> None:
    path = tmp_path / "results.json"

    done = run("benchmarks", "--quick", "--shipped", "--json", str(path), "bulk", "latency-400")

    assert done.returncode == 0, done.stderr
    assert "not comparable to Falco's" in done.stdout
    bulk, latency = json.loads(path.read_bytes())["cases"]
    assert bulk["peak_mib"] > 1
    assert latency["alerts"] > 0


def test_an_unknown_commit_cannot_be_compared_with() -> None:
    done = run("benchmarks.compare", "--quick", "--shipped", "no-such-commit")

    assert done.returncode == 1
    assert "cannot check out `no-such-commit`" in done.stderr
