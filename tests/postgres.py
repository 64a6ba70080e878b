"""A PostgreSQL server of a test process's own, where the machine has PostgreSQL, and databases in it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pytest

from dpmed_core.settings import Settings

NO_POSTGRES = "no PostgreSQL on this machine: initdb and pg_ctl are neither on the path nor in /usr/lib/postgresql"


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs; Debian keeps them out of the path."""
    elsewhere = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(elsewhere[-1]) if elsewhere else None)


@contextmanager
def server() -> Iterator[Path]:
    """A server that listens on a socket alone; the folder of the socket."""
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip(NO_POSTGRES)
    folder = Path(tempfile.mkdtemp(prefix="dpmed-pg-"))  # short: a socket's path has 107 characters at most
    user = None
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = next((one.pw_name for one in pwd.getpwall() if one.pw_name in ("postgres", "nobody")), None)
        shutil.chown(folder, user)

    def call(*words: str) -> None:
        subprocess.run(words, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=120)

    try:
        call(initdb, "-D", f"{folder}/data", "-U", "dpmed", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c max_connections=200 -k {folder}"
        call(pg_ctl, "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield folder
        finally:
            call(pg_ctl, "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The folder of the socket of a server that all tests of this process share."""
    with server() as folder:
        yield folder


def new_database(folder: Path) -> str:
    """The address of a new, empty database of the server."""
    import psycopg

    name = f"dpmed_{token_hex(6)}"
    with psycopg.connect(f"host={folder} user=dpmed dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql+psycopg://dpmed@/{name}?host={folder}"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_settings(request: pytest.FixtureRequest) -> Callable[[Path], Settings]:
    """Settings of a data folder with a new database of its own, of either kind."""

    def settings(folder: Path) -> Settings:
        url = new_database(request.getfixturevalue("postgres")) if request.param == "postgresql" else None
        return Settings(data_dir=folder, database_url=url, demo=False)

    return settings
