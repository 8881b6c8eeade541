"""A real PostgreSQL server for tests: a folder of its own, a socket in it, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

TIMEOUT_S = 60
_NUMBERS = count()


def binaries() -> Path | None:
    """The folder of the server's programs: those of the newest version that is installed."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
    return versions[-1] if versions else None


@dataclass
class Server:
    """A server that can be stopped and started.

    Attributes:
        folder: Everything of it.
        programs: The folder of its programs.
        user: Who runs it; the server does not run as root.
    """

    folder: Path
    programs: Path
    user: str
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://lanner@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"d{next(_NUMBERS)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def start(self) -> None:
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"]
        self.process = subprocess.Popen(
            self._as_user("postgres", "-D", str(self.folder / "data"), "-k", str(self.folder), *options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the server does not start"
                assert self.process.poll() is None, "the server ended"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it at once, connections with it."""
        if self.process:
            self.process.terminate() if self.user == "" else self._signal("INT")
            self.process.wait(TIMEOUT_S)
            self.process = None

    def _signal(self, name: str) -> None:
        pid = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        subprocess.run(["kill", f"-{name}", pid], check=True)

    def create(self) -> None:
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "lanner", "-A", "trust", "-E", "UTF8", "-N")

    def _run(self, *command: str) -> None:
        subprocess.run(self._as_user(*command), check=True, capture_output=True, timeout=TIMEOUT_S)

    def _as_user(self, program: str, *arguments: str) -> list[str]:
        command = [str(self.programs / program), *arguments]
        if not self.user:
            return command
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *command]


@contextmanager
def server(programs: Path) -> Iterator[Server]:
    """A server that runs."""
    user = "" if os.geteuid() else _other_user()
    folder = Path(tempfile.mkdtemp(prefix="lanner-pg-"))
    if user:
        shutil.chown(folder, user)
        folder.chmod(0o755)
    found = Server(folder, programs, user)
    try:
        found.create()
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> str:
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return "nobody"
    return "postgres"
