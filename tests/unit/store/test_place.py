import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lanner.store import tables
from lanner.store.database import Database
from lanner.store.errors import StoreError
from lanner.store.place import Place, held, locate, state_folder, usual


@pytest.mark.parametrize(
    ("environment", "user", "expected"),
    [
        ({}, 0, "/var/lib/lanner"),
        ({"HOME": "/home/a"}, 7, "/home/a/.local/state/lanner"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, 7, "/s/lanner"),
        ({"STATE_DIRECTORY": "/var/lib/x:/var/lib/y"}, 7, "/var/lib/x"),
        ({"STATE_DIRECTORY": "/var/lib/x", "LANNER_STATE_DIR": "/here"}, 0, "/here"),
        ({"LANNER_STATE_DIR": ""}, 0, "/var/lib/lanner"),
    ],
)
def test_the_folder_for_what_is_kept(environment: dict[str, str], user: int, expected: str) -> None:
    assert state_folder(environment, user) == Path(expected)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "alerts.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite+aiosqlite:////a.db",
        "sqlite://host/a.db",
        "sqlite:////a.db?uri=true",
        "mysql://a/b",
        "postgresql+asyncpg://a/b",
        "http://a/b",
    ],
)
def test_what_is_no_place_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(StoreError) as refused:
        locate(url)
    assert refused.value.help
    assert "sqlite:////PATH" in refused.value.help


def test_the_name_of_a_place_shows_no_password() -> None:
    assert locate("postgresql://me:hidden@db/x").name == "postgresql://me:***@db/x"
    assert locate("sqlite:////var/lib/lanner/a.db").name == "/var/lib/lanner/a.db"


def test_only_the_owner_can_read_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "above" / "state" / "alerts.db"
    with held(locate(f"sqlite:///{path}")) as place:
        assert place.path == path
        for each in (path, path.with_name("alerts.db.lock")):
            assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


HOLD = """
import sys
from lanner.store.errors import StoreError
from lanner.store.place import held, locate
try:
    with held(locate(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except StoreError as error:
    print(error, flush=True)
"""


def hold(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLD, url], stdin=-1, stdout=-1, text=True)


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_second_run_is_refused_the_file_and_told_who_has_it_until_that_was_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/alerts.db"
    with hold(url) as first:
        assert answer(first) == "held"
        with hold(url) as second:
            assert answer(second) == f"`{tmp_path}/alerts.db` is in use by another run (process {first.pid})"
        first.kill()
        first.wait()
        with hold(url) as third:
            assert answer(third) == "held"
            third.kill()


def test_runs_share_a_server(postgres: object) -> None:
    url = postgres.new_database()  # type: ignore[attr-defined]  # a fixture of tests/conftest.py
    with held(locate(url)), held(locate(url)) as place:
        assert place.path is None


def test_a_place_that_was_asked_for_must_be_usable(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with (
        pytest.raises(StoreError, match="cannot be written: not a directory") as refused,
        held(locate(f"sqlite:///{blocked}/state/alerts.db")),
    ):
        pass
    assert refused.value.help == "name another place by `store.url`"


def test_where_the_usual_place_cannot_be_written_a_temporary_one_serves_and_is_removed(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with held(usual({"LANNER_STATE_DIR": str(blocked / "state")}, 0), may_fall_back=True) as place:
        assert place.is_temporary
        assert place.problem == f"`{blocked}/state/alerts.db` cannot be written: not a directory"
        assert place.path
        assert place.path.is_file()
    assert not place.path.parent.exists()


def test_what_a_killed_run_left_in_memory_is_removed_by_the_next_one() -> None:
    code = """
import os
from lanner.store.place import held
with held(None) as place:
    print(place.path, flush=True)
    os.kill(os.getpid(), 9)
"""
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    left = Path(found.stdout.strip())
    assert left.is_file()
    with held(None) as place:
        assert place.path != left
    assert not left.parent.exists()


def test_a_failure_while_it_is_held_is_not_taken_for_one_of_the_place() -> None:
    with pytest.raises(StoreError, match="mine"), held(None, may_fall_back=True):
        raise StoreError("mine")


def test_a_store_of_a_newer_version_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(tables, "VERSION", 7)
        with held(locate(url)):
            pass
    with pytest.raises(StoreError, match="made by a newer version") as refused, held(locate(url), may_fall_back=True):
        pass
    assert refused.value.help == "run the newer version, or use another place"


def test_a_store_of_an_older_version_is_brought_up_to_date_step_by_step(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(locate(url)):
        pass
    steps: list[int] = []
    monkeypatch.setattr(tables, "VERSION", 3)
    monkeypatch.setattr(tables, "MIGRATIONS", {1: lambda _: steps.append(1), 2: lambda _: steps.append(2)})
    for _ in range(2):
        with held(locate(url)):
            pass
    assert steps == [1, 2]


def test_a_file_that_is_no_database_is_an_error_even_at_the_usual_place(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_bytes(b"nonsense" * 1000)
    with (
        pytest.raises(StoreError, match="cannot be used: file is not a database"),
        held(usual({"LANNER_STATE_DIR": str(tmp_path)}, 0), may_fall_back=True),
    ):
        pass


def test_without_the_library_for_postgresql_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match="PostgreSQL needs a library") as refused:
        Database(locate("postgresql://a/b").url)
    assert refused.value.help == "pip install 'lanner[postgres]'"


def test_a_server_that_is_away_is_an_error_in_a_line_without_a_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused, held(locate(f"postgresql://me:hidden@/x?host={tmp_path}")):
        pass
    text = str(refused.value)
    assert "\n" not in text
    assert "hidden" not in text
    assert "connection" in text


def test_the_lock_is_of_a_process_so_that_what_it_forks_does_not_hold_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/alerts.db"
    code = f"""
import os, time
from lanner.store.place import held, locate
manager = held(locate({url!r}))
manager.__enter__()
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
os.kill(os.getpid(), 9)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, text=True) as process:
        child = int(answer(process))
        process.wait()
        try:
            with held(locate(url)) as place:
                assert isinstance(place, Place)
        finally:
            os.kill(child, 9)
