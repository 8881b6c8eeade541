"""Where a store is: what a URL means, the place when there is none, and the right to it while a run lasts."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from lanner.store.database import Database
from lanner.store.errors import StoreError

FILE = "alerts.db"
_LOCK = ".lock"
_PREFIX = "lanner-store-"
_HELP = "write `sqlite:////PATH/alerts.db` or `postgresql://USER@HOST/DATABASE`"


@dataclass(frozen=True, slots=True)
class Place:
    """A place for a store.

    Attributes:
        url: Of its database.
        path: Its file; None: it is PostgreSQL.
        is_temporary: Whether it ends with the run.
        problem: Why it is not the usual place; empty: it is, or this one was asked for.
    """

    url: URL
    path: Path | None
    is_temporary: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        """What messages call it; no password is in it."""
        return str(self.path) if self.path else self.url.set(drivername="postgresql").render_as_string()

    def database(self) -> Database:
        """Its database.

        Raises:
            StoreError: The library for it is not installed.
        """
        return Database(self.url, is_temporary=self.is_temporary)


def state_folder(environment: Mapping[str, str], user: int) -> Path:
    """The folder for what a run keeps, by the environment and the number of the user."""
    for variable in ("LANNER_STATE_DIR", "STATE_DIRECTORY"):
        if value := environment.get(variable, "").split(":")[0]:
            return Path(value)
    if user == 0:
        return Path("/var/lib/lanner")
    home = environment.get("XDG_STATE_HOME") or os.path.join(environment.get("HOME") or "~", ".local/state")
    return Path(home).expanduser() / "lanner"


def locate(url: str) -> Place:
    """The place that a URL names.

    Raises:
        StoreError: It names none.
    """
    try:
        found = make_url(url)
    except ArgumentError as error:
        raise StoreError("no URL of a database", _HELP) from error
    kind = found.get_backend_name()
    if kind == "sqlite" and found.drivername == "sqlite" and found.database and not found.database.startswith(":"):
        if found.query or found.host:
            raise StoreError("the URL of a file has options or a host", _HELP)
        path = Path(found.database).absolute()
        return Place(URL.create("sqlite", database=str(path)), path)
    if kind == "postgresql" and found.drivername in ("postgresql", "postgresql+psycopg"):
        return Place(found.set(drivername="postgresql+psycopg"), None)
    raise StoreError("neither SQLite in a file nor PostgreSQL", _HELP)


def usual(environment: Mapping[str, str], user: int) -> Place:
    """The place when none is asked for."""
    path = (state_folder(environment, user) / FILE).absolute()
    return Place(URL.create("sqlite", database=str(path)), path)


@contextmanager
def held(place: Place | None, *, may_fall_back: bool = False) -> Iterator[Place]:
    """Hold a place for a run, with a database in it that can be used; no other run gets the same file meanwhile.

    Args:
        place: Where; None: a temporary one.
        may_fall_back: Whether a temporary one does where this one cannot be written.

    Raises:
        StoreError: It cannot be used, or another run has it.
    """
    try:
        with _held(place) if place else _temporary("") as found:
            yield found
    except _Unusable as error:
        if not may_fall_back or not place:
            raise
        reason = str(error)
    else:
        return
    with _temporary(reason) as found:
        yield found


class _Unusable(StoreError):
    """A place that cannot be written."""

    @staticmethod
    def because(place: Place, error: OSError) -> _Unusable:
        """What the system has against it."""
        return _Unusable(f"`{place.name}` cannot be written: {_reason(error)}", "name another place by `store.url`")


@contextmanager
def _held(place: Place) -> Iterator[Place]:
    if place.path is None:
        _prepare(place)
        yield place
        return
    try:
        _make_folder(place.path.parent)
        lock = os.open(f"{place.path}{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _Unusable(
            f"`{place.path}` cannot be written: {_reason(error)}", "name another place by `store.url`"
        ) from error
    try:
        _lock(lock, place.path)
        _prepare(place)
        yield place
    finally:
        os.close(lock)


@contextmanager
def _temporary(problem: str) -> Iterator[Place]:
    """A place in memory, where the system has one for files; it is removed at the end."""
    memory = "/dev/shm"  # noqa: S108 - only a folder of its own in it is used
    base = memory if os.access(memory, os.W_OK) else tempfile.gettempdir()
    _remove_left(Path(base))
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    except OSError as error:
        raise StoreError(f"no place for alerts: `{base}` cannot be written: {_reason(error)}") from error
    path = folder / FILE
    place = Place(URL.create("sqlite", database=str(path)), path, is_temporary=True, problem=problem)
    try:
        with _held(place):
            yield place
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left(base: Path) -> None:
    """Remove what runs of the same user left that were killed."""
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_uid != os.geteuid() or folder.is_symlink():
                continue
            lock = os.open(folder / f"{FILE}{_LOCK}", os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def _lock(lock: int, path: Path) -> None:
    """Take the lock: one of a process, which forked ones do not have, and which goes however the process ends."""
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        raise StoreError(
            f"`{path}` is in use by another run (process {owner or 'unknown'})",
            "end that, or give this one a place of its own by `store.url`",
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)


def _prepare(place: Place) -> None:
    database = place.database()
    try:
        if place.path:
            os.close(os.open(place.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database.prepare()
    except OSError as error:
        raise _Unusable(
            f"`{place.name}` cannot be written: {_reason(error)}", "name another place by `store.url`"
        ) from error
    except StoreError as error:
        kind = _Unusable if error.is_of_place else StoreError
        raise kind(f"the store `{place.name}` cannot be used: {error}", error.help) from error
    finally:
        database.close()


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return "not a directory"
    return (error.strerror or str(error)).lower()
