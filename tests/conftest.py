"""Fixtures for all tests."""

import gc
import os
import shutil
import subprocess
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

from lanner.cli.log import LogOptions, configure

from .postgres import Server, binaries, server

_ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("LANNER_SHARED", _ROOT.parent / "shared"))

# `derandomize`: the same examples in every run, so that a failure is the change's; `make fuzz` looks for new ones.
settings.register_profile(
    "default",
    derandomize=True,
    deadline=None,
    max_examples=60,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Twice as many as there are processors: much of what tests do is wait for servers and processes."""
    return 2 * len(os.sched_getaffinity(0))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of tests and their modules stay until the end: collecting garbage need not look at them each time."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files of golden tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot be tested on this machine, whatever is installed."""
    mounting = [item for item in items if item.get_closest_marker("mounts")]
    if mounting and not can_mount():
        config.hook.pytest_deselected(items=mounting)
        items[:] = [item for item in items if item not in mounting]


def can_mount() -> bool:
    """Whether file systems can be mounted."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if not mount or not umount:
        return False
    with TemporaryDirectory() as folder:
        if subprocess.run([mount, "-t", "tmpfs", "none", folder], capture_output=True, check=False).returncode:
            return False
        subprocess.run([umount, folder], check=True)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips itself for what is not here fails in CI, where everything has to be."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing: {report.longreprtext}"
    return report


@pytest.fixture(autouse=True)
def plain_messages() -> Iterator[None]:
    """Lets a command that was run in this process have no say in the messages of the next one."""
    yield
    configure(LogOptions())


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has what a test runs keep its alerts in a folder of the test's own."""
    monkeypatch.setenv("LANNER_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state" / uuid.uuid4().hex))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The conformance material: rules and events with the verdicts of a real Falco, recordings of a real API server."""
    if not SHARED.is_dir():
        pytest.skip(f"the conformance material is not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; without its programs tests that need it are skipped."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed")
    with server(programs) as running:
        yield running
